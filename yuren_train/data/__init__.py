# SPDX-License-Identifier: Apache-2.0
"""From files to batches: sources, schema, tokenized, packing, collator; and check beside them."""

# SPDX-License-Identifier: Apache-2.0
"""Model directories in, model directories out: preparing a base, merging an adapter."""

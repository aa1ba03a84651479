# SPDX-License-Identifier: Apache-2.0
"""The trainer: prepares the base, trains in three stages, merges and exports.

Nothing here imports `yuren_tui`. `import yuren_train` and `yuren-train --help` load no torch.
"""

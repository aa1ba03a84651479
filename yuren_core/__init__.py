# SPDX-License-Identifier: Apache-2.0
"""What the chat and the trainer share: messages, ChatML, pictures, the model, its process.

Files at this level never import torch, transformers or open_clip; those start in
`yuren_core.model`. Nothing here imports `yuren_tui` or `yuren_train`.
"""

__version__ = "0.1.0"

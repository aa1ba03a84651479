# SPDX-License-Identifier: Apache-2.0
"""The model: tokens, vision tower, the multimodal LLaMA, quantization, checkpoints.

Torch starts here. Front ends never import this package; the model process and the trainer do.
It imports the root files of `yuren_core` and nothing else of yuren.
"""

# SPDX-License-Identifier: Apache-2.0
"""Libraries that would talk in between: stdout is what was asked for, stderr is ours."""

from __future__ import annotations

import os
import warnings

import torch
from transformers.utils import logging


def quiet_libraries() -> None:
    """Silence transformers' bars and warnings, and DeepSpeed's word on stdout that there is no GPU.

    Transformers imports DeepSpeed, where it is installed, to save any model at all.
    """
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # it wonders at our model_type
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")

# SPDX-License-Identifier: Apache-2.0
"""What others call the values of a run, so that a file written for them can be told our names.

The names are those of Hugging Face's `TrainingArguments`, LLaMA-Factory, Axolotl and LLaVA.
They are suggested, never taken: a value often means something else there.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

FOREIGN: Mapping[str, str] = {
    "adam_beta1": "adam_betas",
    "adam_beta2": "adam_betas",
    "base_model": "model",
    "bf16": "dtype",
    "cutoff_len": "max_length",
    "data_path": "data",
    "dataloader_num_workers": "workers",
    "dataset": "data",
    "dataset_dir": "data",
    "eval_dataset": "eval_data",
    "eval_steps": "eval_interval",
    "finetuning_type": "method",
    "fp16": "dtype",
    "gradient_accumulation_steps": "grad_accum",
    "group_by_length": "order",
    "image_folder": "images",
    "learning_rate": "lr",
    "logging_steps": "log_interval",
    "lora_r": "lora_rank",
    "lora_target": "lora_targets",
    "lr_scheduler_type": "schedule",
    "max_seq_length": "max_length",
    "media_dir": "images",
    "micro_batch_size": "batch_size",
    "mm_projector_lr": "projector_lr",
    "model_max_length": "max_length",
    "model_name_or_path": "model",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "optim": "optimizer",
    "output_dir": "out",
    "packing": "order",
    "per_device_train_batch_size": "batch_size",
    "preprocessing_num_workers": "workers",
    "quantization_bit": "method",
    "save_steps": "save_interval",
    "save_total_limit": "keep_checkpoints",
    "sequence_len": "max_length",
    "target_modules": "lora_targets",
    "train_file": "data",
    "val_size": "eval_split",
    "warmup_ratio": "warmup",
    "warmup_steps": "warmup",
}
"""A name that others use, and ours."""

_LIKENESS = 0.75  # `learning_rate` and `run_name`, which mean nothing alike, have 0.57


def suggested(name: str, names: Collection[str]) -> str:
    """The one of `names` that a misspelt or foreign name means; empty where none is near."""
    known = {**{ours: ours for ours in names}, **FOREIGN}
    near = difflib.get_close_matches(name, known, n=1, cutoff=_LIKENESS)
    found = known[near[0]] if near else ""
    return found if found in names else ""

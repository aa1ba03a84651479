# SPDX-License-Identifier: Apache-2.0
"""A model's tokenizer alone: what counting tokens needs, without any weights but the tower's."""

from __future__ import annotations

from yuren_core.model.checkpoint import read_config
from yuren_core.model.fast_tokenizer import fast_tokenizer
from yuren_core.model.loading import base_directory, find_model, load_tower
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig
from yuren_core.model.quantization import choose_precision
from yuren_core.model.tokenization import ChatTokenizer
from yuren_core.model.weights import tell_nobody
from yuren_train.commands.quiet import quiet_libraries


def chat_tokenizer(ref: str) -> ChatTokenizer:
    """The tokenizer of the model or adapter that a directory or hub id names.

    Raises:
        ModelError, DownloadError: as `load_model` says.
    """
    quiet_libraries()
    named = find_model(ref, tell_nobody)
    directory = base_directory(named)
    config = read_config(directory)
    has_own = (named / "tokenizer_config.json").is_file()
    tokenizer = fast_tokenizer(named if has_own else directory)
    if not (isinstance(config, MultimodalLlamaConfig) and config.use_mm_proj):
        return ChatTokenizer(tokenizer)
    tower = load_tower(directory, config, choose_precision("auto", "cpu"))
    return ChatTokenizer(tokenizer, image_tokens=tower.num_patches)

# SPDX-License-Identifier: Apache-2.0
"""A directory in exactly the layout of the published YuRen weights, at tiny size.

`model_type: multimodal_llama`, `.bin` shards, SentencePiece's `tokenizer.model` with control
tokens in `added_tokens.json`, a pad id that no row belongs to, no chat template, and a tower that
is only the name of a repository on the hub.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from tests.tiny import VISION_WIDTH, tiny_tower
from tests.train.models.bases import sentencepiece_base
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig, MultimodalLlamaForCausalLM
from yuren_core.model.vision_tower import VisionTower

TOWER_ID = "laion/CLIP-tiny"
PIECES, ROWS, PAD_ID = 380, 512, 64_000
CONTROLS = {
    token: PIECES + place
    for place, token in enumerate(
        ("<|im_start|>", "<|im_end|>", "<|img_patch|>", "<|img_start|>", "<|img_end|>")
    )
}


def _added(content: str) -> dict[str, object]:
    flags = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    return {"content": content, **flags}


def make_published(directory: Path) -> Path:
    """Write the directory, without its tower."""
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    told = {name: {"__type": "AddedToken", **_added(token)} for name, token in names.items()}
    sentencepiece_base(
        directory,
        {
            **told,
            "tokenizer_class": "LlamaTokenizer",
            "add_bos_token": True,
            "add_eos_token": False,
            "clean_up_tokenization_spaces": False,
            "model_max_length": 4096,
            "pad_token": None,
            "sp_model_kwargs": {},
        },
        space_first=False,
    )
    for left in ("model.safetensors", "config.json", "generation_config.json"):
        (directory / left).unlink()
    special = {name: _added(token) for name, token in names.items()}
    _write(directory / "added_tokens.json", CONTROLS)
    _write(
        directory / "special_tokens_map.json",
        {**special, "additional_special_tokens": list(CONTROLS), "pad_token": "<unk>"},
    )
    torch.manual_seed(0)
    shape = {
        "vocab_size": ROWS,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
        "initializer_range": 0.2,
        "rms_norm_eps": 1e-6,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
        "mm_hidden_size": VISION_WIDTH,
        "mm_vision_select_layer": -2,
    }
    model = MultimodalLlamaForCausalLM(MultimodalLlamaConfig(**shape))
    torch.nn.init.normal_(model.model.mm_projector.weight, std=0.5)
    model = model.to(torch.bfloat16)
    _write(
        directory / "config.json",
        {
            **shape,
            "architectures": ["MultimodalLlamaForCausalLM"],
            "model_type": "multimodal_llama",
            "mm_vision_tower": TOWER_ID,
            "use_mm_proj": True,
            "pad_token_id": PAD_ID,
            "max_sequence_length": 512,
            "torch_dtype": "bfloat16",
            "transformers_version": "4.30.2",
            "use_cache": True,
        },
    )
    _write(directory / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2})
    weights = dict(model.state_dict())
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)  # of old versions
    shards, index = sorted(weights), {}
    for part, chosen in enumerate((shards[:9], shards[9:]), 1):
        file = f"pytorch_model-{part:05}-of-00002.bin"
        torch.save({name: weights[name] for name in chosen}, directory / file)
        index |= dict.fromkeys(chosen, file)
    _write(directory / "pytorch_model.bin.index.json", {"metadata": {}, "weight_map": index})
    return directory


def put_tower_on_hub(hub: Path) -> VisionTower:
    """Put a tower into a cache of the hub, under `TOWER_ID`, as if it had been fetched."""
    repository = hub / f"models--{TOWER_ID.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    tower = tiny_tower(seed=0, directory=hub / "tower")
    shutil.copytree(hub / "tower", repository / "snapshots" / ("0" * 40))
    return tower


def _write(file: Path, value: object) -> None:
    file.write_text(json.dumps(value))

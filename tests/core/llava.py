# SPDX-License-Identifier: Apache-2.0
"""LLaVA-1.5 at tiny size, made by transformers' own class, in both of its layouts."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import AddedToken
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from tests.train.models.bases import sentencepiece_base
from yuren_core.model.fast_tokenizer import fast_tokenizer

PIECES, PATCH = 380, 14
TOWER_ID = "openai/clip-vit-tiny-patch14"
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}"
    "{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""As that of llava-hf does it: roles in capitals, pictures before text, no token of its own."""


def make_theirs(*, image_size: int) -> LlavaForConditionalGeneration:
    """Random weights, a row for `<image>` included."""
    torch.manual_seed(0)
    text = LlamaConfig(
        vocab_size=448,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=1024,
        initializer_range=0.2,
    )
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=image_size,
        patch_size=PATCH,
        projection_dim=16,
        initializer_range=0.2,
    )
    config = LlavaConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), image_token_index=PIECES
    )
    return LlavaForConditionalGeneration(config).eval()


def save_hf(theirs: LlavaForConditionalGeneration, directory: Path) -> Path:
    """As llava-hf publishes it."""
    _tokenizer(directory)
    for left in (*directory.glob("*.safetensors"), directory / "generation_config.json"):
        left.unlink()
    tokenizer = fast_tokenizer(directory)
    tokenizer.add_tokens([AddedToken("<image>", special=True, normalized=False)])
    tokenizer.chat_template = TEMPLATE
    (directory / "tokenizer.model").unlink()
    tokenizer.save_pretrained(directory)
    theirs.save_pretrained(directory)
    size = theirs.config.vision_config.image_size
    CLIPImageProcessor(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    ).save_pretrained(directory)
    return directory


def save_original(theirs: LlavaForConditionalGeneration, directory: Path, hub: Path) -> Path:
    """As its authors published it: a tower by name, the projector in a file of its own."""
    _tokenizer(directory)
    for left in (*directory.glob("*.safetensors"), directory / "generation_config.json"):
        left.unlink()
    text = theirs.config.text_config
    told = {k: v for k, v in text.to_dict().items() if v is not None}
    config = {
        **told,
        "model_type": "llava",
        "architectures": ["LlavaLlamaForCausalLM"],
        "vocab_size": PIECES,
        "mm_vision_tower": TOWER_ID,
        "mm_hidden_size": theirs.config.vision_config.hidden_size,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "use_mm_proj": True,
        "image_aspect_ratio": "pad",
        "pad_token_id": 0,
    }
    (directory / "config.json").write_text(json.dumps(config))
    inner = theirs.model
    rows = {"model.embed_tokens.weight", "lm_head.weight"}
    weights = {f"model.{name}": t for name, t in inner.language_model.state_dict().items()}
    weights["lm_head.weight"] = theirs.lm_head.weight.detach()
    weights = {name: t[:PIECES].clone() if name in rows else t for name, t in weights.items()}
    torch.save(weights, directory / "pytorch_model.bin")
    projector = inner.multi_modal_projector
    torch.save(
        {
            f"model.mm_projector.{place}.{leaf}": tensor
            for place, layer in ((0, projector.linear_1), (2, projector.linear_2))
            for leaf, tensor in layer.state_dict().items()
        },
        directory / "mm_projector.bin",
    )
    repository = hub / f"models--{TOWER_ID.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    snapshot = repository / "snapshots" / ("0" * 40)
    inner.vision_tower.save_pretrained(snapshot)
    CLIPImageProcessor().save_pretrained(snapshot)
    return directory


def _tokenizer(directory: Path) -> None:
    sentencepiece_base(directory, {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True})

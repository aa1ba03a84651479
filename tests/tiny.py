# SPDX-License-Identifier: Apache-2.0
"""A multimodal LLaMA at tiny size: random weights, but every class and every file is real."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from yuren_core.model.checkpoint import VISION_TOWER_DIR, write_model_directory
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig, MultimodalLlamaForCausalLM
from yuren_core.model.vision_tower import VisionTower
from yuren_core.model.vocabulary import add_control_tokens

IMAGE_SIZE, PATCH_SIZE, VISION_WIDTH = 32, 8, 32
IMAGE_TOKENS = (IMAGE_SIZE // PATCH_SIZE) ** 2
_CORPUS = [
    "user\nWhat is the capital of France?\nassistant\nThe capital of France is Paris.\n",
    "system\nYou are a helpful assistant. Answer briefly, and say when you do not know.\n",
    "羽人是一个多模态大语言模型。请描述这张图片。图片里有一只猫。\n",
    "def hello(name):\n    return f'Hello, {name}!'  # 你好\n",
    "1234567890 <|img|> [INST] {{}} \\n\t https://example.org/?q=a&b=c\n",
]
_LLAMA = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    "bos_token_id": None,
    "eos_token_id": None,
    "initializer_range": 0.2,  # wide enough that sampling has something to choose from
}


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of a few hundred tokens: any text goes through, Chinese in pieces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<|endoftext|>",
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
    )


def tiny_tower(*, seed: int = 0, directory: Path) -> VisionTower:
    """A CLIP ViT of three layers out of open_clip's own classes, written and read again."""
    import open_clip
    from safetensors.torch import save_file

    model_cfg = {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": IMAGE_SIZE,
            "layers": 3,
            "width": VISION_WIDTH,
            "head_width": 16,
            "patch_size": PATCH_SIZE,
        },
        "text_cfg": {
            "context_length": 8,
            "vocab_size": 64,
            "width": 16,
            "heads": 1,
            "layers": 1,
        },
    }
    torch.manual_seed(seed)
    clip = open_clip.CLIP(**model_cfg)
    directory.mkdir(parents=True)
    config = {"model_cfg": model_cfg, "preprocess_cfg": {"size": [IMAGE_SIZE, IMAGE_SIZE]}}
    (directory / "open_clip_config.json").write_text(json.dumps(config))
    weights = {name: tensor.contiguous() for name, tensor in clip.state_dict().items()}
    save_file(weights, directory / "open_clip_model.safetensors")
    return VisionTower.from_directory(directory)


def advise_greedy(directory: Path) -> None:
    """Let a model directory recommend that the likeliest token be taken always."""
    file = directory / "generation_config.json"
    config = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**config, "do_sample": False}))


def make_text_model(directory: Path, *, tied: bool = True, seed: int = 0) -> Path:
    """A text-only model directory."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    model = LlamaForCausalLM(
        LlamaConfig(**_LLAMA, vocab_size=len(tokenizer), tie_word_embeddings=tied)
    )
    add_control_tokens(model, tokenizer)
    write_model_directory(directory, model=model.to(torch.bfloat16), tokenizer=tokenizer)
    return directory


def make_multimodal_model(directory: Path, *, seed: int = 0) -> Path:
    """A model directory with projector and vision tower."""
    tower = tiny_tower(seed=seed, directory=directory.with_name(directory.name + "-tower"))
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    config = MultimodalLlamaConfig(
        **_LLAMA,
        vocab_size=len(tokenizer),
        tie_word_embeddings=False,
        mm_vision_tower=VISION_TOWER_DIR,
        mm_hidden_size=VISION_WIDTH,
    )
    model = MultimodalLlamaForCausalLM(config)
    torch.nn.init.normal_(model.model.mm_projector.weight, std=0.5)
    add_control_tokens(model, tokenizer)
    write_model_directory(
        directory,
        model=model.to(torch.bfloat16),
        tokenizer=tokenizer,
        image_tokens=tower.num_patches,
        vision_tower=tower,
    )
    return directory

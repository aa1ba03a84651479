# SPDX-License-Identifier: Apache-2.0
"""The published YuRen converted: our layout, the same weights, the same prompt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from tests.core.foreign import DEFAULT_SYSTEM
from tests.core.published import make_published, put_tower_on_hub
from yuren_core.errors import ModelFormatError, UsageError
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.model.loading import LoadedModel, load_model
from yuren_core.prompt import prompt_items
from yuren_train.models.convert import convert

PICTURE = ImagePart("/cat.png", "0" * 64)
CONVERSATION = (
    Message.of(Role.SYSTEM, "Be brief."),
    Message.of(Role.USER, "What is this?", [PICTURE]),
    Message.of(Role.ASSISTANT, "A cat."),
    Message.of(Role.USER, "你好"),
)


def ids_of(loaded: LoadedModel) -> list[int]:
    fitted = loaded.tokenizer.encode_prompt(prompt_items(CONVERSATION), budget=500)
    return list(fitted.encoded.input_ids)


def test_a_published_model_becomes_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_published(tmp_path / "yuren")
    tower = put_tower_on_hub(tmp_path / "hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    before = load_model(str(source), load="bf16", device="cpu")
    out = tmp_path / "ours"
    made = convert(str(source), out)
    assert made.difference == 0
    assert made.image_tokens == tower.num_patches
    (tmp_path / "hub").rename(tmp_path / "gone")

    loaded = load_model(str(out), load="bf16", device="cpu")
    held = loaded.model.state_dict()
    stored = load_file(out / "model.safetensors")
    assert all(torch.equal(stored[name], before.model.state_dict()[name]) for name in held)
    assert ids_of(loaded) == ids_of(before)
    assert loaded.vision_tower is not None
    pixels = torch.rand(1, 3, 32, 32)
    assert torch.equal(loaded.vision_tower(pixels), tower.to(torch.bfloat16)(pixels))
    assert json.loads((out / "provenance.json").read_text())["made_by"] == "yuren-train convert"
    assert not list(out.glob("*.bin"))

    saved = AutoTokenizer.from_pretrained(out)  # what other servers prompt with
    theirs = saved.apply_chat_template(
        [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}],
            },
            {"role": "assistant", "content": "A cat."},
            {"role": "user", "content": "你好"},
        ],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert saved(theirs, add_special_tokens=False)["input_ids"] == ids_of(loaded)
    with pytest.raises(UsageError, match="is there already"):
        convert(str(source), out)


def test_a_model_with_a_template_of_its_own_does_not_lose_it(
    text_model: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(text_model, tmp_path / "source")
    (source / "chat_template.jinja").write_text(DEFAULT_SYSTEM)
    with pytest.raises(ModelFormatError, match="template of its own") as caught:
        convert(str(source), tmp_path / "out")
    assert caught.value.hint
    assert not (tmp_path / "out").exists()

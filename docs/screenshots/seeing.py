# SPDX-License-Identifier: Apache-2.0
"""A tiny multimodal model that has learnt one conversation about one picture by heart.

Tower, projector and LLaMA are the real classes at a size that fits no more than that; it stands
in for a model of some gigabytes where the chat is to be seen at work.
"""

from __future__ import annotations

from pathlib import Path

import torch

from tests.tiny import make_multimodal_model
from yuren_core.chatml import render
from yuren_core.images import image_part, open_rgb
from yuren_core.messages import Message, Role, TextPart
from yuren_core.model.checkpoint import write_model_directory
from yuren_core.model.loading import load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM

SYSTEM = "Say what the picture shows."
ANSWERS = {
    "What do you see?": (
        "An **orange tabby** with green eyes, sitting on sand under a low sun:\n\n"
        "- a red collar with a small bell\n"
        "- white paws, chest and tail tip"
    ),
    "用中文说一遍。": "一只**橘猫**坐在沙地上，绿眼睛，戴着红项圈和小铃铛。",
}
_STEPS, _LEARNING_RATE, _LOW_ENOUGH = 600, 3e-3, 0.004


def seeing_model(directory: Path, picture: Path) -> Path:
    """Make it, teach it, and write it into a directory of its own.

    Raises:
        RuntimeError: it has not learnt its lines.
    """
    torch.manual_seed(0)
    loaded = load_model(
        str(make_multimodal_model(directory / "untaught")), load="fp32", device="cpu"
    )
    model, tower = loaded.model, loaded.vision_tower
    assert isinstance(model, MultimodalLlamaForCausalLM)
    assert tower is not None
    encoded = loaded.tokenizer.encode(render(_conversation(picture)))
    input_ids = torch.tensor([encoded.input_ids])  # (1, T)
    labels = torch.tensor([encoded.labels])
    with torch.no_grad():
        features = tower(tower.preprocess([open_rgb(picture)]))  # (1, P, C)
    model.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)
    loss = torch.tensor(torch.inf)
    for _ in range(_STEPS):
        loss = model(input_ids=input_ids, image_features=features, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < _LOW_ENOUGH:
            break
    else:
        raise RuntimeError(f"the tiny model has not learnt its lines: loss {loss.item():.3f}")
    target = directory / "yuren-tiny"
    write_model_directory(
        target,
        model=model.to(torch.bfloat16),
        tokenizer=loaded.tokenizer.tokenizer,
        image_tokens=tower.num_patches,
        vision_tower=tower,
    )
    return target


def _conversation(picture: Path) -> list[Message]:
    messages = [Message(Role.SYSTEM, (TextPart(SYSTEM),))]
    for number, (question, answer) in enumerate(ANSWERS.items()):
        shown = (image_part(picture),) if number == 0 else ()
        messages.append(Message(Role.USER, (*shown, TextPart(question))))
        messages.append(Message(Role.ASSISTANT, (TextPart(answer),)))
    return messages

# SPDX-License-Identifier: Apache-2.0
"""Our logits beside those of the other side's loader, on ordinary text and on a picture.

Both compute in fp32 where the memory that is free suffices for one copy of the weights in it, else
in the dtype of the weights; there is one model in memory at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL.Image import Image
from torch import Tensor
from transformers import PreTrainedModel

from yuren_core.errors import StorageError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart, Message, Role, TextPart
from yuren_core.model.fast_tokenizer import ORDINARY_TEXT
from yuren_core.model.tokenization import ChatTokenizer
from yuren_train.models.export.room import available_memory
from yuren_train.models.export.source import Source, cast, seeing

QUESTION = "What is in this picture?"

CONVERSATION = (
    *(Message.of(role, text) for text in ORDINARY_TEXT for role in (Role.USER, Role.ASSISTANT)),
    Message.of(Role.USER, ORDINARY_TEXT[0]),
)
"""Questions and answers, so that trained rows of control tokens count, and one to be answered."""

_SPARE = 1.3  # of what the weights take; activations at this length are small
_ROUNDING = 64  # eps of the dtype, relative to the largest logit: many layers round


@dataclass(frozen=True, slots=True)
class Difference:
    """Between our logits and the other side's.

    Attributes:
        tokens: positions of conversation that were compared, pictures' patches among them.
        largest: of all logits.
        same_choice: share of the positions, 0 to 1, where the likeliest token is the same.
        dtype: that both computed in, e.g. "float32".
    """

    tokens: int
    largest: float
    same_choice: float
    dtype: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Ids (T,) and, for a model that sees, the pixels (1, 3, H, W) of the picture among them."""

    input_ids: tuple[int, ...]
    pixel_values: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What the other side has to give: a prompt, and our logits (T, V) fp32 on it."""

    prompt: Prompt
    logits: Tensor


def proof_dtype(source: Source) -> torch.dtype:
    """fp32 where the memory that is free suffices, else the weights' own."""
    parameters = sum(parameter.numel() for parameter in source.model.parameters())
    if source.tower is not None:
        parameters += sum(parameter.numel() for parameter in source.tower.parameters())
    return torch.float32 if 4 * parameters * _SPARE < available_memory() else source.dtype


def text_prompt(tokenizer: ChatTokenizer) -> Prompt:
    """`CONVERSATION`, with the answer opened."""
    rendered = tokenizer.prompt_format.render(CONVERSATION)
    return Prompt(tokenizer.encode([s for part in rendered for s in part]).input_ids)


def picture_prompt(source: Source, picture: Image) -> Prompt:
    """A question about a picture, with an answer to be written."""
    _, tower = seeing(source)
    parts = (ImagePart("", ""), TextPart(QUESTION))
    rendered = source.tokenizer.prompt_format.render([Message(Role.USER, parts)])
    ids = source.tokenizer.encode([s for part in rendered for s in part]).input_ids
    return Prompt(ids, tower.preprocess([picture]))


@torch.no_grad()
def our_logits(source: Source, prompts: list[Prompt], dtype: torch.dtype) -> list[Expected]:
    """What our classes compute; the source's model and tower are cast to `dtype`."""
    model = source.model
    for module in (model, source.tower):
        if module is not None:
            cast(module, dtype)
    expected = []
    for prompt in prompts:
        input_ids = torch.tensor([prompt.input_ids])
        if prompt.pixel_values is None:
            logits = model(input_ids=input_ids, use_cache=False).logits[0]
        else:
            seer, tower = seeing(source)
            patch = source.tokenizer.prompt_format.picture[1]
            seer.config.image_token_id = source.tokenizer.control_id(patch)
            features = tower(prompt.pixel_values)
            logits = seer(input_ids, image_features=features, use_cache=False).logits[0]
        expected.append(Expected(prompt, logits.float()))
    return expected


@torch.no_grad()
def compare(model: PreTrainedModel, expected: list[Expected]) -> Difference:
    """The other side's model beside what is expected of it.

    Args:
        model: it takes `input_ids`, and `pixel_values` where a prompt has them.
        expected: at least one.
    """
    largest, same, tokens = 0.0, 0, 0
    for wanted in expected:
        inputs = {"input_ids": torch.tensor([wanted.prompt.input_ids])}
        if wanted.prompt.pixel_values is not None:
            inputs["pixel_values"] = wanted.prompt.pixel_values
        found = model(**inputs, use_cache=False).logits[0].float()
        rows = min(found.shape[-1], wanted.logits.shape[-1])
        apart = (found[:, :rows] - wanted.logits[:, :rows]).abs()
        largest = max(largest, float(apart.max()))
        same += int((found.argmax(-1) == wanted.logits.argmax(-1)).sum())
        tokens += len(found)
    dtype = str(model.dtype).removeprefix("torch.")
    return Difference(tokens, largest, same / tokens, dtype)


def refuse_what_differs(found: Difference, expected: list[Expected], dtype: torch.dtype) -> None:
    """More than rounding explains is no export.

    Raises:
        StorageError: it is more, or no number at all.
    """
    size = max(float(wanted.logits.abs().max()) for wanted in expected)
    allowed = _ROUNDING * torch.finfo(dtype).eps * size
    if not found.largest <= allowed:
        raise StorageError(
            tr(
                "error.export.logits",
                difference=f"{found.largest:.3g}",
                allowed=f"{allowed:.3g}",
            ),
            tr("error.export.proof_hint"),
        )


def refuse_other_ids(found: list[int], wanted: tuple[int, ...]) -> None:
    """The other side must cut the same prompt into the same tokens.

    Raises:
        StorageError: it does not.
    """
    if tuple(found) != wanted:
        raise StorageError(tr("error.export.ids"), tr("error.export.proof_hint"))

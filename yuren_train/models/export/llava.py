# SPDX-License-Identifier: Apache-2.0
"""A multimodal model as the `LlavaForConditionalGeneration` of transformers.

    config.json              llava: clip_vision_model, llama, the layer that is read
    model*.safetensors       language model, tower, projector of two layers
    processor_config.json    LlavaProcessor: pixels, patches of one picture, chat template
    preprocessor_config.json the same pixels for engines that ask for it alone
    tokenizer*  chat_template.jinja  generation_config.json  provenance.json

LLaVA's `<image>` is our `<|img_patch|>`: the chat template puts one between the brackets of a
picture, and the processor makes as many of it as there are patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor
from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

from yuren_core.paths import atomic_directory, storing
from yuren_train.models.export.clip_pixels import image_processor, probe_picture
from yuren_train.models.export.clip_tower import clip_config, clip_weights
from yuren_train.models.export.projector import two_layers
from yuren_train.models.export.proof import (
    CONVERSATION,
    QUESTION,
    Difference,
    Prompt,
    compare,
    our_logits,
    picture_prompt,
    proof_dtype,
    refuse_other_ids,
    refuse_what_differs,
    text_prompt,
)
from yuren_train.models.export.room import require_room
from yuren_train.models.export.source import (
    Source,
    Tell,
    cast,
    read_source,
    seeing,
    tell_no_one,
)
from yuren_train.models.export.transformers_files import (
    generation_config,
    save_model,
    save_provenance,
)
from yuren_train.models.sources import refuse_what_is_there

_LANGUAGE, _TOWER, _PROJECTOR = (
    "model.language_model.",
    "model.vision_tower.",
    "model.multi_modal_projector.",
)


@dataclass(frozen=True, slots=True)
class ExportedLlava:
    """What was made.

    Attributes:
        path: the directory.
        activation: of the projector: "gelu", or "linear" where the stock form has no room.
        difference: of the logits.
        pixels: the largest difference of a pixel, in steps of 255, as LlavaProcessor comes
            without being told how to resize, and with `backend="pil"`.
    """

    path: Path
    activation: str
    difference: Difference
    pixels: tuple[float, float]


def export_llava(ref: str, out: Path, *, tell: Tell = tell_no_one) -> ExportedLlava:
    """Write a LLaVA directory, in the dtype of the weights.

    Args:
        ref: directory or hub id of a model that sees, or of an adapter on one.
        out: the directory to be made.
        tell: told how it goes.

    Raises:
        UsageError: the model is blind, or `out` is there and not empty.
        ModelFormatError: the tower has no such form.
        StorageError: it cannot be written, or does not read back to the same logits.
        ModelError, DownloadError: as `load_model` says.
    """
    refuse_what_is_there(out)
    source = read_source(ref, tell)
    _, tower = seeing(source)
    picture = probe_picture(tower)
    prompts = [text_prompt(source.tokenizer), picture_prompt(source, picture)]
    tell("convert", None)
    processor = _processor(source)
    llava = _llava(source)
    activation = str(llava.config.projector_hidden_act)
    require_room(out, sum(tensor.nbytes for tensor in llava.state_dict().values()))
    with atomic_directory(out) as draft:
        tell("write", None)
        with storing(out):
            save_model(llava, draft)
            processor.save_pretrained(draft)
            processor.image_processor.save_pretrained(draft)
        del llava
        tell("prove", None)
        dtype = proof_dtype(source)
        wanted = our_logits(source, prompts, dtype)
        provenance = source.provenance("yuren-train export --to llava")
        del source  # the other side needs the room
        theirs: Any = LlavaForConditionalGeneration.from_pretrained(draft, dtype=dtype).eval()
        difference = compare(theirs, wanted)
        refuse_what_differs(difference, wanted, dtype)
        pixels = _pixels(draft, picture, prompts)
        provenance |= {"difference": asdict(difference), "pixels": pixels}
        with storing(out):
            save_provenance(draft, provenance)
    return ExportedLlava(out, activation, difference, pixels)


def _processor(source: Source) -> LlavaProcessor:
    _, tower = seeing(source)
    config = clip_config(tower)
    tokenizer = source.hf_tokenizer
    tokenizer.chat_template = source.chat_template(1)
    return LlavaProcessor(
        image_processor=image_processor(tower),
        tokenizer=tokenizer,
        patch_size=config.patch_size,
        vision_feature_select_strategy="default",
        chat_template=tokenizer.chat_template,
        image_token=source.tokenizer.prompt_format.picture[1],
        num_additional_image_tokens=1,  # the class token, which "default" takes off again
    )


def _llava(source: Source) -> LlavaForConditionalGeneration:
    """The model of the other side; it shares our tensors."""
    model, tower = seeing(source)
    cast(model, source.dtype)
    cast(tower, source.dtype)
    projector = two_layers(model.model.mm_projector)
    patch = source.tokenizer.prompt_format.picture[1]
    text = source.text_config()
    text.dtype = source.dtype
    config = LlavaConfig(
        vision_config=clip_config(tower),
        text_config=text,
        image_token_index=source.tokenizer.control_id(patch),
        image_seq_length=tower.num_patches,
        projector_hidden_act=projector.activation,
        vision_feature_select_strategy="default",
        vision_feature_layer=tower.select_layer,
        tie_word_embeddings=bool(text.tie_word_embeddings),
        dtype=source.dtype,
    )
    with torch.device("meta"):
        llava = LlavaForConditionalGeneration(config)
    weights: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name.startswith("lm_head."):
            weights[name] = tensor
        elif "mm_projector" not in name:
            weights[_LANGUAGE + name.removeprefix("model.")] = tensor
    weights |= {_TOWER + name: tensor for name, tensor in clip_weights(tower).items()}
    weights |= projector.tensors(f"{_PROJECTOR}linear_1", f"{_PROJECTOR}linear_2")
    llava.load_state_dict(weights, strict=True, assign=True)
    llava.tie_weights()
    llava.generation_config = generation_config(source)
    return llava


def _pixels(draft: Path, picture: Image, prompts: Sequence[Prompt]) -> tuple[float, float]:
    """What LlavaProcessor makes of a picture beside what we make of it; the ids must be ours.

    Raises:
        StorageError: the ids are others.
    """
    text, seen = prompts
    ours = seen.pixel_values
    assert ours is not None
    asked = [{"role": "user", "content": [{"type": "image"}, _said(QUESTION)]}]
    told = [{"role": said.role.value, "content": [_said(said.text)]} for said in CONVERSATION]
    apart = []
    for options in ({}, {"backend": "pil"}):
        given: dict[str, Any] = dict(options)
        processor: Any = LlavaProcessor.from_pretrained(draft, **given)
        for prompt, messages in ((text, told), (seen, asked)):
            rendered = processor.apply_chat_template(messages, add_generation_prompt=True)
            pictures = None if prompt is text else picture
            inputs = processor(images=pictures, text=rendered, return_tensors="pt")
            refuse_other_ids(inputs["input_ids"][0].tolist(), prompt.input_ids)
        std = torch.tensor(processor.image_processor.image_std).view(3, 1, 1)
        steps = (inputs["pixel_values"][0] - ours[0]).abs() * std * 255
        apart.append(float(steps.max()))
    return apart[0], apart[1]


def _said(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}

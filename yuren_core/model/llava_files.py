# SPDX-License-Identifier: Apache-2.0
"""LLaVA-1.5 in both of its layouts, read as the multimodal LLaMA that it is.

    llava-hf    config.json with text_config and vision_config; tower and projector lie among the
                weights, under names of their own
    original    LLaMA's config.json with mm_*; the projector is in the shards, or apart in
                mm_projector.bin; the tower is the name of a repository of the hub

Refused is what computes otherwise: another language model than LLaMA, another tower than CLIP,
another projector than one or two layers, the class token among the features, tiled pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import CLIPVisionConfig

from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr
from yuren_core.model.architectures import LLAVA_TYPES
from yuren_core.model.checkpoint import read_json_config, read_tensors, weight_files
from yuren_core.model.clip_files import open_clip_config, visual_weights
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig
from yuren_core.model.open_clip_files import build_visual
from yuren_core.model.quantization import Precision
from yuren_core.model.vision_tower import VisionTower

IMAGE_TOKEN = "<image>"
PROJECTOR_FILE = "mm_projector.bin"

_PREFIXES = (
    ("language_model.lm_head.", "lm_head."),
    ("language_model.model.", "model."),
    ("model.language_model.", "model."),
    ("model.multi_modal_projector.linear_1.", "model.mm_projector.0."),
    ("model.multi_modal_projector.linear_2.", "model.mm_projector.2."),
    ("multi_modal_projector.linear_1.", "model.mm_projector.0."),
    ("multi_modal_projector.linear_2.", "model.mm_projector.2."),
)
_TOWER = ("vision_tower.", "model.vision_tower.")
_WANTED = {  # by name in config.json, what it may be
    "vision_feature_select_strategy": ("default", None),
    "mm_vision_select_feature": ("patch", None),
    "mm_projector_type": ("linear", "mlp2x_gelu", None),
    "projector_hidden_act": ("gelu", None),
    "mm_use_im_start_end": (False, None),
    "image_aspect_ratio": ("pad", "square", None),
}


@dataclass(frozen=True, slots=True)
class LlavaFiles:
    """A directory of LLaVA.

    Attributes:
        directory: where it lies.
        config: ours.
        raw: theirs.
    """

    directory: Path
    config: MultimodalLlamaConfig
    raw: Mapping[str, Any]

    @property
    def chat_template(self) -> str | None:
        """What older processors keep in a file of their own."""
        template = _json(self.directory / "chat_template.json").get("chat_template")
        return template if isinstance(template, str) else None

    @property
    def extra_files(self) -> tuple[Path, ...]:
        """Weight files that the index need not name."""
        apart = self.directory / PROJECTOR_FILE
        return (apart,) if apart.is_file() else ()

    def parts(self, name: str, tensor: Tensor) -> Iterable[tuple[str, Tensor]]:
        """A stored tensor under our name; none of the tower's."""
        if name.startswith(_TOWER):
            return
        yield our_name(name), tensor

    def tower(self, precision: Precision) -> VisionTower:
        """The vision tower: out of the weights, or by its name.

        Raises:
            ModelError, DownloadError: as `VisionTower` says.
        """
        layer = self.config.mm_vision_select_layer
        vision = self.raw.get("vision_config")
        if vision is None:
            return VisionTower.from_clip(
                str(self.config.mm_vision_tower),
                layer,
                dtype=precision.dtype,
                pads=self.raw.get("image_aspect_ratio") == "pad",
            )
        config = open_clip_config(vision, _json(self.directory / "preprocessor_config.json"))
        weights = visual_weights(self._tower_tensors(), config, precision.dtype)
        return VisionTower(build_visual(config, weights, str(self.directory)), config, layer)

    def _tower_tensors(self) -> Iterator[tuple[str, Tensor]]:
        for file in weight_files(self.directory):
            for name, tensor in read_tensors(file):
                if name.startswith(_TOWER):
                    bare = name.removeprefix("model.").removeprefix("vision_tower.")
                    yield bare.removeprefix("vision_model."), tensor


def our_name(name: str) -> str:
    """A layer's or a tensor's name in the language model or the projector, as ours."""
    for theirs, ours in _PREFIXES:
        if f"{name}.".startswith(theirs):
            return (ours + f"{name}.".removeprefix(theirs)).removesuffix(".")
    return name


def read_llava(directory: Path) -> LlavaFiles | None:
    """What is known of a directory of LLaVA; None where it is none.

    Raises:
        ModelNotFoundError, ModelFormatError: as `read_json_config` says; or it computes otherwise.
    """
    raw = read_json_config(directory)
    if raw.get("model_type") not in LLAVA_TYPES:
        return None
    for name, welcome in _WANTED.items():
        if raw.get(name) not in welcome:
            raise _refused(directory, f"{name} {raw[name]!r}")
    values = dict(raw)
    if "text_config" in raw:
        values = dict(raw["text_config"])
        vision = dict(raw.get("vision_config") or {})
        for told, wanted, part in (
            (values.get("model_type", "llama"), "llama", "text_config"),
            (vision.pop("model_type", "clip_vision_model"), "clip_vision_model", "vision_config"),
        ):
            if told != wanted:
                raise _refused(directory, f"{part}.model_type {told!r}")
        values |= {
            "mm_hidden_size": CLIPVisionConfig(**vision).hidden_size,
            "mm_projector_type": "mlp2x_gelu",
            "mm_vision_select_layer": raw.get("vision_feature_layer", -2),
            "image_token_id": raw.get("image_token_index", raw.get("image_token_id")),
        }
    values |= {"model_type": "multimodal_llama", "use_mm_proj": True}
    pad, rows = values.get("pad_token_id"), values.get("vocab_size", 32_000)
    if isinstance(pad, int) and not 0 <= pad < rows:
        values["pad_token_id"] = None
    try:
        config = MultimodalLlamaConfig.from_dict(values)
    except Exception as error:
        raise ModelFormatError(
            tr("error.checkpoint.config_value", path=directory / "config.json", reason=error),
            tr("error.checkpoint.config_value_hint"),
        ) from error
    return LlavaFiles(directory, config, raw)


def _json(file: Path) -> dict[str, Any]:
    """What a file says; nothing where it is not there or cannot be read."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _refused(directory: Path, found: str) -> ModelFormatError:
    return ModelFormatError(
        tr("error.llava.refused", path=directory, found=found), tr("error.llava.refused_hint")
    )

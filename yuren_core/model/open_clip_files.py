# SPDX-License-Identifier: Apache-2.0
"""Vision towers as open_clip keeps them: read, fetch and build the visual half of a CLIP.

`open_clip_config.json` holds `model_cfg` and `preprocess_cfg`; the weights are
`open_clip_model.safetensors`, or a pickle that is read through `weights_only` loading alone.
Only `visual.*` is read, and a tower is never left with random weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from yuren_core.errors import (
    DamagedCheckpointError,
    DownloadError,
    ModelFormatError,
    ModelNotFoundError,
    UnsafeCheckpointError,
)

if TYPE_CHECKING:
    from PIL.Image import Image

CONFIG_NAME = "open_clip_config.json"
WEIGHTS_NAME = "open_clip_model.safetensors"
HUB_PREFIX = "hf-hub:"
VISUAL_PREFIX = "visual."


def build_visual(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], source: str
) -> nn.Module:
    """open_clip's VisionTransformer with these weights.

    Args:
        config: with `model_cfg`.
        weights: the whole state, without the `visual.` prefix.
        source: where both come from, for messages.

    Raises:
        ModelFormatError: another kind of tower, or weights that do not fit.
    """
    from open_clip.model import _build_vision_tower

    model_cfg = config["model_cfg"]
    vision_cfg = model_cfg.get("vision_cfg") if isinstance(model_cfg, dict) else None
    if not isinstance(vision_cfg, dict):
        raise _not_a_tower(source, "its config has no model_cfg.vision_cfg")
    if vision_cfg.get("timm_model_name") or not isinstance(vision_cfg.get("layers", 12), int):
        raise _not_a_tower(source, "it is a timm model or a ResNet")
    try:
        with torch.device("meta"):  # no time or memory for weights that are replaced at once
            visual: nn.Module = _build_vision_tower(
                model_cfg["embed_dim"], vision_cfg, model_cfg.get("quick_gelu", False)
            )
    except (TypeError, LookupError, ValueError, ArithmeticError, AssertionError) as error:
        raise _not_a_tower(source, f"open_clip cannot build it ({error})") from error
    if not weights:
        raise _not_a_tower(source, "its weights have no visual.*")
    try:
        visual.load_state_dict(weights, strict=True, assign=True)
    except RuntimeError as error:
        raise _not_a_tower(source, "its weights do not fit its config") from error
    return visual


def build_transform(
    config: Mapping[str, Any], image_size: tuple[int, int]
) -> Callable[[Image], Tensor]:
    """open_clip's own preprocessing at evaluation.

    Args:
        config: with `preprocess_cfg`; what that lacks is open_clip's default.
        image_size: height and width of the tower's input, in pixels; it wins over the config's.

    Returns:
        From an RGB picture to (3, H, W) fp32.

    Raises:
        ModelFormatError: a setting that open_clip does not know.
    """
    from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict

    try:
        settings = merge_preprocess_dict(PreprocessCfg(), config.get("preprocess_cfg") or {})
        settings["size"] = image_size
        transform: Callable[[Image], Tensor] = image_transform_v2(
            PreprocessCfg(**settings), is_train=False
        )
    except (AssertionError, AttributeError, TypeError, ValueError) as error:
        raise ModelFormatError(
            f"open_clip cannot preprocess with {config.get('preprocess_cfg')!r:.200}",
            f"Compare {CONFIG_NAME} with the one that the tower came with.",
        ) from error
    return transform


def _not_a_tower(source: str, reason: str) -> ModelFormatError:
    return ModelFormatError(
        f"{source} is no vision tower that can be used: {reason}",
        "Choose a plain CLIP ViT of open_clip, for instance "
        "hf-hub:laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K.",
    )


# ---------------------------------------------------------------- reading


def read_config(file: Path) -> dict[str, Any]:
    """`open_clip_config.json`.

    Raises:
        ModelFormatError: it is not there, or has no `model_cfg`.
        DamagedCheckpointError: it is no JSON, or cannot be read.
    """
    try:
        config = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise _incomplete(file) from error
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file) from error
    if not isinstance(config, dict) or "model_cfg" not in config:
        raise _not_a_tower(str(file.parent), f"{file.name} has no model_cfg")
    return config


def read_weights(file: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    """The `visual.*` tensors, without their prefix.

    Args:
        file: safetensors, or a pickle.
        dtype: of the result.

    Raises:
        ModelFormatError: it is not there.
        DamagedCheckpointError: it is cut off or unreadable.
        UnsafeCheckpointError: a pickle that wants more than tensors.
    """
    if file.suffix == ".safetensors":
        return _read_safetensors(file, dtype)
    return _read_pickle(file, dtype)


def _read_safetensors(file: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as tensors:
            # Copied, since the file may be written again while the tower lives.
            return {
                name.removeprefix(VISUAL_PREFIX): tensors.get_tensor(name).to(dtype, copy=True)
                for name in tensors.keys()  # noqa: SIM118  not a mapping
                if name.startswith(VISUAL_PREFIX)
            }
    except FileNotFoundError as error:
        raise _incomplete(file) from error
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(file) from error


def _read_pickle(file: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    import pickle

    from open_clip.factory import load_state_dict

    try:
        tensors = load_state_dict(str(file), device="cpu", weights_only=True)
        return {
            name.removeprefix(VISUAL_PREFIX): tensor.to(dtype)
            for name, tensor in tensors.items()
            if name.startswith(VISUAL_PREFIX)
        }
    except (EOFError, OSError) as error:
        raise _damaged(file) from error
    except (pickle.UnpicklingError, RuntimeError, AttributeError, TypeError) as error:
        if "archive" in str(error) and "TorchScript" not in str(error):
            raise _damaged(file) from error
        raise UnsafeCheckpointError(
            f"{file} holds more than tensors", "Choose a vision tower in safetensors."
        ) from error


def _incomplete(file: Path) -> ModelFormatError:
    return ModelFormatError(
        f"{file.parent} is no vision tower: it has no {file.name}",
        f"A vision tower is a directory with {CONFIG_NAME} and {WEIGHTS_NAME}; copy it again.",
    )


def _damaged(file: Path) -> DamagedCheckpointError:
    return DamagedCheckpointError(
        f"{file} is cut off or unreadable", "Copy or download the vision tower again."
    )


# ---------------------------------------------------------------- fetching


def fetch(ref: str) -> tuple[dict[str, Any], Path]:
    """Config and weight file of a tower by name, from open_clip's cache or the network.

    Args:
        ref: `hf-hub:ORG/NAME`, or `ARCH/TAG` of open_clip's own list.

    Raises:
        ModelNotFoundError: no such architecture or tag.
        DownloadError: the network failed, or the hub has no such model.
    """
    if ref.startswith(HUB_PREFIX):
        return _fetch_from_hub(ref.removeprefix(HUB_PREFIX))
    return _fetch_by_tag(ref)


def _fetch_from_hub(model_id: str) -> tuple[dict[str, Any], Path]:
    from open_clip.pretrained import download_pretrained_from_hf

    with _downloading(f"{HUB_PREFIX}{model_id}"):
        config_file = Path(download_pretrained_from_hf(model_id, filename=CONFIG_NAME))
    config = read_config(config_file)
    with _downloading(f"{HUB_PREFIX}{model_id}"):
        return config, Path(download_pretrained_from_hf(model_id))


def _fetch_by_tag(ref: str) -> tuple[dict[str, Any], Path]:
    from dataclasses import asdict

    from open_clip import get_model_config, list_models, list_pretrained_tags_by_model
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    architecture, _, tag = ref.rpartition("/")
    architecture = architecture.replace("/", "-")  # people also write ViT-L/14
    if architecture not in list_models():
        raise ModelNotFoundError(
            f"there is no vision tower {ref!r}",
            f"Name a directory, {HUB_PREFIX}ORG/NAME, or ARCH/TAG of open_clip's list, "
            "for instance ViT-L-14/datacomp_xl_s13b_b90k.",
        )
    source = get_pretrained_cfg(architecture, tag)
    if not source:
        tags = ", ".join(list_pretrained_tags_by_model(architecture)) or "none"
        raise ModelNotFoundError(
            f"open_clip has no weights {tag!r} for {architecture}", f"There are: {tags}."
        )
    model_cfg = get_model_config(architecture)
    # Some weights were trained with QuickGELU under a name that does not say so.
    model_cfg["quick_gelu"] = bool(model_cfg.get("quick_gelu") or source.get("quick_gelu"))
    preprocess_cfg = merge_preprocess_dict(asdict(PreprocessCfg()), source)
    with _downloading(ref):
        file = Path(download_pretrained(source))
    return {"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg}, file


@contextmanager
def _downloading(ref: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())  # one line
        raise DownloadError(
            f"the vision tower {ref} could not be fetched: {reason}",
            "Check the name and the network, or fetch it elsewhere and give its directory.",
        ) from error

# SPDX-License-Identifier: Apache-2.0
"""Vision towers as open_clip keeps them: read, fetch and build the visual half of a CLIP.

`open_clip_config.json` holds `model_cfg` and `preprocess_cfg`; the weights are
`open_clip_model.safetensors`, or a pickle that is read through `weights_only` loading alone.
Only `visual.*` is read, and a tower is never left with random weights.
"""

from __future__ import annotations

import json
import re
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
from yuren_core.i18n import tr

if TYPE_CHECKING:
    from PIL.Image import Image

CONFIG_NAME = "open_clip_config.json"
WEIGHTS_NAME = "open_clip_model.safetensors"
HUB_PREFIX = "hf-hub:"
VISUAL_PREFIX = "visual."
_NAME = re.compile(r"\w[\w.-]*")


def build_visual(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], source: str
) -> nn.Module:
    """open_clip's VisionTransformer or ModifiedResNet with these weights.

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
        raise _not_a_tower(source, tr("error.tower.reason_config"))
    if vision_cfg.get("timm_model_name"):
        raise _not_a_tower(source, tr("error.tower.reason_kind"))
    try:
        with torch.device("meta"):  # no time or memory for weights that are replaced at once
            visual: nn.Module = _build_vision_tower(
                model_cfg["embed_dim"], vision_cfg, model_cfg.get("quick_gelu", False)
            )
    except (TypeError, LookupError, ValueError, ArithmeticError, AssertionError) as error:
        raise _not_a_tower(source, tr("error.tower.reason_build", reason=error)) from error
    if not weights:
        raise _not_a_tower(source, tr("error.tower.reason_no_visual"))
    try:
        visual.load_state_dict(weights, strict=True, assign=True)
    except RuntimeError as error:
        raise _not_a_tower(source, tr("error.tower.reason_fit")) from error
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
            tr("error.tower.preprocess", value=f"{config.get('preprocess_cfg')!r:.200}"),
            tr("error.tower.preprocess_hint", file=CONFIG_NAME),
        ) from error
    return transform


def _not_a_tower(source: str, reason: str) -> ModelFormatError:
    return ModelFormatError(
        tr("error.tower.unusable", source=source, reason=reason), tr("error.tower.unusable_hint")
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
        raise _not_a_tower(str(file.parent), tr("error.tower.reason_no_model_cfg", file=file.name))
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
            tr("error.tower.pickle", path=file), tr("error.tower.pickle_hint")
        ) from error


def _incomplete(file: Path) -> ModelFormatError:
    return ModelFormatError(
        tr("error.tower.incomplete", path=file.parent, file=file.name),
        tr("error.tower.incomplete_hint", config=CONFIG_NAME, weights=WEIGHTS_NAME),
    )


def _damaged(file: Path) -> DamagedCheckpointError:
    return DamagedCheckpointError(
        tr("error.tower.damaged", path=file), tr("error.tower.damaged_hint")
    )


# ---------------------------------------------------------------- fetching


def tower_name(ref: str) -> str:
    """What a model's config calls its tower, as `fetch` knows it.

    Configs of others name a repository of the hub, ORG/NAME, without saying so.
    """
    from open_clip import list_models

    organization, _, name = ref.partition("/")
    is_hub_id = _NAME.fullmatch(organization) and _NAME.fullmatch(name)
    return f"{HUB_PREFIX}{ref}" if is_hub_id and organization not in list_models() else ref


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
            tr("error.tower.unknown", ref=repr(ref)), tr("error.tower.unknown_hint")
        )
    source = get_pretrained_cfg(architecture, tag)
    if not source:
        tags = ", ".join(list_pretrained_tags_by_model(architecture))
        raise ModelNotFoundError(
            tr("error.tower.tag", tag=repr(tag), architecture=architecture),
            tr("error.tower.tag_hint", tags=tags or tr("error.tower.no_tags")),
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
            tr("error.tower.download", ref=ref, reason=reason), tr("error.tower.download_hint")
        ) from error

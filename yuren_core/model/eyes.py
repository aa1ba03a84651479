# SPDX-License-Identifier: Apache-2.0
"""A language model gets eyes: a tower and a projector, and what was learned with them.

    DIR/vision_tower/   open_clip's layout; its last layer is read
    DIR/adapter/        a PEFT directory with mm_projector.safetensors

is what `assets/starter` holds for the starter model: far smaller than the model it makes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import LlamaForCausalLM

from yuren_core.errors import DamagedCheckpointError
from yuren_core.i18n import tr
from yuren_core.model.adapter_files import PROJECTOR_WEIGHTS, read_adapter
from yuren_core.model.checkpoint import VISION_TOWER_DIR
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig, MultimodalLlamaForCausalLM
from yuren_core.model.vision_tower import VisionTower

ADAPTER_DIR = "adapter"


def with_eyes(
    model: LlamaForCausalLM, tower: VisionTower, *, image_token_id: int, seed: int = 0
) -> MultimodalLlamaForCausalLM:
    """The same weights in a multimodal model, with a fresh projector.

    Args:
        model: a language model, or one that sees already; its tensors are shared.
        tower: what the projector reads.
        image_token_id: of `<|img_patch|>`.
        seed: of the projector.
    """
    values: dict[str, Any] = model.config.to_dict()
    for name in ("model_type", "architectures", "mm_hidden_size", "mm_vision_select_layer"):
        values.pop(name, None)
    config = MultimodalLlamaConfig(
        **{**values, "mm_vision_tower": VISION_TOWER_DIR, "use_mm_proj": True},
        mm_hidden_size=tower.hidden_size,
        mm_vision_select_layer=tower.select_layer,
    )
    config.image_token_id = image_token_id
    with torch.device("meta"):
        seeing = MultimodalLlamaForCausalLM(config)
    # A model that saw before had a projector for another tower, perhaps of another width.
    weights = {k: v for k, v in model.state_dict().items() if "mm_projector" not in k}
    seeing.load_state_dict(weights, strict=False, assign=True)
    seeing.tie_weights()
    seeing.model.rotary_emb = model.model.rotary_emb
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        projector = nn.Linear(tower.hidden_size, config.hidden_size, dtype=model.dtype)
        nn.init.normal_(projector.weight, std=config.initializer_range)
    nn.init.zeros_(projector.bias)
    seeing.model.mm_projector = projector
    seeing.requires_grad_(False)
    return seeing


def give_eyes(
    model: LlamaForCausalLM, directory: Path, *, image_token_id: int
) -> tuple[MultimodalLlamaForCausalLM, VisionTower]:
    """Put a tower, a projector and a LoRA on the language model that they were trained with.

    Args:
        model: the language model, with its control tokens.
        directory: as this module's docstring says.
        image_token_id: of `<|img_patch|>`.

    Raises:
        ModelFormatError, DamagedCheckpointError: what lies there is no such thing, or does not
            fit the model.
    """
    adapter = read_adapter(directory / ADAPTER_DIR)
    tower = VisionTower.from_directory(directory / VISION_TOWER_DIR, -1, dtype=model.dtype)
    seeing = with_eyes(model, tower, image_token_id=image_token_id)
    with torch.no_grad():
        for name, parameter in seeing.named_parameters():
            parameter.copy_(adapter.merge(name, parameter))
    if not {f"model.mm_projector.{part}" for part in ("weight", "bias")} <= adapter.replaced.keys():
        raise DamagedCheckpointError(
            tr("error.checkpoint.shard_missing", path=directory / ADAPTER_DIR / PROJECTOR_WEIGHTS),
            tr("error.checkpoint.copy_again"),
        )
    adapter.attach(seeing, model.dtype)  # refuses what has found no place
    return seeing, tower

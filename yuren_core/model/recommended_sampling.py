# SPDX-License-Identifier: Apache-2.0
"""How a model's makers would sample from it: the sampling part of `generation_config.json`.

Values that cannot be are left out, and logged: a recommendation is no reason to refuse a model.
"""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from pathlib import Path
from typing import Any

from yuren_core.errors import UsageError
from yuren_core.sampling_params import GREEDY, NO_ADVICE, SamplingAdvice, SamplingParams

GENERATION_CONFIG = "generation_config.json"
_log = logging.getLogger(__name__)


def recommended_sampling(directory: Path) -> SamplingAdvice:
    """What the model in a directory wants to be sampled with.

    Returns:
        Greedy where the file says `do_sample: false`; no advice where it says nothing.
    """
    try:
        config = json.loads((directory / GENERATION_CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return NO_ADVICE
    if not isinstance(config, dict):
        return NO_ADVICE
    if config.get("do_sample") is False:
        return GREEDY
    names = [item.name for item in fields(SamplingAdvice)]
    wrong = {name for name in names if not _can_be(name, config.get(name))}
    for name in wrong:
        _log.warning("%s: no such %s: %r", directory / GENERATION_CONFIG, name, config[name])
    return SamplingAdvice(**{name: config.get(name) for name in names if name not in wrong})


def _can_be(name: str, value: object) -> bool:
    if value is None:
        return True
    numbers = (int,) if name == "top_k" else (int, float)
    if isinstance(value, bool) or not isinstance(value, numbers):
        return False
    given: dict[str, Any] = {name: value}
    try:
        SamplingParams(**given)
    except UsageError:
        return False
    return True


def generation_fields(advice: SamplingAdvice) -> dict[str, Any]:
    """The fields of a `GenerationConfig` that give an advice; the other way round."""
    if advice == GREEDY:
        return {"do_sample": False}
    return {"do_sample": True, **advice.values} if advice.values else {}

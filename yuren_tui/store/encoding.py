# SPDX-License-Identifier: Apache-2.0
"""JSON columns: written strictly, read forgivingly.

What is written is valid JSON, without NaN and without lone surrogates. What is read may come
from a newer yuren or a hand edit, so an unknown key of sampling is dropped and a value that can
no longer be is the default.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, fields
from typing import Any

from yuren_core.errors import StorageError, UsageError
from yuren_core.i18n import tr
from yuren_core.sampling_params import SamplingParams
from yuren_tui.store.values import Json, storable

_SAMPLING = frozenset(field.name for field in fields(SamplingParams))


def now_ms() -> int:
    """Now, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def encode_object(value: Json) -> str:
    """A JSON object as text.

    Raises:
        StorageError: it holds something that JSON cannot.
    """
    try:
        text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StorageError(tr("store.not_json", reason=str(error)), "") from error
    return storable(text)


def decode_object(text: str) -> dict[str, Any]:
    """The object of a JSON text; an empty one where it is none."""
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    return {}


def encode_sampling(sampling: SamplingParams | None) -> str | None:
    """Sampling as JSON text."""
    return None if sampling is None else encode_object(asdict(sampling))


def decode_sampling(text: str | None) -> SamplingParams | None:
    """Sampling from JSON text; None where there is none, or it can no longer be."""
    return None if text is None else sampling_of(decode_object(text))


def sampling_of(values: Json) -> SamplingParams | None:
    """Sampling from a JSON object, unknown keys dropped; None where it cannot be."""
    known = {name: value for name, value in values.items() if name in _SAMPLING}
    if isinstance(known.get("stop"), list):
        known["stop"] = tuple(known["stop"])
    try:
        return SamplingParams(**known)
    except (UsageError, TypeError):
        return None

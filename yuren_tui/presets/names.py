# SPDX-License-Identifier: Apache-2.0
"""Names of preset files: made from what people call a preset, and never more than a name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

from yuren_core.i18n import tr
from yuren_tui.presets.errors import PresetError

_MAX_LENGTH = 60
_ID = re.compile(r"[^\W_][\w-]*")
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d", re.IGNORECASE)


def id_of_name(name: str, taken: Container[str] = ()) -> str:
    """A file's name for a preset: letters and digits of any script, words joined by `-`.

    Args:
        name: what it is called.
        taken: ids that are there already; a number is added where it would be one of them.
    """
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", name).lower().replace("_", " "))
    base = "-".join(words)[: _MAX_LENGTH - 4].rstrip("-") or "preset"
    if _RESERVED.fullmatch(base):
        base += "-1"
    candidate, number = base, 2
    while candidate in taken:
        candidate, number = f"{base}-{number}", number + 1
    return candidate


def check_id(name: str) -> str:
    """An id as it may name a file.

    Raises:
        PresetError: it holds what no file's name should, or is too long.
    """
    if not _ID.fullmatch(name) or len(name) > _MAX_LENGTH or _RESERVED.fullmatch(name):
        raise PresetError(
            tr("presets.bad_id", id=ascii(name[:80])), tr("presets.bad_id_hint", limit=_MAX_LENGTH)
        )
    return name

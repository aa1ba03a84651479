# SPDX-License-Identifier: Apache-2.0
"""A message that is nothing but a path: a picture is attached, a path of nothing is no message.

A person who types `/home/me/cat.png` wants the picture shown, as if it had been dropped. Only one
line is looked at. Two slashes make a message of anything, as they do of a command.
"""

from __future__ import annotations

from pathlib import Path

from yuren_core.attachments import paths_in_paste, printable
from yuren_core.errors import UsageError
from yuren_core.i18n import tr

_SHOWN = 80  # characters of what was typed


def typed_pictures(text: str) -> tuple[Path, ...]:
    """The pictures that a message consists of; none where it says anything else."""
    return () if "\n" in text.strip() else paths_in_paste(text)


def refuse_missing(text: str) -> None:
    """Refuse a line that begins like a path and leads nowhere.

    A sentence that begins with a path is a message where the path is there.

    Args:
        text: a message, that no command was found in.

    Raises:
        UsageError: there is no such file.
    """
    line = text.rstrip()
    if not line.startswith("/") or line.startswith("//") or "\n" in line:
        return
    if _exists(line) or _exists(line.split()[0]):
        return
    shown = printable(line)
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    raise UsageError(tr("commands.nowhere", text=shown), tr("commands.nowhere_remedy"))


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # a name that cannot be, or may not be asked for
        return False

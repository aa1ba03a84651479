# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a setting: where it stands, what it says, and what is allowed.

A fault is told, not raised: the rest of the settings is used. What cannot be written is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yuren_core.attachments import printable
from yuren_core.errors import YurenError
from yuren_core.i18n import tr


class SettingsError(YurenError):
    """The settings cannot be written as asked."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One setting that cannot be used.

    Attributes:
        where: the file and its line, the environment's variable, or the command line.
        message: what is wrong, with the value.
        hint: what is allowed, or what to do.
    """

    where: str
    message: str
    hint: str

    def __str__(self) -> str:
        return "\n".join(filter(None, (f"{self.where}: {self.message}", self.hint)))


def at_line(path: Path, line: int | None) -> str:
    """A place in a file, as a fault names it."""
    file = printable(path)
    return file if line is None else tr("settings.at_line", file=file, line=line)


def shown(value: object) -> str:
    """A value as a fault names it: one line, not too long."""
    text = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
    return printable(text or repr(value))[:120]


def wrong_value(where: str, name: str, value: object, allowed: str) -> Fault:
    """A value that cannot be."""
    message = tr("settings.wrong_value", name=name, value=shown(value))
    return Fault(where, message, tr("settings.allowed", what=allowed))

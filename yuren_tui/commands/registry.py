# SPDX-License-Identifier: Apache-2.0
"""All commands by name, and how a line that somebody typed is one of them or a message.

A command is a slash and letters, alone or before a blank; so `/etc/passwd` is a message. A
message that begins like a command is written with two slashes. The wide slash of Chinese input
methods counts as one.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from yuren_core.errors import UsageError
from yuren_core.i18n import tr

Takes = Literal["nothing", "perhaps", "something"]
Completes = Literal["", "chat", "preset", "picture", "file", "export", "setting", "model", "word"]

_LINE = re.compile(r"[/／]([A-Za-z]+)(?:\s+(.*))?", re.DOTALL)
_BEGUN = re.compile(r"[/／](?:[A-Za-z]+(?:\s.*)?)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command that there is.

    Attributes:
        name: without the slash.
        takes: whether an argument has to be there.
        completes: what can be offered for the argument.
        words: fixed words that the argument may be.
    """

    name: str
    takes: Takes = "nothing"
    completes: Completes = ""
    words: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """How it is typed, e.g. "/open N"."""
        return tr(f"commands.usage.{self.name}")

    @property
    def about(self) -> str:
        """What it does, in a few words."""
        return tr(f"commands.about.{self.name}")


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it was typed; `argument` has no blanks at its ends."""

    spec: CommandSpec
    argument: str = ""

    @property
    def name(self) -> str:
        """The command's name, without the slash."""
        return self.spec.name


COMMANDS: tuple[CommandSpec, ...] = (
    CommandSpec("new"),
    CommandSpec("chats", "perhaps"),
    CommandSpec("open", "something", "chat"),
    CommandSpec("continue"),
    CommandSpec("show"),
    CommandSpec("retry", "perhaps"),
    CommandSpec("edit", "perhaps"),
    CommandSpec("resume", "perhaps"),
    CommandSpec("swipe", "perhaps", "word", ("+", "-")),
    CommandSpec("pin", "perhaps"),
    CommandSpec("copy", "perhaps", "word", ("code",)),
    CommandSpec("delete", "perhaps"),
    CommandSpec("undo"),
    CommandSpec("title", "something"),
    CommandSpec("archive"),
    CommandSpec("preset", "perhaps", "preset"),
    CommandSpec("system", "perhaps", "word", ("edit",)),
    CommandSpec("image", "something", "picture"),
    CommandSpec("set", "perhaps", "setting"),
    CommandSpec("model", "perhaps", "model"),
    CommandSpec("count"),
    CommandSpec("export", "something", "export"),
    CommandSpec("import", "something", "file"),
    CommandSpec("help"),
    CommandSpec("quit"),
)

_BY_NAME = {spec.name: spec for spec in COMMANDS}

_NEAR = 0.6  # of `difflib`: two letters changed over pass, half another word does not
_ELSEWHERE = {"exit": "quit", "bye": "quit", "clear": "new", "reset": "new"}
"""What other programs call these."""


def spec_of(name: str) -> CommandSpec | None:
    """The command of a name, in any case of letters; None where there is none."""
    return _BY_NAME.get(name.lower())


def parse(text: str) -> Command | None:
    """A line as a command; None where it is a message.

    Raises:
        UsageError: it looks like a command and is none, or lacks its argument.
    """
    line = _LINE.fullmatch(text.rstrip())
    if line is None:
        return None
    name, argument = line[1], (line[2] or "").strip()
    spec = spec_of(name)
    if spec is None:
        raise _unknown(name)
    if (spec.takes == "nothing" and argument) or (spec.takes == "something" and not argument):
        raise UsageError(
            tr("commands.misused", name=spec.name), tr("commands.as", usage=spec.usage)
        )
    return Command(spec, argument)


def is_unknown(text: str) -> bool:
    """Whether a line looks like a command and is none, nor the beginning of one."""
    line = _LINE.fullmatch(text.rstrip())
    if line is None or spec_of(line[1]):
        return False
    return line[2] is not None or not any(name.startswith(line[1].lower()) for name in _BY_NAME)


def told_of(text: str) -> str:
    """What a text that is being typed would tell the model: nothing where it is a command, or the
    beginning of one."""
    return "" if _BEGUN.fullmatch(text.rstrip()) else as_message(text)


def as_message(text: str) -> str:
    """What a line says that is no command: with two slashes before it, all after the first."""
    return text[1:] if text[:2] in ("//", "／／") else text


def help_text(keys: str) -> str:
    """All commands, one a line, and how a message begins with a slash.

    Args:
        keys: what there is to know of the front end's keys.
    """
    from yuren_tui.store.titles import cells

    width = max(cells(spec.usage) for spec in COMMANDS) + 2
    lines = [f"{spec.usage}{' ' * (width - cells(spec.usage))}{spec.about}" for spec in COMMANDS]
    return "\n".join([*lines, tr("commands.help_end").strip(), keys])


def _unknown(name: str) -> UsageError:
    typed = name.lower()
    near = [_ELSEWHERE[typed]] if typed in _ELSEWHERE else []
    near = near or difflib.get_close_matches(typed, _BY_NAME, n=1, cutoff=_NEAR)
    near = near or [known for known in _BY_NAME if known.startswith(typed)][:1]
    remedy = tr("commands.nearest", name=near[0]) if near else tr("commands.see_help")
    return UsageError(tr("commands.unknown", name=name), remedy)

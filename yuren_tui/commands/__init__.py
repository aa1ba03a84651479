# SPDX-License-Identifier: Apache-2.0
"""Slash commands: what the prompt of the screen and the conversation in lines both understand.

    parse, as_message    a line is a command or a message (`registry`)
    is_unknown           a line that looks like a command and is none (`registry`)
    COMMANDS             all commands, for help and completion (`registry`)
    complete             what could be typed on, as plain data (`completion`)
    CommandRunner        does what a command says, through a `CommandHost` (`running`, `host`)

Nothing here draws, and nothing imports textual.
"""

from __future__ import annotations

from yuren_tui.commands.completion import (
    Completion,
    CompletionContext,
    SessionContext,
    complete,
)
from yuren_tui.commands.host import CommandHost
from yuren_tui.commands.registry import (
    COMMANDS,
    Command,
    CommandSpec,
    as_message,
    help_text,
    is_unknown,
    parse,
    told_of,
)
from yuren_tui.commands.running import CommandRunner

__all__ = [
    "COMMANDS",
    "Command",
    "CommandHost",
    "CommandRunner",
    "CommandSpec",
    "Completion",
    "CompletionContext",
    "SessionContext",
    "as_message",
    "complete",
    "help_text",
    "is_unknown",
    "parse",
    "told_of",
]

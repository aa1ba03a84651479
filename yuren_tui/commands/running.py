# SPDX-License-Identifier: Apache-2.0
"""Does what a command says, and remembers what can be undone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_tui.commands import chat_commands, model_commands, turn_commands
from yuren_tui.commands.host import CommandHost
from yuren_tui.commands.registry import Command, help_text
from yuren_tui.commands.undoing import Undoable

Handler = Callable[[CommandHost, str], Awaitable[Undoable | None]]
"""Does it, and says how it is undone where it can be."""

_HANDLERS: dict[str, Handler] = {
    **chat_commands.HANDLERS,
    **turn_commands.HANDLERS,
    **model_commands.HANDLERS,
}


class CommandRunner:
    """Runs the commands of one conversation, one after the other.

    Args:
        host: the front end.
    """

    def __init__(self, host: CommandHost) -> None:
        self._host = host
        self._undoable: list[Undoable] = []

    async def run(self, command: Command) -> None:
        """Do what a command says.

        Raises:
            YurenError: it cannot be done; nothing has changed.
        """
        match command.name:
            case "help":
                self._host.show(help_text(self._host.key_help))
            case "quit":
                self._host.quit()
            case "undo":
                if not self._undoable:
                    raise UsageError(tr("commands.nothing_to_undo"))
                await self._undoable[-1](self._host)
                self._undoable.pop()
            case name:
                if undo := await _HANDLERS[name](self._host, command.argument):
                    self._undoable.append(undo)

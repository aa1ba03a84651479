# SPDX-License-Identifier: Apache-2.0
"""The chat's application: themes, commands that work everywhere, and the last line of defence.

An unexpected exception never reaches the screen as a traceback: it goes to the log, and the person
is told where. Where it was a worker's or a screen's, the chat goes on; a widget that no longer
works, or many exceptions in a short time, end it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual._context import active_message_pump
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen
from textual.worker import WorkerFailed

from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.chat_log import log_fault
from yuren_tui.screens.base import Guarded
from yuren_tui.screens.chat import ChatScreen
from yuren_tui.session import ModelChoice, Session
from yuren_tui.themes import DARK, LIGHT, THEMES

_MOST_FAULTS = 5  # unexpected exceptions within _FAULTS_WITHIN_S before the chat gives up
_FAULTS_WITHIN_S = 10.0
_PRESS_AGAIN_WITHIN_S = 2.0


class ChatApp(Guarded, App[None], inherit_bindings=False):
    """The chat in the terminal.

    Args:
        session: the conversation; its model process is not started yet.
        choice: which model to load; None where none is installed: the starter is offered.
        images: pictures to attach at the start, as paths.
        prompt: what to send at the start; empty for nothing.
        theme: "dark", "light", or the name of a theme; dark where it is None.
    """

    # Textual loads no stylesheet of a default screen itself.
    CSS_PATH: ClassVar = [
        Path(__file__).parent / "screens" / name for name in ("chat.tcss", "chat_turns.tcss")
    ]
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("f1", "help", "app.help", show=True),
        bind("ctrl+p", "command_palette", "app.commands", priority=True),
        bind("ctrl+t", "toggle_theme", "app.theme"),
        bind("ctrl+q", "quit", "app.quit", priority=True),
        bind("ctrl+c", "interrupt", "app.interrupt"),
    ]

    def __init__(
        self,
        session: Session,
        *,
        choice: ModelChoice | None,
        images: Sequence[str] = (),
        prompt: str = "",
        theme: str | None = None,
    ) -> None:
        super().__init__()
        gc.disable()  # nothing is garbage before the first frame; the chat screen ends this
        self._session = session
        self._chat = ChatScreen(session, choice=choice, images=images, prompt=prompt)
        self._faults: list[float] = []
        self._interrupted = 0.0
        self.title = "yuren"
        for own in THEMES:
            self.register_theme(own)
        named = {"dark": DARK, "light": LIGHT, None: DARK}.get(theme, theme)
        self._begin_with(named if named in self.available_themes else DARK)

    def get_default_screen(self) -> Screen[None]:
        return self._chat

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        chat = self._chat
        commands: dict[str, Callable[[], object]] = {
            "new": chat.action_new_chat,
            "chats": chat.action_chats,
            "back": chat.action_back,
            "tree": chat.action_tree,
            "undo_delete": chat.action_undo_delete,
            "attach": chat.action_attach,
            "sampling": chat.action_sampling,
            "stop": chat.action_stop,
            "reload": chat.action_reload,
            "theme": self.action_toggle_theme,
            "themes": self.action_change_theme,
            "help": self.action_help,
            "quit": self.action_quit,
        }
        for name, action in (commands | chat.panel_commands).items():
            yield SystemCommand(tr(f"command.{name}"), tr(f"command_help.{name}"), action)

    async def run_async(self, *args: object, **options: object) -> None:
        """Run; afterwards, with the terminal given back already, keep what is unsent and end the
        model process."""
        try:
            return await super().run_async(*args, **options)  # type: ignore[arg-type]
        finally:
            await self._session.client.close()
            self._chat.keep_all()
            self._session.close()

    def action_help(self) -> None:
        """Show all keys."""
        from yuren_tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            more = {} if self.screen is not self._chat else self._chat.unfocused_bindings
            self.push_screen(HelpScreen(self.screen.active_bindings, more))

    def action_toggle_theme(self) -> None:
        """Change between light and dark."""
        self.theme = LIGHT if self.current_theme.dark else DARK

    def action_command_palette(self) -> None:
        """Search all commands."""
        from textual.command import CommandPalette

        if not isinstance(self.screen, CommandPalette):
            self.push_screen(
                CommandPalette(placeholder=tr("command.search"), id="--command-palette")
            )

    def action_interrupt(self) -> None:
        """Quit on the second Ctrl+C."""
        now = time.monotonic()
        if now - self._interrupted < _PRESS_AGAIN_WITHIN_S:
            self.exit()
            return
        self._interrupted = now
        self.notify(tr("chat.press_again"), timeout=_PRESS_AGAIN_WITHIN_S, markup=False)

    def _begin_with(self, theme: str) -> None:
        """Set the first theme without the second look at all styles that a change takes."""
        self.set_reactive(App.theme, theme)
        self.stylesheet.set_variables(self.get_css_variables())
        dark = self.current_theme.dark
        self.set_class(dark, "-dark-mode", update=False)
        self.set_class(not dark, "-light-mode", update=False)

    def _handle_exception(self, error: Exception) -> None:
        path = log_fault(error)
        now = time.monotonic()
        self._faults = [*(t for t in self._faults if now - t < _FAULTS_WITHIN_S), now]
        # A widget whose own handler failed takes no more messages: nothing can be trusted then.
        goes_on = self._chat.is_attached and (
            isinstance(error, WorkerFailed) or isinstance(active_message_pump.get(), Guarded)
        )
        if len(self._faults) > _MOST_FAULTS or not goes_on:
            self._return_code = 1
            self.panic(Text(tr("chat.gave_up", path=path)))
        else:
            self.notify(tr("chat.fault", path=path), severity="error", markup=False)

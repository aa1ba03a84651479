# SPDX-License-Identifier: Apache-2.0
"""The chat's application: themes, commands that work everywhere, and the last line of defence.

An unexpected exception never reaches the screen as a traceback: it goes to the log, and the person
is told where. Where it was a worker's or a screen's, the chat goes on; a widget that no longer
works, or many exceptions in a short time, end it.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual._context import active_message_pump
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.driver import Driver
from textual.screen import Screen
from textual.worker import WorkerFailed

from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.chat_log import log_fault
from yuren_tui.key_order import KeysInOrder
from yuren_tui.notices import BriefNotices
from yuren_tui.screens.base import Guarded
from yuren_tui.screens.chat import ChatScreen
from yuren_tui.session import ModelChoice, Session
from yuren_tui.terminal import wrapping
from yuren_tui.terminal.lasting_output import lasting
from yuren_tui.themes import CONTRAST, DARK, LIGHT, THEMES

if TYPE_CHECKING:
    from yuren_tui.settings import LoadedSettings, Settings
    from yuren_tui.terminal.questions import Questions

_MOST_FAULTS = 5  # unexpected exceptions within _FAULTS_WITHIN_S before the chat gives up
_FAULTS_WITHIN_S = 10.0
_PRESS_AGAIN_WITHIN_S = 3.0
_KEYS_TOLD_AFTER_S = 1.0  # all screens are imported for it, which is not for the first frame
_FAULT_SHOWN_S = 12


class ChatApp(Guarded, KeysInOrder, BriefNotices, inherit_bindings=False):
    """The chat in the terminal.

    Args:
        session: the conversation; its model process is not started yet.
        choice: which model to load; None where none is installed: the starter is offered.
        images: pictures to attach at the start, as paths.
        prompt: what to send at the start; empty for nothing.
        theme: "dark", "light", or the name of a theme; dark where it is None.
        loaded: the settings; the defaults where it is None, until they are asked for.
        questions: asks the terminal (`terminal.commits.install`); None where that cannot be.
    """

    # Textual loads no stylesheet of a default screen itself.
    CSS_PATH: ClassVar = [
        Path(__file__).parent / "screens" / name
        for name in ("chat.tcss", "chat_turns.tcss", "notices.tcss")
    ]
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("f1", "help", "app.help", show=True),
        bind("ctrl+p", "command_palette", "app.commands", priority=True),
        bind("ctrl+t", "toggle_theme", "app.theme"),
        bind("f12,alt+s", "settings", "app.settings"),
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
        loaded: LoadedSettings | None = None,
        questions: Questions | None = None,
    ) -> None:
        super().__init__()
        wrapping.install()
        gc.disable()  # nothing is garbage before the first frame; the chat screen ends this
        self._session = session
        self._chat = ChatScreen(session, choice=choice, images=images, prompt=prompt)
        self._chat.questions = questions
        self._chat.settings = loaded.settings if loaded else None
        self._loaded = loaded
        self._settings = loaded.settings if loaded else None
        self._faults: list[float] = []
        self._pressed: dict[str, float] = {}
        self.title = "yuren"
        for own in THEMES:
            self.register_theme(own)
        named = {"dark": DARK, "light": LIGHT, "contrast": CONTRAST, None: DARK}.get(theme, theme)
        if self._settings is not None and self._settings.interface.high_contrast:
            named = CONTRAST
        self._begin_with(named if named in self.available_themes else DARK)

    def get_default_screen(self) -> Screen[None]:
        return self._chat

    def get_driver_class(self) -> type[Driver]:
        return lasting(super().get_driver_class())

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
            "settings": self.action_settings,
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
        from yuren_tui.screens.palette import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    def action_interrupt(self) -> None:
        """Quit on the second Ctrl+C."""
        if self._is_pressed_again("interrupt", tr("chat.press_again")):
            self.exit()

    async def action_quit(self) -> None:
        """End; during an answer, and where the settings ask for it, on the second press."""
        asks = self._settings is not None and self._settings.interface.confirm_quit
        is_answering = self._session.is_answering
        words = tr("chat.quit_stops_answer" if is_answering else "chat.press_again_to_quit")
        if not (asks or is_answering) or self._is_pressed_again("quit", words):
            self.exit()

    @work(group="settings", exclusive=True)
    async def action_settings(self) -> None:
        """Change the settings."""
        from yuren_tui.screens.settings import SettingsScreen
        from yuren_tui.settings import load_settings

        if isinstance(self.screen, SettingsScreen):
            return
        self._loaded = loaded = self._loaded or load_settings(environment=os.environ)
        themes = ("dark", "light", *sorted(self.available_themes))
        suggestions = {"interface.theme": themes}
        screen = SettingsScreen(loaded, suggestions=suggestions, settings=self._settings)
        changed = await self.push_screen_wait(screen)
        if changed is not None:
            before, self._settings = self._settings or loaded.settings, changed
            self._follow(changed)
            self._chat.follow_person(changed)
            is_later = (before.interface.language, before.interface.mouse, before.model) != (
                changed.interface.language,
                changed.interface.mouse,
                changed.model,
            )
            self.notify(tr("settings.next_start" if is_later else "settings.saved"), markup=False)

    def on_mount(self) -> None:
        if self._settings is None or self._loaded is None:
            return
        if self._settings.keys:
            self.set_keymap(self._settings.keymap)
            self.set_timer(_KEYS_TOLD_AFTER_S, self._tell_conflicts)
        if self._settings.interface.reduced_motion:
            self._follow_motion(self._settings)
        for fault in self._loaded.faults:
            self.notify(str(fault), severity="warning", markup=False, timeout=_FAULT_SHOWN_S)

    def _tell_conflicts(self) -> None:
        """Name the keys of the settings that get in another command's way."""
        from yuren_tui.screens.key_table import conflicts, key_table

        for one in conflicts(self._settings.keys if self._settings else {}, key_table(type(self))):
            self.notify(one.message, severity="warning", markup=False, timeout=_FAULT_SHOWN_S)

    def _follow(self, settings: Settings) -> None:
        """Be as changed settings say."""
        from yuren_tui.terminal.appearance import theme_name

        interface = settings.interface
        theme = theme_name(interface.theme, high_contrast=interface.high_contrast)
        if theme in self.available_themes and theme != self.theme:
            self.theme = theme
        self.set_keymap(settings.keymap)
        self._follow_motion(settings)
        self._chat.follow(settings)

    def _follow_motion(self, settings: Settings) -> None:
        from yuren_tui.terminal.appearance import apply_motion

        is_still = settings.interface.reduced_motion
        apply_motion(self, reduced_motion=is_still, environment=os.environ)

    def _is_pressed_again(self, action: str, words: str) -> bool:
        """Whether an action that is done on the second press was wanted a moment ago."""
        now, before = time.monotonic(), self._pressed.get(action, -_PRESS_AGAIN_WITHIN_S)
        self._pressed[action] = now
        if now - before < _PRESS_AGAIN_WITHIN_S:
            return True
        self.notify(words, timeout=_PRESS_AGAIN_WITHIN_S, markup=False)
        return False

    def _begin_with(self, theme: str) -> None:
        """Set the first theme without the second look at all styles that a change takes."""
        self.set_reactive(App.theme, theme)
        self.stylesheet.set_variables(self.get_css_variables())
        dark = self.current_theme.dark
        self.set_class(dark, "-dark-mode", update=False)
        self.set_class(not dark, "-light-mode", update=False)

    def _handle_exception(self, error: Exception) -> None:
        path = log_fault(error)
        if self._exit:
            return  # what fails while all is taken down is for the log alone
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

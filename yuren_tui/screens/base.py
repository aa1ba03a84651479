# SPDX-License-Identifier: Apache-2.0
"""What all screens share: bindings in the language of the person."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import ActiveBinding, BindingType
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import ModalScreen, Screen
from textual.worker import active_worker

from yuren_tui.bindings import bind, translate
from yuren_tui.notices import TOGETHER_S, drop_notices

ResultType = TypeVar("ResultType")

FOCUS_BINDINGS: list[BindingType] = [
    bind("tab", "app.focus_next", "app.focus_next"),
    bind("shift+tab", "app.focus_previous", "app.focus_previous"),
]


class Guarded(MessagePump):
    """Goes on after an unexpected exception in one of its handlers; the app logs and counts it.

    Textual would end the pump, and with it the screen.
    """

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)
        except Exception as error:  # noqa: BLE001 - a border: logged, and told in a line
            self.app._handle_exception(error)


def _come_up(screen: Screen[ResultType]) -> None:
    """Leave behind what was told of another screen; no cursor blinks where nothing is to move."""
    drop_notices(screen, older_than_s=TOGETHER_S)
    if screen.app.animation_level == "none":
        from yuren_tui.terminal.appearance import still_cursors

        still_cursors(screen)


def _end_work(screen: Screen[Any]) -> None:
    """Cancel what is still read or drawn for a screen that goes, but for whoever closes it.

    Textual does so once the screen's widgets are gone, which a worker then looks for in vain.
    """
    closing = active_worker.get(None)
    for worker in screen.workers:
        if worker is not closing and screen in worker.node.ancestors_with_self:
            worker.cancel()


class TranslatedScreen(Guarded, Screen[ResultType], inherit_bindings=False):
    """A screen whose bindings speak the language of the person."""

    BINDINGS: ClassVar[list[BindingType]] = [*FOCUS_BINDINGS]

    def on_screen_resume(self) -> None:
        _come_up(self)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The bindings that act now, translated."""
        return translate(super().active_bindings)


class TranslatedModal(Guarded, ModalScreen[ResultType], inherit_bindings=False):
    """A modal screen whose bindings speak the language of the person; Esc closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *FOCUS_BINDINGS,
        bind("escape", "close", "modal.close", show=True),
        bind("f1", "app.help", "app.help"),
    ]

    def on_screen_resume(self) -> None:
        _come_up(self)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The bindings that act now, translated."""
        return translate(super().active_bindings)

    def dismiss(self, result: ResultType | None = None) -> AwaitComplete:
        """Close with a result; what is still under way for it ends."""
        _end_work(self)
        return super().dismiss(result)

    def action_close(self) -> None:
        """Close without a result."""
        self.dismiss(None)

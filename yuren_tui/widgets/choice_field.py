# SPDX-License-Identifier: Apache-2.0
"""A field that has one of some words: the arrows go through them, a click takes the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from yuren_tui.bindings import bind


class ChoiceField(Static, can_focus=True):
    """The field.

    Args:
        words: what can be, and how each is shown.
        value: the one to begin with; one that is none of the words is kept as the first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("right,space,enter", "step(1)", "field.next"),
        bind("left", "step(-1)", "field.previous"),
    ]

    @dataclass
    class Changed(Message):
        """Another word was chosen."""

        field: ChoiceField
        value: str

        @property
        def control(self) -> ChoiceField:
            """The field, for selectors."""
            return self.field

    value: reactive[str] = reactive("", init=False)

    def __init__(
        self,
        words: Sequence[tuple[str, str]],
        value: str,
        *,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__("", id=id, markup=False)
        known = [word for word, _ in words]
        self._words = [*([] if value in known else [(value, value)]), *words]
        self.set_reactive(ChoiceField.value, value)

    def on_mount(self) -> None:
        self._show()

    def watch_value(self) -> None:
        self._show()
        self.post_message(self.Changed(self, self.value))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.action_step(1)

    def action_step(self, step: int) -> None:
        """Take the word some places on; after the last comes the first."""
        known = [word for word, _ in self._words]
        place = known.index(self.value) if self.value in known else 0
        self.value = known[(place + step) % len(known)]

    def _show(self) -> None:
        shown = next((text for word, text in self._words if word == self.value), self.value)
        self.update(Content(f"‹ {shown} ›"))

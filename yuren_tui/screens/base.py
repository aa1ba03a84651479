# SPDX-License-Identifier: Apache-2.0
"""What all screens share: bindings in the language of the person."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import ActiveBinding, BindingType
from textual.screen import ModalScreen, Screen

from yuren_tui.bindings import bind, translate

ResultType = TypeVar("ResultType")

FOCUS_BINDINGS: list[BindingType] = [
    bind("tab", "app.focus_next", "app.focus_next"),
    bind("shift+tab", "app.focus_previous", "app.focus_previous"),
]


class TranslatedScreen(Screen[ResultType], inherit_bindings=False):
    """A screen whose bindings speak the language of the person."""

    BINDINGS: ClassVar[list[BindingType]] = [*FOCUS_BINDINGS]

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The bindings that act now, translated."""
        return translate(super().active_bindings)


class TranslatedModal(ModalScreen[ResultType], inherit_bindings=False):
    """A modal screen whose bindings speak the language of the person; Esc closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *FOCUS_BINDINGS,
        bind("escape", "close", "modal.close", show=True),
    ]

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The bindings that act now, translated."""
        return translate(super().active_bindings)

    def action_close(self) -> None:
        """Close without a result."""
        self.dismiss(None)

# SPDX-License-Identifier: Apache-2.0
"""The footer of a screen that stays: made anew only when its keys have changed.

Textual makes all of it anew whenever it is asked to look, several times an answer, and keeps what
it throws away alive: each key stays in the footer's list of watchers.
"""

from __future__ import annotations

from textual.screen import Screen
from textual.widgets import Footer


class KeyFooter(Footer):
    """The keys that act now."""

    _shown: tuple[tuple[str, str, bool], ...] | None = None

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Make the keys anew, if there are others."""
        active = screen.active_bindings.values() if screen is self.screen else ()
        shown = tuple(
            (self.app.get_key_display(item.binding), item.binding.description, item.enabled)
            for item in active
            if item.binding.show
        )
        if shown != self._shown:
            super().bindings_changed(screen)
            if screen is self.screen and screen.app.app_focus:
                self._shown = shown

    async def recompose(self) -> None:
        """Make the keys anew, and let the old ones go."""
        await super().recompose()
        watchers: dict[str, list[tuple[Footer, object]]] = getattr(self, "__watchers", {})
        for name, kept in watchers.items():
            watchers[name] = [item for item in kept if item[0].is_attached]

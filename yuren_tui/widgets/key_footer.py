# SPDX-License-Identifier: Apache-2.0
"""The footer of a screen that stays: made anew only when its keys have changed.

Textual makes all of it anew whenever it is asked to look, several times an answer, and keeps what
it throws away alive: each key stays in the footer's list of watchers.

It shows whole keys, as many as fit, and the one of the help always: that leads to all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

_HELP = "help"  # the action
_COMMANDS_FROM = 90  # columns; the key of all commands is shown in wider terminals
_PADDING = 2  # the footer's own, left and right


class KeyFooter(Footer):
    """The keys that act now."""

    _shown: tuple[tuple[str, str, bool], ...] | None = None
    _width = 0  # of the terminal, as it was when the keys were made

    def compose(self) -> ComposeResult:
        self._width = self.app.size.width
        keys = [key for key in super().compose() if isinstance(key, FooterKey)]
        if self._width < _COMMANDS_FROM:
            keys = [key for key in keys if not key.has_class("-command-palette")]
        yield from _fitting(keys, self._width - _PADDING)

    def on_resize(self, event: events.Resize) -> None:
        if self._width not in (0, self.app.size.width):
            super().bindings_changed(self.screen)

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


def _fitting(keys: Iterable[FooterKey], width: int) -> Iterator[FooterKey]:
    """The help's key and that of the commands, and of the others the first that fit beside them."""
    keys = list(keys)
    always = [key for key in keys if key.action == _HELP or key.has_class("-command-palette")]
    left = width - sum(map(_cells, always))
    for key in keys:
        if key not in always:
            left -= _cells(key)
            if left < 0:
                continue
        yield key


def _cells(key: FooterKey) -> int:
    """How wide a key is in a compact footer, with its margin."""
    return cell_len(key.key_display) + 1 + cell_len(key.description) + 1

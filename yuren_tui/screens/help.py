# SPDX-License-Identifier: Apache-2.0
"""All keys, out of the bindings themselves: what is rebound shows as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Footer, Static

from yuren_core.i18n import tr
from yuren_tui.bindings import bind, translate
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.screens.help_order import grouped

_KEYS_WIDTH = 26


class HelpScreen(TranslatedModal[None]):
    """The keys of the screen below.

    Args:
        active: the bindings that act there, keyed by key.
        more: bindings of widgets there that do not have the focus now.
    """

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("f1", "close", "modal.close_help"),
        bind("up,k", "scroll_up", "modal.up"),
        bind("down,j", "scroll_down", "modal.down"),
        bind("pageup", "page_up", "modal.page_up"),
        bind("pagedown,space", "page_down", "modal.page_down"),
    ]

    def __init__(
        self, active: Mapping[str, ActiveBinding], more: Mapping[str, ActiveBinding] | None = None
    ) -> None:
        super().__init__()
        self._keys = [*active.values(), *translate(more or {}).values()]

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = tr("help.title")
            with VerticalScroll(id="keys", can_focus=True):
                for group, bindings in grouped(item.binding for item in self._keys):
                    yield Static(Content(tr(f"help.group_{group}")), classes="group")
                    yield Static(self._table(bindings))
        yield Footer(show_command_palette=False)

    def action_scroll_up(self) -> None:
        """A line up."""
        self.query_one("#keys").scroll_up(animate=False)

    def action_scroll_down(self) -> None:
        """A line down."""
        self.query_one("#keys").scroll_down(animate=False)

    def action_page_up(self) -> None:
        """A page up."""
        self.query_one("#keys").scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        """A page down."""
        self.query_one("#keys").scroll_page_down(animate=False)

    def _table(self, bindings: Mapping[str, list[Binding]]) -> Content:
        lines = []
        for same in bindings.values():
            keys = "  ".join(dict.fromkeys(self.app.get_key_display(one) for one in same))
            words = same[0].tooltip or same[0].description
            gap = " " * max(2, _KEYS_WIDTH - Content(keys).cell_length)
            lines.append(Content.assemble((keys, "$primary"), gap, words))
        return Content("\n").join(lines)

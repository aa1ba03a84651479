# SPDX-License-Identifier: Apache-2.0
"""The command palette, in the language of the person."""

from __future__ import annotations

from textual.command import CommandList, CommandPalette
from textual.content import Content
from textual.widgets.option_list import Option

from yuren_core.i18n import tr


class Palette(CommandPalette):
    """Textual's, but for the words that it has of its own."""

    def __init__(self) -> None:
        super().__init__(placeholder=tr("command.search"), id="--command-palette")

    def _start_no_matches_countdown(self, search_value: str) -> None:
        self._stop_no_matches_countdown()

        def tell() -> None:
            if search_value:
                words = Content(tr("command.none_found"))
                option = Option(words, id=self._NO_MATCHES, disabled=True)
                self.query_one(CommandList).add_option(option)
            self._list_visible = bool(search_value)

        self._no_matches_timer = self.set_timer(self._NO_MATCHES_COUNTDOWN, tell)

# SPDX-License-Identifier: Apache-2.0
"""Where a picture's URL leads, shown before anything is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Footer, Static

from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.sanitize import sanitize_line
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.url_picture import Lead


class ConfirmUrl(TranslatedModal[bool | None]):
    """The question; its result is whether to download.

    Args:
        lead: what the server has said.
    """

    CSS_PATH = "confirm_url.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [bind("enter,y", "agree", "url.agree", show=True)]

    def __init__(self, lead: Lead) -> None:
        super().__init__()
        self._lead = lead

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = tr("url.title")
            yield Static(Content("\n").join(self._lines()))
        yield Footer(show_command_palette=False)

    def action_agree(self) -> None:
        """Download it."""
        self.dismiss(True)

    def _lines(self) -> Iterator[Content]:
        lead = self._lead
        size = lead.size_bytes
        yield Content.assemble(
            (tr("url.host"), "$foreground 55%"), " ", (lead.host, "bold $accent")
        )
        for before in lead.redirects:
            words = sanitize_line(before, limit=200)
            yield Content.assemble((f"{tr('url.through')} {words}", "$warning"))
        yield Content.styled(sanitize_line(lead.url, limit=300), "$foreground 75%")
        kind = sanitize_line(lead.media_type, limit=60) or tr("url.unknown_kind")
        amount = tr("url.unknown_size") if size is None else f"{size / 1024:.0f} KiB"
        yield Content.assemble((f"{kind}  ·  {amount}", "$foreground 75%"))
        yield Content("")
        yield Content(tr("url.ask"))

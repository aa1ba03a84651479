# SPDX-License-Identifier: Apache-2.0
"""No model is installed: says so, offers the starter, shows how its installation goes."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Center, Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Button, Static

from yuren_core.i18n import tr
from yuren_tui.sanitize import sanitize_line
from yuren_tui.widgets.welcome import StarterWanted


class StarterOffer(Vertical):
    """No model is installed: says so and offers the starter."""

    progress: reactive[str] = reactive("", init=False)
    is_installing: reactive[bool] = reactive(False, init=False)

    def compose(self) -> ComposeResult:
        yield Static(Content(tr("starter.absent")), id="absent")
        yield Static(Content(tr("starter.what")), id="what")
        with Center():
            install = Content(tr("starter.install"))
            yield Button(install, id="install", variant="primary", compact=True)
        yield Static("", id="progress", markup=False)

    @on(Button.Pressed, "#install")
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.post_message(StarterWanted())

    def watch_progress(self, progress: str) -> None:
        self.query_one("#progress", Static).update(Content(sanitize_line(progress)))

    def watch_is_installing(self, is_installing: bool) -> None:
        self.query_one("#install", Button).disabled = is_installing

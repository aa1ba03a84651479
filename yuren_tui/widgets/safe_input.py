# SPDX-License-Identifier: Apache-2.0
"""A field of one line that shows no control character, whatever is pasted into it."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from yuren_tui.sanitize import sanitize_line


class SafeInput(Input):
    """Textual's own field hands pasted escape sequences to the terminal."""

    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        lines = event.text.strip().splitlines()
        if lines:
            self.insert_text_at_cursor(sanitize_line(lines[0]))

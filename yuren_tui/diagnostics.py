# SPDX-License-Identifier: Apache-2.0
"""What the commands say beside the product: notices, errors and a load's progress, on stderr."""

from __future__ import annotations

from typing import TextIO

import click

from yuren_core.i18n import tr
from yuren_core.protocol import Event, Exited, Failed, Loading, Ready
from yuren_tui.sanitize import sanitize_line


def tell(line: str) -> None:
    """Say something on stderr, as it is; parts from outside must have been made harmless."""
    click.echo(line, err=True)


def tell_error(message: str, hint: str = "") -> None:
    """Say what failed on one line, and what to do next on another."""
    tell(tr("cli.error", message=sanitize_line(message)))
    if hint:
        tell(sanitize_line(hint))


class LoadProgress:
    """The progress of a load as one growing line: no spinner, nothing is written over.

    Args:
        stream: where to; silent where it is no terminal.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream if stream is not None and stream.isatty() else None
        self._is_open = False
        self._tenth = 0

    def show(self, event: Event) -> None:
        """Take note of any event; those of a load are told."""
        match event:
            case Loading(stage=stage, fraction=fraction):
                if not self._is_open:
                    self._is_open = True
                    self._say(tr("plain.loading"))
                if stage == "download" and fraction and int(fraction * 10) > self._tenth:
                    self._tenth = int(fraction * 10)
                    self._say(f" {self._tenth * 10}%")
            case Ready():
                self.end(f" {event.load_s:.1f} s")
            case Failed() | Exited():
                self.end()
            case _:
                pass

    def end(self, text: str = "") -> None:
        """End the line, where one was begun; also when the load was given up."""
        if self._is_open:
            self._say(f"{text}\n")
        self._is_open = False

    def _say(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()

# SPDX-License-Identifier: Apache-2.0
"""What a person types at `You: `, line by line: with history, prepared text and Tab where there
is a line editor, as plain lines where there is none.

A line that ends in a backslash goes on in the next. While somebody types, no event loop runs:
the line editor has the terminal for itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import ModuleType

from yuren_core.i18n import tr
from yuren_tui.plain_typing import QuietTerminal

_HISTORY = 500  # prompts that the arrow keys go back through


class LineReader:
    """Asks for one message at a time.

    Args:
        terminal: quiet; it echoes while a line is read.
        on_stdout: whether `You: ` may go to stdout, so that the line editor can be used.
    """

    def __init__(self, terminal: QuietTerminal, *, on_stdout: bool) -> None:
        self._terminal = terminal
        self._on_stdout = on_stdout
        self._readline: ModuleType | None = None

    @property
    def can_prefill(self) -> bool:
        """Whether text can be put before the person to change."""
        return self._readline is not None

    def prepare(
        self, earlier: Callable[[], Iterable[str]], complete: Callable[[str], list[str]]
    ) -> None:
        """Make ready to read.

        Args:
            earlier: prompts for the arrow keys, the latest first.
            complete: what a line could become, for Tab.
        """
        if reconfigure := getattr(sys.stdin, "reconfigure", None):
            reconfigure(encoding="utf-8", errors="replace")
        if not self._on_stdout:
            return
        with suppress(ImportError):
            import readline

            self._readline = readline
            for prompt in reversed([text for text in earlier() if "\n" not in text][:_HISTORY]):
                readline.add_history(prompt)
            _bind_tab(readline, complete)

    def read(self, prefill: str = "") -> str:
        """One message.

        Args:
            prefill: what stands there already, where it can (`can_prefill`).

        Raises:
            EOFError: there is no more.
        """
        prepared = prefill.split("\n")
        lines: list[str] = []
        while True:
            ready = prepared[len(lines)] if len(lines) < len(prepared) else ""
            goes_on = len(lines) < len(prepared) - 1
            is_typed = self._terminal.has_line()
            with self._terminal.echoing():
                line = self._line(
                    tr("plain.more" if lines else "plain.you"), f"{ready}\\" if goes_on else ready
                )
            if is_typed and self._readline is None:
                self._write(f"{line}\n")  # the line editor shows it itself
            lines.append(line.removesuffix("\\"))
            if not line.endswith("\\"):
                return "\n".join(lines)

    def _line(self, asked: str, prefill: str) -> str:
        if self._readline is not None and prefill:
            editor = self._readline
            editor.set_startup_hook(lambda: editor.insert_text(prefill))
            try:
                return input(asked)
            finally:
                editor.set_startup_hook(None)
        if self._on_stdout:
            return input(asked)
        self._write(asked)
        if line := sys.stdin.readline():
            return line.rstrip("\r\n")
        raise EOFError

    def _write(self, text: str) -> None:
        stream = sys.stdout if self._on_stdout else sys.stderr
        if stream is not None:
            stream.write(text)
            stream.flush()


def _bind_tab(readline: ModuleType, complete: Callable[[str], list[str]]) -> None:
    found: list[str] = []

    def completer(line: str, state: int) -> str | None:
        if state == 0:
            found[:] = [whole for whole in complete(line) if whole.startswith(line)]
        return found[state] if state < len(found) else None

    readline.set_completer(completer)
    readline.set_completer_delims("")  # a completion is a whole line
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")

# SPDX-License-Identifier: Apache-2.0
"""Answers on stdout: as they come, or as one line of JSON at the end.

On a terminal an answer is made harmless first (`yuren_tui.sanitize`), since an escape sequence
would act. Into a pipe it goes as the model wrote it, since what reads there is a program that
may want every character; only NUL, which ends a string for too many of them, is left out, and a
lone surrogate, which UTF-8 cannot carry, becomes U+FFFD.
"""

from __future__ import annotations

import json
import re
from typing import TextIO

from yuren_core.errors import StorageError
from yuren_core.i18n import reason_of, tr
from yuren_tui.sanitize import sanitize
from yuren_tui.session import Session, TurnStatus

_SURROGATES = re.compile("[\ud800-\udfff]")
_UNSEEN = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # JSON lets them stand; not we
_FINISH_REASON: dict[TurnStatus, str] = {
    "done": "stop",
    "length": "length",
    "stopped": "cancelled",
    "failed": "failed",
}


class AnswerWriter:
    """Writes answers to stdout, flushed piece by piece, one newline at the end of each."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._at_line_start = True

    def write(self, text: str) -> None:
        """The next piece of an answer.

        Raises:
            BrokenPipeError: the reader has had enough.
            StorageError: the file that stdout is cannot take it.
        """
        shown = sanitize(text) if self._is_terminal else _for_pipe(text)
        if not shown:
            return
        self._at_line_start = shown.endswith("\n")
        try:
            self._stream.write(shown)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StorageError(
                tr("plain.unwritable", reason=reason_of(error)),
                tr("plain.unwritable_remedy"),
            ) from error

    def end_line(self) -> None:
        """Begin a new line, where the last one has not ended."""
        if not self._at_line_start:
            self.write("\n")


def answer_json(session: Session) -> str:
    """The last answer with its counts, as one line of JSON; times in seconds."""
    turn, ready = session.turns[-1], session.model.ready
    assert ready is not None
    answer = {
        "text": turn.text,
        "finish_reason": _FINISH_REASON[turn.status],
        "prompt_tokens": turn.stats.prompt_tokens,
        "cached_tokens": turn.stats.cached_tokens,
        "completion_tokens": turn.stats.completion_tokens,
        "dropped_turns": turn.stats.dropped_turns,
        "ttft_s": round(turn.stats.ttft_s, 4),
        "tokens_per_s": round(turn.stats.tokens_per_s, 2),
        "load_s": round(ready.load_s, 3),
        "model": ready.model,
        "device": ready.device,
        "dtype": ready.dtype,
    }
    line = _SURROGATES.sub("\ufffd", json.dumps(answer, ensure_ascii=False))
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def _for_pipe(text: str) -> str:
    return _SURROGATES.sub("\ufffd", text).replace("\0", "")

# SPDX-License-Identifier: Apache-2.0
"""The chat without a screen: one answer, or a conversation in lines.

stdout holds the product and nothing else: the answer as it comes, or with `--json` one object
on one line at the end. Everything else, the progress of a load included, goes to stderr. A
failure leaves stdout as it was (with `--json`: empty) and is told in one line there.

On a terminal an answer is made harmless first (`yuren_tui.sanitize`), since an escape sequence
would act. Into a pipe it goes as the model wrote it, since what reads there is a program that
may want every character; only NUL, which ends a string for too many of them, is left out, and a
lone surrogate, which UTF-8 cannot carry, becomes U+FFFD.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from typing import TextIO

from yuren_core import errors
from yuren_core.attachments import resolve_path
from yuren_core.errors import ModelNotFoundError, StorageError, UsageError, YurenError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_core.protocol import Delta, Event, Exited, Failed
from yuren_tui.diagnostics import LoadProgress
from yuren_tui.foreground import Foreground
from yuren_tui.options import ChatOptions
from yuren_tui.sanitize import sanitize
from yuren_tui.session import Session, TurnStatus
from yuren_tui.startup import choose_model, make_session

MAX_INPUT_BYTES = 16 * 1024 * 1024
"""The most that is read from standard input; no context holds as much."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_UNSEEN = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # JSON lets them stand; not we
_FINISH_REASON: dict[TurnStatus, str] = {
    "done": "stop",
    "length": "length",
    "stopped": "cancelled",
    "failed": "failed",
}


def run_plain(options: ChatOptions) -> int:
    """Answer once, or talk in lines where there is no prompt and a terminal to ask at.

    Returns:
        The exit code.

    Raises:
        UsageError: nothing to answer.
        ModelNotFoundError: no model is named, and no starter installed.
        YurenError: the model could not be loaded, or the answer failed.
    """
    if sys.stdout is None:
        raise StorageError(tr("plain.no_stdout"))
    prompt = add_input(options.prompt, _piped_input())
    talks = not prompt.strip() and sys.stdin is not None and sys.stdin.isatty()
    if not talks and not prompt.strip() and not options.images:
        raise UsageError(tr("plain.no_prompt"), tr("plain.no_prompt_remedy"))
    pictures = [open_picture(path) for path in options.images]
    session = make_session(options)
    session.choice = choose_model(options)
    if session.choice is None:
        raise ModelNotFoundError(tr("plain.no_model"), tr("plain.no_model_remedy"))
    with Foreground() as foreground:
        try:
            if talks:
                from yuren_tui.plain_conversation import Conversation

                Conversation(session, foreground, is_json=options.is_json).run(pictures)
            else:
                foreground.run(_answer_once(session, prompt, pictures, is_json=options.is_json))
        finally:
            _end_process(session, foreground)
    return 0


def add_input(prompt: str, piped: str) -> str:
    """The prompt, and after a blank line what was piped in; either alone where one is empty."""
    return "\n\n".join(text for text in (prompt, piped) if text)


def open_picture(path: str) -> ImagePart:
    """A picture as a person names it.

    Raises:
        ImageError: it is not there, or cannot be read.
    """
    from yuren_core.images import image_part

    return image_part(resolve_path(path))


async def ask(
    session: Session,
    text: str,
    images: Sequence[ImagePart],
    *,
    on_text: Callable[[str], None],
) -> None:
    """Have one question answered; the answer is `session.turns[-1]` afterwards.

    Args:
        session: the conversation.
        text: the question.
        images: its pictures, in order.
        on_text: called with each piece of the answer.

    Raises:
        YurenError: the load or the answer failed; words that came before stand.
    """
    progress = LoadProgress(sys.stderr)
    last: Event | None = None
    try:
        async with aclosing(session.send(text, images)) as events:
            async for last in events:
                progress.show(last)
                if isinstance(last, Delta):
                    on_text(last.text)
    finally:
        progress.end()
    if isinstance(last, Failed | Exited):
        raise failure_of(last)
    if last is None:
        raise YurenError(tr("plain.no_answer"), tr("plain.see_log", path=session.client.log_path))


def failure_of(event: Failed | Exited) -> YurenError:
    """The error that an event tells of, with the exit code of its class."""
    if isinstance(event, Exited):
        code = "?" if event.returncode is None else event.returncode
        return YurenError(tr("plain.died", code=code), tr("plain.see_log", path=event.log_path))
    cls = getattr(errors, event.kind, YurenError)
    return YurenError(event.message, event.hint, exit_code=cls.default_exit_code)


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
                tr("plain.unwritable", reason=error.strerror or error),
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


async def _answer_once(
    session: Session, prompt: str, pictures: Sequence[ImagePart], *, is_json: bool
) -> None:
    writer = AnswerWriter(sys.stdout)
    try:
        await ask(session, prompt, pictures, on_text=_drop if is_json else writer.write)
        if is_json:
            writer.write(answer_json(session))
        if not session.turns[-1].text:
            writer.write("\n")
    finally:
        writer.end_line()


def _drop(_: str) -> None:
    """Words that `--json` tells at the end."""


def _piped_input() -> str:
    """What is piped into standard input, as text; empty where it is a terminal or closed."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    try:
        data = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
    except OSError as error:
        raise UsageError(tr("plain.unreadable", reason=error.strerror or error)) from error
    if len(data) > MAX_INPUT_BYTES:
        size = MAX_INPUT_BYTES // 2**20
        raise UsageError(tr("plain.too_long", size=size), tr("plain.too_long_remedy"))
    return data.decode("utf-8-sig", "replace").rstrip("\r\n")


def _end_process(session: Session, foreground: Foreground) -> None:
    try:
        foreground.run(session.client.close())
    except BaseException:  # a second Ctrl+C: no time for manners
        if (pid := session.client.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise

# SPDX-License-Identifier: Apache-2.0
"""The chat without a screen: one answer, or a conversation in lines.

stdout holds the product and nothing else: the answer as it comes, or with `--json` one object
on one line at the end. Everything else, the progress of a load included, goes to stderr. A
failure leaves stdout as it was (with `--json`: empty) and is told in one line there.

A conversation is kept in the store. One answer is not, unless `--continue` or `--chat` says which
chat it belongs to: it is asked by scripts, whose thousand questions are no memories.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, nullcontext, suppress

from yuren_core import errors
from yuren_core.attachments import resolve_path
from yuren_core.errors import ModelNotFoundError, StorageError, UsageError, YurenError
from yuren_core.i18n import reason_of, tr
from yuren_core.messages import ImagePart
from yuren_core.protocol import Delta, Event, Exited, Failed
from yuren_tui.diagnostics import LoadProgress, tell
from yuren_tui.foreground import Foreground
from yuren_tui.options import ChatOptions
from yuren_tui.plain_output import AnswerWriter, answer_json
from yuren_tui.plain_typing import QuietTerminal
from yuren_tui.sanitize import sanitize_line
from yuren_tui.session import Session
from yuren_tui.settings import Settings
from yuren_tui.startup import choose_model, make_session, named_pictures

MAX_INPUT_BYTES = 16 * 1024 * 1024
"""The most that is read from standard input; no context holds as much."""


def run_plain(options: ChatOptions, settings: Settings) -> int:
    """Answer once, or talk in lines where there is no prompt and a terminal to ask at.

    Returns:
        The exit code.

    Raises:
        UsageError: nothing to answer, or a chat or picture that is not there.
        ModelNotFoundError: no model is named, and no starter installed.
        YurenError: the model could not be loaded, or the answer failed.
    """
    if sys.stdout is None:
        raise StorageError(tr("plain.no_stdout"))
    prompt = add_input(options.prompt, _piped_input())
    talks = not prompt.strip() and sys.stdin is not None and sys.stdin.isatty()
    if not talks and not prompt.strip() and not options.pictures:
        raise UsageError(tr("plain.no_prompt"), tr("plain.no_prompt_remedy"))
    pictures = named_pictures(options)
    choice = choose_model(settings)
    if choice is None:
        raise ModelNotFoundError(tr("plain.no_model"), tr("plain.no_model_remedy"))
    is_kept = talks or options.continues or options.chat_id is not None
    session = make_session(options, settings, is_kept=is_kept)
    session.choice = choice
    terminal = QuietTerminal()
    with Foreground() as foreground, terminal if talks else nullcontext():
        try:
            for notice in session.begin():
                tell(sanitize_line(notice))
            if talks:
                from yuren_tui.plain_conversation import Conversation

                Conversation(
                    session,
                    foreground,
                    terminal,
                    is_json=options.is_json,
                    editor=settings.interface.editor,
                ).run(pictures)
            else:
                foreground.run(_answer_once(session, prompt, pictures, is_json=options.is_json))
        finally:
            _end(session, foreground)
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


async def hear(
    session: Session, events: AsyncGenerator[Event, None], *, on_text: Callable[[str], None]
) -> None:
    """Have an answer written; it is `session.turns[-1]` afterwards, where it has words.

    Args:
        session: the conversation.
        events: what `send`, `edit`, `retry` or `resume` of the session gives.
        on_text: called with each piece of the answer.

    Raises:
        YurenError: the load or the answer failed; words that came before stand.
    """
    progress = LoadProgress(sys.stderr)
    last: Event | None = None
    try:
        async with aclosing(events):
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


async def _answer_once(
    session: Session, prompt: str, pictures: Sequence[ImagePart], *, is_json: bool
) -> None:
    writer = AnswerWriter(sys.stdout)
    try:
        events = session.send(prompt, pictures)
        await hear(session, events, on_text=_drop if is_json else writer.write)
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
        raise UsageError(tr("plain.unreadable", reason=reason_of(error))) from error
    if len(data) > MAX_INPUT_BYTES:
        size = MAX_INPUT_BYTES // 2**20
        raise UsageError(tr("plain.too_long", size=size), tr("plain.too_long_remedy"))
    return data.decode("utf-8-sig", "replace").rstrip("\r\n")


def _end(session: Session, foreground: Foreground) -> None:
    try:
        foreground.run(session.client.close())
    except BaseException:  # a second Ctrl+C: no time for manners
        if (pid := session.client.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise
    finally:
        session.close()

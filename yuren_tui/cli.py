# SPDX-License-Identifier: Apache-2.0
"""`yuren-chat`: read the command line, choose screen or plain lines, turn errors into exit codes.

The border of the chat: a `YurenError` is one line and its remedy on stderr and its own exit
code, anything unforeseen goes to `chat.log` and is named in one line. Nothing heavy is imported
before it is known to be needed: `--help` loads neither textual nor asyncio.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, TextIO

import click

from yuren_core.errors import UsageError, YurenError
from yuren_core.i18n import tr
from yuren_tui.diagnostics import tell, tell_error
from yuren_tui.options import ChatOptions, parse
from yuren_tui.sanitize import sanitize_line
from yuren_tui.spoken_command import tell_refusal

if TYPE_CHECKING:
    from yuren_tui.app import ChatApp
    from yuren_tui.settings import LoadedSettings

_NAMES = ("interface.theme", "model.preset")
INTERRUPTED = 130
"""The exit code after Ctrl+C, as shells give it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `yuren-chat`.

    Args:
        arguments: without the program's name; the process's own by default.

    Returns:
        The exit code: 0, 2 for usage, 130 after Ctrl+C, 1 for the rest. A reader of stdout that
        has had enough (`| head -1`) is no error.
    """
    _speak_utf8()
    try:
        parsed = parse(arguments)
        code = parsed if isinstance(parsed, int) else _run(parsed)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.ClickException as error:
        tell_refusal(error)
        return error.exit_code
    except YurenError as error:
        tell_error(error.message, error.hint)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return 0
    except Exception as error:  # noqa: BLE001 - the border: logged, and told in one line
        return _tell_unforeseen(error)
    return code


def _run(options: ChatOptions) -> int:
    if options.task == "install-starter":
        return _install_starter()
    from yuren_tui.startup import read_settings

    loaded = read_settings(options)
    if options.task != "talk":
        from yuren_tui.chat_tasks import run_task

        return run_task(options)
    for fault in loaded.faults:
        tell(tr("cli.fault", where=sanitize_line(fault.where), fault=sanitize_line(fault.message)))
        tell(sanitize_line(fault.hint))
    if options.is_plain or not _has_screen():
        from yuren_tui.plain import run_plain

        return run_plain(options, loaded.settings)
    return _run_screen(options, loaded)


def _has_screen() -> bool:
    """Whether there is a terminal at both ends that can do more than lines."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _run_screen(options: ChatOptions, loaded: LoadedSettings) -> int:
    from yuren_tui.opening import opening_frame

    # What the command line names is looked up first: a name that is wrong is told on no screen.
    names_things = options.pictures or options.chat_id is not None
    is_sure = not names_things and options.given.keys().isdisjoint(_NAMES)
    with opening_frame(tr("chat.placeholder")) if is_sure else nullcontext():
        return _run_chat(options, loaded)


def _run_chat(options: ChatOptions, loaded: LoadedSettings) -> int:
    from yuren_tui.terminal.environment import prepare

    settings = loaded.settings
    prepare(os.environ, reduced_motion=settings.interface.reduced_motion)  # before textual
    from yuren_tui.app import ChatApp
    from yuren_tui.startup import check_named, choose_model, make_session
    from yuren_tui.terminal.commits import install

    session = make_session(options, settings)
    try:
        check_named(session, options)
        theme = settings.interface.theme
        app = ChatApp(
            session,
            choice=choose_model(settings),
            images=options.pictures,
            prompt=options.prompt,
            theme=theme,
            loaded=loaded,
            questions=install(),
        )
        is_known = theme in ("dark", "light", *app.available_themes)
        if "interface.theme" in options.given and not is_known:
            themes = ", ".join(("dark", "light", *sorted(app.available_themes)))
            raise UsageError(tr("cli.unknown_theme", theme=theme), tr("cli.themes", themes=themes))
        _end_on_signals(app)
        app.run(mouse=settings.interface.mouse)
        return app.return_code or 0
    finally:
        session.close()


def _end_on_signals(app: ChatApp) -> None:
    import asyncio

    from yuren_tui.foreground import signals_to_end

    def leave(number: int, _: FrameType | None) -> None:
        """Give the terminal back before going: Python would leave it as it is."""
        stop = partial(app.exit, return_code=128 + number)
        asyncio.get_running_loop().call_soon_threadsafe(stop)

    for number in signals_to_end():
        signal.signal(number, leave)


def _install_starter() -> int:
    from rich.console import Console

    from yuren_core.starter import install_starter
    from yuren_core.starter_progress import shown

    with shown(Console(stderr=True, highlight=False)) as progress:
        directory = install_starter(progress)
    click.echo(directory)
    return 0


def _speak_utf8() -> None:
    """Whatever the locale says: pictures of characters are better than none, or than a crash."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(encoding="utf-8", errors="replace")


def _drop_stdout() -> None:
    """Let the interpreter's last flush of a broken pipe go nowhere."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_unforeseen(error: Exception) -> int:
    from yuren_tui.chat_log import log_fault

    path = sanitize_line(str(log_fault(error)))
    reason = sanitize_line(f"{type(error).__name__}: {error}", limit=300)
    tell(tr("cli.unforeseen", reason=reason, path=path))
    return 1


if __name__ == "__main__":
    sys.exit(main())

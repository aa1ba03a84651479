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
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import TextIO

import click

from yuren_core.errors import UsageError, YurenError
from yuren_core.i18n import tr
from yuren_tui.diagnostics import tell, tell_error
from yuren_tui.options import ChatOptions, parse
from yuren_tui.sanitize import sanitize_line

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
        error.show()
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
    if options.installs_starter:
        return _install_starter()
    if options.is_plain or not _has_screen():
        from yuren_tui.plain import run_plain

        return run_plain(options)
    return _run_screen(options)


def _has_screen() -> bool:
    """Whether there is a terminal at both ends that can do more than lines."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _run_screen(options: ChatOptions) -> int:
    import asyncio

    from yuren_tui.app import ChatApp
    from yuren_tui.foreground import signals_to_end
    from yuren_tui.startup import choose_model, make_session

    app = ChatApp(
        make_session(options),
        choice=choose_model(options),
        images=options.images,
        prompt=options.prompt,
        theme=options.theme,
    )
    if options.theme not in (None, "dark", "light", *app.available_themes):
        themes = ", ".join(("dark", "light", *sorted(app.available_themes)))
        raise UsageError(
            tr("cli.unknown_theme", theme=options.theme), tr("cli.themes", themes=themes)
        )

    def leave(number: int, _: FrameType | None) -> None:
        """Give the terminal back before going: Python would leave it as it is."""
        stop = partial(app.exit, return_code=128 + number)
        asyncio.get_running_loop().call_soon_threadsafe(stop)

    for number in signals_to_end():
        signal.signal(number, leave)
    app.run()
    return app.return_code or 0


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

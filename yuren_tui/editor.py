# SPDX-License-Identifier: Apache-2.0
"""Edit a text in an external editor, with the screen given over to it meanwhile.

The text goes through a file of its own, in UTF-8 whatever the locale. Where the editor fails after
something was written, the file is kept and named: no word is lost. The chat goes on in the
background, so that an answer that is being written is read and stored while one edits.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from yuren_core.attachments import printable
from yuren_core.errors import YurenError
from yuren_core.i18n import reason_of, tr
from yuren_core.paths import cache_dir, storing

_FALLBACKS = ("nano", "vim", "vi", "micro", "emacs", "notepad.exe")
_WAITS = {  # editors with a window of their own return at once unless they are told to wait
    **dict.fromkeys(("code", "code-insiders", "codium", "cursor", "windsurf", "zed"), "--wait"),
    **dict.fromkeys(("subl", "mate", "atom"), "--wait"),
    **dict.fromkeys(("gvim", "mvim"), "--nofork"),
    "kate": "--block",
    "gedit": "--wait",
}


class EditorError(YurenError):
    """The editor could not be used; the hint names the file where it holds something new."""


@dataclass(frozen=True, slots=True)
class Edited:
    """What came back. `is_changed`: it is not what was given."""

    text: str
    is_changed: bool


def editor_command(setting: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The editor to run: the setting, $VISUAL, $EDITOR, or one that is commonly there.

    Args:
        setting: from the settings; a command with its options, empty for none.
        environment: the variables, PATH among them.

    Returns:
        The command, whose program exists, told to wait where it would return at once.

    Raises:
        EditorError: there is none, or what is set is not there or cannot be read.
    """
    path = environment.get("PATH", os.defpath)
    said = setting, environment.get("VISUAL", ""), environment.get("EDITOR", "")
    if words := next((words for words in said if words.strip()), ""):
        try:
            command = shlex.split(words, posix=os.name != "nt")
        except ValueError as error:
            raise EditorError(
                tr("editor.unreadable", command=printable(words)), tr("editor.choose")
            ) from error
        program = command[0] if command else ""
        if not program or shutil.which(os.path.expanduser(program), path=path) is None:  # noqa: PTH111
            raise EditorError(tr("editor.missing", command=printable(program)), tr("editor.choose"))
        return _waiting([os.path.expanduser(program), *command[1:]])  # noqa: PTH111
    for program in _FALLBACKS:
        if shutil.which(program, path=path):
            return (program,)
    raise EditorError(tr("editor.none"), tr("editor.choose"))


async def edit_text(
    text: str,
    *,
    command: Sequence[str],
    environment: Mapping[str, str],
    suspended: Callable[[], AbstractContextManager[object]],
    suffix: str = ".md",
) -> Edited:
    """Let the person edit a text.

    Args:
        text: what to begin with.
        command: from `editor_command`.
        environment: the variables that the editor gets, but for the locale, which is made UTF-8.
        suspended: gives the terminal over for the time being; `screen_given_over` of a Textual app.
        suffix: of the file, for the editor's highlighting.

    Returns:
        The text as it was saved. A newline that the editor added at the end is taken off again.

    Raises:
        EditorError: it cannot be started, ended badly, or left something that is no UTF-8 text.
        StorageError: the file cannot be written.
    """
    file = _begin(text, suffix)
    try:
        with suspended(), _ctrl_c_is_the_editors():
            code = await asyncio.to_thread(_run, [*command, str(file)], _with_utf8(environment))
    except OSError as error:
        file.unlink(missing_ok=True)
        raise EditorError(
            tr("editor.failed", command=command[0], reason=reason_of(error)), tr("editor.choose")
        ) from error
    except BaseException:
        _drop_if_unchanged(file, text)
        raise
    if code != 0:
        kept = not _drop_if_unchanged(file, text)
        hint = tr("editor.kept", path=printable(file)) if kept else tr("editor.nothing_changed")
        raise EditorError(tr("editor.ended", command=command[0], code=code), hint)
    return _end(file, text)


@contextmanager
def screen_given_over(
    suspend: Callable[[], AbstractContextManager[object]],
    still: Callable[[], AbstractContextManager[object]],
) -> Iterator[None]:
    """Suspend a Textual app, and let it draw nothing until it comes back.

    Args:
        suspend: `app.suspend`.
        still: `app.batch_update`: what goes on meanwhile would be drawn over the editor.

    Raises:
        EditorError: this terminal cannot be given over.
    """
    from textual.app import SuspendNotSupported

    try:
        with still(), suspend():
            yield
    except SuspendNotSupported as error:
        raise EditorError(tr("editor.no_suspend"), tr("editor.no_suspend_hint")) from error


def _waiting(command: list[str]) -> tuple[str, ...]:
    name = Path(command[0]).name.removesuffix(".exe").removesuffix(".cmd")
    flag = _WAITS.get(name)
    short = {"--wait": "-w", "--nofork": "-f", "--block": "-b"}
    if flag and flag not in command and short[flag] not in command:
        command.insert(1, flag)
    return tuple(command)


def _begin(text: str, suffix: str) -> Path:
    directory = cache_dir() / "editor"
    with storing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="message-", suffix=suffix, dir=directory)
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8", "replace"))
    return Path(name)


def _end(file: Path, text: str) -> Edited:
    try:
        edited = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise EditorError(tr("editor.gone"), tr("editor.nothing_changed")) from error
    except (OSError, UnicodeDecodeError) as error:
        raise EditorError(tr("editor.not_utf8"), tr("editor.kept", path=printable(file))) from error
    edited = edited.replace("\r\n", "\n")
    if edited.endswith("\n") and not text.endswith("\n"):
        edited = edited[:-1]
    with suppress(OSError):
        file.unlink()
    return Edited(edited, edited != text)


def _drop_if_unchanged(file: Path, text: str) -> bool:
    """Delete the file where it holds nothing new; says whether it is gone."""
    with suppress(OSError):
        if file.read_bytes().rstrip(b"\n") == text.encode("utf-8", "replace").rstrip(b"\n"):
            file.unlink()
    return not file.exists()


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the editor in the terminal, which Python may have other names for by now."""
    return subprocess.run(command, env=dict(environment), check=False).returncode


def _with_utf8(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables, with a locale in which Chinese can be edited."""
    locale = next(filter(None, map(environment.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    if "utf-8" in locale.lower() or "utf8" in locale.lower():
        return dict(environment)
    changed = {**environment, "LC_CTYPE": "C.UTF-8"}
    if changed.get("LC_ALL"):
        changed["LC_ALL"] = "C.UTF-8"
    return changed


@contextmanager
def _ctrl_c_is_the_editors() -> Iterator[None]:
    """Ctrl+C in an editor that leaves it to the terminal must not end the chat."""
    try:
        old = signal.signal(signal.SIGINT, lambda *_: None)  # the child gets the default back
    except ValueError:  # not in the main thread: none of ours to keep
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)

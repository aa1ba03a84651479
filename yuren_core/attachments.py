# SPDX-License-Identifier: Apache-2.0
"""Picture paths as people type, paste and drop them into a terminal.

Understood: single and double quotes, backslashes, `~`, `file://` URLs, several paths in one
paste, and names with bare spaces. Not understood: variables and wildcards. A name that exists
exactly as written always wins over any other reading of it. Nothing is opened here; whether a
file is a picture is `yuren_core.images`' to say. Cheap to import: no Pillow, no torch.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

from yuren_core.errors import ImageError
from yuren_core.i18n import tr

PICTURE_SUFFIXES = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib"),
        *(".tif", ".tiff", ".avif", ".ico", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k"),
        *(".heic", ".heif", ".svg"),
    }
)
"""Suffixes, in lower case, that make a pasted path an attachment. HEIC and SVG are among them,
so that who drops one is told why it cannot be read."""

_LONGEST_PASTE = 64 * 1024  # characters; more than this is prose, not paths
_WINDOWS = re.compile(r"""["']?(?:[A-Za-z]:[\\/]|\\\\[^\\\s])""")
_FILE_URL = re.compile(r"file:(?://(?P<host>[^/]*))?(?P<path>/.*)", re.IGNORECASE | re.DOTALL)
_WEB_URL = re.compile(r"(?:https?|ftp|data):", re.IGNORECASE)
_PATH_AHEAD = re.compile(r"\s+(?=/|~/|file:)", re.IGNORECASE)
_BLANK = " \t\r\n"  # str.strip() would also take blanks that a Chinese name may end in


def resolve_path(text: str) -> Path:
    """The one path that a person means: typed in a field, or given with `--image`.

    Args:
        text: a path, quoted or escaped or neither, or a `file://` URL.

    Returns:
        The path, which need not exist. Windows paths are left as they are.

    Raises:
        ImageError: nothing is named, or it lies on another machine.
    """
    bare = text.strip(_BLANK)
    if not bare:
        raise ImageError(tr("error.attachment.unnamed"), tr("error.attachment.unnamed_hint"))
    for literal in (text, bare):
        if _is_file(Path(literal)):
            return Path(literal)
    if _WINDOWS.match(bare):
        return Path(bare.strip("\"'"))
    words = _words(text)
    word = words[0] if len(words) == 1 and words[0] else bare
    if _WEB_URL.match(word):
        raise ImageError(
            tr("error.attachment.web", path=printable(word)), tr("error.attachment.web_hint")
        )
    path = _path_of(word)
    if path is None:
        raise ImageError(
            tr("error.attachment.elsewhere", path=printable(word)),
            tr("error.attachment.elsewhere_hint"),
        )
    return path


def paths_in_paste(text: str) -> tuple[Path, ...]:
    """The pictures that a paste or a drop consists of.

    Args:
        text: what the terminal pasted; dropping files into a window pastes their paths.

    Returns:
        The paths, in order, where the whole text is paths of existing files with a picture's
        suffix; an empty tuple where it is ordinary text.
    """
    if len(text) > _LONGEST_PASTE or not text.strip(_BLANK):
        return ()
    for reading in _readings(text):
        if paths := _pictures(reading):
            return paths
    return ()


def printable(path: Path | str) -> str:
    """A path as it may stand in a message: control characters and lone surrogates escaped.

    Args:
        path: any path, or what somebody took for one.

    Returns:
        One line; its middle is left out where it is longer than 400 characters.
    """
    text = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in str(path)
    )
    return text if len(text) <= 400 else f"{text[:200]}…{text[-199:]}"


def _readings(text: str) -> Iterator[Iterable[str]]:
    """Ways to cut a paste into paths, the likeliest first."""
    lines = [line.strip(_BLANK) for line in re.split(r"[\r\n]+", text.strip(_BLANK))]
    yield lines
    yield _words(text)
    yield [word for line in lines for word in (_words(line) or [line])]
    yield [part for line in lines for part in _PATH_AHEAD.split(line)]


def _pictures(reading: Iterable[str]) -> tuple[Path, ...]:
    """The reading's paths, or nothing at the first that is no picture of this machine."""
    paths: list[Path] = []
    for word in reading:
        path = _path_of(word)
        if path is None or path.suffix.lower() not in PICTURE_SUFFIXES or not _is_file(path):
            return ()
        paths.append(path)
    return tuple(paths)


def _words(text: str) -> list[str]:
    """Words as a shell would cut them; none where quotes or backslashes do not pair."""
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _path_of(word: str) -> Path | None:
    """An unquoted word as a path; None for a URL that leads to another machine."""
    if url := _FILE_URL.fullmatch(word):
        if (url["host"] or "localhost").lower() != "localhost":
            return None
        try:
            return Path(os.fsdecode(unquote_to_bytes(os.fsencode(url["path"]))))
        except UnicodeError:
            return Path(word)
    path = Path(word)
    if word.startswith("~") and not _is_file(path):
        try:
            return path.expanduser()
        except RuntimeError:  # no such user
            return path
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name, or a NUL in it
        return False

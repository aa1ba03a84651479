# SPDX-License-Identifier: Apache-2.0
"""Pictures out of the clipboard, as files: pixels are stored, copied files are named.

What comes is checked by whoever makes parts of it: a clipboard may hold anything.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from yuren_core.attachments import paths_in_paste
from yuren_core.i18n import tr
from yuren_core.paths import atomic_write, cache_dir
from yuren_tui.clipboard.errors import ClipboardError
from yuren_tui.clipboard.tools import Ran, find, is_windows, run

Part = TypeVar("Part")

MAX_BYTES = 64 * 1024 * 1024
"""The largest picture that is taken."""

_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff")
_FILES = "text/uri-list"
_POWERSHELL_PASTE = (
    "Add-Type -AssemblyName System.Windows.Forms, System.Drawing;"
    "$image = [Windows.Forms.Clipboard]::GetImage();"
    "if ($image) { $memory = New-Object IO.MemoryStream;"
    " $image.Save($memory, [Drawing.Imaging.ImageFormat]::Png);"
    " [Convert]::ToBase64String($memory.ToArray()) }"
)
_APPLESCRIPT = "the clipboard as «class PNGf»"

_Reader = Callable[[str, Mapping[str, str]], Awaitable["bytes | tuple[Path, ...]"]]


async def pictures_from_clipboard(
    make: Callable[[Path], Part],
    *,
    environment: Mapping[str, str],
    directory: Path | None = None,
) -> tuple[Part, ...]:
    """The pictures that the clipboard holds.

    Args:
        make: makes a part of a file (`yuren_core.images.image_part`), run in a thread; what it
            raises goes through.
        environment: says which desktop and machine this is.
        directory: where pixels are stored, named by their hash; in the cache where it is None.

    Returns:
        One part for pixels, one for each copied picture file.

    Raises:
        ClipboardError: there is no picture, or no tool to ask.
        StorageError: the picture cannot be stored.
    """
    tried, failed = False, list[str]()
    for name, reader in _readers(environment):
        if (path := find(name, environment)) is None:
            continue
        tried = True
        try:
            found = await reader(path, environment)
        except _ToolFailedError as error:
            failed.append(f"{name}: {error}")
            continue
        if isinstance(found, bytes) and found:
            directory = directory or cache_dir() / "clipboard"
            found = (await asyncio.to_thread(_stored, found, directory),)
        if isinstance(found, tuple) and found:
            return tuple([await asyncio.to_thread(make, file) for file in found])
    if not tried:
        raise ClipboardError(tr("clipboard.no_paste_tool"), tr("clipboard.no_paste_tool_hint"))
    if failed:
        raise ClipboardError(
            tr("clipboard.paste_failed", reason="; ".join(failed)), tr("clipboard.no_picture_hint")
        )
    raise ClipboardError(tr("clipboard.no_picture"), tr("clipboard.no_picture_hint"))


class _ToolFailedError(Exception):
    """A tool that could not be asked."""


def _readers(environment: Mapping[str, str]) -> list[tuple[str, _Reader]]:
    readers: list[tuple[str, _Reader]] = []
    if environment.get("WAYLAND_DISPLAY"):
        readers.append(("wl-paste", _wayland))
    if environment.get("DISPLAY"):
        readers.append(("xclip", _x11))
    readers += [("pngpaste", _pngpaste), ("osascript", _osascript)]
    if is_windows(environment):
        readers.append(("powershell.exe", _powershell))
    return readers


async def _wayland(tool: str, environment: Mapping[str, str]) -> bytes | tuple[Path, ...]:
    types = await _ask((tool, "--list-types"), environment, empty=r"[Nn]othing is copied|No sel")
    return await _best(types, (tool, "--no-newline", "--type"), environment)


async def _x11(tool: str, environment: Mapping[str, str]) -> bytes | tuple[Path, ...]:
    ask = (tool, "-selection", "clipboard", "-o", "-t")
    types = await _ask((*ask, "TARGETS"), environment, empty=r"not available|There is no owner")
    return await _best(types, ask, environment)


async def _best(
    types: bytes, ask: tuple[str, ...], environment: Mapping[str, str]
) -> bytes | tuple[Path, ...]:
    offered = types.decode("utf-8", "replace").split()
    if _FILES in offered:
        files = await _ask((*ask, _FILES), environment)
        if paths := paths_in_paste(files.decode("utf-8", "replace")):
            return paths
    for kind in _TYPES:
        if kind in offered:
            return await _ask((*ask, kind), environment)
    return b""


async def _pngpaste(tool: str, environment: Mapping[str, str]) -> bytes:
    return await _ask((tool, "-"), environment, empty=r"No image data")


async def _osascript(tool: str, environment: Mapping[str, str]) -> bytes:
    said = await _ask((tool, "-e", _APPLESCRIPT), environment, empty=r"-1700|Can.t make")
    match = re.search(rb"PNGf([0-9A-Fa-f]+)", said)
    return bytes.fromhex(match[1].decode("ascii")) if match else b""


async def _powershell(tool: str, environment: Mapping[str, str]) -> bytes:
    said = await _ask((tool, "-NoProfile", "-Sta", "-Command", _POWERSHELL_PASTE), environment)
    try:
        return base64.b64decode(b"".join(said.split()), validate=True)
    except ValueError:
        return b""


async def _ask(
    command: tuple[str, ...], environment: Mapping[str, str], *, empty: str = r"(?!)"
) -> bytes:
    """A tool's output; nothing where it says, in words that match `empty`, that there is none."""
    done: Ran = await run(command, environment, limit=2 * MAX_BYTES)
    if done.code == 0:
        return done.output
    if done.code is not None and re.search(empty, done.reason):
        return b""
    raise _ToolFailedError(done.reason or f"{done.code}")


def _stored(data: bytes, directory: Path) -> Path:
    if len(data) > MAX_BYTES:
        raise ClipboardError(tr("clipboard.too_large", limit=MAX_BYTES // 2**20))
    file = directory / f"{hashlib.sha256(data).hexdigest()[:16]}{_suffix(data)}"
    if not file.exists():
        atomic_write(file, data)
    return file


def _suffix(data: bytes) -> str:
    for start, suffix in ((b"\x89PNG", ".png"), (b"\xff\xd8", ".jpg"), (b"GIF8", ".gif")):
        if data.startswith(start):
            return suffix
    return ".webp" if data[8:12] == b"WEBP" else ".bin"

# SPDX-License-Identifier: Apache-2.0
"""Pictures come out of the clipboard as files, or it is said why not."""

from __future__ import annotations

import base64
import hashlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.tui.clipboard.tools import Tools
from yuren_core.errors import ImageError
from yuren_core.messages import ImagePart
from yuren_core.paths import cache_dir
from yuren_tui.clipboard import ClipboardError, pictures_from_clipboard

WAYLAND, X11 = {"WAYLAND_DISPLAY": "w"}, {"DISPLAY": ":0"}


@pytest.fixture
def png() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (4, 3), "red").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def tools(tmp_path: Path, png: bytes) -> Tools:
    tools = Tools(tmp_path)
    (tools.store / "picture").write_bytes(png)
    (tools.store / "picture64").write_bytes(base64.encodebytes(png))
    (tools.store / "hex").write_text(f"«data PNGf{png.hex().upper()}»\n", encoding="utf-8")
    return tools


def part_of(path: Path) -> ImagePart:
    data = path.read_bytes()
    if data.startswith(b"rubbish"):
        raise ImageError("this is no picture")
    return ImagePart(str(path), hashlib.sha256(data).hexdigest())


def bytes_of(part: ImagePart) -> bytes:
    return Path(part.path).read_bytes()


async def paste(tools: Tools, extra: dict[str, str] | None = None) -> tuple[ImagePart, ...]:
    environment = {**tools.environment, **(extra or {})}
    return await pictures_from_clipboard(part_of, environment=environment)


@pytest.mark.parametrize(
    ("tool", "extra", "script"),
    [
        (
            "wl-paste",
            WAYLAND,
            'if [ "$1" = --list-types ]; then echo text/html; echo image/png; else\n'
            'test "$*" = "--no-newline --type image/png" && cat "$STORE/picture"; fi',
        ),
        (
            "xclip",
            X11,
            'if [ "$*" = "-selection clipboard -o -t TARGETS" ]; then\n'
            "echo TARGETS image/png; else\n"
            'test "$*" = "-selection clipboard -o -t image/png" && cat "$STORE/picture"; fi',
        ),
        ("pngpaste", {}, 'test "$1" = - && cat "$STORE/picture"'),
        ("osascript", {}, 'cat "$STORE/hex"'),
        ("powershell.exe", {"WSL_DISTRO_NAME": "Ubuntu"}, 'cat "$STORE/picture64"'),
    ],
)
async def test_pixels_become_a_file(
    tools: Tools, png: bytes, tool: str, extra: dict[str, str], script: str
) -> None:
    tools.add(tool, script)
    (part,) = await paste(tools, extra)
    assert bytes_of(part) == png
    assert Path(part.path).parent == cache_dir() / "clipboard"
    assert await paste(tools, extra) == (part,), "the same picture is the same file"


async def test_copied_files_are_named_and_not_copied(tools: Tools, png: bytes) -> None:
    file = tools.store / "猫 cat.png"
    file.write_bytes(png)
    (tools.store / "uris").write_text(f"{file.as_uri()}\r\n", encoding="utf-8")
    tools.add(
        "wl-paste",
        'if [ "$1" = --list-types ]; then echo text/uri-list; else cat "$STORE/uris"; fi',
    )
    (part,) = await paste(tools, WAYLAND)
    assert Path(part.path) == file


@pytest.mark.parametrize(
    ("tool", "extra", "script"),
    [
        ("wl-paste", WAYLAND, "echo text/plain"),
        ("wl-paste", WAYLAND, "echo 'Nothing is copied' >&2; exit 1"),
        ("xclip", X11, "echo 'Error: target TARGETS not available' >&2; exit 1"),
        ("pngpaste", {}, "echo 'pngpaste: No image data found on the clipboard' >&2; exit 1"),
        ("powershell.exe", {"WSL_DISTRO_NAME": "Ubuntu"}, "exit 0"),
    ],
)
async def test_a_clipboard_without_a_picture_is_said(
    tools: Tools, tool: str, extra: dict[str, str], script: str
) -> None:
    tools.add(tool, script)
    with pytest.raises(ClipboardError, match="no picture in the clipboard"):
        await paste(tools, extra)


async def test_no_tool_is_said_with_what_to_install(tools: Tools) -> None:
    with pytest.raises(ClipboardError) as caught:
        await paste(tools, WAYLAND)
    assert "wl-clipboard" in caught.value.hint


async def test_a_tool_that_fails_is_quoted(tools: Tools) -> None:
    tools.add("wl-paste", "echo 'failed to connect' >&2; exit 1")
    with pytest.raises(ClipboardError, match="wl-paste: failed to connect"):
        await paste(tools, WAYLAND)


async def test_what_is_no_picture_is_refused_by_who_makes_the_part(tools: Tools) -> None:
    tools.add("pngpaste", "echo rubbish")
    with pytest.raises(ImageError):
        await paste(tools)

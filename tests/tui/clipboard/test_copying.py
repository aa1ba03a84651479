# SPDX-License-Identifier: Apache-2.0
"""Copying tells the truth: confirmed by a tool, sent to a terminal, or an error."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from pathlib import Path

import pytest

from tests.tui.clipboard.tools import Tools
from yuren_core.i18n import use_language
from yuren_tui.clipboard import ClipboardError, copy_text, osc52

TEXT = "床前明月光\n👍 “quotes” \\ $HOME"


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path)


def decoded(written: str) -> str:
    """The text of a plain OSC 52 sequence."""
    match = re.fullmatch(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", written)
    assert match is not None
    return base64.b64decode(match[1]).decode()


async def test_a_terminal_alone_is_not_said_to_have_copied(tools: Tools) -> None:
    written: list[str] = []
    copied = await copy_text(TEXT, write=written.append, environment=tools.environment)
    assert decoded("".join(written)) == TEXT
    assert (copied.means, copied.is_confirmed) == (("terminal",), False)
    assert "Sent to the terminal" in copied.message
    use_language("zh")
    assert "交给终端" in copied.message


@pytest.mark.parametrize(
    ("tool", "extra", "arguments", "encoding"),
    [
        ("wl-copy", {"WAYLAND_DISPLAY": "w"}, "--type text/plain;charset=utf-8", "utf-8"),
        ("xclip", {"DISPLAY": ":0"}, "-selection clipboard -in", "utf-8"),
        ("xsel", {"DISPLAY": ":0"}, "--clipboard --input", "utf-8"),
        ("pbcopy", {}, "", "utf-8"),
        ("clip.exe", {"WSL_DISTRO_NAME": "Ubuntu"}, "", "utf-16"),
    ],
)
async def test_a_tool_confirms(
    tools: Tools, tool: str, extra: dict[str, str], arguments: str, encoding: str
) -> None:
    tools.add(tool, 'cat > "$STORE/got"; echo "$@" > "$STORE/arguments"')
    copied = await copy_text(TEXT, write=None, environment={**tools.environment, **extra})
    assert (copied.means, copied.is_confirmed) == ((tool,), True)
    assert copied.message == f"Copied: {len(TEXT)} characters."
    assert (tools.store / "got").read_bytes().decode(encoding) == TEXT
    assert (tools.store / "arguments").read_text().strip() == arguments


async def test_windows_reads_utf_16_by_its_mark(tools: Tools) -> None:
    tools.add("clip.exe", 'cat > "$STORE/got"')
    environment = {**tools.environment, "WSL_DISTRO_NAME": "Ubuntu"}
    await copy_text("好", write=None, environment=environment)
    assert (tools.store / "got").read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff")


async def test_a_tool_without_its_display_is_not_asked(tools: Tools) -> None:
    for tool in ("wl-copy", "xclip", "clip.exe"):
        tools.add(tool, "exit 0")
    with pytest.raises(ClipboardError, match="no clipboard"):
        await copy_text(TEXT, write=None, environment=tools.environment)


async def test_over_ssh_the_other_machines_clipboard_is_left_alone(tools: Tools) -> None:
    for tool in ("wl-copy", "pbcopy"):
        tools.add(tool, 'touch "$STORE/called"')
    environment = {**tools.environment, "SSH_TTY": "/dev/pts/1", "WAYLAND_DISPLAY": "w"}
    copied = await copy_text(TEXT, write=lambda _: None, environment=environment)
    assert copied.means == ("terminal",)
    assert not (tools.store / "called").exists()


async def test_the_next_tool_is_tried_and_all_failures_are_named(tools: Tools) -> None:
    tools.add("wl-copy", "echo 'no compositor' >&2; exit 1")
    tools.add("xclip", 'echo "Can\'t open display" >&2; exit 1')
    environment = {**tools.environment, "WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}
    with pytest.raises(ClipboardError) as caught:
        await copy_text(TEXT, write=None, environment=environment)
    assert "wl-copy: no compositor; xclip: Can't open display" in caught.value.message
    copied = await copy_text(TEXT, write=lambda _: None, environment=environment)
    assert (copied.means, copied.is_confirmed) == (("terminal",), False)
    tools.add("xsel", "cat > /dev/null")
    copied = await copy_text(TEXT, write=lambda _: None, environment=environment)
    assert (copied.means, copied.is_confirmed) == (("terminal", "xsel"), True)


async def test_a_tool_that_hangs_is_ended(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yuren_tui.clipboard.tools.TIMEOUT_S", 1.0)
    tools.add("pbcopy", "exec sleep 60")
    ticks, start = 0, time.monotonic()

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    with pytest.raises(ClipboardError, match="pbcopy"):
        await copy_text("x" * 1_000_000, write=None, environment=tools.environment)
    ticking.cancel()
    assert time.monotonic() - start < 40
    assert ticks > 5, "the loop was held up"


async def test_a_tool_that_stays_behind_to_serve_does_not_hold_us_up(tools: Tools) -> None:
    tools.add("xclip", 'cat > "$STORE/got"; sleep 30 &')
    start = time.monotonic()
    environment = {**tools.environment, "DISPLAY": ":0"}
    assert (await copy_text(TEXT, write=None, environment=environment)).is_confirmed
    assert time.monotonic() - start < 20


async def test_a_tool_that_reads_nothing_is_no_error_of_ours(tools: Tools) -> None:
    tools.add("pbcopy", "exit 0")
    copied = await copy_text("x" * 1_000_000, write=None, environment=tools.environment)
    assert copied.is_confirmed


async def test_a_huge_text_goes_to_a_tool_only(tools: Tools) -> None:
    text, written = "好" * 1_000_000, list[str]()
    with pytest.raises(ClipboardError, match="1000000 characters"):
        await copy_text(text, write=written.append, environment=tools.environment)
    tools.add("pbcopy", 'cat > "$STORE/got"')
    copied = await copy_text(text, write=written.append, environment=tools.environment)
    assert copied.is_confirmed
    assert (tools.store / "got").read_text(encoding="utf-8") == text
    assert written == []


def test_the_limit_is_of_bytes() -> None:
    assert osc52.fits("x" * osc52.LONGEST_BYTES)
    assert not osc52.fits("x" * (osc52.LONGEST_BYTES + 1))
    assert not osc52.fits("好" * (osc52.LONGEST_BYTES // 3 + 1))
    assert len(osc52.sequence("x" * osc52.LONGEST_BYTES, {})) <= 100_000


async def test_through_tmux_it_goes_three_ways(tools: Tools) -> None:
    tools.add("tmux", 'cat > "$STORE/got"; echo "$@" > "$STORE/arguments"')
    written: list[str] = []
    environment = {**tools.environment, "TMUX": "/tmp/tmux-1/default,1,0"}
    copied = await copy_text(TEXT, write=written.append, environment=environment)
    plain, wrapped = "".join(written).split("\x1bPtmux;")
    assert decoded(plain) == TEXT
    assert decoded(wrapped.removesuffix("\x1b\\").replace("\x1b\x1b", "\x1b")) == TEXT
    assert (tools.store / "got").read_text(encoding="utf-8") == TEXT
    assert (tools.store / "arguments").read_text().strip() == "load-buffer -w -"
    assert (copied.means, copied.is_confirmed) == (("terminal", "tmux"), False)


def test_through_screen_it_goes_in_short_pieces() -> None:
    written = osc52.sequence("好" * 1000, {"STY": "1.pts"})
    pieces = re.findall(r"\x1bP(.*?)\x1b\\", written, re.DOTALL)
    assert all(len(piece) < 256 for piece in pieces)
    assert decoded("".join(pieces)) == "好" * 1000
    assert "".join(f"\x1bP{piece}\x1b\\" for piece in pieces) == written


def test_lone_surrogates_do_no_harm() -> None:
    assert decoded(osc52.sequence("a\ud800b", {})) == "a?b"

# SPDX-License-Identifier: Apache-2.0
"""Copy text: through the terminal, which cannot confirm it, then through a tool, which can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from yuren_core.i18n import tr
from yuren_tui.clipboard import osc52
from yuren_tui.clipboard.errors import ClipboardError
from yuren_tui.clipboard.tools import find, is_remote, is_windows, run

_POWERSHELL_COPY = (
    "[Console]::InputEncoding = [Text.Encoding]::UTF8;"
    " Set-Clipboard -Value ([Console]::In.ReadToEnd())"
)


@dataclass(frozen=True, slots=True)
class Copied:
    """What is known of a copy.

    Attributes:
        means: the tools that took the text, "terminal" among them for OSC 52.
        is_confirmed: a tool said that the clipboard has it.
        characters: how many there were.
    """

    means: tuple[str, ...]
    is_confirmed: bool
    characters: int

    @property
    def message(self) -> str:
        """What to tell the person, and no more than is known."""
        if self.is_confirmed:
            return tr("clipboard.copied", count=self.characters)
        return tr("clipboard.sent", count=self.characters)


@dataclass(frozen=True, slots=True)
class _Tool:
    name: str
    command: tuple[str, ...]
    encoding: str = "utf-8"
    confirms: bool = True


async def copy_text(
    text: str, *, write: Callable[[str], None] | None, environment: Mapping[str, str]
) -> Copied:
    """Copy text to the system's clipboard.

    Args:
        text: any length; Chinese and emoji are no matter.
        write: writes to the terminal (of a running Textual app, its driver's `write`); None where
            there is none.
        environment: says which desktop, multiplexer and machine this is.

    Returns:
        What took it, and whether that is certain.

    Raises:
        ClipboardError: nothing is there that could take it, or nothing did.
    """
    means, failed, is_confirmed = list[str](), list[str](), False
    if write is not None and osc52.fits(text):
        write(osc52.sequence(text, environment))
        means.append("terminal")
    for tool in _tools(environment):
        given = text.encode(tool.encoding, "replace")
        done = await run(tool.command, environment, given=given)
        if done.code == 0:
            means.append(tool.name)
            is_confirmed = tool.confirms
            if is_confirmed:
                break
        else:
            failed.append(f"{tool.name}: {done.reason or done.code}")
    if means:
        return Copied(tuple(means), is_confirmed, len(text))
    if failed:
        raise ClipboardError(
            tr("clipboard.failed", reason="; ".join(failed)), tr("clipboard.failed_hint")
        )
    if write is not None:
        raise ClipboardError(
            tr("clipboard.too_long", count=len(text)), tr("clipboard.too_long_hint")
        )
    raise ClipboardError(tr("clipboard.no_tool"), tr("clipboard.no_tool_hint"))


def _tools(environment: Mapping[str, str]) -> Iterator[_Tool]:
    """Tools that reach the clipboard of the person, the likeliest first.

    tmux comes first, with its default settings the only way out of it; whether its terminal takes
    the text is as unknown as with OSC 52. Over ssh, only a display that is forwarded is theirs.
    """
    if environment.get("TMUX") and (path := find("tmux", environment)):
        yield _Tool("tmux", (path, "load-buffer", "-w", "-"), confirms=False)
    wayland, x11 = environment.get("WAYLAND_DISPLAY"), environment.get("DISPLAY")
    if wayland and not is_remote(environment) and (path := find("wl-copy", environment)):
        yield _Tool("wl-copy", (path, "--type", "text/plain;charset=utf-8"))
    if x11 and (path := find("xclip", environment)):
        yield _Tool("xclip", (path, "-selection", "clipboard", "-in"))
    if x11 and (path := find("xsel", environment)):
        yield _Tool("xsel", (path, "--clipboard", "--input"))
    if is_remote(environment):
        return
    if path := find("pbcopy", environment):
        yield _Tool("pbcopy", (path,))
    if not is_windows(environment):
        return
    if path := find("clip.exe", environment):
        yield _Tool("clip.exe", (path,), encoding="utf-16")  # with its mark, else it is ANSI
    if path := find("powershell.exe", environment):
        yield _Tool("powershell", (path, "-NoProfile", "-Command", _POWERSHELL_COPY))

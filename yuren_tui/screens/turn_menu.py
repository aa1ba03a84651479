# SPDX-License-Identifier: Apache-2.0
"""The menu of a message: all that can be done to it, with the keys that do it at once."""

from __future__ import annotations

from textual.app import App
from textual.binding import Binding
from textual.content import Content

from yuren_core.i18n import tr
from yuren_tui.code_blocks import CodeBlock, code_blocks
from yuren_tui.sanitize import sanitize_line
from yuren_tui.screens.pick import PickScreen
from yuren_tui.widgets.turn_list import ACT_BINDINGS
from yuren_tui.widgets.turn_view import Act, TurnView

_ORDER: tuple[Act, ...] = (
    *("resend", "edit", "retry", "continue", "previous", "next"),
    *("copy", "code", "quote", "pin", "delete"),
)
_KEYS_WIDTH = 6


async def choose_act(app: App[object], view: TurnView) -> Act | None:
    """Ask what is to be done with a message; None for nothing."""
    acts = [act for act in _ORDER if act in view.acts]
    keys: dict[str, int] = {}
    entries = []
    for place, act in enumerate(acts):
        bound = _keys_of(app, act)
        keys |= dict.fromkeys((binding.key for binding in bound), place)
        shown = app.get_key_display(bound[0]) if bound else ""
        name = "unpin" if act == "pin" and view.is_pinned else act
        gap = " " * max(1, _KEYS_WIDTH - Content(shown).cell_length)
        entries.append(Content.assemble("  ", (shown, "$primary"), gap, tr(f"turns.act_{name}")))
    title = f"{view.name} {view.index}/{view.count}" if view.count > 1 else view.name
    chosen = await app.push_screen_wait(PickScreen(title, entries, keys=keys))
    return None if chosen is None else acts[chosen]


async def choose_block(app: App[object], text: str) -> str | None:
    """One of a message's code blocks; asked for only where there are several."""
    blocks = code_blocks(text)
    if len(blocks) < 2:
        return blocks[0].code if blocks else None
    entries = [_entry(number, block) for number, block in enumerate(blocks, 1)]
    keys = {str(number): number - 1 for number in range(1, min(9, len(blocks)) + 1)}
    chosen = await app.push_screen_wait(PickScreen(tr("turns.which_block"), entries, keys=keys))
    return None if chosen is None else blocks[chosen].code


def _entry(number: int, block: CodeBlock) -> Content:
    lines = block.code.splitlines()
    about = " · ".join(filter(None, (block.language, tr("turns.lines", count=len(lines)))))
    first = next((line.strip() for line in lines if line.strip()), "")
    return Content.assemble(
        (f"  {number}  ", "$primary"),
        sanitize_line(first, limit=52),
        (f"\n     {sanitize_line(about, limit=40)}", "$foreground 55%"),
    )


def _keys_of(app: App[object], act: Act) -> list[Binding]:
    """The keys of an act as they are now, rebound ones too."""
    bound = [
        active.binding
        for active in app.screen.active_bindings.values()
        if active.binding.id == f"turns.{act}"
    ]
    return bound or [
        binding for binding in Binding.make_bindings(ACT_BINDINGS) if binding.id == f"turns.{act}"
    ]

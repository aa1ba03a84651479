# SPDX-License-Identifier: Apache-2.0
"""What fills the context: by what, how much, and what the next message would push out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Footer, Static

from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.bindings import bind
from yuren_tui.sanitize import sanitize_line
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.session import ContextUse, Turn
from yuren_tui.widgets.markdown import plain_words
from yuren_tui.widgets.meter import FREE, Share, ShareRow, SharesBar, percent

_LOOKS = {
    "system": ("$primary", "█"),
    "lore": ("$accent", "▓"),
    "examples": ("$secondary", "▌"),
    "history": ("$foreground 70%", "▆"),
    "instructions": ("$primary 60%", "▚"),
    "images": ("$warning", "▞"),
    "opening": ("$foreground 40%", "▂"),
}
_SHOWN = 120  # characters of a turn
_READ = 1_000  # and how many are looked at for them


class ContextScreen(TranslatedModal[None]):
    """The panel.

    Args:
        use: as the model process has counted it, with what is typed now.
        turns: the path that is shown.
    """

    CSS_PATH = "context_meter.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("f6", "close", "meter.close"),
    ]

    def __init__(self, use: ContextUse, turns: Sequence[Turn]) -> None:
        super().__init__()
        self._use = use
        self._turns = tuple(turns)

    def compose(self) -> ComposeResult:
        use, shares = self._use, shares_of(self._use)
        total = use.context_length
        width = max(Content(share.label).cell_length for share in shares)
        with Vertical(id="panel") as panel:
            panel.border_title = tr("meter.title")
            yield Static(_sum(use), id="sum")
            yield SharesBar(shares[:-1], total)
            with VerticalScroll(id="parts"):
                for share in shares:
                    yield ShareRow(share, total, width)
                yield from self._remarks()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#parts").focus()

    def _remarks(self) -> Iterator[Widget]:
        use = self._use
        leaving = [turn for turn in self._turns if turn.id in use.dropped_turn_ids]
        if not use.fits:
            yield Static(Content(tr("meter.too_long")), classes="head -error")
        if use.drops_examples:
            yield Static(Content(tr("meter.drops_examples")), classes="head -warning")
        if leaving:
            head = tr("meter.leaving", count=len(leaving))
            yield Static(Content(head), classes="head -warning")
            for turn in leaving:
                yield Static(_line(turn), classes="turn")
        elif use.fits and not use.drops_examples:
            yield Static(Content(tr("meter.all_stays")), classes="head -good")
        pinned = [turn for turn in self._turns if turn.is_pinned]
        if pinned:
            yield Static(Content(tr("meter.pinned", count=len(pinned))), classes="head")
            for turn in pinned:
                yield Static(_line(turn), classes="turn")


def shares_of(use: ContextUse) -> list[Share]:
    """What fills the context, then the room for the answer, then what is free."""
    counted: dict[str, int] = {str(kind): amount for kind, amount in use.by_kind.items()}
    shares = [
        Share(tr(f"meter.{kind}"), counted.get(kind, 0), *look)
        for kind, look in _LOOKS.items()
        if counted.get(kind) or kind in ("system", "history")
    ]
    free = use.context_length - use.prompt_tokens - use.answer_tokens
    return [
        *shares,
        Share(tr("meter.answer"), use.answer_tokens, "$success 60%", "▒"),
        Share(tr("meter.free"), max(0, free), "$foreground 20%", FREE),
    ]


def _sum(use: ContextUse) -> Content:
    part = use.prompt_tokens / max(1, use.context_length)
    words = tr("meter.sum", used=use.prompt_tokens, length=use.context_length, part=percent(part))
    return Content.assemble(
        (words, "bold"), (f"  {tr('meter.kept', answer=use.answer_tokens)}", "$foreground 55%")
    )


def _line(turn: Turn) -> Content:
    who = tr("chat.you") if turn.role is Role.USER else turn.speaker or tr("chat.assistant")
    pictures = "▣ " * len(turn.images)
    text = turn.text[:_READ]
    words = text if turn.role is Role.USER else plain_words(text)
    return Content.assemble(
        (f"{sanitize_line(who, limit=20)}  ", "$foreground 55%"),
        pictures,
        sanitize_line(words[:_SHOWN]).strip(),
    )

# SPDX-License-Identifier: Apache-2.0
"""What the lorebook does in this turn: which entries are told and why, which were passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Footer, Static

from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.presets import ActiveEntry, LoreEntry, LoreReport, PassedOverEntry
from yuren_tui.sanitize import sanitize, sanitize_line
from yuren_tui.screens.base import TranslatedModal

One = TypeVar("One")

_LONGEST = 600  # characters of an entry
_MOST = 200  # entries of each kind


class LoreScreen(TranslatedModal[None]):
    """The panel.

    Args:
        report: of the turn that would be sent now.
        entries: all of the book.
    """

    CSS_PATH = "lore.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [bind("f8", "close", "lore.close")]

    def __init__(self, report: LoreReport, entries: Sequence[LoreEntry]) -> None:
        super().__init__()
        self._report = report
        asked = {active.entry.id for active in report.active}
        asked |= {passed.entry.id for passed in report.passed_over}
        self._resting = [entry for entry in entries if entry.id not in asked]

    def compose(self) -> ComposeResult:
        report = self._report
        with Vertical(id="panel") as panel:
            panel.border_title = tr("lore.title")
            panel.border_subtitle = _sum(report)
            with VerticalScroll(id="entries"):
                yield from _group("active", report.active, _active)
                yield from _group("passed", report.passed_over, _passed)
                yield from _group("resting", self._resting, _resting)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#entries").focus()


def _group(name: str, entries: Sequence[One], draw: Callable[[One], Content]) -> Iterator[Widget]:
    yield Static(Content(tr(f"lore.{name}", count=len(entries))), classes=f"head -{name}")
    for entry in entries[:_MOST]:
        yield Static(draw(entry), classes=f"entry -{name}")
    if len(entries) > _MOST:
        more = f"… {len(entries) - _MOST}"
        yield Static(Content.styled(more, "$foreground 45%"), classes="entry")


def _active(one: ActiveEntry) -> Content:
    why = tr(f"lore.reason_{one.reason}")
    if one.key:
        why += f" “{sanitize_line(one.key, limit=60)}”"
    if one.secondary_keys:
        why += " + " + ", ".join(f"“{sanitize_line(key, limit=40)}”" for key in one.secondary_keys)
    if one.activated_by:
        why += "  ← " + sanitize_line(one.activated_by, limit=40)
    if one.message_index is not None:
        why += "  " + tr("lore.in_message", number=one.message_index + 1)
    return Content.assemble(
        ("● ", "$success"),
        (sanitize_line(one.entry.label, limit=60), "bold"),
        (f"  {tr('lore.tokens', count=one.tokens)}", "$foreground 55%"),
        (f"  {_place(one.entry)}", "$foreground 55%"),
        ("\n  " + why, "$accent"),
        ("\n" + _indented(one.text), "$foreground 75%"),
    )


def _passed(one: PassedOverEntry) -> Content:
    why = tr(f"lore.passed_{one.reason}")
    detail = f" ({sanitize_line(one.detail, limit=80)})" if one.detail else ""
    return Content.assemble(
        ("✕ ", "$warning"),
        (sanitize_line(one.entry.label, limit=60), "bold"),
        ("  " + why + detail, "$warning"),
    )


def _resting(entry: LoreEntry) -> Content:
    keys = ", ".join(entry.keys[:12])
    off = "" if entry.enabled else f"  {tr('lore.off')}"
    return Content.assemble(
        ("○ ", "$foreground 40%"),
        (sanitize_line(entry.label, limit=60), "$foreground 75%"),
        (f"  {sanitize_line(keys, limit=120)}{off}", "$foreground 45%"),
    )


def _place(entry: LoreEntry) -> str:
    if entry.where == "at_depth":
        return tr("lore.where_at_depth", depth=entry.depth)
    return tr(f"lore.where_{entry.where}")


def _sum(report: LoreReport) -> Content:
    if report.budget is None:
        return Content(tr("lore.tokens", count=report.tokens))
    return Content(tr("lore.budget", count=report.tokens, budget=report.budget))


def _indented(text: str) -> str:
    shown = sanitize(text[:_LONGEST]) + ("…" if len(text) > _LONGEST else "")
    return "\n".join(f"  {line}" for line in shown.splitlines())

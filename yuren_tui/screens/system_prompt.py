# SPDX-License-Identifier: Apache-2.0
"""Edit the system prompt of the open chat, beside what the model will be told.

Nothing is taken before it is saved. What is typed is told on as it is typed, and a changed text is
handed back when it is left without saving, so that the next time goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Footer, OptionList, Static, Tab, Tabs, TextArea

from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.prompt_desk import PromptDesk, Told, compare
from yuren_tui.sanitize import sanitize, sanitize_line
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.widgets.choices import Choices
from yuren_tui.widgets.edit_area import EditArea

VIEWS = ("preview", "variables", "history", "changes")
_REST_S = 0.2  # how long nothing must be typed before it is counted and shown
_LONGEST = 20_000  # characters shown of a view
_SIGNS = {"same": "  ", "added": "+ ", "removed": "- "}
_COLOURS = {
    "same": "$foreground 60%",
    "added": "$success on $success 12%",
    "removed": "$error on $error 12%",
}


@dataclass(frozen=True, slots=True)
class EditedPrompt:
    """How the editing ended."""

    text: str
    is_saved: bool


class SystemPromptScreen(TranslatedModal[EditedPrompt]):
    """The panel.

    Args:
        desk: knows the chat.
        draft: what an earlier edit left; None for the chat's own text.
        on_typed: called with the text at each change.
    """

    CSS_PATH = "system_prompt.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - as Screen types it
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+s", "save", "system.save", show=True),
        bind("f4", "next_view", "system.view", show=True),
        bind("ctrl+r", "restore", "system.restore", show=True),
        bind("ctrl+e", "close", "system.leave"),
    ]

    def __init__(
        self,
        desk: PromptDesk,
        draft: str | None = None,
        *,
        on_typed: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._desk = desk
        self._on_typed = on_typed
        self._first = desk.text if draft is None else draft
        self._versions = desk.versions()

    def compose(self) -> ComposeResult:
        with Container(id="panel") as panel:
            panel.border_title = tr("system.title")
            with Vertical(id="writing"):
                yield EditArea(self._first, placeholder=tr("system.placeholder"), id="text")
                yield Static("", id="cost", markup=False)
            with Vertical(id="views"):
                yield Tabs(*(Tab(Content(tr(f"system.{name}")), id=name) for name in VIEWS))
                with ContentSwitcher(initial="preview-view", id="switcher"):
                    for name in VIEWS:
                        with VerticalScroll(id=f"{name}-view", can_focus=name != "history"):
                            yield self._view(name)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        area = self.query_one(EditArea)
        area.move_cursor(area.document.end)
        area.focus()
        entries = [
            Content.assemble(
                (f"{version.used_at.astimezone():%Y-%m-%d %H:%M}  ", "$foreground 55%"),
                sanitize_line(version.text, limit=200),
            )
            for version in self._versions
        ]
        if entries:
            self.query_one(Choices).show(entries)
        self._refresh()

    @on(TextArea.Changed)
    def _changed(self, event: TextArea.Changed) -> None:
        event.stop()
        if self._on_typed is not None:
            self._on_typed(event.text_area.text)
        self._refresh()

    @on(Tabs.TabActivated)
    def _view_chosen(self, event: Tabs.TabActivated) -> None:
        event.stop()
        self.query_one(ContentSwitcher).current = f"{event.tab.id}-view"

    @on(OptionList.OptionSelected)
    def _version_chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._put(self._versions[event.option_index].text)

    @on(EditArea.PasteCut)
    def _paste_cut(self) -> None:
        self.notify(tr("chat.paste_cut"), severity="warning", markup=False)

    def action_save(self) -> None:
        """Take the text for this chat."""
        self.dismiss(EditedPrompt(self._text, True))

    def action_close(self) -> None:
        """Leave; the text is handed back."""
        self.dismiss(EditedPrompt(self._text, False))

    def action_next_view(self) -> None:
        """Show the next view."""
        self.query_one(Tabs).action_next_tab()

    def action_restore(self) -> None:
        """Write what the preset says."""
        self._put(self._desk.preset_text)

    @work(group="refresh", exclusive=True)
    async def _refresh(self) -> None:
        await asyncio.sleep(_REST_S if self.is_mounted else 0)
        text = self._text
        self.query_one("#changes", Static).update(self._changes(text))
        told = await self._desk.told(text)
        shown = sanitize(told.text[:_LONGEST])
        preview = Content(shown) if shown else _faint(tr("system.empty"))
        self.query_one("#preview", Static).update(preview)
        self.query_one("#cost", Static).update(self._about(text, told))

    def _changes(self, text: str) -> Content:
        if text == self._desk.preset_text:
            return _faint(tr("system.unchanged", preset=self._origin))
        lines = [
            Content.styled(_SIGNS[line.kind] + sanitize_line(line.text), _COLOURS[line.kind])
            for line in compare(self._desk.preset_text[:_LONGEST], text[:_LONGEST])
        ]
        return Content("\n").join([_faint(tr("system.against", preset=self._origin)), *lines])

    def _about(self, text: str, told: Told) -> Content:
        words = tr("system.guess" if told.is_guess else "system.cost", tokens=told.tokens)
        marks: list[tuple[str, str]] = [(words, "$primary")]
        if text != self._desk.text:
            marks.append((f"  ● {tr('system.unsaved')}", "$warning"))
        if warning := self._desk.warning(text):
            marks.append((f"\n▲ {sanitize_line(warning)}", "$warning"))
        return Content.assemble(*marks)

    def _view(self, name: str) -> Widget:
        if name == "history" and self._versions:
            return Choices(id="versions")
        first = {
            "history": _faint(tr("system.no_history")),
            "variables": Content("\n").join(
                Content.assemble(
                    (written, "$primary"),
                    "  ",
                    sanitize_line(value, limit=160) if value else _faint(tr("system.nothing")),
                )
                for written, value in self._desk.variables()
            ),
        }
        return Static(first.get(name, Content("")), id=name if name != "history" else None)

    @property
    def _origin(self) -> str:
        name = sanitize_line(self._desk.preset_name, limit=40)
        return name or tr("system.no_preset")

    @property
    def _text(self) -> str:
        return self.query_one(EditArea).text

    def _put(self, text: str) -> None:
        area = self.query_one(EditArea)
        area.put(text)
        area.focus()


def _faint(words: str) -> Content:
    return Content.styled(words, "$foreground 55%")

# SPDX-License-Identifier: Apache-2.0
"""What stands in the transcript: a question, an answer, a notice.

A message is edited where it stands: the editor takes the place of its words until it is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from textual.app import ComposeResult
from textual.containers import HorizontalGroup, VerticalGroup
from textual.content import Content
from textual.geometry import NULL_SPACING, Size
from textual.layout import DockArrangeResult
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from yuren_core.i18n import tr
from yuren_tui.sanitize import LineLimiter, sanitize
from yuren_tui.widgets.picture import SentPicture, ThumbnailView
from yuren_tui.widgets.turn_view import Ending, TurnView

if TYPE_CHECKING:
    from yuren_tui.widgets.markdown import StreamedMarkdown
    from yuren_tui.widgets.turn_editor import TurnEditor

AVATAR_COLUMNS = 12
AVATAR_ROWS = 6
_NOTHING = DockArrangeResult([], set(), NULL_SPACING)
Severity = Literal["information", "warning", "error"]


class TurnMessage(VerticalGroup):
    """One message: a line that says whose it is, then what was said.

    Args:
        view: what it shows.
    """

    view: reactive[TurnView] = reactive(TurnView(0, True, "", ""), init=False)

    def __init__(self, view: TurnView) -> None:
        super().__init__()
        self.is_near = True
        """Whether it is in sight or close to it; set by the window."""
        self._is_measured = False
        self.set_reactive(TurnMessage.view, view)

    @property
    def turn_id(self) -> int:
        """Which message it is."""
        return self.view.id

    def compose(self) -> ComposeResult:
        yield Static(_head(self.view), classes="role")
        yield from self.compose_body()

    def compose_body(self) -> Iterator[Widget]:
        """What stands below the line that says whose it is."""
        yield from ()

    async def draw(self) -> None:
        """Show all words at once; to be awaited after mounting."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        self._is_measured = True
        try:
            return super().get_content_height(container, viewport, width)
        finally:
            self._is_measured = False

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        """As any widget does, but what is far from sight is measured only and not laid out: that
        would cost at every layout as much as what is seen."""
        is_needed = optimal or self.is_near or self._is_measured
        return super().arrange(size, optimal) if is_needed else _NOTHING

    def watch_view(self, old: TurnView, view: TurnView) -> None:
        if _head(old) != _head(view):  # every change of it is a layout
            self.query_one(".role", Static).update(_head(view))

    async def edit(self, editor: TurnEditor) -> None:
        """Let an editor take the place of the words."""
        self.add_class("-edited")
        await self.mount(editor)
        editor.focus()

    async def end_edit(self) -> None:
        """Show the words again."""
        self.remove_class("-edited")
        await self.query("TurnEditor").remove()


class UserMessage(TurnMessage):
    """What the person wrote, as it was written, under its pictures."""

    def compose_body(self) -> Iterator[Widget]:
        limiter = LineLimiter(total=20_000)
        words = limiter.feed(sanitize(self.view.text))
        if self.view.pictures:
            names = [*self.view.picture_names, *[""] * len(self.view.pictures)]
            pictures = [
                SentPicture(part, self.view.picture_cost, name)
                for part, name in zip(self.view.pictures, names, strict=False)
            ]
            yield HorizontalGroup(*pictures, classes="pictures")
        yield Static(Content(words), classes="words")
        if limiter.hidden:
            yield Static(Content(tr("chat.not_shown", count=limiter.hidden)), classes="remark")

    def watch_view(self, old: TurnView, view: TurnView) -> None:
        super().watch_view(old, view)
        for picture in self.query(SentPicture):
            picture.cost = view.picture_cost


class AssistantMessage(TurnMessage):
    """An answer, whole or being written, and how it ended.

    Args:
        view: what it shows; its text is what has been written so far.
        waiting: what is said until the first words come.
    """

    ending: reactive[Ending | None] = reactive(None, init=False)
    waiting: reactive[str] = reactive("", init=False)

    def __init__(self, view: TurnView, waiting: str = "") -> None:
        super().__init__(view)
        self._limiter = LineLimiter()
        self._has_words = bool(view.text)
        self._is_blank = not view.text.strip()
        self._words = self._limiter.feed(sanitize(view.text))
        self.set_reactive(AssistantMessage.waiting, waiting)
        self.set_reactive(AssistantMessage.ending, view.ending)

    def compose_body(self) -> Iterator[Widget]:
        from yuren_tui.widgets.markdown import StreamedMarkdown

        if self.view.avatar:
            yield ThumbnailView(self.view.avatar, columns=AVATAR_COLUMNS, rows=AVATAR_ROWS)
        yield StreamedMarkdown()
        remark = Static(Content(self._remark), classes="remark")
        yield remark.set_class(not self._remark, "-empty")

    def on_mount(self) -> None:
        self.set_class(self.ending == "failed", "-failed")
        if self.ending is None:
            self.run_worker(self._body.pump(), group="stream", exclusive=True)

    async def draw(self) -> None:
        """Show the words that there are; those that come are drawn as they come."""
        if self._words:
            await self._body.update(self._words)

    def append(self, text: str) -> None:
        """Add words of the model's."""
        if not self._has_words:
            self._has_words = True
            self._show_remark()
        self._is_blank = self._is_blank and not text.strip()
        if piece := self._limiter.feed(sanitize(text)):
            self._body.write(piece)

    def watch_view(self, old: TurnView, view: TurnView) -> None:
        super().watch_view(old, view)
        if view.ending is not None:
            self.ending = view.ending

    def watch_waiting(self) -> None:
        self._show_remark()

    def watch_ending(self, ending: Ending | None) -> None:
        self._body.close()
        self._show_remark()
        self.set_class(ending == "failed", "-failed")

    @property
    def _body(self) -> StreamedMarkdown:
        from yuren_tui.widgets.markdown import StreamedMarkdown

        return self.query_one(StreamedMarkdown)

    @property
    def _remark(self) -> str:
        if self.ending is None:
            return "" if self._has_words else self.waiting
        remarks = [tr("chat.wordless")] if self._is_blank else []
        if self.ending != "done":
            remarks.append(tr(f"chat.ending_{self.ending}"))
        if self._limiter.hidden:
            remarks.append(tr("chat.not_shown", count=self._limiter.hidden))
        return "  ·  ".join(remarks)

    def _show_remark(self) -> None:
        remark = self.query_one(".remark", Static)
        remark.update(Content(self._remark))
        remark.set_class(not self._remark, "-empty")  # an editor hides it by its class, too


def _head(view: TurnView) -> Content:
    parts: list[str | tuple[str, str]] = [view.name]
    if view.count > 1:
        parts.append((f"  ‹ {view.index}/{view.count} ›", "$accent not bold"))
    if view.is_pinned:
        parts.append((f"  ◆ {tr('turns.pinned')}", "$accent not bold"))
    if view.has_edit:
        parts.append((f"  ✎ {tr('turns.has_edit')}", "$warning not bold"))
    return Content.assemble(*parts)


class Notice(VerticalGroup):
    """Something that happened: what, and what to do about it.

    Args:
        message: what happened.
        hint: what to do, or where to look.
        severity: how bad it is.
    """

    def __init__(self, message: str, hint: str = "", severity: Severity = "information") -> None:
        super().__init__(classes=f"-{severity}")
        self._message = sanitize(message)
        self._hint = sanitize(hint)

    def compose(self) -> ComposeResult:
        yield Static(Content(self._message), classes="words")
        if self._hint:
            yield Static(Content(self._hint), classes="remark")

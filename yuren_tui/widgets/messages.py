# SPDX-License-Identifier: Apache-2.0
"""What stands in the transcript: a question, an answer, a notice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from textual.app import ComposeResult
from textual.containers import HorizontalGroup, VerticalGroup
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_tui.sanitize import LineLimiter, sanitize
from yuren_tui.widgets.picture import SentPicture

if TYPE_CHECKING:
    from yuren_tui.widgets.markdown import StreamedMarkdown

Ending = Literal["done", "length", "stopped", "failed"]
Severity = Literal["information", "warning", "error"]


class UserMessage(VerticalGroup):
    """What the person wrote, as it was written, under its pictures.

    Args:
        text: the words.
        pictures: attached pictures, in order.
        cost: tokens of one picture; None where it is not known.
    """

    def __init__(
        self, text: str, pictures: Sequence[ImagePart] = (), cost: int | None = None
    ) -> None:
        super().__init__()
        limiter = LineLimiter(total=20_000)
        self._words = limiter.feed(sanitize(text))
        self._hidden = limiter.hidden
        self._pictures = tuple(pictures)
        self._cost = cost

    def compose(self) -> ComposeResult:
        yield Static(Content(tr("chat.you")), classes="role")
        if self._pictures:
            with HorizontalGroup(classes="pictures"):
                for picture in self._pictures:
                    yield SentPicture(picture, self._cost)
        yield Static(Content(self._words), classes="words")
        if self._hidden:
            yield Static(Content(tr("chat.not_shown", count=self._hidden)), classes="remark")


class AssistantMessage(VerticalGroup):
    """An answer that is being written, and then how it ended.

    Args:
        name: the model's name.
        waiting: what is said until the first words come.
    """

    ending: reactive[Ending | None] = reactive(None, init=False)
    waiting: reactive[str] = reactive("", init=False)

    def __init__(self, name: str, waiting: str) -> None:
        super().__init__()
        self._role = name
        self._limiter = LineLimiter()
        self._has_words = False
        self.set_reactive(AssistantMessage.waiting, waiting)

    def compose(self) -> ComposeResult:
        from yuren_tui.widgets.markdown import StreamedMarkdown

        yield Static(Content(self._role), classes="role")
        yield StreamedMarkdown()
        yield Static(Content(self.waiting), classes="remark")

    def on_mount(self) -> None:
        self.run_worker(self._body.pump(), group="stream", exclusive=True)

    def append(self, text: str) -> None:
        """Add words of the model's."""
        if not self._has_words:
            self._has_words = True
            self._remark("")
        if piece := self._limiter.feed(sanitize(text)):
            self._body.write(piece)

    def watch_waiting(self, waiting: str) -> None:
        if not self._has_words:
            self._remark(waiting)

    def watch_ending(self, ending: Ending | None) -> None:
        self._body.close()
        remarks = [tr(f"chat.ending_{ending}")] if ending in ("length", "stopped", "failed") else []
        if self._limiter.hidden:
            remarks.append(tr("chat.not_shown", count=self._limiter.hidden))
        self._remark("  ·  ".join(remarks))
        self.set_class(ending == "failed", "-failed")

    @property
    def _body(self) -> StreamedMarkdown:
        from yuren_tui.widgets.markdown import StreamedMarkdown

        return self.query_one(StreamedMarkdown)

    def _remark(self, words: str) -> None:
        remark = self.query_one(".remark", Static)
        remark.update(Content(words))
        remark.display = bool(words)


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

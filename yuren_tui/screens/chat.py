# SPDX-License-Identifier: Apache-2.0
"""The chat itself: puts the widgets together and lets the session's events flow into them.

What is said and what may happen next is the session's to decide; this screen draws it.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widgets import Footer

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_core.protocol import Completed, Delta, Event, Exited, Failed
from yuren_core.protocol import Prompt as PromptRead
from yuren_core.sampling_params import SamplingParams
from yuren_tui.attaching import read_pictures
from yuren_tui.bindings import bind
from yuren_tui.screens.chat_panels import PanelScreen
from yuren_tui.session import ModelChoice, Session
from yuren_tui.widgets.picture import PictureBar, PictureChip
from yuren_tui.widgets.prompt import PromptArea
from yuren_tui.widgets.status_bar import StatusBar
from yuren_tui.widgets.transcript import Transcript

if TYPE_CHECKING:  # not needed for the first frame
    from yuren_tui.widgets.messages import AssistantMessage, Ending

_LOOK_EVERY_S = 0.5  # how often the process is looked at while nothing happens


class ChatScreen(PanelScreen):
    """One conversation.

    Args:
        session: the conversation and its model.
        choice: which model to load; None where none is installed.
        images: paths of pictures to attach at the start.
        prompt: what to send as soon as the pictures are there; empty for nothing.
    """

    AUTO_FOCUS = "PromptArea"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (90, "-wide")]  # noqa: RUF012 - as Screen types it
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("escape", "stop", "chat.stop", show=True),
        bind("ctrl+n", "new_chat", "chat.new", show=True),
        bind("ctrl+o", "attach", "chat.attach", show=True),
        bind("f2", "sampling", "chat.sampling", show=True),
        bind("pageup", "page_up", "chat.page_up"),
        bind("pagedown", "page_down", "chat.page_down"),
        bind("ctrl+home", "top", "chat.top"),
        bind("ctrl+end", "bottom", "chat.bottom"),
        bind("ctrl+c,super+c", "interrupt", "chat.interrupt"),
    ]

    def __init__(
        self,
        session: Session,
        *,
        choice: ModelChoice | None,
        images: Sequence[str] = (),
        prompt: str = "",
    ) -> None:
        super().__init__(session, choice)
        self._first = (tuple(images), prompt)

    def compose(self) -> ComposeResult:
        yield Transcript(self.placeholder(), id="transcript")
        yield PictureBar(id="pictures")
        yield PromptArea(id="prompt")
        yield StatusBar(id="status")
        yield Container(id="foot")  # the footer comes after the first frame: it is slow to make

    def on_mount(self) -> None:
        self.show_status()
        self.call_after_refresh(self._begin)

    # ------------------------------------------------------------ handlers

    @on(PromptArea.Submitted)
    def _submitted(self, event: PromptArea.Submitted) -> None:
        self._submit()

    @on(PromptArea.PicturesPasted)
    def _pasted(self, event: PromptArea.PicturesPasted) -> None:
        self.attach(event.paths)

    @on(PromptArea.PasteCut)
    def _paste_cut(self) -> None:
        self.say(tr("chat.paste_cut"), severity="warning")

    @on(PictureChip.Removed)
    def _chip_removed(self, event: PictureChip.Removed) -> None:
        removed = event.chip.picture
        self.pictures.pictures = tuple(p for p in self.pictures.pictures if p != removed)
        self.prompt.focus()

    # ------------------------------------------------------------ actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._session.is_answering if action == "stop" else True

    async def action_stop(self) -> None:
        """Stop the answer; what is there stands."""
        await self._session.stop()

    async def action_new_chat(self) -> None:
        """Begin anew."""
        try:
            self._session.new_chat()
        except YurenError as error:
            self.complain(error)
            return
        await self.transcript.clear()
        self.show_status()
        self.prompt.focus()

    def action_attach(self) -> None:
        """Choose a picture from the disk."""
        from yuren_tui.screens.file_picker import FilePicker

        def chosen(path: Path | None) -> None:
            if path is not None:
                self.attach([path])

        self.app.push_screen(FilePicker(), chosen)

    def action_sampling(self) -> None:
        """Set how answers are drawn."""
        from yuren_tui.screens.sampling import SamplingScreen

        def taken(sampling: SamplingParams | None) -> None:
            if sampling is not None:
                self._session.sampling = sampling

        self.app.push_screen(SamplingScreen(self._session.sampling), taken)

    def action_page_up(self) -> None:
        """Scroll the transcript a page up."""
        self.transcript.turns.scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        """Scroll the transcript a page down."""
        self.transcript.turns.scroll_page_down(animate=False)

    def action_top(self) -> None:
        """Go to the first line."""
        self.transcript.turns.scroll_home(animate=False)

    def action_bottom(self) -> None:
        """Go to the newest line and follow it."""
        self.transcript.turns.action_bottom()

    async def action_interrupt(self) -> None:
        """Copy what is selected, else stop the answer, else ask whether to quit."""
        if selected := self.prompt.selected_text or self.get_selected_text():
            self.app.copy_to_clipboard(selected)
        elif self._session.is_answering:
            await self._session.stop()
        else:
            await self.app.run_action("app.interrupt")

    # ------------------------------------------------------------ workers

    @work(group="begin", exclusive=True)
    async def _begin(self) -> None:
        gc.enable()
        images, prompt = self._first
        self.load_model()
        await self.query_one("#foot").mount(Footer(compact=True))
        self.refresh_bindings()  # the footer waits to be told
        self.set_interval(_LOOK_EVERY_S, self.look)
        if self._care.choice is None:
            self.query_one("#install").focus()
        if prompt:
            self.prompt.put_back(prompt)
        if await self._attach_pictures(images) and prompt:
            self._submit()

    @work(group="attach")
    async def attach(self, paths: Sequence[str | Path]) -> None:
        """Attach pictures; what is wrong with one is said and changes nothing else."""
        await self._attach_pictures(paths)

    async def _attach_pictures(self, paths: Sequence[str | Path]) -> bool:
        parts, errors = await read_pictures(paths)
        bar = self.pictures
        bar.pictures = (*bar.pictures, *(part for part in parts if part not in bar.pictures))
        for error in errors:
            self.complain(error)
        if parts and bar.cost == 0:
            self.say(tr("chat.blind_warning"), tr("session.blind_remedy"), severity="warning")
        return not errors

    @work(group="answer", exclusive=True)
    async def _answer(self, text: str, images: tuple[ImagePart, ...]) -> None:
        try:
            await self._exchange(text, images)
        except YurenError as error:
            self._give_back(text, images)
            self.complain(error)
        self.refresh_bindings()
        self.show_status()

    async def _exchange(self, text: str, images: tuple[ImagePart, ...]) -> None:
        async with aclosing(self._session.send(text, images)) as events:
            first = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)  # the session now has the exchange, or has refused it
            if first.done() and (refused := first.exception()):
                raise refused
            question, answer = self._session.turns[-2:]
            asked, view = self.transcript.add_exchange(
                question.text,
                images,
                self.pictures.cost,
                name=self._model_name,
                waiting=self._waiting(),
            )
            self.refresh_bindings()
            event: Event = await first
            self._show_answer(view, event)
            async for event in events:
                self._show_answer(view, event)
        if answer in self._session.turns:
            view.ending = cast("Ending", answer.status)
        else:
            await self.transcript.take_back(asked, view)
            self._give_back(text, images)
        match event:
            case Completed():
                self._care.forgive()
            case Failed():
                self.say(event.message, event.hint, severity="error")
            case Exited():
                self.mourn(event)
            case _:
                pass

    # ------------------------------------------------------------ drawing

    def _submit(self) -> None:
        text, images = self.prompt.text, self.pictures.pictures
        try:
            self._session.check_sendable(text, images)
        except YurenError as error:
            self.complain(error)
            return
        self.prompt.clear()
        self.pictures.pictures = ()
        self._answer(text, images)

    def _give_back(self, text: str, images: tuple[ImagePart, ...]) -> None:
        self.prompt.put_back(text)
        self.pictures.pictures = (*images, *self.pictures.pictures)

    def _show_answer(self, view: AssistantMessage, event: Event) -> None:
        match event:
            case Delta():
                view.append(event.text)
                return
            case PromptRead() if event.dropped_turns:
                self.say(tr("chat.dropped", count=event.dropped_turns), severity="warning")
            case _:
                pass
        view.waiting = self._waiting()
        self.show_status()

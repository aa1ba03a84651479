# SPDX-License-Identifier: Apache-2.0
"""The chat itself: puts the widgets together and lets the session's events flow into them.

What is said and what may happen next is the session's to decide; this screen draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widgets import TextArea

from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart
from yuren_tui.attaching import read_pictures
from yuren_tui.bindings import bind
from yuren_tui.garbage import IdleCollector
from yuren_tui.notices import drop_notices, rack_of
from yuren_tui.screens.chat_settings import FollowingScreen
from yuren_tui.session import ModelChoice, Session
from yuren_tui.widgets.key_footer import KeyFooter
from yuren_tui.widgets.picture import PictureBar, PictureChip
from yuren_tui.widgets.prompt import PromptArea
from yuren_tui.widgets.status_bar import StatusBar
from yuren_tui.widgets.title_bar import TitleBar
from yuren_tui.widgets.transcript import Transcript
from yuren_tui.widgets.turn_list import TurnList

_LOOK_EVERY_S = 0.5  # how often the process is looked at while nothing happens


class ChatScreen(FollowingScreen):
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
        bind("escape", "to_prompt", "turns.swap", show=True),
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
        self.garbage = IdleCollector()

    def compose(self) -> ComposeResult:
        yield TitleBar(id="title")
        yield Transcript(self.placeholder(), id="transcript")
        yield PictureBar(id="pictures")
        yield PromptArea(id="prompt")
        yield StatusBar(id="status")
        yield Container(id="foot")  # the footer comes after the first frame: it is slow to make

    def on_mount(self) -> None:
        if notices := rack_of(self):
            self.move_child(notices, after=self.transcript)
        self.show_status()
        self.call_after_refresh(self._begin)

    def on_unmount(self) -> None:
        self.garbage.stop()

    # ------------------------------------------------------------ handlers

    @on(TextArea.Changed)
    def _key_pressed(self) -> None:
        self.garbage.note_key()

    @on(PromptArea.Submitted)
    async def _submitted(self, event: PromptArea.Submitted) -> None:
        await self.submit_line()

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
        if action == "stop":
            return self._session.is_answering
        if action == "to_turns":
            return bool(self._session.turns) and not isinstance(self.focused, TurnList)
        if action == "to_prompt":
            return not self._session.is_answering and not isinstance(self.focused, PromptArea)
        return True

    async def action_stop(self) -> None:
        """Stop the answer; what is there stands, and the keys go where they went."""
        drop_notices(self)
        await self._session.stop()

    @work(group="open", exclusive=True)
    async def action_new_chat(self) -> None:
        """Begin anew."""
        try:
            await self.is_open.wait()
            await self.new_chat()
        except YurenError as error:
            self.complain(error)

    def action_attach(self) -> None:
        """Choose pictures from the disk."""
        from yuren_tui.screens.file_picker import FilePicker

        def chosen(found: list[Path] | str | None) -> None:
            if isinstance(found, str):
                self.attach_url(found)
            elif found:
                self.attach(found)

        self.app.push_screen(FilePicker(), chosen)

    def action_sampling(self) -> None:
        """Set how answers are drawn."""
        from yuren_tui.screens.sampling import ChosenSampling, SamplingScreen

        session = self._session

        def taken(chosen: ChosenSampling | None) -> None:
            if chosen is None:
                return
            try:
                if chosen.forgets_typed:
                    session.forget_typed_sampling()
                session.sampling = chosen.params
            except YurenError as error:
                self.complain(error)

        self.app.push_screen(SamplingScreen(session.sampling, session.untyped_sampling), taken)

    def action_page_up(self) -> None:
        """Scroll the transcript a page up."""
        self.transcript.turns.page(-1)

    def action_page_down(self) -> None:
        """Scroll the transcript a page down."""
        self.transcript.turns.page(1)

    async def action_top(self) -> None:
        """Go to the first line."""
        await self.transcript.turns.action_first()

    async def action_bottom(self) -> None:
        """Go to the newest line and follow it."""
        await self.transcript.turns.action_bottom()

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
        self.garbage.start()
        images, prompt = self._first
        self.load_model()
        await self.query_one("#foot").mount(KeyFooter(compact=True))
        self.refresh_bindings()  # the footer waits to be told
        self.set_interval(_LOOK_EVERY_S, self.look)
        self.set_interval(_LOOK_EVERY_S, self.garbage.tick)
        await self.open_first()
        if prompt:
            self.prompt.put_back(prompt)
        if await self._attach_pictures(images) and prompt:
            self.submit_message()

    @work(group="attach")
    async def attach(self, paths: Sequence[str | Path]) -> None:
        """Attach pictures; what is wrong with one is said and changes nothing else."""
        await self._attach_pictures(paths)

    async def _attach_pictures(self, paths: Sequence[str | Path]) -> bool:
        parts, errors = await read_pictures(paths)
        self.add_pictures(parts)
        for error in errors:
            self.complain(error)
        return not errors

    @work(group="answer")
    async def _answer(self, text: str, images: tuple[ImagePart, ...]) -> None:
        stands = False
        try:
            await self.is_open.wait()
            stands = await self.show_answer(self._session.send(self.as_told(text), images))
        except YurenError as error:
            self.complain(error)
        if not stands:
            self._give_back(text, images)
        self.refresh_bindings()
        self.show_status()

    # ------------------------------------------------------------ drawing

    def submit_message(self) -> None:
        """Send what stands in the prompt, with the pictures above it."""
        text, images = self.prompt.text, self.pictures.pictures
        if self.offers_starter and not text.strip() and not images:
            self.want_starter()  # the button says so, and the prompt has the keys
            return
        try:
            self._session.check_sendable(self.as_told(text), images)
        except YurenError as error:
            self.complain(error)
            return
        self.remember_prompt(text)
        self.prompt.clear()
        self.pictures.pictures = ()
        self._answer(text, images)

    def _give_back(self, text: str, images: tuple[ImagePart, ...]) -> None:
        self.prompt.put_back(text)
        self.pictures.pictures = (*images, *self.pictures.pictures)

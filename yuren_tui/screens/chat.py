# SPDX-License-Identifier: Apache-2.0
"""The chat itself: puts the widgets together and lets the session's events flow into them.

What is said and what may happen next is the session's to decide; this screen draws it.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Footer

from yuren_core.errors import YurenError
from yuren_core.messages import ImagePart
from yuren_core.protocol import Completed, Delta, Event, Exited, Failed
from yuren_core.protocol import Prompt as PromptRead
from yuren_core.sampling_params import SamplingParams
from yuren_tui.attaching import read_pictures
from yuren_tui.bindings import bind
from yuren_tui.i18n import tr
from yuren_tui.installing import install_starter, starter_path
from yuren_tui.model_care import ModelCare
from yuren_tui.sanitize import sanitize, sanitize_line
from yuren_tui.screens.base import TranslatedScreen
from yuren_tui.screens.chat_status import status_of
from yuren_tui.session import ModelChoice, Session
from yuren_tui.widgets.picture import PictureBar, PictureChip
from yuren_tui.widgets.prompt import PromptArea
from yuren_tui.widgets.status_bar import StatusBar
from yuren_tui.widgets.transcript import Transcript
from yuren_tui.widgets.welcome import StarterWanted, Welcome

if TYPE_CHECKING:  # not needed for the first frame
    from yuren_tui.widgets.messages import AssistantMessage, Ending, Severity

_LOOK_EVERY_S = 0.5  # how often the process is looked at while nothing happens


class ChatScreen(TranslatedScreen[None]):
    """One conversation.

    Args:
        session: the conversation and its model.
        choice: which model to load; None where none is installed.
        images: paths of pictures to attach at the start.
        prompt: what to send as soon as the pictures are there; empty for nothing.
    """

    AUTO_FOCUS = "PromptArea"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("escape", "stop", "chat.stop", show=True),
        bind("ctrl+n", "new_chat", "chat.new", show=True),
        bind("ctrl+o", "attach", "chat.attach", show=True),
        bind("f2", "sampling", "chat.sampling", show=True),
        bind("f5", "reload", "chat.reload"),
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
        super().__init__()
        self._session = session
        self._care = ModelCare(session, choice)
        self._first = (tuple(images), prompt)

    def compose(self) -> ComposeResult:
        yield Transcript(self._placeholder(), id="transcript")
        yield PictureBar(id="pictures")
        yield PromptArea(id="prompt")
        yield StatusBar(id="status")
        yield Container(id="foot")  # the footer comes after the first frame: it is slow to make

    def on_mount(self) -> None:
        self._show_status()
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

    @on(StarterWanted)
    def _starter_wanted(self) -> None:
        self.install_starter()

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
        self._show_status()
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

    def action_reload(self) -> None:
        """Load the model again where it failed."""
        if self._session.model.phase in ("dead", "failed"):
            self._care.forgive()
            self.load_model()

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

    # ------------------------------------------------------------ what others may call

    @property
    def transcript(self) -> Transcript:
        """The conversation on the screen."""
        return self.query_one(Transcript)

    @property
    def pictures(self) -> PictureBar:
        """The pictures that go with the next message."""
        return self.query_one(PictureBar)

    @property
    def prompt(self) -> PromptArea:
        """Where the person writes."""
        return self.query_one(PromptArea)

    def say(self, message: str, hint: str = "", *, severity: Severity = "information") -> None:
        """Show a short message for a while."""
        words = sanitize("\n".join(filter(None, (message, hint))))
        self.notify(words, severity=severity, markup=False, timeout=8 if hint else 5)

    def complain(self, error: YurenError) -> None:
        """Show an error that changed nothing."""
        self.say(error.message, error.hint, severity="error")

    # ------------------------------------------------------------ workers

    @work(group="begin", exclusive=True)
    async def _begin(self) -> None:
        gc.enable()
        images, prompt = self._first
        self.load_model()
        self.query_one("#foot").mount(Footer(compact=True))
        self.set_interval(_LOOK_EVERY_S, self._look)
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

    @work(group="model", exclusive=True)
    async def load_model(self) -> None:
        """Load the chosen model, in the background."""
        async for event in self._care.load():
            self._show_load(event)

    @work(group="look", exclusive=True)
    async def _look(self) -> None:
        if self._session.model.phase == "loading":
            self._show_status()
        if event := await self._care.look():
            self._mourn(event)

    @work(group="starter", exclusive=True)
    async def install_starter(self) -> None:
        """Fetch the starter model, then load it."""
        from yuren_tui.widgets.starter_offer import StarterOffer

        offer = self.query_one(StarterOffer)
        offer.is_installing = True
        try:
            async for progress in install_starter():
                offer.progress = progress
        except YurenError as error:
            offer.progress = error.message
            self.complain(error)
            return
        finally:
            offer.is_installing = False
        self._care.choose(ModelChoice(str(starter_path())))
        await self.transcript.replace_placeholder(Welcome())
        self.prompt.focus()
        self.load_model()

    @work(group="answer", exclusive=True)
    async def _answer(self, text: str, images: tuple[ImagePart, ...]) -> None:
        async with aclosing(self._session.send(text, images)) as events:
            first = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)  # the session now has the exchange, as it will be told
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
        self.refresh_bindings()
        if answer in self._session.turns:
            view.ending = cast("Ending", answer.status)
        else:
            await self.transcript.take_back(asked, view)
            self.prompt.put_back(text)
            self.pictures.pictures = (*images, *self.pictures.pictures)
        self._show_status()
        match event:
            case Completed():
                self._care.forgive()
            case Failed():
                self.say(event.message, event.hint, severity="error")
            case Exited():
                self._mourn(event)
            case _:
                pass

    # ------------------------------------------------------------ drawing

    def _placeholder(self) -> Widget:
        if self._care.choice is not None:
            return Welcome()
        from yuren_tui.widgets.starter_offer import StarterOffer

        return StarterOffer()

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
        self._show_status()

    def _show_load(self, event: Event) -> None:
        self._show_status()
        match event:
            case Failed():
                self.transcript.add_notice(event.message, event.hint, "error")
            case Exited():
                self._mourn(event, restart=False)
            case _:
                pass

    def _mourn(self, event: Exited, *, restart: bool = True) -> None:
        again = restart and self._care.may_restart()
        what = tr("chat.died_again" if again else "chat.died", how=_how(event.returncode))
        where = tr("chat.died_log", path=event.log_path)
        self.transcript.add_notice(what, where, "warning" if again else "error")
        if again:
            self.load_model()
        self._show_status()

    def _show_status(self) -> None:
        status = status_of(self._care)
        self.query_one(StatusBar).status = status
        ready = self._session.model.ready
        self.pictures.cost = ready.image_tokens if ready else None

    def _waiting(self) -> str:
        ready = self._session.model.phase == "ready"
        return tr("chat.thinking" if ready else "chat.waiting_for_model")

    @property
    def _model_name(self) -> str:
        ready = self._session.model.ready
        return sanitize_line(ready.model, limit=40) if ready else tr("chat.assistant")


def _how(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        with suppress(ValueError):
            return signal.Signals(-returncode).name
    return tr("chat.exit_code", code="?" if returncode is None else returncode)

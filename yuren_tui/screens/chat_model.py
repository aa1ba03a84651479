# SPDX-License-Identifier: Apache-2.0
"""The chat's dealings with its model: load, watch, start again, install the starter.

Also the parts of the screen that all of the chat needs, and how it speaks to the person.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.widget import Widget

from yuren_core.errors import NoVisionTowerError, YurenError
from yuren_core.i18n import tr
from yuren_core.protocol import Event, Exited, Failed, Ready
from yuren_tui.bindings import bind, spoken_keys
from yuren_tui.installing import install_starter, starter_path
from yuren_tui.model_care import ModelCare
from yuren_tui.sanitize import sanitize, sanitize_line
from yuren_tui.screens.base import FOCUS_BINDINGS, TranslatedScreen
from yuren_tui.screens.chat_status import status_of
from yuren_tui.session import ModelChoice, Session
from yuren_tui.widgets.picture import PictureBar, PictureChip
from yuren_tui.widgets.prompt import PromptArea
from yuren_tui.widgets.status_bar import StatusBar
from yuren_tui.widgets.transcript import Transcript
from yuren_tui.widgets.welcome import StarterWanted, Welcome

if TYPE_CHECKING:
    from yuren_tui.widgets.messages import Severity


MODELS_BINDINGS: list[BindingType] = [bind("f10,alt+m", "models", "chat.models")]
"""Of the screen that changes the model."""


class ModelScreen(TranslatedScreen[None]):
    """The part of the chat that keeps a model at hand.

    Args:
        session: the conversation and its model.
        choice: which model to load; None where none is installed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [bind("f5", "reload", "chat.reload")]

    def __init__(self, session: Session, choice: ModelChoice | None) -> None:
        super().__init__()
        self._session = session
        self._care = ModelCare(session, choice)

    @on(StarterWanted)
    def want_starter(self) -> None:
        """Install the starter model, unless that is under way."""
        if not any(work.group == "starter" and not work.is_finished for work in self.workers):
            self.install_starter()

    def action_reload(self) -> None:
        """Load the model again where it failed; install one where there is none."""
        if self._care.choice is None:
            self.want_starter()
        elif self._session.model.phase in ("dead", "failed"):
            self._care.forgive()
            self.load_model()

    @property
    def offers_starter(self) -> bool:
        """Whether the starter model is what an empty chat offers."""
        return self._care.choice is None and any(one.display for one in self.query("StarterOffer"))

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

    def say(
        self,
        message: str,
        hint: str = "",
        *,
        severity: Severity = "information",
        timeout: float | None = None,
    ) -> None:
        """Show a short message for a while, in seconds."""
        words = sanitize("\n".join(filter(None, (message, hint))))
        self.notify(words, severity=severity, markup=False, timeout=timeout or (8 if hint else 5))

    def complain(self, error: YurenError) -> None:
        """Show an error that changed nothing."""
        is_blind = isinstance(error, NoVisionTowerError)
        hint = self._blind_remedy() if is_blind else error.hint
        self.say(error.message, hint, severity="error")

    @work(group="model", exclusive=True)
    async def load_model(self) -> None:
        """Load the chosen model, in the background."""
        was_known = self.pictures.cost is not None
        async for event in self._care.load():
            await self._show_load(event)
        if not was_known:
            self.warn_of_blindness()

    @work(group="look", exclusive=True)
    async def look(self) -> None:
        """Notice that a load goes on, or that the process has died; to be called now and then."""
        if self._session.model.phase == "loading":
            self.show_status()
        if event := await self._care.look():
            self.mourn(event)

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

    # ------------------------------------------------------------ drawing

    def placeholder(self) -> Widget:
        """What the empty transcript shows."""
        if self._care.choice is not None:
            return Welcome()
        from yuren_tui.widgets.starter_offer import StarterOffer

        return StarterOffer()

    async def show_turns(self, *, swapped: tuple[int, int] | None = None) -> None:
        """Bring the transcript up to date; `chat_answers` does."""

    def warn_of_blindness(self) -> None:
        """Say that the model cannot see what is attached, where that is so."""
        if self.pictures.pictures and self.pictures.cost == 0:
            self.say(tr("chat.blind_warning"), self._blind_remedy(), severity="warning")

    def _blind_remedy(self) -> str:
        """How a picture is taken away, or another model chosen, with the keys as they are now."""
        words = {
            name: " / ".join(spoken_keys(bindings, binding_id, self.app._keymap))
            for name, bindings, binding_id in (
                ("to_pictures", FOCUS_BINDINGS, "app.focus_previous"),
                ("remove", PictureChip.BINDINGS, "chip.remove"),
                ("models", MODELS_BINDINGS, "chat.models"),
            )
        }
        return tr("chat.blind_remedy", **words)

    async def _show_load(self, event: Event) -> None:
        self.show_status()
        match event:
            case Ready():
                await self.show_turns()  # what pictures cost is known only now
            case Failed():
                self.transcript.add_notice(event.message, event.hint, "error")
            case Exited():
                self.mourn(event, restart=False)
            case _:
                pass

    def mourn(self, event: Exited, *, restart: bool = True) -> None:
        """Say that the process has died; start another unless that is of no use."""
        again = restart and self._care.may_restart()
        what = tr("chat.died_again" if again else "chat.died", how=_how(event.returncode))
        where = tr("chat.died_log", path=event.log_path)
        self.transcript.add_notice(what, where, "warning" if again else "error")
        if again:
            self.load_model()
        self.show_status()

    def show_status(self) -> None:
        """Bring the status bar and the pictures' cost up to date."""
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

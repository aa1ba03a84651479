# SPDX-License-Identifier: Apache-2.0
"""Choose the model: one that was used before, an installed one, any directory or hub id typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, cast, get_args

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Footer, Input, OptionList, Static

from yuren_core.i18n import tr
from yuren_core.protocol import Device, LoadMode
from yuren_tui.bindings import bind
from yuren_tui.models_at_hand import ModelAtHand, is_path, look_at
from yuren_tui.sanitize import sanitize_line
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.session import ModelChoice
from yuren_tui.widgets.choice_field import ChoiceField
from yuren_tui.widgets.choices import Choices
from yuren_tui.widgets.safe_input import SafeInput


class ModelField(SafeInput):
    """The field that keeps the focus. Its own Enter comes after the letters before it."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("enter", "submit", "models.load", show=True)]


class ModelPicker(TranslatedModal[ModelChoice | None]):
    """The picker; its result is what to load, None for no change.

    Args:
        models: those at hand.
        current: the one that is chosen now.
        has_pictures: whether the chat shows pictures, which not every model sees.
    """

    CSS_PATH = "models.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("up", "move(-1)", "models.up"),
        bind("down", "move(1)", "models.down"),
        bind("f2", "step('#load')", "models.precision", show=True),
        bind("f3", "step('#device')", "models.device", show=True),
    ]

    def __init__(
        self, models: Sequence[ModelAtHand], *, current: ModelChoice | None, has_pictures: bool
    ) -> None:
        super().__init__()
        self._models = list(models)
        self._shown: list[ModelAtHand] = []
        self._looked_at: ModelAtHand | None = None
        self._current = current
        self._has_pictures = has_pictures

    def compose(self) -> ComposeResult:
        current = self._current or ModelChoice("")
        with Vertical(id="panel") as panel:
            panel.border_title = tr("models.title")
            yield ModelField(placeholder=tr("models.type"), id="typed", compact=True)
            yield Choices(id="list")
            yield Static("", id="about", markup=False)
            for name, value, words in (
                ("load", current.load, get_args(LoadMode)),
                ("device", current.device, get_args(Device)),
            ):
                with Horizontal(classes="field"):
                    yield Static(Content(tr(f"models.{name}")), classes="label")
                    yield ChoiceField([(word, word) for word in words], value, id=name)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(Choices).can_focus = False
        self.query_one(Input).focus()
        self._show()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._show()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self._load()

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_index < len(self._shown):  # else it was typed on meanwhile
            self._look_at(self._shown[event.option_index])

    def _look_at(self, model: ModelAtHand) -> None:
        """Show what is known of a model, and how it was loaded the last time."""
        self._looked_at = model
        self.query_one("#about", Static).update(self._about(model))
        if model.origin == "recent":
            self.query_one("#load", ChoiceField).value = model.choice.load
            self.query_one("#device", ChoiceField).value = model.choice.device

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.query_one(Input).focus()

    def action_move(self, step: int) -> None:
        """Highlight another."""
        self.query_one(Choices).move(step)

    def action_step(self, selector: str) -> None:
        """Take the next word of a field."""
        self.query_one(selector, ChoiceField).action_step(1)

    def _load(self) -> None:
        place = self.query_one(Choices).highlighted
        if place is None or place >= len(self._shown):
            return
        if self._shown[place] != self._looked_at:
            self._look_at(self._shown[place])  # Enter came before the list could tell
        load = cast("LoadMode", self.query_one("#load", ChoiceField).value)
        device = cast("Device", self.query_one("#device", ChoiceField).value)
        self.dismiss(replace(self._shown[place].choice, load=load, device=device))

    def _show(self) -> None:
        typed = self.query_one(Input).value.strip()
        wanted = typed.casefold()
        self._shown = [one for one in self._models if wanted in one.choice.model.casefold()]
        model = str(Path(typed).expanduser()) if typed.startswith("~") else typed
        if typed and all(one.choice.model != model for one in self._shown):
            self._shown.append(look_at(ModelChoice(model), "installed"))
        now = self._current.model if self._current else ""
        places = [n for n, one in enumerate(self._shown) if one.choice.model == now]
        place = places[0] if places and not typed else 0
        self.query_one(Choices).show([self._line(one) for one in self._shown], highlighted=place)
        if self._shown:
            self._look_at(self._shown[place])  # a list that is not running yet tells of nothing
        else:
            self.query_one("#about", Static).update(tr("models.none"))

    def _line(self, model: ModelAtHand) -> Content:
        is_current = self._current is not None and model.choice.model == self._current.model
        parts: list[str | tuple[str, str]] = [
            ("● " if is_current else "  ", "$success"),
            sanitize_line(model.name, limit=60),
        ]
        if model.sees is not None:
            word = tr("models.sees" if model.sees else "models.blind")
            parts.append((f"  {word}", "$secondary" if model.sees else "$foreground 45%"))
        if model.size_bytes:
            parts.append((f"  {model.size_bytes / 1e9:.1f} GB", "$foreground 45%"))
        if model.is_gone:
            parts.append((f"  {tr('models.gone')}", "$error"))
        return Content.assemble(*parts)

    def _about(self, model: ModelAtHand) -> Content:
        where = sanitize_line(model.choice.model, limit=200)
        kind = tr("models.is_path" if is_path(model.choice.model) else "models.is_hub")
        lines = [Content.styled(f"{kind} {where}", "$foreground 55%")]
        if self._has_pictures and model.sees is False:
            lines.append(Content.styled(tr("models.blind_warning"), "$warning"))
        return Content("\n").join(lines)

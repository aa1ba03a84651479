# SPDX-License-Identifier: Apache-2.0
"""How answers are drawn: every value of `SamplingParams`, checked as it is typed.

A value that cannot be is shown beside its field and is not taken; nothing is taken before Save.
The way back is to what holds where the person has typed nothing: that is forgotten, so another
preset has its say again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Footer, Input, Static

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.sampling_params import SamplingParams
from yuren_tui.bindings import bind
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.screens.fields import Fields
from yuren_tui.widgets.safe_input import SafeInput

NAMES = tuple(field.name for field in fields(SamplingParams))


@dataclass(frozen=True, slots=True)
class ChosenSampling:
    """What to use from now on.

    Attributes:
        params: all values.
        forgets_typed: whether the person let go of what they had typed, before these.
    """

    params: SamplingParams
    forgets_typed: bool = False


class SamplingScreen(TranslatedModal[ChosenSampling | None]):
    """The panel; its result is None for no change.

    Args:
        sampling: the values to begin with.
        untyped: what they would be had the person typed none.
    """

    CSS_PATH = "sampling.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (76, "-wide")]  # noqa: RUF012 - as Screen types it
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+s,f2", "save", "sampling.save", show=True, priority=True),
        bind("ctrl+r", "reset", "sampling.reset", show=True, priority=True),
        bind("up", "app.focus_previous", "sampling.previous"),
        bind("down", "app.focus_next", "sampling.next"),
    ]

    def __init__(self, sampling: SamplingParams, untyped: SamplingParams) -> None:
        super().__init__()
        self._values = sampling
        self._untyped = untyped
        self._forgets_typed = False

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = tr("sampling.title")
            with Fields(id="fields"):
                for name in NAMES:
                    with Horizontal(classes="field"):
                        yield Static(Content(tr(f"sampling.{name}")), classes="label")
                        value = as_text(getattr(self._values, name))
                        yield SafeInput(value, id=name, compact=True, select_on_focus=False)
                        yield Static(Content(tr(f"sampling.{name}_range")), classes="range")
            with Horizontal(id="buttons"):
                yield Button(
                    Content(tr("sampling.save")), id="save", variant="primary", compact=True
                )
                yield Button(Content(tr("sampling.reset")), id="reset", compact=True)
                yield Button(Content(tr("sampling.cancel")), id="cancel", compact=True)
        yield Footer(show_command_palette=False)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._check(event.input)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_save()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        match event.button.id:
            case "save":
                self.action_save()
            case "reset":
                self.action_reset()
            case _:
                self.action_close()

    def action_save(self) -> None:
        """Take the values, unless one is wrong: the first wrong one gets the focus."""
        wrong = [field for field in self.query(Input) if not self._check(field)]
        if wrong:
            wrong[0].focus()
        else:
            self.dismiss(ChosenSampling(self._values, self._forgets_typed))

    def action_reset(self) -> None:
        """Show the values that hold without what the person typed."""
        self._forgets_typed = True
        for name in NAMES:
            self.query_one(f"#{name}", Input).value = as_text(getattr(self._untyped, name))

    def _check(self, field: Input) -> bool:
        """Take a field's value where it can be; mark the field where it cannot."""
        name = str(field.id)
        try:
            self._values = replace(self._values, **{name: from_text(name, field.value)})
            is_right = True
        except (UsageError, ValueError):
            is_right = False
        row = field.parent
        assert row is not None
        words = tr(f"sampling.{name}_range")
        row.query_one(".range", Static).update(
            Content(words if is_right else tr("sampling.wrong", range=words))
        )
        row.set_class(not is_right, "-wrong")
        return is_right


def as_text(value: object) -> str:
    """A value as its field shows it; stop strings as JSON, so that newlines can be written."""
    if value is None or value == ():
        return ""
    if isinstance(value, tuple):
        return " ".join(json.dumps(item, ensure_ascii=False) for item in value)
    return str(value)


def from_text(name: str, text: str) -> Any:
    """A field's text as its value.

    Args:
        name: which value of `SamplingParams`.
        text: what was typed. Stop strings are JSON strings, or one bare word.

    Returns:
        The value; whether it can be is for `SamplingParams` to say.

    Raises:
        ValueError: no number, or unpaired quotes.
    """
    text = text.strip()
    if name == "stop":
        return _strings(text)
    if name == "seed":
        return int(text) if text else None
    return int(text) if name in ("top_k", "max_new_tokens") else float(text)


def _strings(text: str) -> tuple[str, ...]:
    if text and not text.startswith('"'):
        return (text,)
    decoder, found = json.JSONDecoder(), []
    while text:
        value, end = decoder.raw_decode(text)
        if not isinstance(value, str):
            raise ValueError(text)
        found.append(value)
        text = text[end:].lstrip(" ,")
    return tuple(found)

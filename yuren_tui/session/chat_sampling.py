# SPDX-License-Identifier: Apache-2.0
"""How one chat's answers are drawn, and who said so.

Each value has its own origin, and the first that speaks decides:

    what the person typed in this chat  >  the command line  >  the preset  >  the settings
    >  the model's own advice  >  `SamplingParams`' defaults

So another preset never takes back what was typed in the chat, and a new chat begins without it.
The settings say what differs from the defaults. The advice is known once a model is ready, so it
comes in where an answer is asked for. The command line holds for one start: in every chat that
is opened in it, and stored with none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from yuren_core.sampling_params import NO_ADVICE, SamplingAdvice, SamplingParams

if TYPE_CHECKING:
    from yuren_tui.presets import PresetSampling

Origin = Literal["chat", "command", "preset", "settings", "model", "default"]
"""Who says a value, in the order in which they are asked."""

_NAMES = frozenset(one.name for one in fields(SamplingParams))
_DEFAULTS = SamplingParams()
VARIED_TEMPERATURE = 0.6
_KEY = "typed_sampling"  # in a chat's extras


@dataclass(frozen=True, slots=True)
class ChatSampling:
    """The values of a chat.

    Attributes:
        params: what answers are drawn with.
        typed: the names of those that the person typed in this chat.
        told: the names of those that command line or preset told.
        beneath: what would hold in place of what the command line said.
    """

    params: SamplingParams
    typed: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    beneath: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        params: SamplingParams,
        extras: Mapping[str, Any],
        told: frozenset[str] = frozenset(),
        *,
        fixed: Mapping[str, Any] = MappingProxyType({}),
    ) -> ChatSampling:
        """The values of a stored chat.

        Args:
            params: as they are stored.
            extras: of the chat; a chat of a yuren that kept no origins has none typed.
            told: the names of those that its preset tells.
            fixed: the command line of this start.
        """
        kept = extras.get(_KEY)
        names = {name for name in kept if isinstance(name, str)} if isinstance(kept, list) else ()
        return cls(params, _NAMES.intersection(names), told)._with(fixed)

    @property
    def typed_values(self) -> dict[str, Any]:
        """What the person typed."""
        return {name: self[name] for name in self.typed}

    @property
    def kept(self) -> SamplingParams:
        """What is stored with the chat: what the command line says holds for one start alone."""
        return replace(self.params, **self.beneath)

    def extras(self, others: Mapping[str, Any]) -> dict[str, Any]:
        """Extras of the chat that say what was typed; the others stay."""
        extras = {key: value for key, value in others.items() if key != _KEY}
        return extras | {_KEY: sorted(self.typed)} if self.typed else extras

    def typing(self, **values: Any) -> ChatSampling:
        """The person types some values; they are theirs, also where they change nothing.

        Raises:
            UsageError: a value that cannot be.
        """
        return replace(
            self,
            params=replace(self.params, **values),
            typed=self.typed | values.keys(),
            beneath={name: value for name, value in self.beneath.items() if name not in values},
        )

    def changed_to(
        self, params: SamplingParams, *, advice: SamplingAdvice = NO_ADVICE
    ) -> ChatSampling:
        """The person changes some of all values; those that differ from what held are typed."""
        held = self.advised(advice)
        changed = {name: getattr(params, name) for name in _NAMES}
        return self.typing(
            **{name: value for name, value in changed.items() if value != getattr(held, name)}
        )

    def untyped(
        self,
        preset: PresetSampling,
        *,
        base: SamplingParams,
        fixed: Mapping[str, Any],
        names: Collection[str] = (),
    ) -> ChatSampling:
        """The values as they would be had the person not typed some.

        Args:
            preset, base, fixed: as `under`.
            names: of those; all where none is named.
        """
        kept = self.typed.difference(names or _NAMES)
        return replace(self, typed=kept).under(preset, base=base, fixed=fixed)

    def advised(self, advice: SamplingAdvice) -> SamplingParams:
        """The values with the model's advice where nobody has said anything."""
        unsaid: dict[str, Any] = {
            name: value for name, value in advice.values.items() if not self._is_said(name)
        }
        return replace(self.params, **unsaid)

    def varied(self, advice: SamplingAdvice) -> SamplingParams:
        """The same for one more answer to the same question.

        Where the advice alone makes a model greedy it would only repeat itself: such an answer is
        drawn at a temperature of `VARIED_TEMPERATURE`.
        """
        params = self.advised(advice)
        if params.temperature or self._is_said("temperature"):
            return params
        return replace(params, temperature=VARIED_TEMPERATURE)

    def origin(self, name: str, advice: SamplingAdvice) -> Origin:
        """Who says one of the values."""
        if name in self.typed:
            return "chat"
        if name in self.beneath:
            return "command"
        if name in self.told:
            return "preset"
        if self._is_said(name):
            return "settings"
        return "model" if name in advice.values else "default"

    def _is_said(self, name: str) -> bool:
        return name in self.typed or name in self.told or self[name] != getattr(_DEFAULTS, name)

    def under(
        self, preset: PresetSampling, *, base: SamplingParams, fixed: Mapping[str, Any]
    ) -> ChatSampling:
        """The values with another preset.

        Args:
            preset: what it says.
            base: the settings.
            fixed: the command line, by the names of `SamplingParams`.
        """
        params = replace(preset.over(base), **self.typed_values)
        return ChatSampling(params, self.typed, preset.told)._with(fixed)

    def _with(self, fixed: Mapping[str, Any]) -> ChatSampling:
        """The same under a command line, which goes before all but what was typed here."""
        said = {name: value for name, value in fixed.items() if name not in self.typed}
        return replace(
            self,
            params=replace(self.params, **said),
            told=self.told | fixed.keys(),
            beneath={name: self[name] for name in said},
        )

    def __getitem__(self, name: str) -> Any:
        return getattr(self.params, name)

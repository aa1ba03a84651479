# SPDX-License-Identifier: Apache-2.0
"""How one chat's answers are drawn, and who said so.

Each value has its own origin, and the first that speaks decides:

    what the person typed in this chat  >  the command line  >  the preset  >  the settings

and the settings begin with `SamplingParams`' defaults. So another preset never takes back what
was typed in the chat, and a new chat begins without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from yuren_core.sampling_params import SamplingParams

if TYPE_CHECKING:
    from yuren_tui.presets import PresetSampling

_NAMES = frozenset(field.name for field in fields(SamplingParams))
_KEY = "typed_sampling"  # in a chat's extras


@dataclass(frozen=True, slots=True)
class ChatSampling:
    """The values of a chat.

    Attributes:
        params: what answers are drawn with.
        typed: the names of those that the person typed in this chat.
    """

    params: SamplingParams
    typed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, params: SamplingParams, extras: Mapping[str, Any]) -> ChatSampling:
        """The values of a stored chat.

        Args:
            params: as they are stored.
            extras: of the chat; a chat of a yuren that kept no origins has none typed.
        """
        kept = extras.get(_KEY)
        names = {name for name in kept if isinstance(name, str)} if isinstance(kept, list) else ()
        return cls(params, _NAMES.intersection(names))

    @property
    def typed_values(self) -> dict[str, Any]:
        """What the person typed."""
        return {name: self[name] for name in self.typed}

    def extras(self, others: Mapping[str, Any]) -> dict[str, Any]:
        """Extras of the chat that say what was typed; the others stay."""
        extras = {key: value for key, value in others.items() if key != _KEY}
        return extras | {_KEY: sorted(self.typed)} if self.typed else extras

    def typing(self, **values: Any) -> ChatSampling:
        """The person types some values; they are theirs, also where they change nothing.

        Raises:
            UsageError: a value that cannot be.
        """
        return ChatSampling(replace(self.params, **values), self.typed | values.keys())

    def changed_to(self, params: SamplingParams) -> ChatSampling:
        """The person changes some of all values; those that differ are typed."""
        return self.typing(
            **{name: value for name in _NAMES if (value := getattr(params, name)) != self[name]}
        )

    def under(
        self, preset: PresetSampling, *, base: SamplingParams, fixed: Mapping[str, Any]
    ) -> ChatSampling:
        """The values with another preset.

        Args:
            preset: what it says.
            base: the settings.
            fixed: the command line, by the names of `SamplingParams`.
        """
        params = replace(preset.over(base), **{**fixed, **self.typed_values})
        return ChatSampling(params, self.typed)

    def __getitem__(self, name: str) -> Any:
        return getattr(self.params, name)

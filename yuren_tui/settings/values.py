# SPDX-License-Identifier: Apache-2.0
"""The settings as values, with the defaults: frozen, complete, always allowed ones.

Plain dataclasses, not pydantic's: they are wanted before the first frame, and pydantic alone
would take a fifth of that time. What each may be is written in `schema`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

from yuren_core.protocol import Device, LoadMode
from yuren_core.sampling_params import SamplingParams

Language: TypeAlias = Literal["auto", "en", "zh"]
Images: TypeAlias = Literal["auto", "off", "halfblock", "sixel", "kitty"]
Keys: TypeAlias = Mapping[str, tuple[str, ...]]
"""Binding ids, and the keys that each is to have instead of its own."""

_NO_KEYS: Keys = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Interface:
    """How the chat looks and behaves."""

    language: Language = "auto"
    theme: str = "yuren-dark"
    high_contrast: bool = False
    reduced_motion: bool = False
    images: Images = "auto"
    mouse: bool = True
    prompt_height: int = 12
    shown_messages: int = 200
    confirm_quit: bool = False
    editor: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Who talks: `name` is {{user}}, `persona` what characters are told of them."""

    name: str = ""
    persona: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """What a chat begins with; an empty `name` is the starter, an empty `preset` our own."""

    name: str = ""
    load: LoadMode = "auto"
    device: Device = "auto"
    preset: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set."""

    interface: Interface = field(default_factory=Interface)
    person: Person = field(default_factory=Person)
    model: Model = field(default_factory=Model)
    sampling: SamplingParams = field(default_factory=SamplingParams)
    keys: Keys = field(default_factory=lambda: _NO_KEYS)

    @property
    def keymap(self) -> dict[str, str]:
        """The keys as Textual's `App.set_keymap` takes them."""
        return {binding: ",".join(keys) for binding, keys in self.keys.items()}

# SPDX-License-Identifier: Apache-2.0
"""A preset as a value: who the model is to be, in one or several languages.

Frozen; a changed preset is another one (`dataclasses.replace`). `Preset.text(language)` is what
front ends and the assembly use: every field in that language, filled from what holds for all
languages and, last, from another language. Macros are still in the texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from yuren_core.errors import YurenError
from yuren_core.sampling_params import SamplingParams
from yuren_tui.presets.card import Card
from yuren_tui.presets.lorebook import Lorebook

DEFAULT_NOTE_DEPTH = 4


@dataclass(frozen=True, slots=True)
class PresetText:
    """What a preset says; None is "not said here", "" is "nothing".

    Attributes:
        name: shown in lists; also `{{char}}` unless there is a `nickname`.
        nickname: `{{char}}` instead of the name.
        description: one line for the picker; never told to the model.
        system: the system prompt; `{{original}}` stands for the usual one.
        character: who the character is; told to the model after `system`.
        personality, scenario: told to the model after `character`.
        greeting: spoken first by the model.
        alternate_greetings: other first messages, as swipes.
        examples: example dialogue: `<START>` blocks of `{{user}}:` and `{{char}}:` lines.
        post_history: told to the model after the history.
        note: told to the model `note_depth` messages from the end.
        notes: the creator's words for people; never told to the model.
        lorebook: see `yuren_tui.presets.lorebook`.
    """

    name: str | None = None
    nickname: str | None = None
    description: str | None = None
    system: str | None = None
    character: str | None = None
    personality: str | None = None
    scenario: str | None = None
    greeting: str | None = None
    alternate_greetings: tuple[str, ...] | None = None
    examples: str | None = None
    post_history: str | None = None
    note: str | None = None
    notes: str | None = None
    lorebook: Lorebook | None = None

    def over(self, base: PresetText) -> PresetText:
        """This text, with what it does not say taken from `base`."""
        said = {f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None}
        return replace(base, **said)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said at all."""
        return all(getattr(self, f.name) is None for f in fields(self))


@dataclass(frozen=True, slots=True)
class ResolvedText:
    """A preset in one language: every field is there, "" where nothing was said."""

    language: str
    name: str = ""
    nickname: str = ""
    description: str = ""
    system: str = ""
    character: str = ""
    personality: str = ""
    scenario: str = ""
    greeting: str = ""
    alternate_greetings: tuple[str, ...] = ()
    examples: str = ""
    post_history: str = ""
    note: str = ""
    notes: str = ""
    lorebook: Lorebook = field(default_factory=Lorebook)

    @property
    def char(self) -> str:
        """What `{{char}}` stands for."""
        return self.nickname or self.name

    @property
    def is_character(self) -> bool:
        """Whether somebody is played, and not only instructed."""
        return bool(self.character or self.personality or self.scenario)


@dataclass(frozen=True, slots=True)
class PresetSampling:
    """How answers are drawn with this preset; None leaves it to the chat's own settings."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    max_new_tokens: int | None = None
    stop: tuple[str, ...] | None = None

    def over(self, base: SamplingParams) -> SamplingParams:
        """The chat's sampling with what this preset says in its place.

        Raises:
            UsageError: a value that cannot be.
        """
        return replace(base, **{name: getattr(self, name) for name in self.told})

    @property
    def told(self) -> frozenset[str]:
        """The names of the values that are said."""
        return frozenset(f.name for f in fields(self) if getattr(self, f.name) is not None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said at all."""
        return not self.told


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset.

    Attributes:
        id: its file's name without `.toml`; what `--preset` takes.
        common: what holds in every language.
        texts: what differs, by language ("en", "zh").
        sampling: see `PresetSampling`.
        tags, creator, version: for people; never told to the model.
        note_depth: messages from the end where `note` is told.
        avatar: a picture file, or None.
        card: the character card that it came from, with all we do not know, or None.
        path: the file that it was read from, or None.
        is_own: whether that file is the person's, not ours.
    """

    id: str
    common: PresetText = PresetText()
    texts: Mapping[str, PresetText] = field(default_factory=dict)
    sampling: PresetSampling = PresetSampling()
    tags: tuple[str, ...] = ()
    creator: str = ""
    version: str = ""
    note_depth: int = DEFAULT_NOTE_DEPTH
    avatar: Path | None = None
    card: Card | None = field(default=None, repr=False)
    path: Path | None = field(default=None, compare=False)
    is_own: bool = field(default=False, compare=False)

    @classmethod
    def of_system(cls, system: str, *, id: str = "chat", name: str = "") -> Preset:  # noqa: A002
        """A preset that is a system prompt and nothing else, as `--system` makes it."""
        return cls(id, PresetText(name=name or None, system=system))

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that it has words of its own for; none where all is common."""
        return tuple(sorted(self.texts))

    def text(self, language: str) -> ResolvedText:
        """All that it says, in one language.

        Args:
            language: "en" or "zh"; where it has none of it, its first language speaks.
        """
        chosen = language if language in self.texts or not self.texts else self.languages[0]
        said = self.texts.get(chosen, PresetText()).over(self.common)
        for other in self.languages:
            if said.name is None:
                said = replace(said, name=self.texts[other].name)
        values = {f.name: v for f in fields(said) if (v := getattr(said, f.name)) is not None}
        values.setdefault("name", self.id)
        return ResolvedText(language=chosen if self.texts else language, **values)

    def name(self, language: str) -> str:
        """What it is called in one language."""
        return self.text(language).name


@dataclass(frozen=True, slots=True)
class BrokenPreset:
    """A preset file that cannot be read, for a list that hides nothing."""

    id: str
    path: Path
    error: YurenError

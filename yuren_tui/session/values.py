# SPDX-License-Identifier: Apache-2.0
"""What the session is made of, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from yuren_core.messages import ImagePart, Message, Role
from yuren_core.prompt import PromptKind
from yuren_core.protocol import Device, Exited, Failed, Loading, LoadMode, Ready

if TYPE_CHECKING:
    from yuren_tui.store import StoredMessage

Phase = Literal["absent", "loading", "ready", "failed", "dead"]
TurnStatus = Literal["writing", "done", "length", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model, and how it is to be loaded."""

    model: str
    load: LoadMode = "auto"
    device: Device = "auto"


@dataclass(frozen=True, slots=True)
class ModelState:
    """Where the model stands. `ready` is known from the first load on, until another choice."""

    phase: Phase = "absent"
    loading: Loading | None = None
    ready: Ready | None = None
    failure: Failed | Exited | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """Who talks: what `{{user}}` stands for, what they say of themselves, their language."""

    user_name: str = ""
    persona: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class TurnStats:
    """Counts of one answer, in tokens; seconds to the first token; tokens a second."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    dropped_turns: int = 0
    completion_tokens: int = 0
    ttft_s: float = 0.0
    tokens_per_s: float = 0.0

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> TurnStats:
        """Stats as the store keeps them; what is not known is left out."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    @property
    def stored(self) -> dict[str, Any]:
        """As the store keeps them."""
        return asdict(self)


@dataclass(slots=True)
class Turn:
    """One message in the transcript.

    Attributes:
        id: the stored message's.
        role: who speaks.
        text: the words so far.
        images: pictures, in order.
        status: "writing" while an answer comes; a user's is "done".
        stats: counts of an answer.
        sibling_index: 1 for the first of the alternatives at this place.
        sibling_count: how many alternatives there are.
        is_pinned: stays in the context.
        speaker: a name, in role play; may be empty.
        model: what wrote it; empty for a person's.
    """

    id: int
    role: Role
    text: str
    images: tuple[ImagePart, ...] = ()
    status: TurnStatus = "done"
    stats: TurnStats = field(default_factory=TurnStats)
    sibling_index: int = 1
    sibling_count: int = 1
    is_pinned: bool = False
    speaker: str = ""
    model: str = ""

    @classmethod
    def of(cls, stored: StoredMessage) -> Turn:
        """A turn from the store."""
        return cls(
            stored.id,
            stored.role,
            stored.text,
            stored.images,
            stored.status,
            TurnStats.of(stored.stats),
            stored.sibling_index,
            stored.sibling_count,
            stored.is_pinned,
            stored.speaker,
            stored.model,
        )

    @property
    def message(self) -> Message:
        """The turn as the model is told it."""
        return Message.of(self.role, self.text, self.images)


@dataclass(frozen=True, slots=True)
class ContextUse:
    """What the next message would find of the context, in tokens.

    Attributes:
        by_kind: of what stays: each kind of `PromptItem`, "images" (pictures of all kinds, not
            counted elsewhere) and "opening".
        answer_tokens: what is kept free for the answer.
        context_length: of the model.
        dropped_turn_ids: turns that would be left out.
        drops_examples: whether example dialogue would be left out.
        fits: whether it could be sent at all.
    """

    by_kind: Mapping[PromptKind | Literal["images", "opening"], int]
    answer_tokens: int
    context_length: int
    dropped_turn_ids: tuple[int, ...]
    drops_examples: bool
    fits: bool

    @property
    def prompt_tokens(self) -> int:
        """All that would be sent."""
        return sum(self.by_kind.values())

# SPDX-License-Identifier: Apache-2.0
"""Requests and events between a front end and the model process: one JSON object a line.

Every line carries `v`, the protocol's version, and `type`. A request has an `id` of the front
end's choosing; every event that answers it carries the same `id`. A load ends in exactly one of
ready | failed, a generation in exactly one of completed | cancelled | failed. JSON is written in
ASCII, so that no locale, U+2028 or lone surrogate of a file name can break a line.
"""

from __future__ import annotations

import json
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

from yuren_core.errors import ProtocolError
from yuren_core.i18n import tr
from yuren_core.prompt import PromptItem
from yuren_core.sampling_params import NO_ADVICE, SamplingAdvice, SamplingParams
from yuren_core.typed_json import from_json, to_json

VERSION = 1

LoadMode = Literal["auto", "bf16", "fp32", "8bit", "4bit"]
Device = Literal["auto", "cpu", "cuda", "mps"]
LoadStage = Literal["imports", "download", "tokenizer", "vision_tower", "weights"]
FinishReason = Literal["stop", "length", "cancelled"]

# ---------------------------------------------------------------- requests


@dataclass(frozen=True, slots=True)
class Load:
    """Load a model, in place of the one that is loaded."""

    id: int
    model: str
    load: LoadMode = "auto"
    device: Device = "auto"


@dataclass(frozen=True, slots=True)
class Generate:
    """Answer a prompt; a last message of the assistant's is continued."""

    id: int
    prompt: tuple[PromptItem, ...]
    sampling: SamplingParams = field(default_factory=SamplingParams)


@dataclass(frozen=True, slots=True)
class Count:
    """Say what a prompt would cost, and what of it would no longer fit."""

    id: int
    prompt: tuple[PromptItem, ...]
    sampling: SamplingParams = field(default_factory=SamplingParams)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop generation `id`, within one token."""

    id: int


@dataclass(frozen=True, slots=True)
class Unload:
    """Give the model's memory back."""

    id: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask whether the process is there and not stuck."""

    id: int


Request = Load | Generate | Count | Cancel | Unload | Ping

# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Loading:
    """A load goes on. `fraction` is 0 to 1, None where it is not known."""

    id: int
    stage: LoadStage
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded.

    Attributes:
        model: its name, for people.
        path: directory or hub id it came from.
        dtype: "bf16", "fp32", "8bit" or "4bit".
        memory_bytes: what weights and tower take on the device.
        context_length: tokens that prompt and answer may fill.
        image_tokens: what one picture costs in the prompt; 0 for a model that cannot see.
        load_s: seconds from request to ready.
        sampling: what its makers recommend.
    """

    id: int
    model: str
    path: str
    device: str
    dtype: str
    memory_bytes: int
    context_length: int
    image_tokens: int
    load_s: float
    sampling: SamplingAdvice = NO_ADVICE


@dataclass(frozen=True, slots=True)
class Unloaded:
    """The model's memory has been given back."""

    id: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The process is there."""

    id: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What a prompt costs.

    Attributes:
        tokens: of each item, pictures included.
        image_tokens: of each item, its pictures' share.
        prompt_tokens: of what stays, with the opening of the answer.
        answer_tokens: what is kept free for the answer.
        dropped: places of the items that no longer fit.
        fits: whether what stays does.
    """

    id: int
    tokens: tuple[int, ...]
    image_tokens: tuple[int, ...]
    prompt_tokens: int
    answer_tokens: int
    dropped: tuple[int, ...]
    fits: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt is known, generation begins. `dropped_turns` no longer fitted."""

    id: int
    prompt_tokens: int
    cached_tokens: int
    dropped_turns: int


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer: whole characters only. `completion_tokens` counts all so far."""

    id: int
    text: str
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Completed:
    """The answer is whole ("stop"), or has reached max_new_tokens or the context ("length")."""

    id: int
    finish_reason: FinishReason
    completion_tokens: int
    ttft_s: float
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The answer was stopped; what came before stands."""

    id: int
    completion_tokens: int
    ttft_s: float
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The request failed. `kind` is the name of the YurenError class, or "InternalError"."""

    id: int
    kind: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Exited:
    """The model process is gone. Made by the client, never sent; ends every open request."""

    id: int
    returncode: int | None
    log_path: str


Event = (
    Loading
    | Ready
    | Unloaded
    | Pong
    | Counted
    | Prompt
    | Delta
    | Completed
    | Cancelled
    | Failed
    | Exited
)

TERMINAL_EVENTS = (Ready, Unloaded, Pong, Counted, Completed, Cancelled, Failed, Exited)
"""After one of these, nothing more comes for its `id`."""

# ---------------------------------------------------------------- lines


def _by_type(union: Any) -> dict[str, type]:
    return {cls.__name__.lower(): cls for cls in typing.get_args(union)}


_REQUESTS = _by_type(Request)
_EVENTS = {name: cls for name, cls in _by_type(Event).items() if cls is not Exited}


def encode(message: Request | Event) -> bytes:
    """One line, newline included."""
    body = {"v": VERSION, "type": type(message).__name__.lower(), **to_json(message)}
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def decode_request(line: bytes) -> Request:
    """A request from its line.

    Raises:
        ProtocolError: no JSON, another version, an unknown type, a missing or wrong field.
        UsageError: a sampling value that cannot be.
    """
    return typing.cast("Request", _decode(line, _REQUESTS))


def id_of(line: bytes) -> int:
    """The id of a line that cannot be decoded, for an answer to its sender; 0 where it has none."""
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return 0
    found = body.get("id") if isinstance(body, dict) else None
    return found if type(found) is int else 0


def decode_event(line: bytes) -> Event:
    """An event from its line.

    Raises:
        ProtocolError: as `decode_request`.
    """
    return typing.cast("Event", _decode(line, _EVENTS))


def _decode(line: bytes, known: dict[str, type]) -> object:
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(tr("error.protocol.not_json", line=repr(line[:80]))) from error
    if not isinstance(body, dict):
        raise ProtocolError(tr("error.protocol.no_object", line=repr(line[:80])))
    version, name = body.pop("v", None), body.pop("type", None)
    if version != VERSION:
        raise ProtocolError(
            tr("error.protocol.version", found=repr(version), known=VERSION),
            tr("error.protocol.version_hint"),
        )
    cls = known.get(name) if isinstance(name, str) else None
    if cls is None:
        raise ProtocolError(tr("error.protocol.type", name=repr(name)))
    return from_json(cls, body, str(name))

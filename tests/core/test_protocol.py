# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent arrives as it was; whatever is none of ours is refused."""

from __future__ import annotations

import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuren_core import protocol
from yuren_core.errors import ProtocolError, UsageError
from yuren_core.messages import ImagePart, Message, Role, TextPart
from yuren_core.prompt import PromptItem, PromptKind
from yuren_core.protocol import Completed, Delta, Event, Exited, Failed, Generate, Load, Request
from yuren_core.sampling_params import SamplingAdvice, SamplingParams

LONE = st.characters(min_codepoint=0xD800, max_codepoint=0xDBFF, categories=["Cs"])
ANYTHING = st.characters(exclude_categories=["Cs"]) | LONE | st.sampled_from("\u2028\x85\0\n\r")
TEXT = st.text(ANYTHING)
PARTS = st.builds(TextPart, TEXT) | st.builds(ImagePart, TEXT, TEXT)
MESSAGES = st.builds(Message, st.sampled_from(Role), st.lists(PARTS, max_size=3).map(tuple))
ITEMS = st.builds(
    PromptItem,
    MESSAGES,
    st.sampled_from(typing.get_args(PromptKind)),
    st.none() | st.integers(),
    st.none() | st.integers(),
    st.booleans(),
)
NUMBERS = st.floats(0, 1, exclude_min=True, exclude_max=True)
SAMPLING = st.builds(
    SamplingParams,
    temperature=NUMBERS,
    top_p=NUMBERS,
    top_k=st.integers(0, 1000),
    min_p=NUMBERS,
    repetition_penalty=NUMBERS.map(lambda x: 1 + x),
    seed=st.none() | st.integers(0, 2**63 - 1),
    max_new_tokens=st.integers(1, 2**20),
    stop=st.lists(st.text(ANYTHING, min_size=1)).map(tuple),
)
FLOATS = st.floats(allow_nan=False)
OF_FIELDS: dict[object, st.SearchStrategy[object]] = {
    str: TEXT,
    int: st.integers(),
    float: FLOATS,
    float | None: st.none() | FLOATS,
    tuple[PromptItem, ...]: st.lists(ITEMS, max_size=4).map(tuple),
    tuple[int, ...]: st.lists(st.integers()).map(tuple),
    SamplingParams: SAMPLING,
    SamplingAdvice: st.builds(
        SamplingAdvice,
        temperature=st.none() | FLOATS,
        top_p=st.none() | FLOATS,
        top_k=st.none() | st.integers(),
        min_p=st.none() | FLOATS,
        repetition_penalty=st.none() | FLOATS,
    ),
}


def lines_of(union: object) -> list[type]:
    return [cls for cls in typing.get_args(union) if cls is not Exited]


def values_of(cls: type) -> st.SearchStrategy[object]:
    """Any value of a line's class, from the types of its fields."""
    hints = typing.get_type_hints(cls)
    return st.builds(
        cls, **{name: OF_FIELDS.get(hint, st.from_type(hint)) for name, hint in hints.items()}
    )


@pytest.mark.parametrize("cls", lines_of(Request))
@given(data=st.data())
def test_a_request_round_trips(cls: type, data: st.DataObject) -> None:
    request = data.draw(values_of(cls))
    line = protocol.encode(typing.cast("Request", request))
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert protocol.decode_request(line) == request


@pytest.mark.parametrize("cls", lines_of(Event))
@given(data=st.data())
def test_an_event_round_trips(cls: type, data: st.DataObject) -> None:
    event = data.draw(values_of(cls))
    line = protocol.encode(typing.cast("Event", event))
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert protocol.decode_event(line) == event


def test_a_line_says_its_version_and_its_type() -> None:
    body = json.loads(protocol.encode(Delta(3, "é\u2028\ud800", 1)))
    assert body == {
        "v": protocol.VERSION,
        "type": "delta",
        "id": 3,
        "text": "é\u2028\ud800",
        "completion_tokens": 1,
    }


@given(st.binary(max_size=200))
def test_bytes_that_are_no_line_are_refused_not_crashed_on(line: bytes) -> None:
    for decode in (protocol.decode_request, protocol.decode_event):
        with pytest.raises(ProtocolError):
            decode(line)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    kind=st.sampled_from(["load", "generate", "cancel", "ready", "delta", "failed", "loading"]),
    field=st.sampled_from(["id", "model", "load", "prompt", "sampling", "text", "fraction", "x"]),
    value=JSON,
)
def test_any_field_of_any_shape_is_read_or_refused(kind: str, field: str, value: object) -> None:
    line = json.dumps({"v": protocol.VERSION, "type": kind, "id": 1, field: value}).encode()
    for decode in (protocol.decode_request, protocol.decode_event):
        try:
            decode(line)
        except (ProtocolError, UsageError):
            continue


HOSTILE = {
    "not JSON": b"Downloading shards: 100%|###| 2/2",
    "empty": b"\n",
    "no object": b"[1, 2]",
    "deeply nested": b"[" * 100_000,
    "an unknown type": b'{"v": 1, "type": "exec", "id": 1}',
    "no type": b'{"v": 1, "id": 1}',
    "a type that is no string": b'{"v": 1, "type": ["ping"], "id": 1}',
    "a field too many": b'{"v": 1, "type": "ping", "id": 1, "x": 2}',
    "a field missing": b'{"v": 1, "type": "load", "id": 1}',
    "a field of another type": b'{"v": 1, "type": "ping", "id": "1"}',
    "true for a number": b'{"v": 1, "type": "ping", "id": true}',
    "a word that is no choice": b'{"v": 1, "type": "load", "id": 1, "model": "m", "load": "2bit"}',
    "a choice that is a list": b'{"v": 1, "type": "load", "id": 1, "model": "m", "load": []}',
    "a role that is none": (
        b'{"v": 1, "type": "generate", "id": 1,'
        b' "prompt": [{"message": {"role": "root", "parts": []}}]}'
    ),
    "a part that is none": (
        b'{"v": 1, "type": "generate", "id": 1,'
        b' "prompt": [{"message": {"role": "user", "parts": [{"html": "x"}]}}]}'
    ),
    "a number that no float holds": (
        b'{"v": 1, "type": "generate", "id": 1, "prompt": [],'
        b' "sampling": {"temperature": 1' + b"0" * 400 + b"}}"
    ),
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_line_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.decode_request(line)


def test_what_the_hostile_lines_are_hostile_in_is_the_only_thing_wrong_with_them() -> None:
    line = b'{"v": 1, "type": "generate", "id": 1, "prompt": %s}'
    sound = line % b'[{"message": {"role": "user", "parts": [{"text": "x"}]}}]'
    message = Message.of(Role.USER, "x")
    assert protocol.decode_request(sound) == Generate(1, (PromptItem(message),))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"v": 1, "type": "load", "id": 7, "x": 1}', 7),
        (b'{"v": 2, "id": 7}', 7),
        (b'{"id": true}', 0),
        (b'{"id": "7"}', 0),
        (b'{"v": 1}', 0),
        (b"[7]", 0),
        (b"[" * 100_000, 0),
        (b"Downloading: 7%", 0),
    ],
)
def test_the_id_of_a_line_that_is_refused(line: bytes, found: int) -> None:
    assert protocol.id_of(line) == found


def test_sampling_that_cannot_be_is_refused_at_the_border() -> None:
    line = protocol.encode(Generate(1, ())).replace(b'"top_p":0.9', b'"top_p":7.0')
    with pytest.raises((ProtocolError, UsageError), match="top_p"):
        protocol.decode_request(line)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_is_named_with_a_remedy(version: object) -> None:
    line = json.dumps({"v": version, "type": "pong", "id": 1}).encode()
    with pytest.raises(ProtocolError, match="version") as caught:
        protocol.decode_event(line)
    assert "install" in caught.value.hint


def test_two_surrogates_that_make_a_character_arrive_as_it() -> None:
    line = protocol.encode(Delta(1, "\ud83d\ude00", 1))
    assert protocol.decode_event(line) == Delta(1, "😀", 1)


def test_an_exit_cannot_be_sent() -> None:
    with pytest.raises(ProtocolError):
        protocol.decode_event(protocol.encode(Exited(1, 0, "/tmp/model.log")))


def test_requests_are_no_events() -> None:
    with pytest.raises(ProtocolError):
        protocol.decode_event(protocol.encode(Load(1, "model")))
    with pytest.raises(ProtocolError):
        protocol.decode_request(protocol.encode(Failed(1, "ModelError", "broken")))


def test_whole_numbers_serve_as_floats() -> None:
    line = protocol.encode(Completed(1, "stop", 3, 0.0, 0.0)).replace(b"0.0", b"2")
    assert protocol.decode_event(line) == Completed(1, "stop", 3, 2.0, 2.0)

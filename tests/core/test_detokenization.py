# SPDX-License-Identifier: Apache-2.0
"""Ids to text as they come: whole characters, the spaces between, and no id ends an answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.metaspace_tokenizer import metaspace_tokenizer
from tests.tiny import tiny_tokenizer
from yuren_core.chatml import CONTROL_TOKENS
from yuren_core.model.tokenization import ChatTokenizer


def byte_level() -> ChatTokenizer:
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"extra_special_tokens": [*CONTROL_TOKENS]})
    return ChatTokenizer(tokenizer)


TOKENIZERS = {
    "byte level": byte_level(),
    "metaspace": metaspace_tokenizer("first"),
    "prefixed": metaspace_tokenizer("each"),
}
every_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS.keys())


def pieces(tokenizer: ChatTokenizer, ids: list[int], after: list[int] | None = None) -> list[str]:
    stream = tokenizer.decode_stream(after=after or [])
    return [stream.step(i) for i in ids]


@every_tokenizer
def test_characters_of_several_tokens_come_whole(tokenizer: ChatTokenizer) -> None:
    text = "你好，世界！🦙👩‍👩‍👧 naïve  two spaces"
    got = pieces(tokenizer, tokenizer.encode_text(text))
    assert "".join(got) == text
    assert not any("\ufffd" in piece for piece in got)
    assert "" in got  # inside a character nothing is shown


@every_tokenizer
@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back_up_to_its_last_character(tokenizer: ChatTokenizer, text: str) -> None:
    ids = tokenizer.encode_text(text)
    whole = tokenizer.tokenizer.decode(ids, skip_special_tokens=True)
    got = "".join(pieces(tokenizer, ids))
    assert whole.startswith(got)
    assert whole[len(got) :].strip("\ufffd") == ""


@every_tokenizer
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_sequence_of_ids_ends_an_answer(tokenizer: ChatTokenizer, data: st.DataObject) -> None:
    """Bytes that are no character are what a model may well write."""
    some_id = st.integers(0, len(tokenizer.tokenizer) - 1)
    ids = data.draw(st.lists(some_id, max_size=40))
    ids += tokenizer.encode_text("猫 Paris")
    assert "".join(pieces(tokenizer, ids)).endswith(" Paris")


@pytest.mark.parametrize("prefix", ["metaspace", "prefixed"])
def test_a_continued_answer_keeps_the_space_between(prefix: str) -> None:
    tokenizer = TOKENIZERS[prefix]
    backend = tokenizer.tokenizer
    before = tokenizer.encode_text("The capital is")
    ids = tokenizer.encode_text("The capital is\n Paris")  # no piece reaches over the line's end
    ids = ids[ids.index(backend.convert_tokens_to_ids("\n")) + 1 :]
    assert "".join(pieces(tokenizer, ids)) == "Paris"
    assert "".join(pieces(tokenizer, ids, before)) == " Paris"

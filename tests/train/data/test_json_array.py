# SPDX-License-Identifier: Apache-2.0
"""A JSON array in pieces: the same elements and lines at any size of the pieces."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuren_train.data import json_array
from yuren_train.data.json_array import Element, split_array

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def split(data: bytes, block: int = 1 << 20) -> list[Element]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "_BLOCK", block)
        return list(split_array(io.BytesIO(data)))


@given(
    rows=st.lists(values, max_size=6),
    indent=st.sampled_from([None, 1]),
    block=st.integers(1, 40),
    is_ascii=st.booleans(),
)
def test_elements_are_those_that_json_finds(
    rows: list[Any], indent: int | None, block: int, is_ascii: bool
) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=is_ascii).replace("\n", "\r\n")
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a lone surrogate stands in a file as an escape alone
        data = json.dumps(rows, indent=indent).encode()
    elements = split(data, block)
    assert [json.loads(element.data or b"") for element in elements] == rows


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_an_element_has_the_line_where_it_begins(block: int) -> None:
    data = b'\n[\n  {"a": "x\\ny"},\n\n  {\n "b": [1,\n2]\n},  5\n\n]\n\n'
    assert split(data, block) == [
        Element(3, b'{"a": "x\\ny"}'),
        Element(5, b'{\n "b": [1,\n2]\n}'),
        Element(8, b"5"),
    ]


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_a_forgotten_quote_costs_its_own_row_alone(block: int) -> None:
    data = b'[\n{\n"a": "one\n},\n{"a": "two"}\n]'
    assert split(data, block) == [Element(2, b'{\n"a": "one\n}'), Element(5, b'{"a": "two"}')]


@pytest.mark.parametrize(
    ("data", "last"),
    [
        (b'[{"a": 1}, ]', Element(1, b",")),
        (b"[1,,2]", Element(1, b"2")),
        (b'[{"a": 1}}, 2]', Element(1, b"2")),
        (b"[1]\n\n {}", Element(3, b"]{}")),
    ],
)
def test_what_is_no_json_comes_as_an_element(data: bytes, last: Element) -> None:
    elements = split(data)
    assert elements[-1] == last
    with pytest.raises(ValueError):
        [json.loads(element.data or b"") for element in elements]


def test_an_array_that_is_not_closed_is_told_behind_its_rows() -> None:
    elements = split_array(io.BytesIO(b'[{"a": 1},\n{"a": 2}'))
    assert [next(elements), next(elements)] == [Element(1, b'{"a": 1}'), Element(2, b'{"a": 2}')]
    with pytest.raises(EOFError):
        next(elements)


@pytest.mark.parametrize(
    "long", [b'{"a": "' + b"x\\\\" * 400 + b'"}', b"[" + b"1,\n" * 400 + b"1]"]
)
@pytest.mark.parametrize("block", [1, 7, 64])
def test_a_row_that_is_too_long_is_passed_over(
    long: bytes, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_array, "MAX_ROW_BYTES", 200)
    data = b"[\n1,\n" + long + b",\n" + long + b", 2]"
    lines = long.count(b"\n")
    assert split(data, block) == [
        Element(2, b"1"),
        Element(3, None),
        Element(4 + lines, None),
        Element(4 + 2 * lines, b"2"),
    ]

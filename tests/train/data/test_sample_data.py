# SPDX-License-Identifier: Apache-2.0
"""The bundled conversations: no faults, two languages, short, nothing twice."""

from __future__ import annotations

from tests.train.data.rows import make_tokenizer
from yuren_core.shipped import assets_dir
from yuren_train.data.check import check_files
from yuren_train.data.encoding import EncoderSpec

FILE = assets_dir() / "data" / "sample.jsonl"


def test_the_bundled_conversations_are_without_fault() -> None:
    spec = EncoderSpec.of(make_tokenizer(), max_length=1024, images_dir=None)
    result = check_files([FILE], spec)
    assert result.count("rows") == 130
    assert result.by_value("fault") == {}
    assert result.count("cut") == result.duplicates == result.count("unanswered") == 0
    assert result.by_value("control") == {}
    languages = result.by_value("language")
    assert set(languages) == {"en", "zh"}
    assert min(languages.values()) > 55
    assert max(map(int, result.by_value("turns"))) <= 7


def test_what_ships_says_its_licence() -> None:
    text = (assets_dir() / "data" / "README.md").read_text(encoding="utf-8")
    assert "Apache-2.0" in text
    assert "130 short conversations" in text

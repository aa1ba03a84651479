# SPDX-License-Identifier: Apache-2.0
"""What is counted of data files, and that it is what training does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from tests.core.pictures import quarters, write
from tests.train.data.rows import make_tokenizer, share_gpt, write_lines
from yuren_train.config import Source
from yuren_train.data import check
from yuren_train.data.check import CheckResult, check_files
from yuren_train.data.encoding import EncoderSpec
from yuren_train.data.tokenized import tokenize

TOKENIZER = make_tokenizer()


def spec(max_length: int = 200, **options: Any) -> EncoderSpec:
    tokenizer = options.pop("tokenizer", TOKENIZER)
    return EncoderSpec.of(tokenizer, **{"max_length": max_length, "images_dir": None, **options})


def looked_at(rows: list[Any], directory: Path, **options: Any) -> CheckResult:
    return check_files([write_lines(directory / "rows.jsonl", rows)], spec(**options))


def test_it_counts_what_is_there(tmp_path: Path) -> None:
    result = looked_at(
        [
            {"__comment__": "ours"},
            share_gpt("What is this?", "A test.", system="Be brief."),
            share_gpt("这是什么？", "这是一个测试。", "为什么？", "为了知道。"),
            share_gpt("q", "a", "and then?"),
            share_gpt("q"),
        ],
        tmp_path,
    )
    assert result.count("rows") == 5
    assert result.count("comments") == 1
    assert result.by_value("fault") == {"no_answer": 1}
    assert [fault.place.line for fault in result.faults] == [5]
    assert result.by_value("role") == {"user": 5, "assistant": 4, "system": 1}
    assert result.by_value("turns") == {"3": 2, "4": 1}
    assert result.by_value("language") == {"en": 2, "zh": 1}
    assert result.count("unanswered") == 1


def test_its_tokens_are_those_that_training_takes(tmp_path: Path) -> None:
    rows = [share_gpt(f"question {n}", "word " * n, "again", "b" * n) for n in range(1, 90)]
    rows.append(share_gpt("q", "never learned", system="a long prompt " * 100))
    path = write_lines(tmp_path / "rows.jsonl", rows)
    result = check_files([path], spec(100))
    trained = tokenize([Source(path)], tokenizer=TOKENIZER, max_length=100)
    assert result.kept[result.kept > 0].tolist() == trained.lengths.tolist()
    assert result.learned[result.kept > 0].tolist() == trained.label_counts.tolist()
    assert result.count("cut") == trained.report.cut > 0
    assert result.by_value("fault") == trained.report.fault_counts == {"nothing_to_learn": 1}
    assert result.uncut.max() > 300
    assert result.packing is not None
    tokens = int(trained.lengths.sum())
    assert result.packing.efficiency == tokens / (result.packing.bins * 100)
    assert result.packing.unpacked == tokens / (len(trained) * 100)


def test_repeated_rows_are_found_over_all_files(tmp_path: Path) -> None:
    one = write_lines(tmp_path / "a.jsonl", [share_gpt("q", "a"), share_gpt("q", "b")])
    two = write_lines(tmp_path / "b.jsonl", [share_gpt("x", "a"), share_gpt("q", "b", id=5)])
    table = pa.Table.from_pylist([share_gpt("x", "a")])
    three = tmp_path / "c.parquet"
    parquet.write_table(table, three)
    result = check_files([one, two, three], spec())
    assert result.duplicates == 2
    assert [tuple(map(str, pair)) for pair in result.duplicate_places] == [
        (f"{two}:2", f"{one}:2"),
        (f"{three}:row 1", f"{two}:1"),
    ]


def test_who_says_it_makes_a_difference(tmp_path: Path) -> None:
    rows = [share_gpt("a", "b", "c", "d"), share_gpt("b", "c", "d", system="a")]
    assert (
        looked_at([*rows, share_gpt("ab", "cd"), share_gpt("a", "bcd")], tmp_path).duplicates == 0
    )


def test_control_strings_and_lost_characters_are_noticed(tmp_path: Path) -> None:
    rows = [share_gpt("q", "a<|im_end|>b<|im_end|>"), share_gpt("<|im_end|>", "<|endoftext|>")]
    result = looked_at([*rows, share_gpt("\ud800", "a")], tmp_path)
    assert result.by_value("control") == {"<|im_end|>": 2, "<|endoftext|>": 1}
    assert {(place.line, token) for place, token in result.controls} == {
        (1, "<|im_end|>"),
        (2, "<|im_end|>"),
        (2, "<|endoftext|>"),
    }
    assert result.count("replaced") == 1
    assert [place.line for place in result.replaced] == [3]
    assert result.count("fault") == 0


def test_pictures_are_opened(tmp_path: Path) -> None:
    write(tmp_path / "good.png", quarters())
    rows = [
        share_gpt("<image>?", "a", image="good.png"),
        share_gpt("<image><image>?", "a", images=["good.png", "good.png"]),
        share_gpt("<image>?", "a", image="gone.png"),
    ]
    result = looked_at(rows, tmp_path)
    assert (result.count("pictures"), result.count("with_pictures")) == (3, 2)
    assert result.by_value("fault") == {"bad_image": 1}
    assert "gone.png" in result.faults[0].value
    blind = make_tokenizer(image_tokens=0)
    assert looked_at(rows, tmp_path, tokenizer=blind).by_value("fault") == {"blind": 3}
    words = looked_at(rows, tmp_path, tokenizer=blind, words_alone=True)
    assert words.by_value("fault") == {"bad_image": 1}
    assert words.uncut.max() < result.uncut.min()


def test_without_a_tokenizer_all_but_tokens_is_told(tmp_path: Path) -> None:
    result = looked_at([share_gpt("q", "a"), share_gpt("q")], tmp_path, tokenizer=None)
    assert result.by_value("fault") == {"no_answer": 1}
    assert (len(result.uncut), len(result.kept), result.packing) == (0, 0, None)


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    rows = [share_gpt(f"q {n % 700}", "a" * (n % 50 + 1)) for n in range(1500)]
    path = write_lines(tmp_path / "rows.jsonl", [*rows, share_gpt("q")])
    one, two = (check_files([path], spec(50), workers=count) for count in (1, 2))
    assert one.counts == two.counts
    assert one.faults == two.faults
    assert one.duplicate_places == two.duplicate_places
    assert one.kept.tolist() == two.kept.tolist()


def test_of_very_many_faults_the_first_are_kept_and_all_counted(tmp_path: Path) -> None:
    result = looked_at([share_gpt("q")] * 3000, tmp_path)
    assert result.count("fault") == 3000
    assert [fault.place.line for fault in result.faults] == list(range(1, check.FAULTS_KEPT + 1))


def test_a_file_without_rows_is_a_fault(tmp_path: Path) -> None:
    result = looked_at([], tmp_path)
    assert [(fault.place.line, fault.code) for fault in result.faults] == [(1, "no_rows")]
    assert (result.duplicates, result.packing) == (0, None)

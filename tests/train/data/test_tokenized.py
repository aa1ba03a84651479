# SPDX-License-Identifier: Apache-2.0
"""Files to samples: cached, weighted, split; the same whatever the number of workers."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from tests.core.pictures import encoded, quarters, write
from tests.train.data.rows import PATCHES, conversation, make_tokenizer, share_gpt, write_lines
from yuren_core.chatml import IMG_PATCH, render
from yuren_core.errors import DataError, ImageError
from yuren_core.images import image_part
from yuren_train.config import Source
from yuren_train.data import tokenized
from yuren_train.data.collator import collate
from yuren_train.data.samples import Sample
from yuren_train.data.sources import read_rows
from yuren_train.data.tokenized import TokenizedRows, tokenize

TOKENIZER = make_tokenizer()
SFT_DEV = Path(__file__).parents[4] / "shared" / "data" / "sft.dev.json"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [share_gpt(f"question {n}", f"answer {n}") for n in range(10)]
    return write_lines(tmp_path / "rows.jsonl", rows)


def read(*sources: Path | Source, **options: Any) -> TokenizedRows:
    chosen = [one if isinstance(one, Source) else Source(one) for one in sources]
    return tokenize(chosen, **{"tokenizer": TOKENIZER, "max_length": 200, **options})


def words(sample: Sample) -> str:
    ids = sample.labels[sample.labels >= 0]
    return str(TOKENIZER.tokenizer.decode(ids.tolist(), skip_special_tokens=True)).strip()


def answers(rows: Sequence[Sample]) -> list[str]:
    return [words(sample) for sample in rows]


def test_samples_are_what_the_renderer_says(file: Path) -> None:
    rows = read(file)
    sample = rows[3]
    encoded = TOKENIZER.encode(render(conversation("question 3", "answer 3")))
    assert sample.input_ids.tolist() == list(encoded.input_ids)
    assert sample.labels.tolist() == list(encoded.labels)
    assert (sample.input_ids.dtype, sample.labels.dtype) == (np.int32, np.int64)
    assert str(sample.place) == f"{file}:4"
    assert len(rows) == len(rows.lengths) == 10
    assert rows.lengths.tolist() == [len(sample.input_ids) for sample in rows]
    assert rows.label_counts.tolist() == [int((sample.labels >= 0).sum()) for sample in rows]
    assert answers(rows[-2:]) == ["answer 8", "answer 9"]
    with pytest.raises(IndexError):
        rows[10]


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    rows = [
        {"__comment__": "ours"},
        share_gpt("q", "a"),
        share_gpt("q", "a", "q" * 300, "late"),
        share_gpt("q", "never", system="a long prompt " * 100),
        share_gpt("q"),
        share_gpt("q", "a" * 300),
    ]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    path.write_text(path.read_text() + "{broken\n")
    report = read(path).report
    assert (report.rows, report.comments, report.cut) == (3, 1, 2)
    assert report.fault_counts == {"nothing_to_learn": 1, "no_answer": 1, "json": 1}
    assert (report.nothing_to_learn, report.faulty) == (1, 3)
    assert [(fault.place.line, fault.code) for fault in report.faults] == [
        (4, "nothing_to_learn"),
        (5, "no_answer"),
        (7, "json"),
    ]
    assert read(path).report == report  # out of the cache


def test_what_was_tokenized_is_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = answers(read(file))
    with monkeypatch.context() as patch:
        patch.setattr(tokenized, "write_token_file", None)
        assert answers(read(file)) == first
        assert answers(read(Source(file, 2.0))) == [a for a in first for _ in range(2)]
    write_lines(file, [share_gpt("q", "changed")])
    assert answers(read(file)) == ["changed"]
    assert read(file, max_length=19).lengths.max() <= 19


def test_a_damaged_cache_is_written_again(file: Path, tmp_path: Path) -> None:
    first = answers(read(file, cache_dir=tmp_path / "cache"))
    for arrow in (tmp_path / "cache").rglob("rows.arrow"):
        arrow.write_bytes(b"ARROW1 no more")
    assert answers(read(file, cache_dir=tmp_path / "cache")) == first


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    rows: list[Any] = [share_gpt(f"question {n}", f"answer {n} " * (n % 40)) for n in range(1500)]
    rows[700] = share_gpt("no answer")
    path = write_lines(tmp_path / "rows.jsonl", rows)
    one = read(path, workers=1, cache_dir=tmp_path / "one")
    two = read(path, workers=2, cache_dir=tmp_path / "two")
    assert one.report == two.report
    assert one.report.fault_counts == {"no_answer": 1, "empty": 38}
    for left, right in zip(one, two, strict=True):
        assert left.input_ids.tolist() == right.input_ids.tolist()
        assert left.labels.tolist() == right.labels.tolist()
        assert left.place == right.place


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (1.0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (0.5, [1, 3, 5, 7, 9]),
        (0.3, [3, 6, 9]),
        (1.2, [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 9]),
        (2.0, [n for n in range(10) for _ in range(2)]),
    ],
)
def test_a_weight_says_how_often_rows_count(weight: float, expected: list[int], file: Path) -> None:
    assert answers(read(Source(file, weight))) == [f"answer {n}" for n in expected]
    assert read(Source(file, weight)).report.rows == 10


def test_several_files_lie_one_behind_the_other(file: Path, tmp_path: Path) -> None:
    other = write_lines(tmp_path / "other.jsonl", [share_gpt("q", "other")])
    rows = read(other, Source(file, 0.3), other)
    assert answers(rows) == ["other", "answer 3", "answer 6", "answer 9", "other"]
    assert rows.report.rows == 12


def test_a_split_parts_rows_and_not_their_repetitions(file: Path) -> None:
    learned, measured = read(Source(file, 3.0)).split(0.2, seed=1)
    assert len(measured) == 2
    assert len(learned) == 24
    assert not set(answers(learned)) & set(answers(measured))
    assert answers(read(Source(file, 3.0)).split(0.2, seed=1)[1]) == answers(measured)
    seen = {tuple(answers(read(file).split(0.2, seed=seed)[1])) for seed in range(5)}
    assert len(seen) > 1
    assert len(read(file).split(0.001, seed=0)[1]) == 1
    assert [len(part) for part in read(file).split(0.0, seed=0)] == [10, 0]


def test_nothing_to_train_on_is_an_error_that_says_why(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [share_gpt("q"), {"__comment__": ""}])
    with pytest.raises(DataError) as caught:
        read(path)
    assert f"{path}:1: nothing answers" in caught.value.message
    with pytest.raises(DataError, match=r"absent\.json"):
        read(tmp_path / "absent.json")


def test_progress_reaches_the_end(file: Path) -> None:
    told: list[tuple[int, int]] = []
    for _ in range(2):
        read(file, progress=lambda done, total: told.append((done, total)))
        assert told[-1] == (file.stat().st_size,) * 2


# ---------------------------------------------------------------- pictures


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Rows about a good picture, a missing and a broken one, and one row of text."""
    (tmp_path / "pictures").mkdir()
    write(tmp_path / "pictures" / "good.png", quarters())
    (tmp_path / "pictures" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    rows = [
        share_gpt(f"<image>\n{name}?", name, image=f"{name}.png")
        for name in ("good", "missing", "broken")
    ]
    return write_lines(tmp_path / "rows.jsonl", [*rows, share_gpt("text?", "text")])


def test_a_bad_picture_stops_by_default_and_is_named(pictures: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"images_dir": tmp_path / "pictures"}
    for _ in range(2):
        with pytest.raises(ImageError) as caught:
            read(pictures, **options)
        assert caught.value.message.startswith(f"{pictures}:2: a picture cannot be used, ")
        assert "missing.png" in caught.value.message
    read(pictures, on_bad_image="skip", **options)
    with pytest.raises(ImageError, match=r"missing\.png"):
        read(pictures, **options)  # though the cache has the others


def test_bad_pictures_are_skipped_and_counted_where_that_is_asked(
    pictures: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"images_dir": tmp_path / "pictures", "on_bad_image": "skip"}
    rows = read(pictures, **options)
    assert answers(rows) == ["good", "text"]
    assert rows.image_counts.tolist() == [1, 0]
    assert rows[0].images == (image_part(tmp_path / "pictures" / "good.png"),)
    assert rows[0].input_ids.tolist().count(TOKENIZER.control_id(IMG_PATCH)) == PATCHES
    assert rows.report.fault_counts == {"bad_image": 2}
    write(tmp_path / "pictures" / "missing.png", quarters(6, 6))
    assert answers(read(pictures, **options)) == ["good", "missing", "text"]


def test_a_picture_that_has_changed_is_opened_again(pictures: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"images_dir": tmp_path / "pictures", "on_bad_image": "skip"}
    before = read(pictures, **options)[0].images[0].sha256
    good = write(tmp_path / "pictures" / "good.png", quarters(8, 8))
    os.utime(good, ns=(1, 1))
    assert read(pictures, **options)[0].images[0].sha256 != before


def test_the_digest_of_rows_knows_their_pictures(pictures: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"images_dir": tmp_path / "pictures", "on_bad_image": "skip"}
    before = read(pictures, **options)
    assert read(pictures, **options).digest() == before.digest()
    other = write_lines(tmp_path / "other.jsonl", [share_gpt("text?", "text")])
    both = read(other, pictures, **options)
    assert both.digest() != before.digest()
    assert both.with_pictures().digest() == before.with_pictures().digest()
    good = write(tmp_path / "pictures" / "good.png", quarters(8, 8))
    os.utime(good, ns=(1, 1))
    after = read(pictures, **options)
    assert (after.lengths == before.lengths).all()
    assert after.digest() != before.digest()


def test_a_model_that_cannot_see_gets_no_rows_with_pictures(pictures: Path, tmp_path: Path) -> None:
    rows = read(pictures, tokenizer=make_tokenizer(image_tokens=0))
    assert answers(rows) == ["text"]
    assert rows.report.fault_counts == {"blind": 3}


def test_pictures_inside_rows_are_kept_as_files_and_reach_the_batch(tmp_path: Path) -> None:
    png = encoded(quarters(), "PNG")
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What?"}]
    turns = [{"role": "user", "content": parts}, {"role": "assistant", "content": "by url"}]
    lines = write_lines(tmp_path / "rows.jsonl", [{"messages": turns}])
    inside = share_gpt("<image>\nWhat?", "by bytes", images=[{"bytes": png, "path": None}])
    table = tmp_path / "rows.parquet"
    parquet.write_table(pa.Table.from_pylist([inside]), table)
    rows = read(lines, table, cache_dir=tmp_path / "cache")
    assert answers(rows) == ["by url", "by bytes"]
    assert rows[0].input_ids.tolist()[:12] == rows[1].input_ids.tolist()[:12]
    assert rows[0].images == rows[1].images
    assert Path(rows[0].images[0].path).is_relative_to(tmp_path / "cache")
    batch = collate(rows[:], preprocess=lambda images: torch.zeros(len(images), 3, 2, 2))
    assert batch.pixel_values is not None
    assert batch.pixel_values.shape == (1, 3, 2, 2)  # both show the same
    assert batch.image_keys == (hashlib.sha256(png).hexdigest(),) * 2


# ---------------------------------------------------------------- real data


@pytest.mark.skipif(not SFT_DEV.exists(), reason="the published sample lies beside this project")
def test_the_published_sample_loads_completely() -> None:
    rows = read(SFT_DEV, max_length=1 << 20)
    assert len(rows) == rows.report.rows == 300
    assert (rows.report.comments, rows.report.cut, rows.report.faulty) == (1, 0, 0)
    assert sum(1 for _ in read_rows(SFT_DEV)) == 301
    assert (rows.label_counts > 0).all()


@pytest.mark.skipif(not SFT_DEV.exists(), reason="the published sample lies beside this project")
def test_the_published_sample_trains_completely_at_a_short_length() -> None:
    rows = read(SFT_DEV, max_length=1024)
    assert rows.report.rows == 300
    assert (rows.report.comments, rows.report.faulty) == (1, 0)
    assert (rows.label_counts > 0).all()
    assert rows.lengths.max() <= 1024


def test_weights_that_leave_no_row_are_refused(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "rows.jsonl", [share_gpt("q", "a")])
    with pytest.raises(DataError, match="no row of the data comes"):
        tokenize(
            [Source(file, 0.01)],
            tokenizer=TOKENIZER,
            max_length=100,
            cache_dir=tmp_path / "cache",
            workers=1,
        )


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_a_file_that_cannot_be_read_is_told() -> None:
    with pytest.raises(DataError, match="cannot be read"):
        tokenize([Source(Path("/proc/self/mem"))], tokenizer=TOKENIZER, max_length=100)


def test_the_digest_of_rows_knows_their_words(tmp_path: Path) -> None:
    rows = [share_gpt("question", answer) for answer in ("one", "two", "one")]
    digests = set()
    for number, kept in enumerate(([0, 1], [1, 0], [0, 2])):
        file = write_lines(tmp_path / f"{number}.jsonl", [rows[i] for i in kept])
        digests.add(read(file).digest())
    assert len(digests) == 3
    same = write_lines(tmp_path / "same.jsonl", [rows[2], rows[1]])
    assert read(same).digest() in digests

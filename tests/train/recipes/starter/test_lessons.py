# SPDX-License-Identifier: Apache-2.0
"""Lessons are rows that the trainer reads without a fault, and the same each time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from transformers import PreTrainedTokenizerFast

from tests.train.recipes.starter.tiny_art import flat_sprites
from yuren_train.data.check import check_files
from yuren_train.data.encoding import EncoderSpec
from yuren_train.recipes.starter.lessons import write_lessons

COUNT = 12
SYSTEMS = ("You describe pictures.", "Be brief.")


def write(directory: Path, **values: Any) -> Path:
    told = {"pictures": COUNT, "seed": 3, "systems": SYSTEMS, **values}
    return write_lessons(flat_sprites(), directory, "some", **told)


def contents(directory: Path) -> dict[str, str]:
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    return {
        str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def test_the_trainer_reads_them_without_a_fault(tmp_path: Path, multimodal_model: Path) -> None:
    told: list[tuple[int, int]] = []
    file = write(tmp_path, tell=lambda done, total: told.append((done, total)))
    spec = EncoderSpec(PreTrainedTokenizerFast.from_pretrained(multimodal_model), 16, 512, None)
    result = check_files([file], spec, workers=1)
    assert result.faults == ()
    assert len(result.uncut) == COUNT
    assert result.count("pictures") == COUNT
    assert (result.learned > 0).all()
    assert told == [(i + 1, COUNT) for i in range(COUNT)]
    with Image.open(tmp_path / "some" / "00000.png") as picture:
        assert (picture.mode, picture.size) == ("RGB", (96, 96))


def test_some_begin_with_a_system_prompt(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in write(tmp_path, pictures=40).read_text().splitlines()]
    first = [row["conversations"][0] for row in rows]
    with_system = [turn["value"] for turn in first if turn["from"] == "system"]
    assert set(with_system) == set(SYSTEMS)
    assert 4 < len(with_system) < 26


def test_they_are_the_same_by_seed(tmp_path: Path) -> None:
    for place, seed in (("one", 3), ("same", 3), ("other", 4)):
        write(tmp_path / place, seed=seed)
    one, same, other = (contents(tmp_path / place) for place in ("one", "same", "other"))
    assert one == same
    assert len(one) == COUNT + 1
    assert all(one[name] != other[name] for name in one)


def test_after_an_interruption_what_is_drawn_is_kept_and_the_whole_is_the_same(
    tmp_path: Path,
) -> None:
    write(tmp_path / "whole")
    directory = tmp_path / "halves"

    def stop(done: int, _: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(directory, tell=stop)
    drawn = {file: file.stat().st_mtime_ns for file in directory.rglob("*.png")}
    assert len(drawn) == 5
    assert not (directory / "some.jsonl").exists()
    write(directory, go_on=True)
    assert {file: file.stat().st_mtime_ns for file in drawn} == drawn
    assert contents(directory) == contents(tmp_path / "whole")

# SPDX-License-Identifier: Apache-2.0
"""`yuren-train sample-data`: a set that the trainer reads, gone on with, in both languages."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from transformers import PreTrainedTokenizerFast

from tests.train.recipes.starter.tiny_art import write_flat_package
from yuren_core.shipped import assets_dir
from yuren_train.cli import main
from yuren_train.data.check import check_files
from yuren_train.data.encoding import EncoderSpec
from yuren_train.recipes.starter import sample_set
from yuren_train.recipes.starter.sample_set import STYLES, SampleSet, art_dir, write_sample_set

ROWS = ("pictures-stage2.jsonl", "pictures-stage3.jsonl", "text.jsonl", "eval.jsonl")


@pytest.fixture(autouse=True)
def art(home: Path) -> Path:
    """The packages, as if npm had fetched them."""
    for style in STYLES:
        write_flat_package(art_dir(), style)
    return art_dir()


def run(out: Path, *arguments: str, language: str = "en") -> Result:
    values = arguments or ("--pictures=15",)
    return CliRunner().invoke(main, [f"--lang={language}", "sample-data", f"--out={out}", *values])


def contents(directory: Path) -> dict[str, str]:
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    return {
        str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def test_the_set_is_whole_and_the_trainer_reads_it(tmp_path: Path, multimodal_model: Path) -> None:
    out = tmp_path / "set"
    result = run(out)
    assert (result.exit_code, result.stderr.count("\n")) == (0, 4)
    assert f"ready: {out}" in result.stdout
    assert str(out / "README.md") in result.stdout
    assert {file.name for file in out.iterdir()} == {
        *ROWS, "pictures-stage2", "pictures-stage3", "eval", "licences", "README.md",
        "sample-data.json",
    }  # fmt: skip
    spec = EncoderSpec(PreTrainedTokenizerFast.from_pretrained(multimodal_model), 16, 2048, None)
    for name, count in zip(ROWS, (5, 10, 130, 1), strict=True):
        checked = check_files([out / name], spec, workers=1)
        assert checked.faults == ()
        assert checked.count("rows") == count
        assert checked.count("pictures") == (0 if name == "text.jsonl" else count)
    assert (out / "text.jsonl").read_bytes() == (
        assets_dir() / "data" / "sample.jsonl"
    ).read_bytes()


def test_licences_and_attribution_lie_beside_the_pictures(tmp_path: Path) -> None:
    run(tmp_path / "set")
    licences = tmp_path / "set" / "licences"
    assert "Apache License" in (licences / "Apache-2.0.txt").read_text()
    assert "Attribution 4.0 International" in (licences / "CC-BY-4.0.txt").read_text()
    said = (licences / "ATTRIBUTION.md").read_text()
    for word in ("Noto Emoji", "Google", "Twemoji", "Twitter", "creativecommons.org", "Changed by"):
        assert word in said
    assert all(f"{style.package}@{style.version}" in said for style in STYLES)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_commands_in_the_readme_are_the_trainers_own(tmp_path: Path, language: str) -> None:
    out = tmp_path / "a set"
    result = run(out, language=language)
    assert ("示例数据已就绪" in result.stdout) == (language == "zh")
    text = (out / "README.md").read_text(encoding="utf-8")
    assert ("三个阶段" in text) == (language == "zh")
    assert not re.search(r"\{\w+\}", text)
    commands = re.findall(r"^yuren-train (\S+) (.*)$", text, re.MULTILINE)
    assert [name for name, _ in commands] == [
        "check", "prepare-base", "stage1", "stage2", "stage3",
    ]  # fmt: skip
    for name, rest in commands:
        helped = CliRunner().invoke(main, [name, "--help"]).output
        assert all(option in helped for option in re.findall(r"--[a-z-]+", rest)), name
    assert f"'{out}'/eval/00000.png" in text


def test_the_default_is_1500_pictures_and_stages_share_none(tmp_path: Path) -> None:
    assert SampleSet().parts == {"pictures-stage2": 500, "pictures-stage3": 1000, "eval": 100}
    run(tmp_path / "set", "--pictures=30")
    pictures = {
        name: digest for name, digest in contents(tmp_path / "set").items() if name.endswith(".png")
    }
    assert len(pictures) == 32
    assert len(set(pictures.values())) == 32


def test_it_is_the_same_by_seed(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        assert run(tmp_path / name, "--pictures=6", f"--seed={seed}").exit_code == 0
    one, same, other = (contents(tmp_path / name) for name in ("one", "same", "other"))
    assert {n for n in one if one[n] != same[n]} == {"README.md"}  # names its own directory
    assert all(one[n] != other[n] for n in one if n.endswith(".png"))


def test_interrupted_anywhere_it_goes_on_and_is_the_same(tmp_path: Path) -> None:
    out, wanted = tmp_path / "set", SampleSet(9, 3)
    write_sample_set(tmp_path / "whole" / "set", wanted)
    for part, at in (("art", 0), ("pictures-stage2", 2), ("pictures-stage3", 4), ("eval", 0)):

        def stop(step: str, done: int, _: int, part: str = part, at: int = at) -> None:
            if (step, done) == (part, at):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_sample_set(out, wanted, tell=stop)
        assert not (out / "README.md").exists()
    drawn = {file: file.stat().st_mtime_ns for file in out.rglob("*.png")}
    assert len(drawn) == 9
    assert run(out, "--pictures=9", "--seed=3").exit_code == 0
    assert {file: file.stat().st_mtime_ns for file in drawn} == drawn
    whole, found = contents(tmp_path / "whole" / "set"), contents(out)
    assert {n for n in whole if whole[n] != found.get(n)} == {"README.md"}
    assert whole.keys() == found.keys()


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "set")
    monkeypatch.setattr(sample_set, "art_dir", lambda: tmp_path / "nowhere")
    monkeypatch.setenv("PATH", "")
    assert run(tmp_path / "set").exit_code == 0


@pytest.mark.parametrize(("language", "words"), [("en", "is not empty"), ("zh", "不是空目录")])
def test_a_directory_with_something_else_is_left_alone(
    tmp_path: Path, language: str, words: str
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = run(tmp_path, language=language)
    assert result.exit_code == 2
    assert words in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_set_with_other_values_is_not_mixed(tmp_path: Path) -> None:
    run(tmp_path / "set", "--pictures=6")
    before = contents(tmp_path / "set")
    result = run(tmp_path / "set", "--pictures=9")
    assert result.exit_code == 2
    assert '"pictures": 6' in result.stderr
    assert contents(tmp_path / "set") == before
    values = json.loads((tmp_path / "set" / "sample-data.json").read_text())
    assert values["pictures"] == 6

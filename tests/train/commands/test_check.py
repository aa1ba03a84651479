# SPDX-License-Identifier: Apache-2.0
"""`yuren-train check`: a page, an object, faults by line, an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.text import Text

from tests.core.pictures import quarters, write
from tests.train.data.rows import make_tokenizer, share_gpt, write_lines
from yuren_train.cli import main
from yuren_train.commands.check_view import sample_lines
from yuren_train.data.encoding import EncoderSpec, RowEncoder
from yuren_train.data.faults import Place
from yuren_train.data.schema import Row

SFT_DEV = Path(__file__).parents[4] / "shared" / "data" / "sft.dev.json"


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


@pytest.fixture
def good(tmp_path: Path) -> Path:
    rows = [share_gpt("What is it?", "A test."), share_gpt("这是什么？", "测试。")]
    return write_lines(tmp_path / "good.jsonl", rows)


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    path = write_lines(tmp_path / "faulty.jsonl", [share_gpt("q", "a"), share_gpt("q")])
    path.write_text(path.read_text() + "{no json\n")
    return path


def test_good_data_has_a_page_and_exit_code_0(good: Path, text_model: Path) -> None:
    result = check(good, "--model", text_model)
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "Rows 2; usable 2, comments 0, faulty 0" in said
    assert "Turns 4 (assistant 2, user 2); per row 2 to 2, 2 at the median" in said
    assert "en 50%, zh 50%" in said
    assert "Length 4096 rows that lose answers, an answer's end or a question's middle: 0" in said
    assert "No faults." in said


def test_faults_are_told_by_line_and_set_the_exit_code(faulty: Path, text_model: Path) -> None:
    result = check(faulty, "--model", text_model)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert f"{faulty}:2: nothing answers, 'q', add the assistant's turn, or delete the row" in lines
    assert f"{faulty}:3: this is not JSON, '{{no json', put it right, or delete the row" in lines
    assert "1 × nothing answers; add the assistant's turn, or delete the row" in lines


def test_what_is_not_listed_is_counted_and_lost_characters_have_their_lines(
    tmp_path: Path, text_model: Path
) -> None:
    rows = [share_gpt("same", "answer")] * 30 + [share_gpt("half \ud800", "a")]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    result = check(path, "--model", text_model)
    assert result.exit_code == 0, result.output
    said = "".join(result.output.split())  # long paths are broken
    assert f"{path}:6as{path}:1…and24more" in said
    assert f"1{path}:31" in said


def test_a_file_without_rows_is_told(tmp_path: Path, good: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    result = check(good, empty)
    assert result.exit_code == 1
    assert f"{empty}:1: the file has no rows, fill it, or leave it out" in result.output


def test_alpaca_is_read(tmp_path: Path) -> None:
    row = {"instruction": "Name it.", "input": "A small dog", "output": "A puppy."}
    result = check(write_lines(tmp_path / "alpaca.jsonl", [row]))
    assert result.exit_code == 0, result.output
    assert "No faults." in result.output


def test_json_is_one_object_that_says_the_same(faulty: Path, text_model: Path) -> None:
    result = check(faulty, "--model", text_model, "--json", "--max-length", "64")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["rows"], found["faulty"], found["faults"]) == (3, 2, {"no_answer": 1, "json": 1})
    assert [fault["line"] for fault in found["first_faults"]] == [2, 3]
    assert found["tokens"]["learned"] < found["tokens"]["total"]
    assert found["packing"]["bins"] == 1
    assert found["max_length"] == 64


def test_without_any_model_it_says_that_tokens_are_not_counted(good: Path) -> None:
    result = check(good)
    assert result.exit_code == 0
    assert "not counted: name a model with --model" in " ".join(result.output.split())
    assert json.loads(check(good, "--json").stdout)["tokens"] is None


def test_it_speaks_chinese(faulty: Path) -> None:
    result = CliRunner().invoke(main, ["--lang", "zh", "check", str(faulty)])
    assert (
        f"{faulty}:2: 没有回答，'q'，请补上助手的回答，或删去这一行" in result.output.splitlines()
    )


@pytest.mark.parametrize("arguments", [[], ["absent.json"], ["{good}", "--max-length", "0"]])
def test_wrong_usage_has_its_own_exit_code(arguments: list[str], good: Path) -> None:
    assert check(*[one.format(good=good) for one in arguments]).exit_code == 2


def test_a_model_that_is_none_is_an_error_in_words(good: Path, tmp_path: Path) -> None:
    result = check(good, "--model", tmp_path / "none")
    assert result.exit_code == 1
    assert str(tmp_path / "none") in result.stderr
    assert "Traceback" not in result.output


def test_pictures_count_by_the_tower_of_the_model(tmp_path: Path, multimodal_model: Path) -> None:
    (tmp_path / "pictures").mkdir()
    write(tmp_path / "pictures" / "a.png", quarters())
    rows = [share_gpt("<image>\nWhat?", "A.", image="a.png")]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    arguments = ("--model", multimodal_model, "--json")
    seen = json.loads(check(path, *arguments, "--images", tmp_path / "pictures").stdout)
    assert (seen["pictures"], seen["faulty"]) == (1, 0)
    assert seen["tokens"]["total"] > 18  # sixteen patches and their brackets, and the words
    missing = check(path, *arguments)
    assert missing.exit_code == 1
    assert json.loads(missing.stdout)["faults"] == {"bad_image": 1}


def test_show_prints_rows_with_what_is_learned(good: Path, text_model: Path) -> None:
    result = check(good, "--model", text_model, "--show", "1")
    assert f"{good}:1, " in result.output
    assert "<|im_start|>assistant\n[[A test.<|im_end|>]]" in result.output
    assert "测试" not in result.output


# ---------------------------------------------------------------- one row, shown


def shown(raw: Any, *, coloured: bool = True) -> Text:
    tokenizer = make_tokenizer()
    spec = EncoderSpec.of(tokenizer, max_length=500, images_dir=None)
    encoder = RowEncoder(spec)
    row = encoder.parse(raw, Place(Path("/rows.json"), 1, 1))
    assert isinstance(row, Row)
    return list(sample_lines(row, encoder.fit(row), tokenizer, coloured=coloured))[-1]


def test_what_is_learned_is_green_and_nothing_else() -> None:
    text = shown(share_gpt("q1", "a1", "q2", "a2", system="s"))
    green = [text.plain[span.start : span.end] for span in text.spans if span.style == "green"]
    assert green == ["a1<|im_end|>", "a2<|im_end|>"]
    assert shown(share_gpt("q", "a"), coloured=False).plain.count("[[") == 1


def test_a_picture_is_shown_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "cat.png", quarters())
    text = shown(share_gpt("<image>\nWhat?", "A cat.", image=str(path)))
    assert "<|img_start|>[cat.png, 5 tokens]<|img_end|>What?" in text.plain


def test_no_row_moves_the_cursor_or_styles_the_page() -> None:
    plain = shown(share_gpt("\x1b[2J\r\x9b[bold]x[/bold]", "a")).plain
    assert "\x1b" not in plain
    assert "\r" not in plain
    assert "\x9b" not in plain
    assert "[bold]x[/bold]" in plain


@pytest.mark.skipif(not SFT_DEV.exists(), reason="the published sample lies beside this project")
def test_the_published_sample_has_no_faults(text_model: Path) -> None:
    result = check(SFT_DEV, "--model", text_model, "--max-length", "65536", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["rows"], found["comments"], found["turns"]["57"]) == (301, 1, 1)
    assert found["roles"] == {"user": 364, "assistant": 364, "system": 300}

# SPDX-License-Identifier: Apache-2.0
"""Help and refusals of the command line, in both languages."""

from __future__ import annotations

import re

import pytest

from tests.core.test_i18n import KEYS
from yuren_tui import cli
from yuren_tui.options import _command

Capture = pytest.CaptureFixture[str]
HAN = re.compile("[\u4e00-\u9fff]")


def test_help_is_said_in_chinese_option_by_option(capsys: Capture) -> None:
    assert cli.main(["--help", "--lang=zh"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("用法：yuren-chat [选项] [PROMPT]...\n")
    options = out.partition("\n选项:\n")[2]
    heads = [line for line in options.splitlines() if line.startswith("  -")]
    said = re.split(r"^  -.*?(?:\s{2,}|\n\s+)", options, flags=re.MULTILINE)[1:]
    assert len(said) == len(heads) == len(_command.params) + 1 - 1  # --help comes, PROMPT goes
    assert all(HAN.search(words) for words in said)
    assert "[默认：auto]" in options


def test_the_locale_s_language_is_spoken_too(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert cli.main(["-h"]) == 0
    assert capsys.readouterr().out.startswith("用法：")
    assert cli.main(["-h", "--lang", "en"]) == 0
    assert capsys.readouterr().out.startswith("Usage: ")


@pytest.mark.parametrize(
    ("arguments", "english", "chinese"),
    [
        (
            "--modle x",
            "there is no option --modle; did you mean --model?",
            "没有选项 --modle；你是否想用 --model",
        ),
        ("--zzz", "Error: there is no option --zzz\n", "错误：没有选项 --zzz\n"),
        (
            "--load 2bit",
            "--load cannot be '2bit'; it is one of 'auto', 'bf16'",
            "--load 不能是 '2bit'，可选：'auto'",
        ),
        ("--seed x", "--seed cannot be 'x'; it is a whole number", "--seed 不能是 'x'，应为整数"),
        ("--top-p x", "--top-p cannot be 'x'; it is a number", "--top-p 不能是 'x'，应为数字"),
        ("--model", "--model needs a value", "--model 需要一个值"),
        ("--plain=1", "--plain takes no value", "--plain 不带值"),
    ],
)
def test_what_is_refused_is_said_in_the_language_that_is_asked_for(
    arguments: str, english: str, chinese: str, capsys: Capture
) -> None:
    for language, told in (("en", english), ("zh", chinese)):
        assert cli.main(["--lang", language, *arguments.split()]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert told in err
        assert language == "en" or not re.search("Usage|Error|Try", err)


def test_every_parameter_has_its_words() -> None:
    names = {param.name for param in _command.params if not param.is_eager} - {"prompt"}
    assert {f"cli_help.{name}" for name in names} <= set(KEYS)

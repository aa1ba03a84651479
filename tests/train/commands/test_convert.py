# SPDX-License-Identifier: Apache-2.0
"""`yuren-train convert`: what it says, in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.core.foreign import make_llama, make_qwen2
from tests.core.llava import make_theirs, save_hf
from tests.core.published import make_published, put_tower_on_hub
from yuren_train.cli import main


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("prompt: </s> follows each answer", "one picture: 18 tokens", "Converted: {out}")),
        ("zh", ("提示词：每条回答之后有 </s>", "一张图片：18 个词元", "转换完成：{out}")),
    ],
)
def test_it_tells_the_prompt_and_the_proof(
    language: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = make_published(tmp_path / "yuren"), tmp_path / "out"
    put_tower_on_hub(tmp_path / "hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    arguments = ["--lang", language, "convert", "--model", str(source), "--out", str(out)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert all(line.format(out=out) in result.stdout for line in words)
    assert len(result.stderr.splitlines()) == 3  # a line a step


def test_what_others_prompt_is_not_converted_and_the_way_on_is_told(tmp_path: Path) -> None:
    llava = save_hf(make_theirs(image_size=28), tmp_path / "llava")
    for source, remedy in (
        (llava, f"yuren-chat --model {llava}"),
        (make_qwen2(tmp_path / "qwen2"), f"yuren-chat --model {tmp_path / 'qwen2'}"),
        (
            make_llama(tmp_path / "llama"),
            f"yuren-train export --model {tmp_path / 'llama'} --to hf",
        ),
    ):
        arguments = ["convert", "--model", str(source), "--out", str(tmp_path / "out")]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1
        assert remedy in result.stderr
        assert not (tmp_path / "out").exists()

# SPDX-License-Identifier: Apache-2.0
"""Languages by script."""

from __future__ import annotations

import pytest

from yuren_train.data.languages import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of France?", "en"),
        ("法国的首都是哪里？", "zh"),
        ("用 Python 写一个 hello world 程序，要求输出你好", "zh"),
        ("The word 羽人 means feathered man in old stories.", "en"),
        ("Столица Франции", "other"),
        ("フランスの首都はどこですか", "other"),
        ("프랑스의 수도는 어디입니까", "other"),
        ("12 + 30 = 42", "other"),
        ("", "other"),
    ],
)
def test_a_text_has_the_language_of_its_script(text: str, language: str) -> None:
    assert language_of(text) == language
    assert language_of(text * 10_000) == language

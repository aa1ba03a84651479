# SPDX-License-Identifier: Apache-2.0
"""Every option of a stage arrives as a value that its config takes."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from pydantic import TypeAdapter

from yuren_train.commands.stage_options import stage_options, typed
from yuren_train.config.settling import HINTS, NAMES

VALUES: dict[str, list[str]] = {
    "zero": ["--zero", "3"],
    "order": ["--order", "grouped"],
    "tf32": ["--no-tf32"],
    "offload": ["--offload"],
    "adam_betas": ["--adam-betas", "0.9", "0.95"],
    "warmup": ["--warmup", "10"],
    "lora_targets": ["--lora-targets", "q_proj", "--lora-targets", "v_proj"],
    "images": ["--images", "here"],
    "method": ["--qlora"],
    "seed": ["--seed", "3"],
}


def parsed(arguments: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}

    @click.command()
    @stage_options("stage3")
    def command(**options: Any) -> None:
        found.update(typed(options))

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return found


def test_what_is_not_typed_says_nothing() -> None:
    assert parsed([]) == {}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_typed_is_of_the_fields_type(name: str) -> None:
    found = parsed(VALUES[name])
    assert list(found) == [name]
    TypeAdapter(HINTS[name]).validate_python(found[name])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "method"])
def test_every_choice_of_a_field_can_be_typed(name: str) -> None:
    hints = typing.get_args(HINTS[name]) or ()
    for hint in (HINTS[name], *hints):
        if typing.get_origin(hint) is typing.Literal:
            for choice in typing.get_args(hint):
                flag = f"--{name.replace('_', '-')}"
                assert parsed([flag, str(choice)]) == {name: choice}


def test_a_path_is_a_path() -> None:
    assert parsed(["--out", "a/b"]) == {"out": Path("a/b")}

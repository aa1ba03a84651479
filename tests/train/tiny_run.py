# SPDX-License-Identifier: Apache-2.0
"""A run at tiny size: its data, its config, and a process of its own that trains.

As a program (`python -m tests.train.tiny_run CONFIG.json EVENTS.jsonl`, alone or under torchrun)
it takes the config's values out of one file and writes the events of rank 0 to the other.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from yuren_core.errors import YurenError
from yuren_train.config import Source, Stage, TrainConfig
from yuren_train.training.events import Event, Stepped

_WORDS = "What is the capital of France? 请描述这张图片。 Answer briefly and say Hello".split()  # noqa: SIM905


def write_rows(file: Path, *, rows: int = 40, seed: int = 0) -> Path:
    """Conversations of very different length, one to three turns."""
    choose = random.Random(seed)
    with file.open("w", encoding="utf-8") as out:
        for number in range(rows):
            turns = []
            for _ in range(choose.randint(1, 3)):
                question = " ".join(choose.choices(_WORDS, k=choose.randint(1, 6)))
                answer = f"{number}: " + " ".join(choose.choices(_WORDS, k=choose.randint(1, 12)))
                turns += [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
            out.write(json.dumps({"conversations": turns}, ensure_ascii=False) + "\n")
    return file


_COLOURS = {"red": (230, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230)}


def write_picture_rows(file: Path, *, rows: int = 36, texts: int = 0) -> Path:
    """Pictures of one colour, asked for at the beginning, in the middle, at the end, or two.

    Args:
        file: written, with the pictures beside it.
        rows: with pictures.
        texts: further rows without.
    """
    for name, colour in _COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(file.with_name(f"{name}.png"))
    names = list(_COLOURS)
    with file.open("w", encoding="utf-8") as out:
        for number in range(rows):
            one, two = names[number % 3], names[number // 3 % 3]
            question, shown = [
                ("<image>\nWhat is the colour?", [one]),
                ("What is <image> called?", [one]),
                ("Say the colour.\n<image>", [one]),
                ("<image> and <image>?", [one, two]),
            ][number % 4]
            turns = [
                {"from": "human", "value": question},
                {"from": "gpt", "value": " ".join(shown)},
            ]
            row = {"images": [f"{name}.png" for name in shown], "conversations": turns}
            out.write(json.dumps(row) + "\n")
    if texts:
        plain = write_rows(file.with_name("plain.jsonl"), rows=texts).read_text(encoding="utf-8")
        with file.open("a", encoding="utf-8") as out:
            out.write(plain)
    return file


def tiny_config(model: Path, data: Path, out: Path, **values: Any) -> TrainConfig:
    """Two epochs over `data`, in fp32, unless told otherwise."""
    standard: dict[str, Any] = {
        "epochs": 2,
        "max_length": 192,
        "batch_size": 8,
        "order": "shuffled",
        "lr": 1e-3,
        "dtype": "fp32",
        "workers": 1,
    }
    return TrainConfig(
        model=str(model),
        out=out,
        data=(Source(data),),
        **{"stage": "stage1", **standard, **values},
    )


def recipe_of(stage: Stage) -> Callable[..., Path]:
    """What trains in a stage."""
    from yuren_train.recipes import stage1_text, stage2_projector, stage3_multimodal

    return {
        "stage1": stage1_text.train,
        "stage2": stage2_projector.train,
        "stage3": stage3_multimodal.train,
    }[stage]


class Process:
    """A training process, or several under torchrun, and what rank 0 has told so far."""

    def __init__(self, config: TrainConfig, processes: int = 1) -> None:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        file = config.out.with_name(f"{config.out.name}.config.json")
        self._events = config.out.with_name(f"{config.out.name}.events.jsonl")
        self._events.write_text("")
        file.write_text(json.dumps(asdict(config), default=str))
        program = ["-m", "tests.train.tiny_run", str(file), str(self._events)]
        if processes > 1:
            program = [
                *("-m", "torch.distributed.run", "--nproc_per_node", str(processes)),
                *("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"),
                *program,
            ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
        self.popen = subprocess.Popen(
            [sys.executable, *program],
            env=environment,
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait(self, seconds: float = 120) -> int:
        """Its exit code."""
        self.output, _ = self.popen.communicate(timeout=seconds)
        return self.popen.returncode

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """What has been told so far, of one kind or of all."""
        lines = self._events.read_text(encoding="utf-8").splitlines()
        told = [json.loads(line) for line in lines if line.endswith("}")]
        return [event for event in told if kind in ("", event["kind"])]


def losses(events: list[Event]) -> list[float]:
    """The loss of every step."""
    return [event.loss for event in events if isinstance(event, Stepped)]


def _config_of(file: Path) -> TrainConfig:
    values: dict[str, Any] = json.loads(file.read_text())
    values["data"] = tuple(Source(Path(one["path"]), one["weight"]) for one in values["data"])
    values["eval_data"] = ()
    for key in ("out", "images", "deepspeed", "cache_features"):
        values[key] = Path(values[key]) if values[key] else None
    for key in ("adam_betas", "lora_targets", "sample_prompts", "report_to"):
        values[key] = tuple(values[key])
    return TrainConfig(**values)


def _main(config_file: str, events_file: str) -> int:
    config = _config_of(Path(config_file))
    with Path(events_file).open("a", encoding="utf-8", buffering=1) as out:

        def tell(event: Event) -> None:
            told = {"kind": type(event).__name__, **asdict(event)}
            out.write(json.dumps(told, default=str) + "\n")

        try:
            recipe_of(config.stage)(config, on_event=tell)
        except YurenError as error:
            print(error, file=sys.stderr)  # noqa: T201
            return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

# SPDX-License-Identifier: Apache-2.0
"""Stage 1 of the same steps, however they are split: the losses side by side.

    python benchmarks/equal_losses.py --data ROWS.json [--model DIR] [--dtype bf16] [--steps N]
        [--task whole|shortest] [--runs one,accumulation,...]

Every weight of the starter, without its eyes, learns: in one process, with accumulation, in two
processes, with ZeRO-2 and ZeRO-3. "whole" takes all of the file, cut at 256 tokens, eight
conversations a step; "shortest" the file's shortest conversations whole, all of them in every
step, so that packed and unpacked runs learn from the same as well. Prints the commands, a table of
the losses, then one JSON line; the target is the largest relative difference to one process.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from yuren_core.chatml import render
from yuren_core.model.fast_tokenizer import load_tokenizer
from yuren_core.model.tokenization import ChatTokenizer
from yuren_core.paths import cache_dir
from yuren_core.starter import install_language_model
from yuren_train.data.schema import Row, parse_row
from yuren_train.data.sources import read_rows
from yuren_train.training.metrics import read_metrics

TARGET = {"fp32": 1e-4, "bf16": 2e-2}
SHORTEST = 12
SPLITS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    # what --batch-size is divided by, and what is typed besides
    "one": (1, ()),
    "accumulation": (4, ("--grad-accum", "4")),
    "two": (2, ("--nproc", "2")),
    "zero-2": (2, ("--nproc", "2", "--zero", "2")),
    "zero-3": (2, ("--nproc", "2", "--zero", "3")),
}


@dataclass(frozen=True, slots=True)
class Task:
    """What is learned, and in which orders.

    Attributes:
        data: its rows.
        orders: to the conversations, or packed rows, of a step.
        max_length: tokens of a row.
    """

    data: Path
    orders: Mapping[str, int]
    max_length: int


def write_shortest(data: Path, model: Path, out: Path) -> Path:
    """The conversations of fewest tokens, as they are."""
    tokenizer = ChatTokenizer(load_tokenizer(model))
    rows: list[tuple[int, object]] = []
    for place, raw in read_rows(data):
        row = parse_row(raw, place, None)
        if isinstance(row, Row):
            rows.append((len(tokenizer.encode(render(row.messages)).input_ids), raw))
    rows.sort(key=lambda row: row[0])
    lines = (json.dumps(raw, ensure_ascii=False) + "\n" for _, raw in rows[:SHORTEST])
    out.write_text("".join(lines), encoding="utf-8")
    return out


def losses(
    options: argparse.Namespace, task: Task, order: str, split: str, out: Path
) -> list[float]:
    """The loss of each step of a run."""
    divisor, typed = SPLITS[split]
    command = [
        *("yuren-train", "stage1", "--full", "--model", str(options.model)),
        *("--data", str(task.data), "--max-length", str(task.max_length), "--order", order),
        *("--batch-size", str(task.orders[order] // divisor), *typed),
        *("--dtype", options.dtype, "--epochs", str(options.steps)),
        *("--max-steps", str(options.steps), "--schedule", "constant", "--warmup", "0"),
        *("--eval-interval", "0", "--save-interval", "0", "--out", str(out)),
    ]
    print(shlex.join(command), flush=True)
    log = out.with_suffix(".log")
    with log.open("w", encoding="utf-8") as file:
        code = subprocess.run(
            [sys.executable, "-m", "yuren_train", *command[1:]],
            stdout=file,
            stderr=file,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu"},
        ).returncode
    if code:
        raise SystemExit(f"exit code {code}:\n{log.read_text(encoding='utf-8')[-3000:]}")
    return [record["loss"] for record in read_metrics(out) if record["event"] == "step"]


def main() -> None:
    """Run every split in every order, print a table, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="by default the starter without its eyes")
    parser.add_argument("--dtype", choices=list(TARGET), default="fp32")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--task", choices=["whole", "shortest"], default="whole")
    parser.add_argument("--runs", default=",".join(SPLITS))
    options = parser.parse_args()
    if options.model is None:
        options.model = cache_dir() / "benchmarks" / "language-model"
        install_language_model(options.model)
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        if options.task == "whole":
            task = Task(options.data, {"shuffled": 8}, 256)
        else:
            shortest = write_shortest(options.data, options.model, place / "shortest.jsonl")
            task = Task(shortest, {"packed": 4, "shuffled": SHORTEST}, 1024)
        for order in task.orders:
            for split in options.runs.split(","):
                out = place / f"{order}-{split}"
                found[f"{order} {split}"] = losses(options, task, order, split, out)
                shutil.rmtree(out)  # a gigabyte each
    print(f"{'':24}" + "".join(f"{'step ' + str(n + 1):>12}" for n in range(options.steps)))
    for name, values in found.items():
        print(f"{name:24}" + "".join(f"{value:12.6f}" for value in values))
    first = next(iter(found.values()))
    furthest = max(
        abs(value - right) / right
        for values in found.values()
        for value, right in zip(values, first, strict=True)
    )
    result = {"benchmark": "equal_losses", "task": options.task, "dtype": options.dtype}
    print(
        json.dumps(
            {**result, "losses": found, "furthest": furthest, "target": TARGET[options.dtype]}
        )
    )


if __name__ == "__main__":
    main()

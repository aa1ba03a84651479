# SPDX-License-Identifier: Apache-2.0
"""Stage 1 against LLaMA-Factory and TRL: real tokens a second, and the peak of memory.

    python benchmarks/train.py --data ROWS.json [--model DIR] [--peers yuren,trl,...] [--rows N]

The same model, the same rows cut at the same length, batches of 4 rows, bf16, every weight
trained, AdamW, one process on the CPU. Each peer runs in an environment of its own, which is made
with pip at the first call (a few gigabytes in the cache directory). A real token is one of a row,
never padding. The time is that of the steps, without loading and
saving; for the peers it is what their own trainer reports. Prints a table, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from yuren_core.chatml import PAD, render
from yuren_core.model.fast_tokenizer import load_tokenizer
from yuren_core.model.tokenization import ChatTokenizer
from yuren_core.paths import cache_dir
from yuren_core.starter import install_language_model
from yuren_train.data.schema import Row, parse_row
from yuren_train.data.sources import read_rows

TARGET_SPEED, TARGET_MEMORY = 1.5, 0.6
LENGTH, BATCH, LR = 1024, 4, 2e-5
ENVIRONMENTS: Mapping[str, tuple[str, ...]] = {
    "llamafactory": ("llamafactory==0.9.5", "torch", "torchvision"),
    "trl": ("trl==0.24.0", "transformers<5", "torch", "protobuf", "sentencepiece"),
}

TRL = """
import json, sys
from datasets import load_dataset
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer
import torch
model, data, out, batch, length, lr, pad = sys.argv[1:8]
tokenizer = PreTrainedTokenizerFast(  # transformers 4 does not read what 5 has written
    tokenizer_file=model + "/tokenizer.json", eos_token="<|im_end|>", pad_token=pad,
    chat_template=open(model + "/chat_template.jinja").read(),
)
trainer = SFTTrainer(
    model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
    processing_class=tokenizer,
    train_dataset=load_dataset("json", data_files=data, split="train"),
    args=SFTConfig(
        output_dir=out, max_length=int(length), per_device_train_batch_size=int(batch),
        num_train_epochs=1, learning_rate=float(lr), bf16=True, use_cpu=True, report_to=[],
        save_strategy="no", logging_steps=1, gradient_checkpointing=False, packing=False,
        dataloader_pin_memory=False,
    ),
)
result = trainer.train()
json.dump({"seconds": result.metrics["train_runtime"]}, open(out + "/result.json", "w"))
"""


@dataclass(frozen=True, slots=True)
class Task:
    """What every peer does.

    Attributes:
        model: a model directory.
        rows: conversations, as `messages`.
        tokens: of all rows, cut at LENGTH.
        place: a directory for what is written.
    """

    model: Path
    rows: list[list[dict[str, str]]]
    tokens: int
    place: Path


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one peer: real tokens, seconds of its steps, the peak of its process in bytes."""

    tokens: int
    seconds: float
    peak_bytes: int

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


def environment_of(peer: str) -> Path:
    """The Python of a peer's environment, made where it is missing."""
    directory = cache_dir() / "benchmarks" / peer
    python = directory / "bin" / "python"
    done = directory / ".installed"
    if not done.exists():
        print(f"making the environment of {peer} in {directory}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", *ENVIRONMENTS[peer]],
            check=True,
        )
        done.touch()
    return python


def run(command: list[str | Path], log: Path, extra: Mapping[str, str] | None = None) -> int:
    """Run a command to its end; returns its peak of memory in bytes."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", **(extra or {})}
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed:\n{log.read_text()[-3000:]}")
    return usage.ru_maxrss * 1024


def run_yuren(task: Task, order: str) -> Figures:
    """`yuren-train stage1`, its own time from its metrics."""
    data = task.place / "rows.jsonl"
    with data.open("w", encoding="utf-8") as out:
        for messages in task.rows:
            out.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    out_dir = task.place / f"yuren-{order}"
    options = {
        "model": task.model,
        "data": data,
        "out": out_dir,
        "max-length": LENGTH,
        "batch-size": 1 if order == "packed" else BATCH,
        "order": order,
        "lr": LR,
        "eval-interval": 0,
        "save-interval": 0,
    }
    typed = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "yuren_train", "stage1", *typed]
    peak = run(command, task.place / f"yuren-{order}.log")
    lines = (out_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [event for line in lines if (event := json.loads(line))["event"] == "step"]
    tokens, seconds = (sum(step[name] for step in steps) for name in ("tokens", "seconds"))
    return Figures(tokens, seconds, peak)


def run_trl(task: Task) -> Figures:
    """TRL's SFTTrainer."""
    data, out = task.place / "trl.jsonl", task.place / "trl"
    out.mkdir()
    with data.open("w", encoding="utf-8") as file:
        for messages in task.rows:
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    command = [environment_of("trl"), "-c", TRL, str(task.model), str(data), str(out)]
    peak = run([*command, str(BATCH), str(LENGTH), str(LR), PAD], task.place / "trl.log")
    seconds = json.loads((out / "result.json").read_text())["seconds"]
    return Figures(task.tokens, seconds, peak)


def run_llamafactory(task: Task) -> Figures:
    """LLaMA-Factory's `train`, its template ChatML."""
    out = task.place / "llamafactory"
    rows = [{"messages": messages} for messages in task.rows]
    (task.place / "rows.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user"}
    tags |= {"assistant_tag": "assistant", "system_tag": "system"}
    told = {"file_name": "rows.json", "formatting": "sharegpt", "tags": tags}
    told["columns"] = {"messages": "messages"}
    (task.place / "dataset_info.json").write_text(json.dumps({"rows": told}))
    config = {
        "model_name_or_path": str(task.model), "stage": "sft", "do_train": True,
        "finetuning_type": "full", "dataset_dir": str(task.place), "dataset": "rows",
        "template": "chatml", "cutoff_len": LENGTH, "output_dir": str(out), "bf16": True,
        "per_device_train_batch_size": BATCH, "num_train_epochs": 1, "learning_rate": LR,
        "use_cpu": True, "report_to": "none", "save_strategy": "no", "logging_steps": 1,
        "disable_gradient_checkpointing": True,
    }  # fmt: skip
    file = task.place / "llamafactory.yaml"  # JSON is YAML too
    file.write_text(json.dumps(config))
    peak = run(
        [environment_of("llamafactory").with_name("llamafactory-cli"), "train", str(file)],
        task.place / "llamafactory.log",
        {"DISABLE_VERSION_CHECK": "1"},
    )
    seconds = json.loads((out / "train_results.json").read_text())["train_runtime"]
    return Figures(task.tokens, seconds, peak)


PEERS: Mapping[str, Callable[[Task], Figures]] = {
    "yuren": lambda task: run_yuren(task, "shuffled"),
    "yuren-packed": lambda task: run_yuren(task, "packed"),
    "llamafactory": run_llamafactory,
    "trl": run_trl,
}


def read_task(model: Path, data: Path, count: int, place: Path) -> Task:
    """The first `count` rows that begin with a question, with their tokens."""
    tokenizer = ChatTokenizer(load_tokenizer(model))
    rows, tokens = [], 0
    for found_at, raw in read_rows(data):
        row = parse_row(raw, found_at, None)
        if not isinstance(row, Row) or len(rows) == count:
            continue
        rows.append([{"role": m.role.value, "content": m.text} for m in row.messages])
        tokens += min(LENGTH, len(tokenizer.encode(render(row.messages)).input_ids))
    return Task(model, rows, tokens, place)


def main() -> None:
    """Run the peers one after another, print a table, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="by default the starter without its eyes")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--rows", type=int, default=32)
    options = parser.parse_args()
    figures: dict[str, Figures] = {}
    model = options.model or cache_dir() / "benchmarks" / "language-model"
    if options.model is None:
        install_language_model(model)
    with tempfile.TemporaryDirectory() as place:
        task = read_task(model, options.data, options.rows, Path(place))
        for peer in options.peers.split(","):
            start = time.perf_counter()
            figures[peer] = PEERS[peer](task)
            print(f"{peer}: {time.perf_counter() - start:.0f} s in all", file=sys.stderr)
    print(f"{len(task.rows)} rows, {task.tokens} tokens, length {LENGTH}, batches of {BATCH}")
    print(f"{'':14} {'tokens/s':>9} {'peak GiB':>9}")
    for peer, figure in figures.items():
        print(f"{peer:14} {figure.speed:9.1f} {figure.peak_bytes / (1 << 30):9.2f}")
    result: dict[str, object] = {"benchmark": "train", "tokens": task.tokens}
    for peer, figure in figures.items():
        result[peer] = {
            "tokens_per_s": round(figure.speed, 1),
            "peak_bytes": figure.peak_bytes,
        }
    for ours in (name for name in figures if name.startswith("yuren")):
        for peer in (name for name in figures if name in ENVIRONMENTS):
            result[f"{ours}/{peer}"] = {
                "speed": round(figures[ours].speed / figures[peer].speed, 2),
                "memory": round(figures[ours].peak_bytes / figures[peer].peak_bytes, 2),
            }
    result["target"] = {"speed": TARGET_SPEED, "memory": TARGET_MEMORY}
    print(json.dumps(result))


if __name__ == "__main__":
    main()

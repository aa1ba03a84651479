# SPDX-License-Identifier: Apache-2.0
"""Stages 2 and 3 against the plain way: samples a second, and the peak of memory.

    python benchmarks/train_pictures.py --model DIR --data ROWS.jsonl [--rows N] [--epochs N]

The plain way is what a loop after the textbook does with the same classes: rows of a batch are
padded to the longest, the tower runs at every step, and all positions get logits. The same
model, rows, batch of 4, bf16 and AdamW, one process on the CPU. Stage 2 trains the projector,
stage 3 every weight but the tower's. Time is that of the steps, and where features are kept
that of making them too. Prints a table, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from train import run

from yuren_core.starter import starter_dir

BATCH, LENGTH, LR = 4, 512, 1e-4

PLAIN = """
import json, sys, time
import torch
from torch.nn import functional
from yuren_core.model.loading import load_model
from yuren_core.images import open_rgb
from yuren_train.data.encoding import EncoderSpec, RowEncoder
from yuren_train.data.sources import read_rows
from pathlib import Path
model, data, stage, batch, length, epochs, lr, out = sys.argv[1:9]
batch, length = int(batch), int(length)
loaded = load_model(model, load="fp32", device="cpu")
encoder = RowEncoder(EncoderSpec.of(loaded.tokenizer, max_length=length, images_dir=None))
rows = [encoder.fit(encoder.parse(raw, place)) for place, raw in read_rows(Path(data))]
learner = loaded.model.train()
for name, parameter in learner.named_parameters():
    parameter.requires_grad_(stage == "stage3" or "mm_projector" in name)
optimizer = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad], lr=float(lr))
start = time.perf_counter()
for _ in range(int(epochs)):
    for first in range(0, len(rows), batch):
        part = rows[first : first + batch]
        longest = max(len(row.input_ids) for row in part)
        ids = torch.full((len(part), longest), loaded.tokenizer.tokenizer.pad_token_id)
        labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
        for place, row in enumerate(part):
            there = torch.from_numpy(row.input_ids).long()
            ids[place, : len(there)], mask[place, : len(there)] = there, 1
            learned = torch.from_numpy(row.learned)
            labels[place, : len(there)][learned] = there[learned]
        images = [open_rgb(image.path) for row in part for image in row.images]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = loaded.vision_tower(loaded.vision_tower.preprocess(images))
            logits = learner(
                input_ids=ids, image_features=features, attention_mask=mask, use_cache=False
            ).logits
        logits = logits[:, :-1].float().flatten(0, 1)
        loss = functional.cross_entropy(logits, labels[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
json.dump({"seconds": time.perf_counter() - start}, open(out, "w"))
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one way: samples a second, and the peak of its process in bytes."""

    speed: float
    peak_bytes: int


def run_plain(stage: str, model: Path, data: Path, rows: int, epochs: int, place: Path) -> Figures:
    """The textbook's loop."""
    out = place / f"plain-{stage}.json"
    values = (model, data, stage, BATCH, LENGTH, epochs, LR, out)
    peak = run([sys.executable, "-c", PLAIN, *map(str, values)], out.with_suffix(".log"))
    return Figures(rows * epochs / json.loads(out.read_text())["seconds"], peak)


def run_yuren(
    stage: str, model: Path, data: Path, rows: int, epochs: int, place: Path, *, kept: bool
) -> Figures:
    """The product's own command."""
    out = place / f"yuren-{stage}-{kept}"
    options = {
        "model": model, "data": data, "out": out, "max-length": LENGTH, "batch-size": BATCH,
        "order": "grouped", "lr": LR, "epochs": epochs, "eval-interval": 0, "save-interval": 0,
    }  # fmt: skip
    if kept:
        options["cache-features"] = place / f"features-{stage}"
    typed = [f"--{name}={value}" for name, value in options.items()]
    log = out.with_suffix(".log")
    method = ["--full"] if stage == "stage3" else []  # stage 2 knows no other
    peak = run([sys.executable, "-m", "yuren_train", stage, *method, *typed], log)
    events = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    seconds = sum(event["seconds"] for event in events if event["event"] == "step")
    return Figures(rows * epochs / seconds, peak)


def main() -> None:
    """Both stages by each way, a table, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, default=starter_dir())
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    result: dict[str, object] = {"benchmark": "train_pictures", "rows": options.rows}
    print(f"{'':22} {'samples/s':>10} {'peak GiB':>9}")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        data = options.data.with_name(f".benchmark-{time.time_ns()}.jsonl")
        with options.data.open() as lines:
            data.write_text("".join(islice(lines, options.rows)))
        try:
            for stage in ("stage2", "stage3"):
                asked = (stage, options.model, data, options.rows, options.epochs, place)
                ways = {
                    "plain": run_plain(*asked),
                    "yuren": run_yuren(*asked, kept=False),
                    "yuren, features kept": run_yuren(*asked, kept=True),
                }
                for way, figures in ways.items():
                    gib = figures.peak_bytes / (1 << 30)
                    print(f"{stage} {way:22} {figures.speed:8.2f} {gib:9.2f}")
                    result[f"{stage} {way}"] = {
                        "samples_per_s": round(figures.speed, 2),
                        "speed": round(figures.speed / ways["plain"].speed, 2),
                        "memory": round(figures.peak_bytes / ways["plain"].peak_bytes, 2),
                    }
        finally:
            data.unlink()
    print(json.dumps(result))


if __name__ == "__main__":
    main()

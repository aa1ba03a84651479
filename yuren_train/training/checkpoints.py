# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: whole or absent, the last K of them, and a run that goes on to the bit.

`OUT/run.json` says which run the directory belongs to, and `OUT/checkpoint-N/` what step N + 1
needs. A checkpoint is filled under another name by all ranks, flushed to the disk and then
renamed; `state.json` in it lists its files with their sizes, so that one that is not whole is
known. Random numbers need no state: each step seeds them from the run's seed and its number.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yuren_core.errors import StorageError, UsageError
from yuren_core.i18n import tr
from yuren_core.model.adapter_files import fingerprint
from yuren_core.paths import atomic_write, storing
from yuren_train.config import TrainConfig
from yuren_train.data.tokenized import TokenizedRows
from yuren_train.training.engines import Engine
from yuren_train.training.processes import Processes

RUN_FILE = "run.json"
_STATE = "state.json"
_NAME = re.compile(r"checkpoint-(\d+)")
_GIB = 1 << 30

_IRRELEVANT = {
    "out", "data", "eval_data", "images", "batch_size", "grad_accum", "log_interval",
    "eval_interval", "save_interval", "keep_checkpoints", "sample_prompts", "eval_split",
    "workers", "report_to", "run_name", "cache_features", "gradient_checkpointing", "tf32",
    "on_spike",
}  # fmt: skip
"""Of the config, what does not decide what is learned; data and batch are told otherwise."""

Identity = dict[str, Any]


def identity(config: TrainConfig, base: Path, rows: TokenizedRows, world: int) -> Identity:
    """What a run's result depends on: two runs that have it alike learn the same.

    How a global batch is split over processes and accumulation is left out; the rows are told
    by their ids, labels and pictures, not by the names of their files. The base is told by
    its weights as well as by its name: checkpoints of a LoRA do not hold them.

    Args:
        config: of the run.
        base: the directory that the model was loaded from.
        rows: that are learned from.
        world: processes.
    """
    told = {key: value for key, value in asdict(config).items() if key not in _IRRELEVANT}
    told["base"] = fingerprint(base)
    told["data"] = rows.digest()
    told["global_batch"] = config.batch_size * config.grad_accum * world
    plain: Identity = json.loads(json.dumps(told, default=str))
    return plain


@dataclass(frozen=True, slots=True)
class RunState:
    """What a checkpoint says beside weights and optimizer.

    Attributes:
        step: optimizer steps done.
        world: processes that wrote it.
        watch: the arguments of `LossWatches`.
        is_measured: whether the evaluation that was due at this step is done; else it is left
            to whoever goes on from here.
    """

    step: int
    world: int
    watch: Mapping[str, Any]
    is_measured: bool = True


class Checkpoints:
    """The checkpoints of one run.

    Args:
        out: the run's directory; it is made.
        keep: how many of the newest stay.
        processes: who this process is; every method is called by all ranks alike.
    """

    def __init__(self, out: Path, *, keep: int, processes: Processes) -> None:
        self._out = out
        self._keep = max(keep, 1)
        self._processes = processes

    def claim(self, run: Identity) -> None:
        """Take the directory for this run, or find that it is this run's already.

        Raises:
            UsageError: it holds another run, or a model that no run of ours has left there.
            StorageError: it cannot be written.
        """
        if self._processes.is_first:
            file = self._out / RUN_FILE
            if file.is_file():
                _same_run(self._out, json.loads(file.read_text(encoding="utf-8")), run)
            elif (self._out / "config.json").exists():
                raise UsageError(
                    tr("error.training.out_is_model", path=self._out),
                    tr("error.training.out_hint"),
                )
            else:
                atomic_write(file, json.dumps(run, indent=2, ensure_ascii=False) + "\n")
            for draft in self._out.glob(".checkpoint-*"):
                shutil.rmtree(draft, ignore_errors=True)
        self._processes.wait()

    def newest(self) -> tuple[Path, RunState] | None:
        """The newest checkpoint that is whole."""
        for path in reversed(self._all()):
            if (state := _read(path)) is not None:
                return path, state
        return None

    def load(self, engine: Engine) -> RunState | None:
        """Put the newest checkpoint into the engine; None where there is none.

        Raises:
            UsageError: DeepSpeed's was written by another number of processes.
        """
        found = self.newest()
        if found is None:
            return None
        path, state = found
        if engine.is_sharded and state.world != self._processes.world:
            raise UsageError(
                tr(
                    "error.training.world",
                    path=path,
                    written=state.world,
                    world=self._processes.world,
                ),
                tr("error.training.world_hint", written=state.world),
            )
        engine.load(path)
        return state

    def save(self, engine: Engine, state: RunState) -> Path:
        """Write a checkpoint, then let the oldest ones go.

        Raises:
            StorageError: it cannot be written; those that are there stay.
        """
        target = self._out / f"checkpoint-{state.step}"
        draft = self._out / f".checkpoint-{state.step}"
        with storing(target):
            if self._processes.is_first:
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir(parents=True)
            self._processes.wait()
            engine.save(draft)
            self._processes.wait()
            if self._processes.is_first:
                _seal(draft, state)
                shutil.rmtree(target, ignore_errors=True)
                draft.replace(target)
                for old in self._all()[: -self._keep]:
                    leaving = old.with_name(f".{old.name}")
                    old.replace(leaving)
                    shutil.rmtree(leaving, ignore_errors=True)
        self._processes.wait()
        return target

    def require_space(self, checkpoint: int, model: int, *, saves: int) -> None:
        """Refuse to begin what cannot be saved.

        Args:
            checkpoint: bytes of one.
            model: bytes of the finished model.
            saves: checkpoints that the run writes.

        Raises:
            StorageError: there is less room than for those that stay, one more while a new one
                is written, and the model.
        """
        if not self._processes.is_first:
            return
        with storing(self._out):
            self._out.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._out).free
        count = min(saves, self._keep + 1)
        there = sum(
            file.stat().st_size for path in self._all()[-count:] for file in path.rglob("*")
        )
        needed = count * checkpoint + model - there
        if free < needed:
            raise StorageError(
                tr(
                    "error.training.space",
                    count=count,
                    path=self._out,
                    free=f"{free / _GIB:.1f}",
                    needed=f"{needed / _GIB:.1f}",
                ),
                tr("error.training.space_hint"),
            )

    def _all(self) -> list[Path]:
        """Every checkpoint, oldest first."""
        found = [
            (int(match[1]), path)
            for path in self._out.glob("checkpoint-*")
            if (match := _NAME.fullmatch(path.name))
        ]
        return [path for _, path in sorted(found)]


def _seal(draft: Path, state: RunState) -> None:
    """List the files, and flush all to the disk, so that the rename comes last."""
    files = {
        str(file.relative_to(draft)): file.stat().st_size
        for file in sorted(draft.rglob("*"))
        if file.is_file()
    }
    text = json.dumps({**asdict(state), "files": files}, indent=2)
    (draft / _STATE).write_text(text + "\n", encoding="utf-8")
    for file in [*map(draft.joinpath, files), draft / _STATE]:
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read(path: Path) -> RunState | None:
    try:
        raw = json.loads((path / _STATE).read_text(encoding="utf-8"))
        sizes: dict[str, int] = raw.pop("files")
        whole = all((path / name).stat().st_size == size for name, size in sizes.items())
        return RunState(**raw) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _same_run(out: Path, there: Mapping[str, Any], run: Identity) -> None:
    there = {"base": run["base"], **there}  # earlier versions did not tell it
    other = [
        f"{key}: {there.get(key)!r} -> {run.get(key)!r}"
        for key in sorted({*there, *run})
        if there.get(key) != run.get(key)
    ]
    if other:
        raise UsageError(
            tr("error.training.out_is_other", path=out, differences="\n  ".join(other)),
            tr("error.training.out_hint"),
        )

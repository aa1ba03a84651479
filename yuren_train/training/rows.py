# SPDX-License-Identifier: Apache-2.0
"""The rows of a run: tokenized by rank 0, read by all; some of them kept to measure on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yuren_core.errors import DataError
from yuren_core.i18n import tr
from yuren_core.model.tokenization import ChatTokenizer
from yuren_train.config import Source, TrainConfig
from yuren_train.data.tokenized import Progress, TokenizedRows, tokenize
from yuren_train.training.events import DataRead, Listener, Warned
from yuren_train.training.processes import Processes

_FAULTS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class RunRows:
    """What is learned from, and what the loss is measured on; None measures on nothing."""

    learned: TokenizedRows
    measured: TokenizedRows | None


def read_rows(
    config: TrainConfig, tokenizer: ChatTokenizer, processes: Processes, emit: Listener
) -> RunRows:
    """Tokenize what `config` names, or read what was tokenized before.

    What is read is told by `DataRead`, rows that are passed over or cut by `Warned`.

    Raises:
        DataError, ImageError, StorageError: as `tokenize` says.
    """

    def told(done: int, total: int) -> None:
        emit(DataRead(done_bytes=done, total_bytes=total))

    def read(sources: Sequence[Source], progress: Progress | None = None) -> TokenizedRows:
        return tokenize(
            sources,
            tokenizer=tokenizer,
            max_length=config.max_length,
            images_dir=config.images,
            workers=config.workers,
            on_bad_image=config.on_bad_image,
            progress=progress,
        )

    # The first process fills the cache; then, where nodes do not share it, one of each node.
    wanted = tuple(filter(None, (config.data, config.eval_data)))
    parts: list[TokenizedRows] = []
    for is_mine in (processes.is_first, processes.local_rank == 0 and not processes.is_first):
        if is_mine:
            parts = [read(sources, told) for sources in wanted]
        processes.wait()
    parts = parts or [read(sources) for sources in wanted]
    rows, measured = parts[0], parts[1] if config.eval_data else None
    for part in parts:
        report = part.report
        if report.faulty:
            lines = "".join(f"\n{fault}" for fault in report.faults[:_FAULTS_SHOWN])
            emit(Warned(message=_counted("left_out", report.faulty) + lines))
        if report.cut:
            message = _counted("cut", report.cut, max_length=config.max_length)
            emit(Warned(message=message))
    if measured is None and config.eval_split:
        return RunRows(*rows.split(config.eval_split, seed=config.seed))
    return RunRows(rows, measured)


def rows_with_pictures(rows: RunRows, emit: Listener) -> RunRows:
    """Those rows alone that a projector learns from; how many others there are is told.

    Raises:
        DataError: there are no such rows.
    """
    learned = rows.learned.with_pictures()
    if not len(learned):
        raise DataError(tr("error.data.no_pictures"), tr("error.data.no_pictures_hint"))
    measured = rows.measured.with_pictures() if rows.measured is not None else None
    others = len(rows.learned) - len(learned)
    if rows.measured is not None and measured is not None:
        others += len(rows.measured) - len(measured)
    if others:
        emit(Warned(message=_counted("without_pictures", others)))
    return RunRows(learned, measured)


def _counted(key: str, count: int, **values: object) -> str:
    """A sentence about so many rows; about one it is another."""
    return tr(f"training.{key}" if count > 1 else f"training.{key}_one", count=count, **values)

# SPDX-License-Identifier: Apache-2.0
"""The ids of one data file, on disk as Arrow: written whole or not at all, read by memory map.

A directory holds `rows.arrow`, a record batch for each piece of the file, and `report.json`. It
is believed only while the pictures that were opened for it are as they were.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc

from yuren_core.messages import ImagePart
from yuren_core.model.tokenization import IGNORE_INDEX
from yuren_core.paths import atomic_directory, storing
from yuren_train.data.cache_room import REPORT, held
from yuren_train.data.encoding import EncoderSpec, RowEncoder
from yuren_train.data.faults import Fault, Place
from yuren_train.data.report import Report
from yuren_train.data.samples import Sample
from yuren_train.data.sources import RawRow
from yuren_train.data.truncation import Fitted

_ROWS = "rows.arrow"
_IMAGE = pa.struct(
    [("path", pa.string()), ("sha256", pa.string()), ("size", pa.int64()), ("changed", pa.int64())]
)
_SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("row", pa.int64()),
        ("input_ids", pa.list_(pa.int32())),
        ("learned", pa.list_(pa.bool_())),
        ("label_count", pa.int32()),
        ("fingerprint", pa.int64()),
        ("images", pa.list_(_IMAGE)),
    ]
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """What became of a piece of a file."""

    rows: pa.RecordBatch
    report: Report


class ChunkEncoder:
    """Turns pieces of raw rows into record batches; lives in each process of a pool."""

    def __init__(self, spec: EncoderSpec) -> None:
        self._encoder = RowEncoder(spec)

    def __call__(self, rows: Sequence[RawRow]) -> Chunk:
        fitted: list[tuple[Place, Fitted]] = []
        faults: list[Fault] = []
        comments = 0
        for place, raw in rows:
            match self._encoder.parse(raw, place):
                case None:
                    comments += 1
                case Fault() as fault:
                    faults.append(fault)
                case row:
                    fit = self._encoder.fit(row)
                    if (lesson := self._encoder.fault_of(row, fit)) is not None:
                        faults.append(lesson)
                    else:
                        fitted.append((place, fit))
        cut = sum(one.is_cut for _, one in fitted)
        return Chunk(
            _record_batch(fitted),
            Report.of(rows=len(fitted), comments=comments, cut=cut, faults=faults),
        )


def _record_batch(rows: Sequence[tuple[Place, Fitted]]) -> pa.RecordBatch:
    fitted = [one for _, one in rows]
    ends = np.cumsum([0, *(len(one.input_ids) for one in fitted)], dtype=np.int32)
    ids = np.concatenate([np.empty(0, np.int32), *(one.input_ids for one in fitted)])
    learned = np.concatenate([np.empty(0, np.bool_), *(one.learned for one in fitted)])
    columns = [
        pa.array([place.line for place, _ in rows], pa.int64()),
        pa.array([place.row for place, _ in rows], pa.int64()),
        pa.ListArray.from_arrays(ends, pa.array(ids)),
        pa.ListArray.from_arrays(ends, pa.array(learned)),
        pa.array([int(one.learned.sum()) for one in fitted], pa.int32()),
        pa.array([_fingerprint(one) for one in fitted], pa.int64()),
        pa.array(
            [[_image_value(image) for image in one.images] for one in fitted], pa.list_(_IMAGE)
        ),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _fingerprint(fitted: Fitted) -> int:
    """64 bits of a hash of a row's ids and of which of them are learned."""
    digest = hashlib.blake2b(fitted.input_ids.tobytes(), digest_size=8)
    digest.update(np.packbits(fitted.learned).tobytes())
    return int.from_bytes(digest.digest(), "little", signed=True)


def _image_value(image: ImagePart) -> dict[str, Any]:
    size, changed = _state_of(image.path) or (-1, -1)
    return {"path": image.path, "sha256": image.sha256, "size": size, "changed": changed}


def _state_of(path: str) -> tuple[int, int] | None:
    """Size and time of the last change of a file, in ns; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def write_token_file(directory: Path, chunks: Iterable[Chunk]) -> None:
    """Write the pieces of one data file; the directory has its name only when it is whole.

    Raises:
        StorageError: it cannot be written.
    """
    report = Report()
    with atomic_directory(directory) as draft:
        with (
            storing(directory),
            pa.OSFile(str(draft / _ROWS), "wb") as file,
            ipc.new_file(file, _SCHEMA) as writer,
        ):
            for chunk in chunks:
                report = report.plus(chunk.report)
                if chunk.rows.num_rows:
                    writer.write_batch(chunk.rows)
        with storing(directory):
            states = [_state_of(path) for path in report.bad_pictures]
            content = json.dumps({**report.to_json(), "states": states})
            (draft / REPORT).write_text(content, encoding="utf-8")


class TokenFile:
    """The ids of one data file, read from disk as they are asked for.

    Args:
        directory: written by `write_token_file`.
        file: the data file, which places name.

    Attributes:
        report: what became of the file's rows.
        lengths: tokens of each row, (rows,) int32; the next two likewise.
        label_counts: places that something is learned at.
        image_counts: pictures.
        fingerprints: 64 bits of a hash of ids and labels, (rows,) int64.
    """

    def __init__(self, directory: Path, file: Path) -> None:
        self._file = file
        self._held = held(directory / REPORT)  # so that nobody removes it
        written = json.loads(self._held.read())
        self.report = Report.from_json(written, file)
        self._bad_states = [state and tuple(state) for state in written["states"]]
        reader = ipc.open_file(pa.memory_map(str(directory / _ROWS)))
        self._batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        self._starts = np.cumsum([0, *(batch.num_rows for batch in self._batches)])
        self.lengths = self._joined(lambda batch: np.diff(batch["input_ids"].offsets))
        self.label_counts = self._joined(lambda batch: batch["label_count"])
        self.image_counts = self._joined(lambda batch: np.diff(batch["images"].offsets))
        parts = [np.asarray(batch["fingerprint"], np.int64) for batch in self._batches]
        self.fingerprints = np.concatenate([np.empty(0, np.int64), *parts])

    def _joined(self, column: Callable[[pa.RecordBatch], Any]) -> NDArray[np.int32]:
        parts = [np.asarray(column(batch), np.int32) for batch in self._batches]
        return np.concatenate([np.empty(0, np.int32), *parts])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def picture_hashes(self) -> pa.ChunkedArray:
        """sha256 of each row's pictures: list<string> (rows,)."""
        chunks = [
            pa.ListArray.from_arrays(images.offsets, images.values.field("sha256"))
            for images in (batch["images"] for batch in self._batches)
        ]
        return pa.chunked_array(chunks, pa.list_(pa.string()))

    def sample(self, number: int) -> Sample:
        """The row of a number, from 0."""
        at = int(np.searchsorted(self._starts, number, side="right")) - 1
        batch, row = self._batches[at], number - int(self._starts[at])
        ids, learned = batch["input_ids"], batch["learned"]
        start, end = int(ids.offsets[row].as_py()), int(ids.offsets[row + 1].as_py())
        input_ids = ids.values[start:end].to_numpy()
        mask = learned.values[start:end].to_numpy(zero_copy_only=False)
        return Sample(
            input_ids=input_ids,
            labels=np.where(mask, input_ids, IGNORE_INDEX).astype(np.int64),
            images=tuple(
                ImagePart(image["path"], image["sha256"]) for image in batch["images"][row].as_py()
            ),
            place=Place(self._file, batch["line"][row].as_py(), batch["row"][row].as_py()),
        )

    def is_current(self) -> bool:
        """Whether all pictures, good and bad, are as they were when this was written."""
        if [_state_of(path) for path in self.report.bad_pictures] != self._bad_states:
            return False
        seen = {image["path"]: (image["size"], image["changed"]) for image in self._images()}
        return all(_state_of(path) == state for path, state in seen.items())

    def _images(self) -> Iterator[dict[str, Any]]:
        for batch in self._batches:
            yield from batch["images"].values.to_pylist()


def pictures_of(directory: Path) -> set[str]:
    """The pictures that a directory's rows name; none where it cannot be read."""
    try:
        reader = ipc.open_file(pa.memory_map(str(directory / _ROWS)))
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        return {
            path for batch in batches for path in batch["images"].values.field("path").to_pylist()
        }
    except (OSError, ValueError, KeyError):
        return set()

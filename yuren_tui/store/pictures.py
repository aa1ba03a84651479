# SPDX-License-Identifier: Apache-2.0
"""Picture files of the store: `pictures/ab/<sha256>.<suffix>`, each once, whole or not there.

A picture is kept before the message that shows it is stored, so no message ever names a file
that was not written. The name is the hash of the bytes and the suffix comes from the bytes; what
a file was called elsewhere is only remembered. Nothing is removed but by `collect_garbage`, and
that leaves young files alone: another chat may be about to refer to one.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from yuren_core.attachments import printable
from yuren_core.errors import ImageError
from yuren_core.i18n import reason_of, tr
from yuren_core.messages import ImagePart
from yuren_core.paths import atomic_write, storing
from yuren_tui.store.database import Database
from yuren_tui.store.encoding import now_ms
from yuren_tui.store.values import storable

MAX_BYTES = 64 * 1024 * 1024
"""The largest picture that is kept, in bytes; what `yuren_core.images` reads at most."""

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"\0\0\1\0", ".ico"),
    (b"\0\0\0\x0cjP  ", ".jp2"),
    (b"\xff\x4f\xff\x51", ".j2k"),
)


def suffix_of(data: bytes) -> str:
    """The suffix that fits a picture's bytes; ".bin" where they are unknown."""
    for start, suffix in _STARTS:
        if data.startswith(start):
            return suffix
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return ".avif"
    return ".ppm" if data[:1] == b"P" and data[1:2] in b"123456" else ".bin"


class Pictures:
    """The pictures of one store.

    Args:
        database: knows which there are and who refers to them.
        directory: where the files lie; made when first needed.
    """

    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self.directory = directory

    def keep(self, image: ImagePart | Path) -> ImagePart:
        """Copy a picture into the store; one that is there already is left as it is.

        Args:
            image: a picture file, or the part of a message that was made from one.

        Returns:
            The part whose path leads into the store.

        Raises:
            ImageError: the file cannot be read, is too large, or has changed since it was
                attached.
            StorageError: it cannot be written.
        """
        path = Path(image.path if isinstance(image, ImagePart) else image)
        if isinstance(image, ImagePart) and (kept := self.find(image.sha256)):
            self._rejuvenate(kept)
            return kept
        data = _read(path)
        if isinstance(image, ImagePart) and hashlib.sha256(data).hexdigest() != image.sha256:
            raise ImageError(
                tr("store.picture_changed", path=printable(path)), tr("store.attach_again")
            )
        return self.keep_bytes(data, name=path.name)

    def keep_bytes(self, data: bytes, *, name: str = "") -> ImagePart:
        """Store a picture's bytes.

        Args:
            data: the content of a picture file.
            name: what the file was called; only shown, never a path.

        Raises:
            ImageError: it is too large.
            StorageError: it cannot be written.
        """
        if len(data) > MAX_BYTES:
            raise _too_large(name)
        sha256, suffix = hashlib.sha256(data).hexdigest(), suffix_of(data)
        path = self._path(sha256, suffix)
        if _size(path) != len(data):
            atomic_write(path, data)
        with self._database.write() as db:
            db.execute(
                "INSERT OR IGNORE INTO pictures (sha256, suffix, size_bytes, name, created_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (sha256, suffix, len(data), storable(name), now_ms()),
            )
        kept = ImagePart(str(path), sha256)
        self._rejuvenate(kept)
        return kept

    def find(self, sha256: str) -> ImagePart | None:
        """A picture by its hash; None where the store lacks it, or its file has been removed."""
        rows = self._database.rows("SELECT suffix FROM pictures WHERE sha256 = ?", (sha256,))
        if not rows:
            return None
        path = self._path(sha256, rows[0]["suffix"])
        return ImagePart(str(path), sha256) if path.is_file() else None

    def name_of(self, sha256: str) -> str:
        """What the file was called when it was first kept; the store's own name where unknown."""
        rows = self._database.rows("SELECT name, suffix FROM pictures WHERE sha256 = ?", (sha256,))
        if not rows:
            return sha256
        return str(rows[0]["name"]) or f"{sha256[:12]}{rows[0]['suffix']}"

    def keep_all(self, images: Iterable[ImagePart]) -> tuple[ImagePart, ...]:
        """`keep` each, in order."""
        return tuple(self.keep(image) for image in images)

    def of_messages(self, message_ids: Sequence[int]) -> dict[int, tuple[ImagePart, ...]]:
        """The pictures of some messages, in order; messages without any are left out."""
        found: dict[int, list[ImagePart]] = {}
        for start in range(0, len(message_ids), 500):
            part = message_ids[start : start + 500]
            marks = ",".join("?" * len(part))
            for row in self._database.rows(
                "SELECT message_id, sha256, suffix FROM message_pictures JOIN pictures"
                f" USING (sha256) WHERE message_id IN ({marks}) ORDER BY message_id, position",
                part,
            ):
                image = self.part(row["sha256"], row["suffix"])
                found.setdefault(row["message_id"], []).append(image)
        return {message_id: tuple(images) for message_id, images in found.items()}

    def part(self, sha256: str, suffix: str) -> ImagePart:
        """The part of a message for a picture of the store; its file may have been removed."""
        return ImagePart(str(self._path(sha256, suffix)), sha256)

    def collect_garbage(self, *, min_age_s: float = 3600.0) -> int:
        """Remove the files that no message and no draft refers to, half-written ones too.

        Args:
            min_age_s: younger files stay, whatever refers to them.

        Returns:
            How many bytes were freed.
        """
        with self._database.write() as db:
            db.execute(
                "DELETE FROM pictures AS p WHERE created_at <= ?"
                " AND NOT EXISTS (SELECT 1 FROM message_pictures m WHERE m.sha256 = p.sha256)"
                " AND NOT EXISTS (SELECT 1 FROM draft_pictures d WHERE d.sha256 = p.sha256)",
                (now_ms() - round(min_age_s * 1000),),
            )
            known = {row[0] for row in db.execute("SELECT sha256 FROM pictures")}
            # Inside the transaction: nobody can begin to refer to a file while it goes.
            return sum(_remove(path, min_age_s) for path in self._strangers(known))

    def _strangers(self, known: set[str]) -> list[Path]:
        if not self.directory.is_dir():
            return []
        return [
            path
            for path in self.directory.glob("??/*")
            if path.is_file() and path.name.partition(".")[0] not in known
        ]

    def _rejuvenate(self, kept: ImagePart) -> None:
        """Make a picture young, so that no garbage collection takes it before it is used."""
        with storing(Path(kept.path)):
            Path(kept.path).touch()
        with self._database.write() as db:
            db.execute(
                "UPDATE pictures SET created_at = ? WHERE sha256 = ?", (now_ms(), kept.sha256)
            )

    def _path(self, sha256: str, suffix: str) -> Path:
        return self.directory / sha256[:2] / f"{sha256}{suffix}"


def refer(db: sqlite3.Connection, message_id: int, images: Iterable[ImagePart]) -> None:
    """Put kept pictures on a message, inside a transaction."""
    db.executemany(
        "INSERT INTO message_pictures (message_id, position, sha256) VALUES (?, ?, ?)",
        [(message_id, position, image.sha256) for position, image in enumerate(images)],
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(path)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ImageError(
            tr("store.picture_unreadable", path=printable(path), reason=reason_of(error)),
            tr("store.attach_again"),
        ) from error


def _too_large(name: Path | str) -> ImageError:
    limit = MAX_BYTES // 2**20
    return ImageError(
        tr("store.picture_large", path=printable(name), limit=limit), tr("store.picture_smaller")
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _remove(path: Path, min_age_s: float) -> int:
    with suppress(OSError):
        status = path.stat()
        if status.st_mtime <= time.time() - min_age_s:
            path.unlink()
            return status.st_size
    return 0

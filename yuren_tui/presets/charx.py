# SPDX-License-Identifier: Apache-2.0
"""CHARX: a zip with `card.json` and the files that a V3 card speaks of.

Nothing is unpacked to disk: names inside the archive are only keys of a mapping, and one that
could lead out of a directory is refused. Bounded: files, bytes of each, bytes of all. A picture
in front of the archive, as some programs write it, is let pass.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import PurePosixPath

from yuren_core.i18n import tr
from yuren_tui.presets.errors import CardError

CARD_NAME = "card.json"
MAX_FILES = 2_000
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_TOTAL_BYTES = 256 * 1024 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same card gives the same bytes


def read_charx(data: bytes, source: str) -> tuple[bytes, dict[str, bytes]]:
    """Unpack an archive into memory.

    Args:
        data: the file.
        source: what to call it in an error.

    Returns:
        `card.json`, and every other file by its path.

    Raises:
        CardError: no zip, damaged, encrypted, too large, a name that leads out, or no card.
    """
    files: dict[str, bytes] = {}
    room = MAX_TOTAL_BYTES
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_FILES:
                raise _too_large(source)
            for member in members:
                check_name(member.filename, source)
                if member.flag_bits & 1:
                    raise CardError(tr("presets.encrypted", file=source), tr("presets.card_hint"))
                limit = min(MAX_FILE_BYTES, room)
                with archive.open(member) as file:
                    content = file.read(limit + 1)  # what it claims to hold is not believed
                if len(content) > limit:
                    raise _too_large(source)
                room -= len(content)
                files[member.filename] = content
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, OSError),
        *(NotImplementedError, RuntimeError, ValueError),
    ) as error:
        raise CardError(
            tr("presets.bad_zip", file=source, reason=str(error)), tr("presets.cut_off_hint")
        ) from error
    if CARD_NAME not in files:
        raise CardError(tr("presets.no_card_json", file=source), tr("presets.card_hint"))
    return files.pop(CARD_NAME), files


def write_charx(card_json: bytes, assets: Mapping[str, bytes]) -> bytes:
    """Pack a card and its files.

    Raises:
        CardError: a name that could lead out of a directory.
    """
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {CARD_NAME: card_json, **assets}.items():
            check_name(name, CARD_NAME)
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def check_name(name: str, source: str) -> None:
    """Refuse a path inside an archive that could lead out of a directory.

    Raises:
        CardError: absolute, with `..`, a backslash, a drive or a control character, or too long.
    """
    path = PurePosixPath(name)
    is_bad = (
        not name
        or len(name) > 400
        or path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or ":" in name
        or not name.isprintable()
    )
    if is_bad:
        raise CardError(
            tr("presets.bad_name", file=source, name=ascii(name[:80])), tr("presets.card_hint")
        )


def _too_large(source: str) -> CardError:
    return CardError(
        tr("presets.too_large", file=source, limit=MAX_TOTAL_BYTES // 2**20),
        tr("presets.too_large_hint"),
    )

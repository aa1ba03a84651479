# SPDX-License-Identifier: Apache-2.0
"""Text chunks of PNG files: read within bounds, replaced without touching the picture.

`tEXt`, `zTXt` and `iTXt` are read, `tEXt` is written. A wrong checksum of a text chunk is let
pass, since some programs write one; a chunk that is longer than the file is an error.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping

from yuren_core.attachments import printable
from yuren_core.i18n import tr
from yuren_tui.presets.errors import CardError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT_BYTES = 96 * 1024 * 1024
"""Of all texts together, unpacked."""
_MAX_CHUNKS = 20_000


def read_texts(
    png: bytes, source: str, *, wanted: Iterable[str] = ()
) -> tuple[dict[str, bytes], list[CardError]]:
    """The texts of a PNG, by their keyword as written.

    Args:
        png: the file.
        source: what to call it in an error.
        wanted: beginnings, in lower case, of the keywords that are read; all where empty.

    Returns:
        The bytes of each text, the last one where a keyword comes twice; and an error for each
        text that cannot be unpacked or is too large.

    Raises:
        CardError: no PNG, or cut off.
    """
    texts: dict[str, bytes] = {}
    damaged: list[CardError] = []
    room = MAX_TEXT_BYTES
    beginnings = tuple(wanted)
    for kind, body in _chunks(png, source):
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            continue
        name, _, rest = body.partition(b"\0")
        keyword = name.decode("latin-1")
        if beginnings and not keyword.lower().startswith(beginnings):
            continue
        try:
            text = _text(kind, rest, room)
        except (zlib.error, ValueError) as error:
            reason = tr(
                "presets.bad_chunk", file=source, chunk=printable(keyword), reason=str(error)
            )
            damaged.append(CardError(reason, tr("presets.card_hint")))
            continue
        room -= len(text)
        texts[keyword] = text
    return texts, damaged


def with_texts(
    png: bytes, texts: Mapping[str, bytes], source: str, *, without: Iterable[str] = ()
) -> bytes:
    """The same picture with other texts.

    Args:
        png: the file.
        texts: what to write by keyword; each replaces what has its keyword, in any case. All
            other chunks stay as they are, byte for byte.
        source: what to call the file in an error.
        without: keywords of texts that go, in lower case.

    Returns:
        A PNG whose texts stand before its end.

    Raises:
        CardError: no PNG, or cut off.
    """
    replaced = {keyword.lower() for keyword in texts} | set(without)
    parts = [SIGNATURE]
    for kind, body in _chunks(png, source):
        if kind == b"IEND":
            break
        keyword = body.partition(b"\0")[0].decode("latin-1").lower()
        if kind not in (b"tEXt", b"zTXt", b"iTXt") or keyword not in replaced:
            parts.append(_packed(kind, body))
    for keyword, text in texts.items():
        parts.append(_packed(b"tEXt", keyword.encode("latin-1") + b"\0" + text))
    return b"".join([*parts, _packed(b"IEND", b"")])


def _chunks(png: bytes, source: str) -> Iterator[tuple[bytes, bytes]]:
    if not png.startswith(SIGNATURE):
        raise CardError(tr("presets.no_png", file=source), tr("presets.card_hint"))
    place = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if place + 8 > len(png):
            break
        length, kind = struct.unpack_from(">I4s", png, place)
        end = place + 8 + length
        if end + 4 > len(png):
            break
        yield kind, png[place + 8 : end]
        if kind == b"IEND":
            return
        place = end + 4
    raise CardError(tr("presets.cut_off", file=source), tr("presets.cut_off_hint"))


def _packed(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _text(kind: bytes, rest: bytes, room: int) -> bytes:
    """The bytes of a text chunk's text.

    Raises:
        zlib.error, ValueError: it is damaged, or longer than `room`.
    """
    is_packed, text = False, rest
    if kind == b"zTXt":
        is_packed, text = True, rest[1:]
    elif kind == b"iTXt":
        is_packed = rest[:1] == b"\x01"
        _, _, text = rest[2:].partition(b"\0")  # language tag
        _, _, text = text.partition(b"\0")  # translated keyword
    if is_packed:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(text, room + 1)
        if not unpacker.eof and len(text) <= room:
            raise ValueError(tr("presets.chunk_cut_off"))
    if len(text) > room:
        raise ValueError(tr("presets.chunk_too_large", limit=MAX_TEXT_BYTES // 2**20))
    return text

# SPDX-License-Identifier: Apache-2.0
"""Character cards from and to files: JSON, PNG, CHARX.

What a file is, its content says, never its suffix. No URL is fetched; a picture is only ever
taken from the file itself. Where a PNG holds a V3 and a V2 card, V3 is read; where that one is
damaged, V2 is, and the card's `warnings` say so.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

from yuren_core.attachments import printable
from yuren_core.i18n import reason_of, tr
from yuren_core.paths import atomic_write
from yuren_tui.presets.card import Card, CardVersion, card_of_json, json_of_version
from yuren_tui.presets.charx import check_name, read_charx, write_charx
from yuren_tui.presets.errors import CardError
from yuren_tui.presets.json_values import JsonObject, dump_json, load_json, object_of
from yuren_tui.presets.pictures import card_picture, png_of
from yuren_tui.presets.png_chunks import SIGNATURE, read_texts, with_texts

CardFormat: TypeAlias = Literal["json", "png", "charx"]

MAX_FILE_BYTES = 256 * 1024 * 1024
"""The largest card file that is read."""

_CHUNKS = ("ccv3", "chara_card_v3", "chara")
_ASSET_CHUNK = "chara-ext-asset_"
"""What asset chunks begin with; a colon and the path follow, in some files the path alone."""

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


def read_card(path: Path | str) -> Card:
    """Read a character card.

    Args:
        path: a JSON, PNG or CHARX file.

    Raises:
        CardError: it cannot be read, is no card, is damaged, or is too large.
    """
    return card_of_bytes(read_bytes(path), printable(path))


def card_of_bytes(data: bytes, source: str) -> Card:
    """Read a character card that is in memory.

    Args:
        data: what a JSON, PNG or CHARX file holds.
        source: what to call it in an error.

    Raises:
        CardError: as `read_card`.
    """
    if data.startswith(SIGNATURE):
        return _card_of_png(data, source)
    if data[:4] == b"PK\x03\x04" or (data[:2] == b"\xff\xd8" and b"PK\x05\x06" in data[-66_000:]):
        card_json, assets = read_charx(data, source)
        card = card_of_json(load_json(card_json, f"{source} (card.json)"), source)
        card = replace(card, assets=assets)
        return replace(card, picture=card_picture(card))
    card = card_of_json(load_json(data, source), source)
    return replace(card, picture=card_picture(card))


def card_bytes(card: Card, card_format: CardFormat, *, version: CardVersion | None = None) -> bytes:
    """A card as a file holds it.

    Args:
        card: the card.
        card_format: "json"; "png", which keeps the picture, and holds a V3 card as V2 (`chara`)
            and as V3 (`ccv3`), an older one as V2 alone, so that it is read again as it was; or
            "charx", which is V3 with the files that came along.
        version: the shape of a JSON file; the card's own by default.

    Raises:
        CardError: its picture cannot be brought to PNG, or an asset has an impossible name.
    """
    if card_format == "json":
        return dump_json(json_of_version(card, version or card.version), indent=2) + b"\n"
    if card_format == "charx":
        return write_charx(*_charx_parts(card, json_of_version(card, 3)))
    texts = {"chara": _packed(json_of_version(card, 2))}
    if card.version == 3:
        texts["ccv3"] = _packed(card.raw)
    if not card.picture.startswith(SIGNATURE):  # a PNG brings its own asset chunks
        for path, content in card.assets.items():
            if path.isascii() and len(path) < 60:
                texts[f"{_ASSET_CHUNK}:{path}"] = base64.b64encode(content)
    name = card_name(card)
    return with_texts(png_of(card.picture, name), texts, name, without=_CHUNKS)


def write_card(card: Card, path: Path, *, version: CardVersion | None = None) -> None:
    """Write a card, in the format of the file's suffix.

    Raises:
        CardError: the suffix is not .json, .png or .charx; or as `card_bytes`.
        StorageError: it cannot be written.
    """
    formats: dict[str, CardFormat] = {".json": "json", ".png": "png", ".charx": "charx"}
    card_format = formats.get(path.suffix.lower())
    if card_format is None:
        raise CardError(
            tr("presets.unknown_suffix", file=printable(path)),
            tr("presets.known_suffixes", suffixes=" ".join(formats)),
        )
    atomic_write(path, card_bytes(card, card_format, version=version))


def card_name(card: Card) -> str:
    """The character's name as it may stand in a message."""
    return printable(str(card.data.get("name", "")))


def read_bytes(path: Path | str, *, limit: int = MAX_FILE_BYTES) -> bytes:
    """A regular file's bytes.

    Raises:
        CardError: it cannot be read, is no regular file, or is larger than `limit`.
    """
    name = printable(path)
    try:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CardError(tr("presets.no_file", file=name), tr("presets.no_file_hint"))
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise CardError(
            tr("presets.unreadable", file=name, reason=reason_of(error)),
            tr("presets.no_file_hint"),
        ) from error
    if len(data) > limit:
        raise CardError(
            tr("presets.too_large", file=name, limit=limit // 2**20), tr("presets.too_large_hint")
        )
    return data


def _card_of_png(data: bytes, source: str) -> Card:
    found, failures = read_texts(data, source, wanted=(*_CHUNKS, _ASSET_CHUNK))
    texts = {keyword.lower(): text for keyword, text in found.items()}
    for chunk in _CHUNKS:
        if chunk not in texts:
            continue
        try:
            card = card_of_json(_unpacked(texts[chunk], source, chunk), source)
        except CardError as error:
            failures.append(error)
            continue
        assets = _assets_of_png(found, source, failures)
        warnings = tuple(error.message for error in failures)
        return replace(card, picture=data, assets=assets, warnings=warnings)
    if failures:
        raise failures[0]
    raise CardError(tr("presets.no_card_in_png", file=source), tr("presets.no_card_in_png_hint"))


def _assets_of_png(
    found: Mapping[str, bytes], source: str, failures: list[CardError]
) -> dict[str, bytes]:
    """The files in a PNG's chunks, by their path; one that cannot be had goes to `failures`."""
    assets: dict[str, bytes] = {}
    for keyword, text in found.items():
        if not keyword.lower().startswith(_ASSET_CHUNK):
            continue
        path = keyword[len(_ASSET_CHUNK) :].removeprefix(":")
        try:
            check_name(path, source)
            assets[path] = _base64(text, source, printable(keyword))
        except CardError as error:
            failures.append(error)
    return assets


def _charx_parts(card: Card, v3: JsonObject) -> tuple[bytes, dict[str, bytes]]:
    """`card.json` and the files; the picture of a PNG becomes one of them, and the main icon."""
    assets = dict(card.assets)
    if card.picture and card.picture not in assets.values():
        suffix = "png" if card.picture.startswith(SIGNATURE) else "jpg"
        path = f"assets/icon/images/main.{suffix}"
        assets[path] = card.picture
        icon: JsonObject = {
            "type": "icon",
            "uri": f"embeded://{path}",
            "name": "main",
            "ext": suffix,
        }
        data = object_of(v3, "data")
        listed = data.get("assets")
        others = [
            asset
            for asset in (listed if isinstance(listed, list) else ())
            if not (
                isinstance(asset, dict)
                and asset.get("uri") == "ccdefault:"
                and asset.get("type") == "icon"
            )
        ]
        v3 = v3 | {"data": data | {"assets": [icon, *others]}}
    return dump_json(v3, indent=2), assets


def _packed(raw: JsonObject) -> bytes:
    return base64.b64encode(dump_json(raw))


def _unpacked(text: bytes, source: str, chunk: str) -> JsonObject:
    where = tr("presets.chunk", file=source, chunk=chunk)
    if text.lstrip()[:1] == b"{":  # some programs leave base64 out
        return load_json(text, where)
    return load_json(_base64(text, source, chunk), where)


def _base64(text: bytes, source: str, chunk: str) -> bytes:
    """Base64 as programs write it: also in lines, without its padding, or for URLs."""
    bare = b"".join(text.split()).rstrip(b"=\0").replace(b"-", b"+").replace(b"_", b"/")
    if _NOT_BASE64.search(bare) or len(bare) % 4 == 1:
        raise CardError(
            tr("presets.bad_base64", file=source, chunk=chunk), tr("presets.cut_off_hint")
        )
    return base64.b64decode(bare + b"=" * (-len(bare) % 4))

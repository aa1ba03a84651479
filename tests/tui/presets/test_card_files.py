# SPDX-License-Identifier: Apache-2.0
"""Character cards: every container, every version, hostile ones too."""

from __future__ import annotations

import base64
import json
import time
import zipfile
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.tui.presets import cards
from yuren_tui.presets import CardError, card_bytes, card_of_bytes, read_card, write_card
from yuren_tui.presets.card import json_of_version
from yuren_tui.presets.png_chunks import read_texts

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


def encoded(card: object) -> bytes:
    return json.dumps(card).encode()


@pytest.mark.parametrize(("raw", "version"), [(cards.v1(), 1), (cards.v2(), 2), (cards.v3(), 3)])
def test_json_of_every_version_is_read_and_written_equal(raw: Any, version: int) -> None:
    card = card_of_bytes(encoded(raw), "mira.json")
    assert (card.raw, card.version) == (raw, version)
    assert json.loads(card_bytes(card, "json")) == raw


@pytest.mark.parametrize("make", [cards.text, cards.ztxt, cards.itxt])
def test_all_kinds_of_text_chunks_are_read(make: Any) -> None:
    assert card_of_bytes(cards.png(make("chara", cards.v2())), "m.png").raw == cards.v2()


def test_of_two_chunks_v3_is_read_and_both_are_replaced() -> None:
    old = cards.png(cards.text("chara", cards.v2()), cards.text("ccv3", cards.v3()))
    card = card_of_bytes(old, "m.png")
    assert card.version == 3

    written = card_bytes(card, "png")

    assert card_of_bytes(written, "m.png").raw == cards.v3()
    texts, damaged = read_texts(written, "m.png")
    assert not damaged
    assert sorted(texts) == ["ccv3", "chara"]
    assert json.loads(base64.b64decode(texts["chara"]))["spec"] == "chara_card_v2"
    assert Image.open(BytesIO(written)).tobytes() == Image.open(BytesIO(old)).tobytes()


def test_other_chunks_of_a_picture_stay() -> None:
    card = card_of_bytes(cards.png((b"tEXt", b"Title\0x"), cards.text("chara", cards.v2())), "m")
    assert read_texts(card_bytes(card, "png"), "m")[0]["Title"] == b"x"


@pytest.mark.parametrize(
    "broken", [(b"tEXt", b"ccv3\0!!!!"), (b"zTXt", b"ccv3\0\0junk"), (b"iTXt", b"ccv3\0\1\0\0\0x")]
)
def test_a_damaged_v3_chunk_gives_way_to_a_sound_v2_with_a_warning(
    broken: tuple[bytes, bytes],
) -> None:
    card = card_of_bytes(cards.png(broken, cards.text("chara", cards.v2())), "m.png")
    assert card.version == 2
    assert "ccv3" in card.warnings[0]

    again = card_of_bytes(card_bytes(card, "png"), "m.png")
    assert (again.raw, again.version, again.warnings) == (cards.v2(), 2, ())


def test_a_v2_card_in_a_png_is_written_and_read_again_equal() -> None:
    card = card_of_bytes(cards.png(cards.ztxt("chara", cards.v2())), "m.png")
    again = card_of_bytes(card_bytes(card, "png"), "m.png")
    assert (again.raw, again.version) == (card.raw, 2)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.rstrip(b"="),
        lambda text: text + b"==",
        lambda text: text + b"\0",
        lambda text: b"\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
        lambda text: text.replace(b"+", b"-").replace(b"/", b"_"),
    ],
)
def test_base64_as_programs_break_it_is_read(change: Any) -> None:
    raw = cards.v2()
    raw["data"]["description"] = "灯塔?>?>~~~" * 5  # gives + and / in all three positions
    text = base64.b64encode(json.dumps(raw, ensure_ascii=False).encode())
    assert b"+" in text
    assert b"/" in text
    assert card_of_bytes(cards.png((b"tEXt", b"chara\0" + change(text))), "m.png").raw == raw


def test_files_in_chunks_of_a_png_go_along_everywhere() -> None:
    raw, icon = cards.v3(), cards.png()
    raw["data"]["assets"] = [{"type": "icon", "uri": "__asset:0", "name": "main", "ext": "png"}]
    chunk = (b"tEXt", b"chara-ext-asset_:0\0" + base64.b64encode(icon))
    card = card_of_bytes(cards.png(cards.text("ccv3", raw), chunk), "m.png")
    assert dict(card.assets) == {"0": icon}

    in_png = card_of_bytes(card_bytes(card, "png"), "m.png")
    assert (in_png.raw, in_png.assets) == (raw, {"0": icon})
    in_charx = card_of_bytes(card_bytes(card, "charx"), "m.charx")
    assert in_charx.assets["0"] == icon
    drawn = card_of_bytes(card_bytes(replace(card, picture=b""), "png"), "m.png")
    assert dict(drawn.assets) == {"0": icon}


@pytest.mark.parametrize("asset", [b"chara-ext-asset_:0\0!!!", b"chara-ext-asset_:../up\0AAAA"])
def test_a_file_in_a_chunk_that_cannot_be_had_does_not_take_the_card_along(asset: bytes) -> None:
    card = card_of_bytes(cards.png(cards.text("ccv3", cards.v3()), (b"tEXt", asset)), "m.png")
    assert (card.raw, dict(card.assets)) == (cards.v3(), {})
    assert len(card.warnings) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (cards.png((b"tEXt", b"chara\0not base64 !")), "chunk chara of m.png is not valid base64"),
        (cards.png((b"tEXt", b"chara\0" + base64.b64encode(b"{oops"))), "m.png (chunk chara)"),
        (cards.png((b"zTXt", b"chara\0\0junk")), "chara"),
        (cards.png(), "without a character card"),
        (cards.png(cards.text("chara", cards.v2()))[:-20], "cut off"),
        (b"[1, 2]", "no JSON object"),
        (b'{"a": NaN}', "not valid JSON"),
        (b"\xff\xfe{", "not valid JSON"),
        (b'{"name": 5}', "no character card"),
        (encoded({"entries": {}}), "lorebook"),
        (b'{"a":' * 150_000 + b"1" + b"}" * 150_000, "nested"),
        (b'{"name":"x","description":' + b"[" * 200 + b"]" * 200 + b"}", "nested"),
        (b'{"n": ' + b"9" * 10_000 + b"}", "not valid JSON"),
        (b'{"n": 1e999}', "not valid JSON"),
        (b"PK\x03\x04 and no more", "unpacked"),
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(data: bytes, said: str) -> None:
    with pytest.raises(CardError) as caught:
        card_of_bytes(data, "m.png")
    assert said in caught.value.message
    assert "m.png" in caught.value.message
    assert caught.value.hint


def test_a_text_chunk_cannot_unpack_to_more_than_its_bound() -> None:
    bomb = cards.png((b"zTXt", b"chara\0\0" + zlib.compress(b"\0" * 120_000_000)))
    with pytest.raises(CardError, match="larger than"):
        card_of_bytes(bomb, "m.png")


def charx(card: object, **files: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", json.dumps(card))
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_charx_is_read_written_and_read_again_equal() -> None:
    raw, icon = cards.v3(), cards.png()
    raw["data"]["assets"] = [
        {"type": "icon", "uri": "https://example.org/x.png", "name": "other", "ext": "png"},
        {"type": "icon", "uri": "embeded://assets/icon/images/a.png", "name": "main", "ext": "png"},
    ]
    files = {"assets/icon/images/a.png": icon, "assets/other/音.mp3": b"la"}
    card = card_of_bytes(charx(raw, **files), "m.charx")
    assert (card.raw, card.picture, dict(card.assets)) == (raw, icon, files)
    assert card_of_bytes(card_bytes(card, "charx"), "m.charx") == card


def test_the_picture_of_a_png_goes_along_into_charx() -> None:
    card = card_of_bytes(cards.png(cards.text("ccv3", cards.v3())), "m.png")
    again = card_of_bytes(card_bytes(card, "charx"), "m.charx")
    assert again.picture == card.picture


@pytest.mark.parametrize(
    "name", ["../up.png", "/etc/x", "a\\..\\b", "C:x", "a/../../b", "x\x1b[2J"]
)
def test_a_path_that_leads_out_of_an_archive_is_refused(name: str) -> None:
    with pytest.raises(CardError, match="forbidden name"):
        card_of_bytes(charx(cards.v3(), **{name: b"x"}), "m.charx")


def test_an_archive_that_unpacks_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yuren_tui.presets.charx.MAX_FILE_BYTES", 1000)
    with pytest.raises(CardError, match="larger than"):
        card_of_bytes(charx(cards.v3(), big=b"\0" * 100_000), "m.charx")
    monkeypatch.setattr("yuren_tui.presets.charx.MAX_FILES", 2)
    with pytest.raises(CardError, match="larger than"):
        card_of_bytes(charx(cards.v3(), a=b"", b=b""), "m.charx")


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.png", Path("/dev/zero")):
        with pytest.raises(CardError):
            read_card(path)
    with pytest.raises(CardError, match="suffix"):
        write_card(card_of_bytes(encoded(cards.v2()), "m"), tmp_path / "m.docx")


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=6), JSON_VALUES, max_size=4), JSON_VALUES)
def test_unknown_fields_survive_every_container(extensions: Any, unknown: Any) -> None:
    raw = cards.v3()
    raw["data"]["extensions"] = extensions
    raw["data"]["character_book"]["entries"][0]["extensions"] = extensions
    raw["data"]["unknown"] = raw["unknown"] = unknown
    card = card_of_bytes(encoded(raw), "m.json")
    for card_format in ("json", "png", "charx"):
        again = card_of_bytes(card_bytes(card, card_format), "m").raw  # type: ignore[arg-type]
        if card_format == "charx":
            again["data"]["assets"] = []
        assert again == raw


def test_versions_keep_what_they_do_not_know() -> None:
    flat = card_of_bytes(encoded(cards.v1()), "m")
    as_v3 = json_of_version(flat, 3)
    assert as_v3["talkativeness"] == 0.5
    assert as_v3["data"]["first_mes"] == cards.DATA["first_mes"]  # type: ignore[index, call-overload]
    decorated = cards.v3()
    decorated["data"]["character_book"]["entries"][0]["content"] = "@@depth 3\n\nNets."
    as_v2 = json_of_version(card_of_bytes(encoded(decorated), "m"), 2)
    assert as_v2["data"]["character_book"]["entries"][0]["content"] == "Nets."  # type: ignore[index, call-overload]
    assert as_v2["data"]["nickname"] == "Mi"  # type: ignore[index, call-overload]


def test_five_megabytes_of_lore_are_read_fast(tmp_path: Path) -> None:
    raw = cards.v2()
    entry = raw["data"]["character_book"]["entries"][0]
    raw["data"]["character_book"]["entries"] = [
        entry | {"id": i, "keys": [f"key{i}", f"词{i}"], "content": "word " * 100}
        for i in range(8000)
    ]
    path = tmp_path / "big.png"
    path.write_bytes(cards.png(cards.text("chara", raw)))
    assert path.stat().st_size > 5_000_000
    start = time.perf_counter()
    card = read_card(path)
    assert time.perf_counter() - start < 45
    write_card(card, path)
    assert read_card(path).data["character_book"] == raw["data"]["character_book"]

# SPDX-License-Identifier: Apache-2.0
"""Art out of npm's packages: found by code and by label, whole or refused, fetched once."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.train.recipes.starter.tiny_art import (
    COLOURS,
    code_of,
    labels,
    number,
    png,
    square,
    svg,
    write_flat_package,
    write_package,
)
from yuren_core.errors import DownloadError, UsageError
from yuren_train.recipes.starter import art

PNG = art.LEARNED[0]
MIDDLE, CORNER = (32, 32), (2, 2)

needs_svg = pytest.mark.skipif(
    importlib.util.find_spec("resvg_py") is None, reason="resvg_py, which draws SVG, is not there"
)


def test_all_concepts_have_names_of_their_own_and_codes() -> None:
    names = [concept.name for concept in art.concepts()]
    codes = [code for concept in art.concepts() for code in concept.codes]
    assert len(names) >= 120
    assert len(set(names)) == len(names)
    assert len(set(codes)) == len(codes)
    assert all(code == f"{int(code, 16):x}" for code in codes)


def test_pictures_are_found_by_code_and_are_on_nothing(tmp_path: Path) -> None:
    write_flat_package(tmp_path, PNG)
    found = art.sprites(PNG, tmp_path)
    assert {sprite.concept for sprite in found} == {number(name) for name in COLOURS}
    cat = next(sprite for sprite in found if sprite.concept == number("cat"))
    assert (cat.style, cat.image.mode, cat.image.size) == (PNG.name, "RGBA", (64, 64))
    assert cat.image.getpixel(MIDDLE) == (*COLOURS["cat"], 255)
    assert cat.image.getpixel(CORNER) == (0, 0, 0, 0)


def test_every_code_of_a_concept_gives_a_sprite(tmp_path: Path) -> None:
    one, two = art.concepts()[number("cat")].codes[:2]
    files = {
        f"{two}.png": png(square((1, 2, 3))),
        f"{one.upper()}-FE0F.png": png(square((4, 5, 6))),
        f"{one}-200d.png": png(square((7, 8, 9))),  # something else that begins so
    }
    write_package(tmp_path, PNG, files)
    found = art.sprites(PNG, tmp_path)
    assert [sprite.concept for sprite in found] == [number("cat")] * 2
    assert [sprite.image.getpixel(MIDDLE) for sprite in found] == [(4, 5, 6, 255), (1, 2, 3, 255)]


def test_pictures_of_another_size_are_brought_to_ours(tmp_path: Path) -> None:
    write_package(tmp_path, PNG, {f"{code_of('car')}.png": png(square((9, 9, 9), 160))})
    (car,) = art.sprites(PNG, tmp_path)
    assert car.image.size == (art.SPRITE_SIZE, art.SPRITE_SIZE)
    assert car.image.getpixel(MIDDLE) == (9, 9, 9, 255)


@needs_svg
def test_drawings_are_rendered(tmp_path: Path) -> None:
    style = art.DEVELOPED_ON
    write_package(tmp_path, style, {f"{code_of('apple').upper()}.svg": svg(COLOURS["apple"])})
    (apple,) = art.sprites(style, tmp_path)
    assert apple.concept == number("apple")
    assert apple.image.getpixel(MIDDLE) == (*COLOURS["apple"], 255)
    assert apple.image.getpixel(CORNER) == (0, 0, 0, 0)


@needs_svg
def test_drawings_are_found_by_label(tmp_path: Path) -> None:
    style = art.MEASURED_ON
    write_package(tmp_path, style, {"red-apple.svg": svg((9, 8, 7)), "pear.svg": svg((1, 1, 1))})
    known = labels((code_of("apple"), "Red Apple"), (f"{code_of('heart')}-fe0f", "red heart"))
    write_package(tmp_path, replace(art._LABELS, folder="en"), {"data.json": known})
    (apple,) = art.sprites(style, tmp_path)
    assert apple.concept == number("apple")
    assert apple.image.getpixel(MIDDLE) == (9, 8, 7, 255)


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9])
def test_a_package_that_is_not_whole_is_named(tmp_path: Path, part: float) -> None:
    package = write_flat_package(tmp_path, PNG)
    whole = package.read_bytes()
    package.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(DownloadError, match="no whole package") as caught:
        art.sprites(PNG, tmp_path)
    assert str(package) in caught.value.message
    assert "Delete the file" in caught.value.hint


def fake_npm(directory: Path, script: str) -> str:
    directory.mkdir()
    (directory / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "npm").chmod(0o755)
    return str(directory)


def test_npm_fetches_a_package_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = write_flat_package(tmp_path / "served", PNG)
    script = f'echo "$@" >> {tmp_path}/calls; cp {served} "$5"'
    monkeypatch.setenv("PATH", fake_npm(tmp_path / "bin", script) + os.pathsep + os.environ["PATH"])
    for _ in range(2):
        assert len(art.sprites(PNG, tmp_path / "art")) == len(COLOURS)
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert f"{PNG.package}@{PNG.version}" in call
    assert [file.name for file in (tmp_path / "art").iterdir()] == [PNG.archive]


def test_npm_that_fails_is_told_in_words_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'echo half > "$5/half.tgz"; echo "npm error ENOTFOUND" >&2; exit 1'
    monkeypatch.setenv("PATH", fake_npm(tmp_path / "bin", script))
    with pytest.raises(DownloadError, match="ENOTFOUND") as caught:
        art.sprites(PNG, tmp_path / "art")
    assert f"{PNG.package}@{PNG.version}" in caught.value.message
    assert str(tmp_path / "art") in caught.value.hint
    assert list((tmp_path / "art").iterdir()) == []


def test_without_npm_the_error_says_where_packages_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="npm is not there") as caught:
        art.sprites(PNG, tmp_path / "art")
    assert str(tmp_path / "art") in caught.value.hint

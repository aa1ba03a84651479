# SPDX-License-Identifier: Apache-2.0
"""Free art to learn from and to be measured on: emoji pictures out of npm packages.

Learned from are Noto Emoji (Apache-2.0) and Twemoji (CC-BY 4.0), in those of their releases
that are drawn differently. OpenMoji (CC-BY-SA 4.0) and Fluent Emoji (MIT) are styles to be
measured on, and never learned from.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tomllib
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from PIL import Image

from yuren_core.errors import DownloadError, UsageError
from yuren_core.i18n import tr
from yuren_core.paths import storing
from yuren_core.shipped import assets_dir

SPRITE_SIZE = 64
"""Height and width of a sprite in pixels, as the packages have them."""


@dataclass(frozen=True, slots=True)
class Style:
    """One way in which all things are drawn.

    Attributes:
        name: for tables.
        package: the npm package.
        version: of it; a style is one release.
        folder: where in the package the pictures lie.
        kind: png files by code point, SVG by code point, or SVG by the English label.
    """

    name: str
    package: str
    version: str
    folder: str
    kind: Literal["png", "svg", "labelled svg"] = "png"

    @property
    def archive(self) -> str:
        """The file that `npm pack` writes."""
        return f"{self.package}-{self.version}.tgz"


def _noto(version: str) -> Style:
    return Style(f"noto-{version}", "emoji-datasource-google", version, "img/google/64")


def _twemoji(version: str) -> Style:
    return Style(f"twemoji-{version}", "emoji-datasource-twitter", version, "img/twitter/64")


LEARNED = (_noto("3.0.0"), _noto("4.0.4"), _noto("16.0.0"), _twemoji("3.0.0"), _twemoji("16.0.0"))
"""Drawn anew between these releases; those between repeat one of them."""

DEVELOPED_ON = Style("openmoji", "openmoji", "17.0.0", "color/svg", "svg")
MEASURED_ON = Style("fluent", "fluentui-emoji", "1.3.0", "icons/modern", "labelled svg")
_LABELS = Style("labels", "emojibase-data", "17.0.0", "en/data")


@dataclass(frozen=True, slots=True)
class Concept:
    """A thing that the model learns to name.

    Attributes:
        name: an English noun, as the model is to say it.
        kind: the heading under which it stands: animal, food and so on.
        codes: code points of the emoji that show it.
    """

    name: str
    kind: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sprite:
    """One thing in one style, on nothing.

    Attributes:
        concept: place in `concepts()`.
        style: name of the style.
        image: RGBA, SPRITE_SIZE x SPRITE_SIZE.
    """

    concept: int
    style: str
    image: Image.Image


@cache
def concepts() -> tuple[Concept, ...]:
    """All things to be named, in the order of `assets/starter/concepts.toml`."""
    kinds = tomllib.loads((assets_dir() / "starter" / "concepts.toml").read_text(encoding="utf-8"))
    return tuple(
        Concept(name, kind, tuple(codes))
        for kind, by in kinds.items()
        for name, codes in by.items()
    )


def sprites(style: Style, downloads: Path) -> list[Sprite]:
    """All things that a style shows; an old release lacks some.

    Args:
        style: which.
        downloads: where packages are kept; what is not there is fetched by npm.

    Raises:
        UsageError: no npm, or no renderer for SVG.
        DownloadError: npm failed.
    """
    return list(_sprites(style, downloads))


def _sprites(style: Style, downloads: Path) -> Iterator[Sprite]:
    labels = _labels(downloads) if style.kind == "labelled svg" else {}
    names = {
        code: (labels[code],) if code in labels else (code, f"{code}-fe0f")
        for concept in concepts()
        for code in concept.codes
    }
    files = _files(
        _fetched(style, downloads), style.folder, {name for both in names.values() for name in both}
    )
    for number, concept in enumerate(concepts()):
        for code in concept.codes:
            content = next((files[name] for name in names[code] if name in files), None)
            if content is not None:
                yield Sprite(number, style.name, _drawn(content, style.kind != "png"))


def _files(package: Path, folder: str, wanted: Container[str]) -> dict[str, bytes]:
    """The wanted files of a folder, by name without ending.

    In the order in which they lie: a compressed archive is read from its start for each step back.
    """
    prefix, found = f"package/{folder}/", {}
    try:
        with tarfile.open(package) as archive:
            for member in archive:
                name = member.name.removeprefix(prefix).rpartition(".")[0].lower()
                if member.name.startswith(prefix) and name in wanted:
                    file = archive.extractfile(member)
                    if file is not None:
                        found[name] = file.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DownloadError(
            tr("error.starter_recipe.damaged", path=package, reason=error),
            tr("error.starter_recipe.damaged_hint"),
        ) from error
    return found


def _drawn(content: bytes, is_svg: bool) -> Image.Image:
    if is_svg:
        try:
            import resvg_py
        except ImportError as error:
            raise UsageError(
                tr("error.starter_recipe.resvg"), tr("error.starter_recipe.resvg_hint")
            ) from error
        content = resvg_py.svg_to_bytes(content.decode(), width=SPRITE_SIZE, height=SPRITE_SIZE)
    with Image.open(io.BytesIO(content)) as image:
        return image.convert("RGBA").resize((SPRITE_SIZE, SPRITE_SIZE), Image.Resampling.LANCZOS)


def _labels(downloads: Path) -> dict[str, str]:
    """File names of labelled pictures by code point."""
    folder, _, name = _LABELS.folder.rpartition("/")
    entries = json.loads(_files(_fetched(_LABELS, downloads), folder, {name})[name])
    return {
        entry["hexcode"].lower().removesuffix("-fe0f"): entry["label"].lower().replace(" ", "-")
        for entry in entries
    }


def _fetched(style: Style, downloads: Path) -> Path:
    """The package's archive; npm checks that it is what was published."""
    target = downloads / style.archive
    if target.is_file():
        return target
    with storing(downloads):
        downloads.mkdir(parents=True, exist_ok=True)
    package = f"{style.package}@{style.version}"
    with storing(downloads), TemporaryDirectory(dir=downloads, prefix=".npm-") as draft:
        try:
            subprocess.run(
                ["npm", "pack", package, "--silent", "--pack-destination", draft],
                check=True,
                capture_output=True,
                text=True,
            )
        except FileNotFoundError as error:
            raise UsageError(
                tr("error.starter_recipe.npm"), tr("error.starter_recipe.npm_hint", path=downloads)
            ) from error
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
            raise DownloadError(
                tr("error.starter_recipe.fetch", package=package, reason=reason),
                tr("error.starter_recipe.fetch_hint", path=downloads),
            ) from error
        Path(draft, style.archive).replace(target)  # half of it never has this name
    return target

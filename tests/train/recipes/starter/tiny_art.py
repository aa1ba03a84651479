# SPDX-License-Identifier: Apache-2.0
"""Art of a few flat things, as sprites and as the packages that npm would fetch."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from yuren_train.recipes.starter.art import SPRITE_SIZE, Sprite, Style, concepts

RGB = tuple[int, int, int]

COLOURS: Mapping[str, RGB] = {
    "cat": (250, 120, 10),
    "apple": (220, 20, 20),
    "car": (20, 40, 230),
    "tree": (20, 160, 40),
    "pine tree": (10, 90, 60),
    "clock": (120, 60, 160),
}
"""What the things of this art look like: squares of one colour."""


def directions(width: int = 16) -> Tensor:
    """(K, width): embeddings of the names, drawn at random."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(len(concepts()), width, generator=generator)
    return functional.normalize(vectors, dim=-1)


def number(name: str) -> int:
    """A concept by its noun."""
    return [concept.name for concept in concepts()].index(name)


def square(colour: RGB, size: int = SPRITE_SIZE) -> Image.Image:
    """A square of one colour on nothing, a quarter of the whole in size."""
    image = Image.new("RGBA", (size, size))
    ImageDraw.Draw(image).rectangle((size // 4, size // 4, size * 3 // 4 - 1, size * 3 // 4 - 1),
                                    fill=(*colour, 255))  # fmt: skip
    return image


def flat_sprites(*names: str, style: str = "flat") -> list[Sprite]:
    """Sprites of these things, or of all."""
    return [Sprite(number(name), style, square(COLOURS[name])) for name in names or tuple(COLOURS)]


def png(image: Image.Image) -> bytes:
    """The bytes of a PNG."""
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def svg(colour: RGB) -> bytes:
    """The same square as a drawing."""
    shape = f'<rect x="18" y="18" width="36" height="36" fill="rgb{colour}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72">{shape}</svg>'.encode()


def code_of(name: str) -> str:
    """The first code point of a concept."""
    return concepts()[number(name)].codes[0]


def write_package(downloads: Path, style: Style, files: Mapping[str, bytes]) -> Path:
    """An archive as `npm pack` names it.

    Args:
        downloads: where to.
        style: whose.
        files: contents by name below the style's folder.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    with tarfile.open(downloads / style.archive, "w:gz") as archive:
        for name, content in {"../package.json": b"{}", **files}.items():
            entry = tarfile.TarInfo(f"package/{style.folder}/{name}".replace("//", "/"))
            if name.startswith("../"):
                entry.name = f"package/{name.removeprefix('../')}"
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return downloads / style.archive


def write_flat_package(downloads: Path, style: Style) -> Path:
    """A package of PNGs by code point with all things of this art."""
    files = {f"{code_of(name)}.png": png(square(rgb)) for name, rgb in COLOURS.items()}
    return write_package(downloads, style, files)


def labels(*entries: tuple[str, str]) -> bytes:
    """Emojibase's list, of code points and labels."""
    return json.dumps(
        [{"hexcode": code.upper(), "label": label} for code, label in entries]
    ).encode()

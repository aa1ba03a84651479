# SPDX-License-Identifier: Apache-2.0
"""A small picture-and-text set to try all stages on: drawn scenes, bundled text, licences.

    DIR/pictures-stage2.jsonl  pictures-stage2/   a third of the pictures
    DIR/pictures-stage3.jsonl  pictures-stage3/   the rest
    DIR/eval.jsonl             eval/              scenes of their own, to measure on
    DIR/text.jsonl                                conversations without pictures
    DIR/sample-data.json                          what the set was asked to be
    DIR/licences/  DIR/README.md                  the latter is written last

The set is the same by its values. What was interrupted goes on from the last picture.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.paths import atomic_write, cache_dir
from yuren_core.shipped import assets_dir
from yuren_core.starter import starter_dir
from yuren_train.recipes.starter import art
from yuren_train.recipes.starter.lessons import write_lessons
from yuren_train.recipes.starter.values import keep_to

STYLES = (art.LEARNED[0], art.LEARNED[3])
"""The oldest Noto and Twemoji: the smallest downloads, 50 MB together."""

SYSTEMS = ("You are a helpful assistant.", "You describe pictures.")
_VALUES = "sample-data.json"
_README = "README.md"

Step = Literal["art", "pictures-stage2", "pictures-stage3", "eval"]
Tell = Callable[[Step, int, int], None]
"""Told a step, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class SampleSet:
    """What a set is to be.

    Attributes:
        pictures: of both stages together; as many again over fifteen are for measuring.
        seed: of everything.
    """

    pictures: int = 1500
    seed: int = 0

    @property
    def parts(self) -> dict[Step, int]:
        """How many pictures each part has."""
        second = max(1, self.pictures // 3)
        return {
            "pictures-stage2": second,
            "pictures-stage3": max(1, self.pictures - second),
            "eval": max(1, self.pictures // 15),
        }


def art_dir() -> Path:
    """Where packages of art are kept, those of the recipe too."""
    return cache_dir() / "starter-recipe" / "art"


def write_sample_set(directory: Path, wanted: SampleSet, *, tell: Tell = lambda *_: None) -> Path:
    """Write a set, or go on with it.

    Args:
        directory: new, empty, or with the same set half done.
        wanted: what it is to be.
        tell: told how far it is.

    Returns:
        The set's README.

    Raises:
        UsageError: the directory holds something else, or there is no npm.
        DownloadError: the art cannot be fetched.
        StorageError: it cannot be written.
    """
    readme = directory / _README
    _begin(directory, wanted)
    if readme.is_file():
        return readme
    learned: list[art.Sprite] = []
    tell("art", 0, len(STYLES))
    for number, style in enumerate(STYLES):
        learned += art.sprites(style, art_dir())
        tell("art", number + 1, len(STYLES))
    for place, (part, count) in enumerate(wanted.parts.items()):
        tell(part, 0, count)
        if not (directory / f"{part}.jsonl").is_file():
            write_lessons(
                learned,
                directory,
                part,
                pictures=count,
                seed=wanted.seed * 10 + place,
                systems=SYSTEMS,
                go_on=True,
                tell=lambda done, total, part=part: tell(part, done, total),  # type: ignore[misc]
            )
        tell(part, count, count)
    for name, content in _texts(directory, wanted):
        atomic_write(directory / name, content)
    return readme


def _begin(directory: Path, wanted: SampleSet) -> None:
    """Refuse a directory with anything else in it, and say what is to come into this one."""
    file = directory / _VALUES
    is_new = not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))
    if not (is_new or file.is_file()):
        raise UsageError(
            tr("error.sample_data.not_empty", path=directory), tr("error.sample_data.empty_hint")
        )
    keep_to(file, {**asdict(wanted), "styles": [style.name for style in STYLES]})


def _texts(directory: Path, wanted: SampleSet) -> Iterator[tuple[str, str]]:
    """Names and contents of what is not drawn; the README is the last."""
    data = assets_dir() / "data"
    yield "text.jsonl", (data / "sample.jsonl").read_text(encoding="utf-8")
    for name in ("Apache-2.0.txt", "CC-BY-4.0.txt"):
        yield f"licences/{name}", (data / "licences" / name).read_text(encoding="utf-8")
    noto, twemoji = STYLES
    yield (
        "licences/ATTRIBUTION.md",
        tr(
            "sample_data.attribution",
            noto=f"{noto.package}@{noto.version}",
            twemoji=f"{twemoji.package}@{twemoji.version}",
        ),
    )
    parts = wanted.parts
    yield (
        _README,
        tr(
            "sample_data.readme",
            dir=shlex.quote(str(directory)),
            starter=shlex.quote(str(starter_dir())),
            pictures=wanted.pictures,
            seed=wanted.seed,
            stage2=parts["pictures-stage2"],
            stage3=parts["pictures-stage3"],
            eval=parts["eval"],
        ),
    )

# SPDX-License-Identifier: Apache-2.0
"""Make the pictures of the running chat that README and docs show.

    .venv/bin/python docs/screenshots/make.py [NAME ...]

Each is a walk through the real chat in a pseudo terminal, with real keys and a real model: the
starter, and, where a picture is looked at, a tiny multimodal model that has just learnt by heart
what it says there. Needs Chromium, Fira Code and Noto CJK.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.update(COLORTERM="truecolor", LANG="C.UTF-8")

from docs.screenshots.drawing import draw, save_png  # noqa: E402
from docs.screenshots.seeing import ANSWERS, SYSTEM, seeing_model  # noqa: E402
from tests.tui.walking import ALT_UP, ENTER, F3, F6, F9, Walk, ctrl, walk  # noqa: E402

HERE = Path(__file__).parent
CAT = ROOT / "assets" / "pictures" / "cat.png"
STILL = "[interface]\nreduced_motion = true\n"


@contextmanager
def opened(*arguments: str, rows: int, model: Path | None = None) -> Iterator[Walk]:
    """A chat in a home of its own, in which nothing blinks."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "config").mkdir()
        (home / "config" / "config.toml").write_text(STILL)
        with walk(
            home, "--max-new-tokens", "200", *arguments, model=model, size=(rows, 100)
        ) as walking:
            yield walking


def chat(walking: Walk) -> None:
    walking.ask("What is the capital of France?")
    walking.ask("Which river flows through it?")


def picture(walking: Walk) -> None:
    for question in ANSWERS:
        walking.ask(question)


def presets(walking: Walk) -> None:
    walking.press(F9)
    walking.wait_for("▀▀▀▀▀▀")
    walking.rest(1.5, within=10)
    walking.press(*["\x1b[B"] * 7)


def tree(walking: Walk) -> None:
    walking.ask("What is the capital of France?")
    for question in ("What is it known for?", "Which river flows through it?"):
        walking.ask(question)
    walking.press(ALT_UP, "k", "s", ctrl("u"), "How many people live there?")
    walking.answered(ENTER)
    walking.answered("r")
    walking.press("g", "s", ctrl("u"), "What is the capital of Italy?")
    walking.answered(ENTER)
    walking.press("g", "h", "i", F3)


def context(walking: Walk) -> None:
    picture(walking)
    walking.press(ALT_UP, "g", "p", "i")
    walking.press(
        "And what might the cat be thinking, so late in the day, with the sea before it? "
        "Answer as if it had kept a diary of the tides, in two or three lines."
    )
    walking.press(F6)


LOOKING = ("--image", str(CAT), "--system", SYSTEM)
# What is done, on how many rows, with which options.
SHOTS: dict[str, tuple[Callable[[Walk], None], int, tuple[str, ...]]] = {
    "chat": (chat, 24, ()),
    "picture": (picture, 34, LOOKING),
    "presets": (presets, 31, ()),
    "tree": (tree, 30, ("--max-new-tokens", "24")),
    "context": (context, 34, LOOKING),
}


def main(names: list[str]) -> None:
    """Make these, or all."""
    for name in names or SHOTS:
        steps, rows, arguments = SHOTS[name]
        with tempfile.TemporaryDirectory() as directory:
            model = seeing_model(Path(directory), CAT) if arguments == LOOKING else None
            with opened(*arguments, rows=rows, model=model) as walking:
                steps(walking)
                walking.rest(1.0, within=15)
                target = HERE / f"{name}.png"
                save_png(draw(walking.screen), target)
                walking.press("\x1b", "\x1b")
        print(f"{target.relative_to(ROOT)}  {target.stat().st_size // 1024} KiB")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])

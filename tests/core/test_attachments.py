# SPDX-License-Identifier: Apache-2.0
"""Paths typed, pasted and dropped come back as the files they mean; prose stays prose."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yuren_core.attachments import paths_in_paste, printable, resolve_path
from yuren_core.errors import ImageError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and working directory with some pictures."""
    for name in ("cat.png", "my cat.png", "it's.JPG", "猫 🐱.webp", "b&w (1).gif", "100%.png"):
        (tmp_path / name).touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.png").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---------------------------------------------------------------- one path


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("cat.png", "cat.png"),
        ("  cat.png \r\n", "cat.png"),
        ("my cat.png", "my cat.png"),
        (r"my\ cat.png", "my cat.png"),
        ("'my cat.png'", "my cat.png"),
        ('"my cat.png"', "my cat.png"),
        ("it's.JPG", "it's.JPG"),
        (r"it\'s.JPG", "it's.JPG"),
        (r"'it'\''s.JPG'", "it's.JPG"),
        ("猫 🐱.webp", "猫 🐱.webp"),
        ("none yet.png", "none yet.png"),
    ],
)
def test_one_path(home: Path, typed: str, name: str) -> None:
    assert resolve_path(typed) == Path(name)


@pytest.mark.parametrize(
    "typed", ["~/my cat.png", r"~/my\ cat.png", "'~/my cat.png'", '~/"my cat.png"']
)
def test_home(home: Path, typed: str) -> None:
    assert resolve_path(typed) == home / "my cat.png"


@pytest.mark.parametrize("start", ["file://", "file://localhost", "FILE://", "file:"])
def test_file_urls(home: Path, start: str) -> None:
    assert resolve_path(f"{start}{home}/my%20cat.png\n") == home / "my cat.png"
    assert resolve_path(f"'{start}{home}/my cat.png'") == home / "my cat.png"
    assert resolve_path(f"{start}{home}/%E7%8C%AB%20🐱.webp") == home / "猫 🐱.webp"
    assert resolve_path(f"{start}{home}/100%25.png") == home / "100%.png"


def test_a_name_that_exists_as_written_wins(home: Path) -> None:
    for name in ("'quoted'.png", r"back\slash.png", "$HOME.png", "~", "a.png b.png", " lead.png "):
        (home / name).touch()
        assert resolve_path(name) == Path(name)


def test_a_pasted_name_that_exists_as_written_wins(home: Path) -> None:
    for name in (r"back\slash.png", "backslash.png"):
        (home / name).touch()
    assert paths_in_paste(r"back\slash.png") == (Path(r"back\slash.png"),)


def test_an_escaped_blank_at_the_end_belongs_to_the_name() -> None:
    assert resolve_path("/d/cat\\ ") == Path("/d/cat ")


def test_variables_are_not_expanded(home: Path) -> None:
    assert resolve_path("$HOME/cat.png") == Path("$HOME/cat.png")


@pytest.mark.parametrize(
    "typed", [r"C:\Users\me\my cat.png", r"C:\temp\cat.png", r"\\server\share\cat.png"]
)
def test_windows_paths_stay_as_they_are(home: Path, typed: str) -> None:
    assert resolve_path(typed) == Path(typed)
    assert resolve_path(f'"{typed}"') == Path(typed)
    assert paths_in_paste(typed) == ()


@pytest.mark.parametrize("typed", ["", "  \n"])
def test_nothing_typed(typed: str) -> None:
    with pytest.raises(ImageError, match="no picture is named"):
        resolve_path(typed)


@pytest.mark.parametrize(
    "typed",
    ["https://example.org/cat.png", "file://server/share/cat.png", "data:image/png;base64,"],
)
def test_pictures_elsewhere(typed: str) -> None:
    with pytest.raises(ImageError, match="machine") as caught:
        resolve_path(typed)
    assert caught.value.hint
    assert paths_in_paste(typed) == ()


def test_unknown_user_stays_literal(home: Path) -> None:
    assert resolve_path("~no-such-user/cat.png") == Path("~no-such-user/cat.png")


# ---------------------------------------------------------------- pastes


@pytest.mark.parametrize(
    ("paste", "names"),
    [
        ("cat.png", ["cat.png"]),
        ("{home}/my cat.png", ["my cat.png"]),
        ("{home}/my cat.png {home}/cat.png ", ["my cat.png", "cat.png"]),
        ("'{home}/my cat.png' '{home}/cat.png' ", ["my cat.png", "cat.png"]),
        (r"{home}/my\ cat.png {home}/b\&w\ \(1\).gif", ["my cat.png", "b&w (1).gif"]),
        ("{home}/my cat.png\r\n{home}/it's.JPG\r\n", ["my cat.png", "it's.JPG"]),
        ("my cat.png\nit's.JPG", ["my cat.png", "it's.JPG"]),
        ("'{home}/my cat.png'\n{home}/it's.JPG", ["my cat.png", "it's.JPG"]),
        ("{home}/cat.png\r{home}/100%.png", ["cat.png", "100%.png"]),
        ("file://{home}/my%20cat.png\nfile://{home}/cat.png\n", ["my cat.png", "cat.png"]),
        ("file://{home}/my%20cat.png file://localhost{home}/cat.png", ["my cat.png", "cat.png"]),
        ("{home}/猫 🐱.webp", ["猫 🐱.webp"]),
        ("~/cat.png '~/my cat.png'", ["cat.png", "my cat.png"]),
        ("{home}/cat.png {home}/cat.png", ["cat.png", "cat.png"]),
    ],
)
def test_paste_of_paths(home: Path, paste: str, names: list[str]) -> None:
    found = paths_in_paste(paste.replace("{home}", str(home)))
    assert [home / path for path in found] == [home / name for name in names]


@pytest.mark.parametrize(
    "paste",
    [
        "",
        " \n",
        "compare cat.png with b",
        "compare cat.png with my cat.png",
        "look at 'my cat.png'",
        "cat.png and notes.txt",
        "notes.txt",
        "folder.png",
        "missing.png",
        "cat.png missing.png",
        "cat.png\nis a cat",
        "it's a cat",
        "一只猫 cat.png",
        "print('cat.png')",
        "\0cat.png",
        "\udfff.png",
        "x" * 300 + ".png",
        "cat.png " * 20_000,
    ],
)
def test_ordinary_text_is_untouched(home: Path, paste: str) -> None:
    assert paths_in_paste(paste) == ()


# ---------------------------------------------------------------- properties


def backslashed(path: Path) -> str:
    return "".join(
        f"\\{char}" if not char.isalnum() and char != "/" else char for char in str(path)
    )


WAYS: list[Callable[[Path], str]] = [
    lambda path: shlex.quote(str(path)),
    backslashed,
    lambda path: path.as_uri(),
    lambda path: shlex.quote(path.as_uri()),
]
names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1
).filter(lambda name: len(name.encode()) <= 240 and name not in (".", ".."))
picture_names = names.map(lambda name: f"{name}.png")


@given(name=names, way=st.sampled_from(WAYS))
def test_any_quoted_name_resolves_to_itself(name: str, way: Callable[[Path], str]) -> None:
    path = Path("/no such directory") / name
    assert resolve_path(way(path)) == path


@settings(max_examples=60, deadline=None)
@given(
    chosen=st.lists(st.tuples(picture_names, st.sampled_from(WAYS)), min_size=1, max_size=3),
    separator=st.sampled_from([" ", "\n", "\r\n"]),
    end=st.sampled_from(["", " ", "\n"]),
)
def test_any_quoted_names_are_found_in_a_paste(
    chosen: list[tuple[str, Callable[[Path], str]]], separator: str, end: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory) / name for name, _ in chosen]
        for path in paths:
            path.touch()
        written = [way(path) for path, (_, way) in zip(paths, chosen, strict=True)]
        assert paths_in_paste(separator.join(written) + end) == tuple(paths)


@given(st.text())
def test_any_text_gives_a_path_or_an_image_error(text: str) -> None:
    assert paths_in_paste(text) == ()
    with suppress(ImageError):
        assert isinstance(resolve_path(text), Path)


@given(st.text())
def test_printable_is_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= 400


def test_import_is_cheap() -> None:
    code = "import sys, yuren_core.attachments; print(sorted({'PIL', 'torch'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

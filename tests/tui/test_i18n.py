# SPDX-License-Identifier: Apache-2.0
"""Both catalogues say the same things, and everything that is asked for is there."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

import yuren_tui
from yuren_core.errors import UsageError
from yuren_tui.i18n import LANGUAGES, catalogue, language_of_locale, tr, use_language

KEYS = sorted(catalogue("en"))
SOURCES = sorted(Path(yuren_tui.__file__).parent.rglob("*.py"))


def places(text: str) -> list[tuple[str, str | None, str | None]]:
    """The `{name}` places of a string, sorted."""
    fields = string.Formatter().parse(text)
    return sorted((name, spec, conv) for _, name, spec, conv in fields if name is not None)


def asked_for() -> list[tuple[str, bool]]:
    """What the sources give to `tr`: whole keys, and beginnings of keys that are put together."""
    found = []
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "tr":
                for part in ast.walk(node.args[0]):
                    match part:
                        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
                            found.append((start, False))
                        case ast.Constant(value=str(key)) if "." in key and key[-1] not in "._":
                            found.append((key, True))
    return sorted(set(found))


def test_every_language_has_the_same_keys() -> None:
    for language in LANGUAGES:
        assert sorted(catalogue(language)) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_a_translation_has_the_same_places_and_is_not_empty(key: str) -> None:
    texts = [catalogue(language)[key] for language in LANGUAGES]
    assert all(text.strip() for text in texts)
    assert len({tuple(places(text)) for text in texts}) == 1


def test_every_key_that_is_asked_for_is_there() -> None:
    asked = asked_for()
    assert len(asked) > 20
    missing = [key for key, whole in asked if whole and key not in KEYS]
    missing += [
        start for start, whole in asked if not whole and not any(k.startswith(start) for k in KEYS)
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "ZH_tw"}, "zh"),
        ({"LANG": "zh_CN", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US", "LC_MESSAGES": "zh_CN"}, "zh"),
        ({"LC_ALL": "", "LANG": "zh_CN"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_language_of_a_locale(environment: dict[str, str], language: str) -> None:
    assert language_of_locale(environment) == language


def test_a_language_without_a_catalogue_is_refused() -> None:
    with pytest.raises(UsageError, match="'fr'") as caught:
        use_language("fr")
    assert "zh" in caught.value.hint


def test_values_fill_places_and_are_not_read_as_places() -> None:
    use_language("en")
    assert tr("cli.error", message="{x} %s") == "Error: {x} %s"


def test_a_key_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        tr("no.such_key")

# SPDX-License-Identifier: Apache-2.0
"""Both catalogues say the same things, all that is asked for is there, and core says no other."""

from __future__ import annotations

import ast
import errno
import os
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from yuren_core import errors, i18n
from yuren_core.errors import StorageError, UsageError
from yuren_core.i18n import (
    LANGUAGES,
    catalogue,
    current_language,
    language_of,
    language_of_locale,
    reason_of,
    tr,
    use_language,
)
from yuren_core.paths import atomic_write

ROOT = Path(__file__).parents[2]
PACKAGES = ("yuren_core", "yuren_tui", "yuren_train")
KEYS = sorted(catalogue("en"))
ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type)}
OWN_WORDS = {
    "scripted.py",  # a model process of tests and demonstrations: its words are a script's
    "shipped.py",  # what it has to say is that there is no catalogue
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def called(node: ast.AST) -> str:
    """The name of what a call calls; "" for everything else."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")


def places(text: str) -> list[tuple[str, str | None, str | None]]:
    """The `{name}` places of a string, sorted."""
    fields = string.Formatter().parse(text)
    return sorted((name, spec, conv) for _, name, spec, conv in fields if name is not None)


def asked_for(package: str) -> list[tuple[str, bool]]:
    """What the sources give to `tr`: whole keys, and beginnings of keys that are put together."""
    found = []
    for node in (node for file in sources(package) for node in ast.walk(tree(file))):
        if called(node) == "tr" and isinstance(node, ast.Call):
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


@pytest.mark.parametrize(("package", "least"), [("yuren_core", 100), ("yuren_tui", 20)])
def test_every_key_that_is_asked_for_is_there(package: str, least: int) -> None:
    asked = asked_for(package)
    assert len(asked) > least
    missing = [key for key, whole in asked if whole and key not in KEYS]
    missing += [
        start for start, whole in asked if not whole and not any(k.startswith(start) for k in KEYS)
    ]
    assert missing == []


def test_every_error_of_the_catalogue_is_said_somewhere() -> None:
    asked = [*asked_for("yuren_core"), *asked_for("yuren_train"), ("error.system.", False)]
    unsaid = [
        key
        for key in KEYS
        if key.startswith(("error.", "install."))
        and not any(key == text if whole else key.startswith(text) for text, whole in asked)
    ]
    assert unsaid == []


# ---------------------------------------------------------------- words outside the catalogue


def words(node: ast.AST) -> Iterator[str]:
    """The words that an expression says by itself, and not out of the catalogue."""
    if called(node) == "tr":
        return
    text = node.value if isinstance(node, ast.Constant) else None
    if isinstance(text, str) and re.search("[A-Za-z]", text):
        yield text
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr) or not isinstance(node, ast.Attribute | ast.Subscript):
            yield from words(child)


def untranslated_errors(module: ast.Module) -> list[str]:
    """Messages and hints of errors that are written where they are raised or sent."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and (name := called(node)) in {*ERRORS, "Failed"}:
            said = node.args[2:] if name == "Failed" else node.args  # Failed(id, kind, ...)
            found += [text for part in (*said, *node.keywords) for text in words(part)]
    return found


def sentences(module: ast.Module) -> list[str]:
    """Strings of three words and more, apart from docstrings, logs, help and ValueErrors."""
    ours = {"add_argument", "ArgumentParser", "ValueError"}
    logs = {"debug", "info", "warning", "error", "exception"}
    kept: set[ast.AST] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            kept.add(node.value)
        elif called(node) in ours | logs:
            kept.update(ast.walk(node))
    return [
        node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in kept
        if re.search(r"[A-Za-z]+ [a-z]+ [a-z]+", node.value) and "{%" not in node.value  # Jinja
    ]


@pytest.mark.parametrize(
    "file",
    [file for file in sources("yuren_core") if file.name not in OWN_WORDS],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_core_says_nothing_that_is_not_in_the_catalogue(file: Path) -> None:
    module = tree(file)
    assert untranslated_errors(module) == []
    foreign = [text for text in sentences(module) if text not in UNSHOWN]
    assert foreign == []


UNSHOWN = {
    # What tokenizers are compared on.
    "The capital of France is Paris; it had 2,102,650 inhabitants in 2023.",
    # What pip, the system and torch say, looked for in what they say.
    r"name resolution|NameResolution|Name or service|getaddrinfo|nodename nor servname",
    r"ProxyError|\b407\b|Tunnel connection failed",
    r"Network is unreachable|No route to host",
    r"No matching distribution|Could not find a version",
    "out of memory",
    "can't allocate memory",
    "not enough memory",
}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise ImageError(f"{path} is gone")', [" is gone"]),
        ('raise ImageError(tr("error.image.absent", path=path), "Look again.")', ["Look again."]),
        ('raise errors.ImageError(message, hint="Look")', ["Look"]),
        ('send(Failed(1, "ModelError", "no model"))', ["no model"]),
        ('raise ImageError(tr("error.image.absent", path=f"a {b}"), table["hint"])', []),
        ('send(Failed(1, "ModelError", tr("error.answer.no_model"), ""))', []),
    ],
)
def test_an_error_in_plain_words_is_noticed(source: str, found: list[str]) -> None:
    assert untranslated_errors(ast.parse(source)) == found


def test_a_sentence_that_comes_by_a_detour_is_noticed() -> None:
    module = ast.parse(
        '"""A module of ours."""\nHINT = "Look at it again"\nlog.info("it is so, yes")'
    )
    assert sentences(module) == ["Look at it again"]


# ---------------------------------------------------------------- the language


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
        ({"LC_ALL": "C", "YUREN_LANG": "zh"}, "zh"),
        ({"LC_ALL": "zh_CN", "YUREN_LANG": "en"}, "en"),
    ],
)
def test_the_language_of_a_locale(environment: dict[str, str], language: str) -> None:
    assert language_of_locale(environment) == language


@pytest.mark.parametrize(
    ("spoken", "message", "hint"),
    [
        ("en", "there is no language 'fr'", "Choose one of: auto, en, zh."),
        ("zh", "没有 'fr' 这种语言", "可选：auto, en, zh。"),
    ],
)
def test_a_language_without_a_catalogue_is_refused(spoken: str, message: str, hint: str) -> None:
    use_language(spoken)
    with pytest.raises(UsageError) as caught:
        use_language("fr")
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert current_language() == spoken


def test_a_child_is_told_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    use_language("zh")
    (variable, value), *_ = i18n.language_for_child().items()
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setenv(variable, value)
    use_language("en")
    use_language("auto")
    assert current_language() == "zh"


def test_values_fill_places_and_are_not_read_as_places() -> None:
    assert tr("cli.error", message="{x} %s") == "Error: {x} %s"


def test_a_key_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        tr("no.such_key")


@pytest.mark.parametrize("key", [key for key in KEYS if key.startswith("error.system.")])
def test_what_the_system_says_is_known_in_its_own_words(key: str) -> None:
    number = getattr(errno, key.rpartition(".")[2])
    error = OSError(number, os.strerror(number))
    assert reason_of(error) == os.strerror(number)
    use_language("zh")
    assert reason_of(error) == catalogue("zh")[key]


def test_another_reason_is_passed_on_as_it_is() -> None:
    assert reason_of(OSError(errno.EPIPE, "Broken pipe")) == "Broken pipe"
    assert reason_of(ValueError("embedded null byte")) == "embedded null byte"
    assert reason_of(OSError("odd")) == "odd"


def refusals(package: str) -> set[str]:
    """The keys of messages that an error is raised with."""
    keys = set()
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id=name),
                    args=[
                        ast.Call(func=ast.Name(id="tr"), args=[ast.Constant(value=str(key)), *_]),
                        *_,
                    ],
                ) if name.endswith("Error"):
                    keys.add(key)
    return keys


@pytest.mark.parametrize("package", ["yuren_core", "yuren_tui"])
def test_what_failed_is_a_clause_and_goes_on_after_error(package: str) -> None:
    """As in "Error: there is no chat 7": no capital, no full stop; remedies are sentences."""
    keys = refusals(package) & set(KEYS)
    assert len(keys) > 20
    english, chinese = catalogue("en"), catalogue("zh")
    names = ("SQLite",)
    wrong = [
        key
        for key in keys
        if (english[key][0].isupper() and not english[key].startswith(names))
        or english[key].endswith(".")
        or chinese[key].endswith("。")
    ]
    assert wrong == []


def test_a_full_disk_in_chinese(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    use_language("zh")
    with pytest.raises(StorageError) as caught:
        atomic_write(tmp_path / "file" / "x", "")
    assert re.search("^无法写入 .*/file/x：(文件已存在|不是目录)$", caught.value.message)
    assert "YUREN_HOME" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "language"),
    [
        *(("zh", "zh"), ("zh-CN", "zh"), ("zh_CN", "zh"), ("zh_CN.UTF-8", "zh"), ("ZH-Hans", "zh")),
        *(("en-US", "en"), ("en_GB", "en"), ("auto", "auto"), ("fr-FR", "fr-FR"), ("zhx", "zhx")),
    ],
)
def test_a_language_may_be_named_as_a_locale_is(name: str, language: str) -> None:
    assert language_of(name) == language

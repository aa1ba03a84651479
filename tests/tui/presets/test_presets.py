# SPDX-License-Identifier: Apache-2.0
"""Preset files and the library; cards that become presets and cards again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.presets import cards
from tests.tui.presets.test_lore import ENTRIES
from yuren_core.errors import UsageError, YurenError
from yuren_core.i18n import use_language
from yuren_core.images import inspect_image
from yuren_core.messages import Role
from yuren_core.sampling_params import SamplingParams
from yuren_tui.presets import (
    BrokenPreset,
    Lorebook,
    LoreEntry,
    Preset,
    PresetError,
    PresetLibrary,
    PresetSampling,
    PresetText,
    UnknownPresetError,
    assemble,
    card_of_bytes,
    card_of_preset,
    greetings,
    preset_of_card,
    read_card,
)
from yuren_tui.presets.names import check_id, id_of_name
from yuren_tui.presets.schema import PresetTable
from yuren_tui.presets.toml_files import preset_of_toml
from yuren_tui.presets.toml_text import preset_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)
BOOKS = st.builds(
    lambda entries, depth: Lorebook(
        entries=tuple(replace(one, id=str(index)) for index, one in enumerate(entries)),
        scan_depth=depth,
    ),
    st.lists(ENTRIES, max_size=2),
    st.none() | st.integers(0, 9),
)
TEXTS = st.builds(
    PresetText,
    name=st.none() | TEXT,
    system=st.none() | TEXT.map(lambda text: f'{text}\n"""{text}\\'),
    character=st.none() | st.integers(0, 8).map(lambda count: "a\n" + '"' * count),
    greeting=st.none() | TEXT,
    alternate_greetings=st.none() | st.lists(TEXT, max_size=2).map(tuple),
    lorebook=st.none() | BOOKS,
)


@settings(deadline=None)
@given(TEXTS, st.none() | TEXTS, st.lists(TEXT, max_size=2), st.none() | st.floats(0, 2))
def test_any_preset_is_written_as_toml_and_read_equal(
    common: PresetText, chinese: PresetText | None, tags: list[str], temperature: float | None
) -> None:
    preset = Preset(
        "x",
        common,
        {} if chinese is None else {"zh": chinese},
        PresetSampling(temperature=temperature, stop=("\n", '"')),
        tuple(tags),
    )
    assert preset_of_toml(preset_toml(preset), Path("x.toml")) == preset


@pytest.mark.parametrize(
    ("toml", "line", "said", "allowed"),
    [
        ('name = "a"\nsystm = "b"', 2, "no key systm", "system"),
        ('system = """\nname = 3\n"""\nname = 3', 4, "name cannot be 3", "text"),
        ("[zh]\nname = true", 2, "zh.name cannot be True", "text"),
        ("[sampling]\n\ntemperature = 5.0", 3, "temperature cannot be 5.0", "0 to 2"),
        ("[sampling]\ntop_k = 1.5", 2, "sampling.top_k cannot be 1.5", "whole number"),
        (
            "[[lorebook.entries]]\ncontent = 'a'\n"
            "[[lorebook.entries]]\ncontent = 'b'\nlogic = 'or'",
            5,
            "lorebook.entries.1.logic cannot be 'or'",
            "and_any, not_all, not_any, and_all",
        ),
        (
            '[[zh.lorebook.entries]]\nkeys = ["a"]',
            1,
            "zh.lorebook.entries.0.content is missing",
            "Add",
        ),
        ("[[lorebook.entries]]\ncontent = 'a'\nprobability = 101", 3, "101", "100 or less"),
        ("name = ", 1, "not valid TOML", "three quotes"),
        ('avatar = "../../etc/passwd"', 1, "avatar cannot be", "without a directory"),
        ('[en]\nlorebook = "x"', 2, "lorebook", "table"),
    ],
)
def test_a_fault_names_file_line_value_and_what_is_allowed(
    toml: str, line: int, said: str, allowed: str
) -> None:
    with pytest.raises(PresetError) as caught:
        preset_of_toml(toml, Path("mine.toml"))
    assert caught.value.message.startswith(f"mine.toml, line {line}: ")
    assert said in caught.value.message
    assert allowed in caught.value.hint


def test_languages_fall_back_field_by_field() -> None:
    toml = 'greeting = "hm"\n[en]\nname = "A"\nsystem = "s"\n[zh]\nname = "甲"'
    preset = preset_of_toml(toml, Path("a.toml"))
    zh, other = preset.text("zh"), preset.text("ja")
    assert (zh.name, zh.system, zh.greeting, zh.language) == ("甲", "", "hm", "zh")
    assert (other.name, other.language) == ("A", "en")
    assert Preset("bare").text("zh").name == "bare"


def test_sampling_goes_over_the_chat_s_own() -> None:
    sampled = PresetSampling(temperature=0.0, stop=("x",)).over(SamplingParams(top_k=7))
    assert (sampled.temperature, sampled.top_k, sampled.stop) == (0.0, 7, ("x",))


# ---------------------------------------------------------------- ours


def test_ours_are_a_dozen_and_sound_in_both_languages(library: PresetLibrary) -> None:
    presets = library.presets()
    assert len(presets) == len(library.entries()) >= 12
    assert presets[0].id == "assistant"
    assert sum(preset.text("en").is_character for preset in presets) >= 4
    for preset in presets:
        assert preset.languages == ("en", "zh")
        assert preset.avatar is not None
        inspect_image(preset.avatar)
        told: Any = {"user_name": "Ann", "model": "smol", "now": datetime(2025, 5, 3), "seed": 1}
        for language in preset.languages:
            text = preset.text(language)
            assert text.name
            assert text.description
            assembly = assemble(preset, [], language=language, count_tokens=len, **told)
            shown = (
                *greetings(preset, language=language, **told),
                *(m.text for m in assembly.messages),
            )
            assert shown
            assert not [text for text in shown if "{{" in text]
            assert (
                any("\u4e00" <= char <= "\u9fff" for char in assembly.messages[0].text)
                == (language == "zh")
                or preset.id == "translator"
            )


def test_the_default_says_who_the_model_is_in_the_language_and_with_the_date(
    library: PresetLibrary,
) -> None:
    told: Any = {"user_name": "", "model": "smol", "now": datetime(2025, 5, 3), "seed": 0}
    for language, date in (("en", "Saturday, May 3, 2025"), ("zh", "2025年5月3日，星期六")):
        [item] = assemble(library.default(), [], language=language, count_tokens=len, **told).items
        assert "smol" in item.message.text
        assert date in item.message.text
        assert len(item.message.text) < 250


# ---------------------------------------------------------------- the person's


def test_a_person_s_preset_hides_ours_until_it_is_deleted(library: PresetLibrary) -> None:
    ours = library.get("poet")
    mine = library.save(replace(ours, texts={}, common=PresetText(name="Mine", system="s")))
    assert mine.is_own
    assert library.get("POET").name("en") == "Mine"
    assert (library.own / "poet.png").is_file()
    deleted = library.delete("poet")
    assert library.get("poet") == ours
    assert not list(library.own.glob("poet*"))
    assert library.restore(deleted) == mine
    with pytest.raises(PresetError):
        library.restore(deleted)


def test_ours_cannot_be_deleted(library: PresetLibrary) -> None:
    for name in ("poet", "../poet", ""):
        with pytest.raises(PresetError):
            library.delete(name)
    assert library.get("poet")


def test_presets_are_found_by_id_and_by_name_in_any_language(library: PresetLibrary) -> None:
    assert library.get("诗人").id == library.get("poet").id == library.get(" Poet").id
    with pytest.raises(UnknownPresetError) as caught:
        library.get("peot")
    assert "poet" in caught.value.hint
    assert caught.value.exit_code == 2


def test_create_duplicate_and_edit(library: PresetLibrary) -> None:
    made = library.create("My Poet! 诗", system="s")
    assert (made.id, made.text("en").system) == ("my-poet-诗", "s")
    copy = library.duplicate(library.get("poet"))
    assert (copy.id, copy.name("en"), copy.name("zh")) == ("poet-2", "Poet 2", "诗人 2")
    assert library.duplicate(copy).id == "poet-2-2"
    file = library.editable(library.get("assistant"))
    assert file.read_bytes() == (library.shipped / "assistant.toml").read_bytes()
    assert library.get("assistant").is_own
    assert library.editable(made) == made.path


def test_a_broken_file_takes_nothing_else_along(library: PresetLibrary) -> None:
    library.own.mkdir()
    (library.own / "assistant.toml").write_text("name = 3")
    [broken] = [entry for entry in library.entries() if isinstance(entry, BrokenPreset)]
    assert (broken.id, broken.error.kind) == ("assistant", "PresetError")
    assert library.default().path == library.shipped / "assistant.toml"
    (library.own / "assistant.toml").write_text('name = "ok now"')
    assert library.default().name("en") == "ok now"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "-a", "con", "a" * 99, "a\n", "a.b"]
)
def test_ids_that_are_more_than_a_name_are_refused(name: str) -> None:
    with pytest.raises(PresetError):
        check_id(name)
    check_id(id_of_name(name))


# ---------------------------------------------------------------- cards


@pytest.mark.parametrize("raw", [cards.v1(), cards.v2(), cards.v3()])
def test_a_card_becomes_a_preset_and_the_same_card_again(raw: Any) -> None:
    card = card_of_bytes(json.dumps(raw).encode(), "m")
    preset = preset_of_card(card, id="m")
    assert card_of_preset(preset, "en").raw == raw
    text = preset.text("zh")
    assert (text.name, text.character) == ("Mira", cards.DATA["description"])
    if raw.get("spec") == "chara_card_v3":
        assert text.char == "Mi"


def test_what_was_changed_is_written_and_the_rest_stays() -> None:
    preset = preset_of_card(card_of_bytes(json.dumps(cards.v2()).encode(), "m"), id="m")
    book = preset.text("en").lorebook
    bare = tuple(replace(entry, source=None, content="New.") for entry in book.entries)
    common = replace(preset.common, greeting="Hello.", lorebook=replace(book, entries=bare))
    written: Any = card_of_preset(replace(preset, common=common), "en").raw
    expected = cards.v2()
    expected["data"]["first_mes"] = "Hello."
    expected["data"]["character_book"]["entries"][0]["content"] = "New."
    assert written == expected


@pytest.mark.parametrize("suffix", [".png", ".json", ".charx"])
def test_a_card_is_imported_and_exported_unchanged(
    library: PresetLibrary, tmp_path: Path, suffix: str
) -> None:
    source = tmp_path / f"Mira{suffix}"
    raw = cards.v3()
    if suffix == ".png":
        source.write_bytes(cards.png(cards.text("chara", cards.v2()), cards.text("ccv3", raw)))
    elif suffix == ".json":
        source.write_text(json.dumps(raw))
    else:
        from tests.tui.presets.test_card_files import charx

        source.write_bytes(charx(raw, **{"assets/icon/images/a.png": cards.png()}))
    preset = library.import_file(source)
    assert preset.id == "mira"
    assert (preset.avatar is not None) is (suffix != ".json")
    assert "character_book" not in (library.own / "mira.toml").read_text()
    target = tmp_path / f"out{suffix}"
    library.export(preset, target, language="en")
    again = read_card(target)
    assert again.raw == raw
    assert again.assets == read_card(source).assets
    reread = PresetLibrary(own=library.own).get("mira")
    assert reread == preset
    assert library.resolve(str(source)).common == replace(preset.common)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_new_preset_offers_all_that_a_preset_may_hold(
    library: PresetLibrary, language: str
) -> None:
    use_language(language)
    made = library.create("Shen", system='Say "hi".')
    assert made.common == PresetText(name="Shen", system='Say "hi".')
    assert made.path is not None
    text = made.path.read_text(encoding="utf-8")
    assert ("A preset." in text) is (language == "en")
    offer = re.compile(r"^# ((?:\w+ = |\[|<START>|\{\{).*)$", re.MULTILINE)
    (library.own / "picture.png").write_bytes(cards.png())
    preset = library.check(offer.sub(r"\1", text), "shen")
    said = preset.text(language)
    assert all(getattr(said, field.name) for field in fields(PresetText))
    assert len(said.alternate_greetings) == 2
    assert len(said.lorebook.entries) == 2
    assert preset.sampling.told == {"temperature", "top_p"}
    assert preset.avatar is not None
    assert list(preset.texts) == [{"en": "zh", "zh": "en"}[language]]
    table = set(PresetTable.model_fields) - {"en", "zh", "card", "version", "lorebook", "sampling"}
    assert all(re.search(rf"^(# )?{key} = ", text, re.MULTILINE) for key in table)


@pytest.mark.parametrize("name", ["shared.toml", "card.png", "card.json"])
def test_an_export_makes_no_directory(library: PresetLibrary, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="there is no directory"):
        library.export(library.default(), tmp_path / "none" / name, language="en")
    assert not (tmp_path / "none").exists()


def test_one_of_ours_becomes_a_card_and_comes_back(library: PresetLibrary, tmp_path: Path) -> None:
    ours = library.get("lighthouse-keeper")
    library.export(ours, tmp_path / "shen.png", language="zh")
    back = library.import_file(tmp_path / "shen.png")
    assert replace(back.text("zh"), language="zh") == ours.text("zh")
    library.export(ours, tmp_path / "shared.toml", language="en")
    assert library.read_file(tmp_path / "shared.toml").texts == ours.texts
    assert (tmp_path / "shared.png").read_bytes() == (ours.avatar or Path()).read_bytes()


def test_lone_surrogates_and_nul_go_from_texts_but_stay_in_the_card(
    library: PresetLibrary, tmp_path: Path
) -> None:
    raw = cards.v2()
    raw["data"]["first_mes"] = "a\ud800b\0c\r\nd"
    (tmp_path / "m.json").write_text(json.dumps(raw))
    preset = library.import_file(tmp_path / "m.json")
    assert preset.text("en").greeting == "a\ufffdbc\nd"
    assert card_of_preset(preset, "en").raw == raw


def test_messages_are_in_the_language_of_the_person(library: PresetLibrary) -> None:
    use_language("zh")
    with pytest.raises(YurenError, match="没有名为"):
        library.get("nobody")


def test_a_world_s_entry_keeps_its_role(tmp_path: Path) -> None:
    book = Lorebook(entries=(LoreEntry("0", content="c", role=Role.ASSISTANT),))
    preset = Preset("x", PresetText(lorebook=book))
    assert preset_of_toml(preset_toml(preset), tmp_path / "x.toml").common.lorebook == book


def test_importing_presets_loads_nothing_heavy() -> None:
    heavy = "pydantic", "PIL", "textual", "torch"
    code = f"import sys, yuren_tui.presets; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_presets_deleted_twice_lie_in_the_trash_side_by_side(library: PresetLibrary) -> None:
    first = library.create("a", system="1")
    library.delete("a")
    library.create("a", system="2")
    deleted = library.delete("a")
    assert len(list((library.own / ".trash").iterdir())) == 2
    assert library.restore(deleted).text("en").system == "2"
    assert first.text("en").system == "1"

# SPDX-License-Identifier: Apache-2.0
"""What a row for training says that the model was told first."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from yuren_core.messages import Role
from yuren_tui.presets import PresetLibrary
from yuren_tui.presets.toml_text import preset_toml
from yuren_tui.session.telling import system_told
from yuren_tui.store import Store
from yuren_tui.store.transfer import export_chats
from yuren_tui.store.transfer.records import ChatRecord

DAY = datetime(2025, 5, 3, 12, tzinfo=UTC)


def test_macros_are_expanded_as_on_that_day() -> None:
    record = ChatRecord((), DAY, DAY, model="smol", system_prompt="{{model}}, {{date}}, {{odd}}")
    assert system_told(record) == "smol, May 3, 2025, {{odd}}"
    assert system_told(replace(record, system_prompt="")) == ""


def test_a_character_is_told_of_and_a_preset_that_cannot_be_read_is_not() -> None:
    keeper = PresetLibrary().get("lighthouse-keeper")
    snapshot = {"id": keeper.id, "toml": preset_toml(keeper)}
    record = ChatRecord((), DAY, DAY, system_prompt="Be brief.", preset=snapshot)
    assert system_told(record).startswith("Be brief.\n\n")
    assert "Shen Du" in system_told(record)
    assert system_told(replace(record, preset={"id": "x", "toml": "= ="})) == "Be brief."


def test_rows_and_documents_hold_it(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        chat_id = store.chats.create(system_prompt="You are {{model}}.", model="smol").id
        store.messages.append(chat_id, Role.USER, "hi")
        store.messages.append(chat_id, Role.ASSISTANT, "{{model}}")
        done = export_chats(store, [chat_id], tmp_path / "x.json", "training", told=system_told)
        (row,) = json.loads(done.path.read_text(encoding="utf-8"))
        assert [turn["value"] for turn in row["conversations"]] == [
            "You are smol.",
            "hi",
            "{{model}}",
        ]
        done = export_chats(store, [chat_id], tmp_path / "x.md", "markdown", told=system_told)
        assert "> You are smol." in done.path.read_text(encoding="utf-8")

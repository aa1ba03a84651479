# SPDX-License-Identifier: Apache-2.0
"""The external editor: what comes back, what is kept, and what is said where it fails."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pexpect
import pytest

from yuren_core.paths import cache_dir
from yuren_tui.editor import Edited, EditorError, edit_text, editor_command, screen_given_over

TEXT = "床前明月光\n\tline “two”"


def editor(tmp_path: Path, script: str) -> tuple[str, ...]:
    """An editor out of a shell script; $1 is the file."""
    file = tmp_path / "my editor"
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)
    return (str(file),)


async def edit(text: str, command: tuple[str, ...], **environment: str) -> Edited:
    return await edit_text(
        text,
        command=command,
        environment={**os.environ, **environment},
        suspended=nullcontext,
    )


def leftovers() -> list[Path]:
    return sorted((cache_dir() / "editor").glob("*"))


async def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    edited = await edit(TEXT, editor(tmp_path, 'printf "好\\n" >> "$1"'))
    assert edited == Edited(f"{TEXT}好", is_changed=True)
    assert leftovers() == []


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("one", "true"),
        ("one", 'echo >> "$1"'),
        ("one\ntwo\n", "true"),
        ("one\ntwo\n", 'sed -i "s/$/\\r/" "$1"'),
        ("one", 'printf "\\357\\273\\277one" > "$1"'),
    ],
)
async def test_newlines_and_marks_of_the_editor_are_no_change(
    tmp_path: Path, text: str, script: str
) -> None:
    assert await edit(text, editor(tmp_path, script)) == Edited(text, is_changed=False)


async def test_everything_may_be_deleted(tmp_path: Path) -> None:
    assert await edit(TEXT, editor(tmp_path, ': > "$1"')) == Edited("", is_changed=True)


async def test_an_editor_that_fails_after_writing_leaves_the_file(tmp_path: Path) -> None:
    with pytest.raises(EditorError, match="code 3") as caught:
        await edit(TEXT, editor(tmp_path, 'echo new > "$1"; exit 3'))
    (kept,) = leftovers()
    assert str(kept) in caught.value.hint
    assert kept.read_text(encoding="utf-8") == "new\n"
    assert kept.stat().st_mode & 0o077 == 0


async def test_an_editor_that_fails_without_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(EditorError, match="code 1") as caught:
        await edit(TEXT, editor(tmp_path, "exit 1"))
    assert caught.value.hint == "Nothing was changed."
    assert leftovers() == []


async def test_what_is_no_utf_8_is_kept(tmp_path: Path) -> None:
    with pytest.raises(EditorError, match="UTF-8") as caught:
        await edit(TEXT, editor(tmp_path, 'printf "\\377\\376" > "$1"'))
    assert str(leftovers()[0]) in caught.value.hint


async def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(EditorError, match="deleted"):
        await edit(TEXT, editor(tmp_path, 'rm "$1"'))


async def test_an_editor_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(EditorError, match="could not be started"):
        await edit(TEXT, (str(tmp_path),))
    assert leftovers() == []


@pytest.mark.parametrize(
    ("variables", "seen"),
    [
        ({"LC_ALL": "C", "LANG": "C"}, "C.UTF-8 C.UTF-8"),
        ({"LC_ALL": "", "LANG": "C"}, " C.UTF-8"),
        ({"LC_ALL": "", "LC_CTYPE": "", "LANG": "zh_CN.UTF-8"}, " "),
    ],
)
async def test_the_editor_has_a_locale_for_chinese(
    tmp_path: Path, variables: dict[str, str], seen: str
) -> None:
    command = editor(tmp_path, 'printf "%s %s" "$LC_ALL" "$LC_CTYPE" > "$1"')
    assert (await edit(TEXT, command, **variables)).text == seen


async def test_the_chat_goes_on_meanwhile(tmp_path: Path) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    await edit(TEXT, editor(tmp_path, "sleep 0.3"))
    ticking.cancel()
    assert ticks > 5


async def test_ctrl_c_in_the_editor_is_not_ours(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    command = editor(tmp_path, f"kill -INT {os.getpid()}; sleep 0.2; echo x >> $1")
    assert (await edit("a", command)).text == "ax"
    assert signal.getsignal(signal.SIGINT) == before


async def test_a_terminal_that_cannot_be_given_over_is_said() -> None:
    from textual.app import SuspendNotSupported

    @contextmanager
    def suspend() -> Iterator[None]:
        raise SuspendNotSupported("no")
        yield

    with pytest.raises(EditorError, match="given over"):
        await edit_text(
            TEXT,
            command=("true",),
            environment=os.environ,
            suspended=lambda: screen_given_over(suspend, nullcontext),
        )
    assert leftovers() == []


class TestCommand:
    """Which editor is run."""

    def path(self, tmp_path: Path, *names: str) -> dict[str, str]:
        for name in names:
            (tmp_path / name).write_text("", encoding="utf-8")
            (tmp_path / name).chmod(0o755)
        return {"PATH": str(tmp_path)}

    def test_the_setting_comes_before_visual_before_editor(self, tmp_path: Path) -> None:
        environment = self.path(tmp_path, "a", "b", "c") | {"VISUAL": "b -x", "EDITOR": "c"}
        assert editor_command("a 'x y'", environment) == ("a", "x y")
        assert editor_command("", environment) == ("b", "-x")
        assert editor_command(" ", {**environment, "VISUAL": ""}) == ("c",)

    def test_a_usual_one_where_none_is_set(self, tmp_path: Path) -> None:
        assert editor_command("", self.path(tmp_path, "vi")) == ("vi",)

    @pytest.mark.parametrize(
        ("setting", "command"),
        [
            ("code", ("code", "--wait")),
            ("code -w", ("code", "-w")),
            ("subl -n", ("subl", "--wait", "-n")),
            ("vim", ("vim",)),
        ],
    )
    def test_editors_with_windows_are_told_to_wait(
        self, tmp_path: Path, setting: str, command: tuple[str, ...]
    ) -> None:
        assert editor_command(setting, self.path(tmp_path, "code", "subl", "vim")) == command

    @pytest.mark.parametrize("setting", ["nope", "'open", "/no/such/editor -x", "''"])
    def test_what_is_not_there_is_said(self, tmp_path: Path, setting: str) -> None:
        with pytest.raises(EditorError) as caught:
            editor_command(setting, self.path(tmp_path, "vi"))
        assert "EDITOR" in caught.value.hint

    def test_none_at_all_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(EditorError, match="no editor"):
            editor_command("", self.path(tmp_path))


APP = """
import os, sys
from textual.app import App
from textual.widgets import TextArea, Static
from yuren_tui.editor import edit_text, screen_given_over
class Chat(App):
    BINDINGS = [("f8", "edit", "")]
    def compose(self):
        yield Static("ready"); yield TextArea("one"); yield Static("0", id="n")
    def on_mount(self):
        self.n = 0
        self.set_interval(0.02, self.count)
    def count(self):
        self.n += 1
        self.query_one("#n", Static).update(f"COUNT{self.n}")
    def action_edit(self): self.run_worker(self.edit())
    async def edit(self):
        area = self.query_one(TextArea)
        area.text = (await edit_text(area.text, command=("sh", sys.argv[1]), environment=os.environ,
            suspended=lambda: screen_given_over(self.suspend, self.batch_update))).text
Chat().run()
"""


def test_a_running_app_gives_the_terminal_over_and_comes_back(tmp_path: Path) -> None:
    script = tmp_path / "editor.sh"
    script.write_text(
        'echo EDITOR BEGINS; read -r line\nprintf "%s" "$line" > "$1"; printf "EDITOR ENDS"\n',
        encoding="utf-8",
    )
    child = pexpect.spawn(
        sys.executable,
        ["-c", APP, str(script)],
        env={**os.environ, "TERM": "xterm-256color"},
        encoding="utf-8",
        dimensions=(24, 80),
        timeout=60,
    )
    try:
        child.expect("COUNT")
        child.send("\x1b[19~")
        child.expect("EDITOR BEGINS")
        with pytest.raises(pexpect.TIMEOUT):
            child.expect("COUNT", timeout=0.6)
        child.send("月亮 typed\n")
        child.expect("EDITOR ENDS")
        child.expect("typed")
        child.expect("COUNT")
    finally:
        child.close(force=True)

# SPDX-License-Identifier: Apache-2.0
"""What can be done to a turn, its code blocks, and the drawing of a tree: values only."""

from __future__ import annotations

from pathlib import Path

import pytest

from yuren_core.messages import Role
from yuren_tui.code_blocks import CodeBlock, code_blocks
from yuren_tui.screens.tree_rows import row_content, tree_rows
from yuren_tui.screens.turn_views import turn_view
from yuren_tui.session import Turn
from yuren_tui.store import Store
from yuren_tui.widgets.markdown import plain_words


def test_a_question_can_be_sent_again_and_an_answer_written_on() -> None:
    question = turn_view(Turn(1, Role.USER, "one"))
    answer = turn_view(Turn(2, Role.ASSISTANT, "```\nx\n```", sibling_index=2, sibling_count=3))
    assert question.acts == {"menu", "copy", "quote", "edit", "resend", "retry", "pin", "delete"}
    assert answer.acts == (question.acts - {"resend"}) | {"continue", "code", "previous", "next"}


def test_a_greeting_has_no_question_to_be_answered_again() -> None:
    view = turn_view(Turn(1, Role.ASSISTANT, "Ahoy.", speaker="Ada"), is_answer=False)
    assert view.name == "Ada"
    assert not view.acts & {"retry", "continue"}


def test_a_name_out_of_a_card_is_shown_on_one_line() -> None:
    view = turn_view(Turn(1, Role.ASSISTANT, "", speaker="A\x1b[2J\nB"))
    assert view.name == "A␛[2J␊B"


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("none", []),
        ("```python x\na\n\nb\n```", [CodeBlock("python", "a\n\nb")]),
        ("~~~\n```\n~~~\n\n    indented", [CodeBlock("", "```"), CodeBlock("", "indented")]),
        ("- in a list\n  ```sh\n  ls\n  ```\n\n> ```\n> quoted\n> ```", None),
        ("```\nnot closed", [CodeBlock("", "not closed")]),
        ("```\n```", []),
    ],
)
def test_code_blocks_are_those_that_markdown_sees(
    text: str, blocks: list[CodeBlock] | None
) -> None:
    if blocks is None:
        blocks = [CodeBlock("sh", "ls"), CodeBlock("", "quoted")]
    assert code_blocks(text) == blocks


def test_alternatives_hang_on_one_line_and_the_shown_path_goes_on_below_them(
    tmp_path: Path,
) -> None:
    with Store.open(tmp_path) as store:
        chat = store.chats.create()

        def add(role: Role, text: str, parent: int | None) -> int:
            return store.messages.append(chat.id, role, text, parent_id=parent).id

        q1 = add(Role.USER, "q1", None)
        a1 = add(Role.ASSISTANT, "a1", q1)
        q2 = add(Role.USER, "q2", a1)
        add(Role.ASSISTANT, "a2", q2)
        other = add(Role.ASSISTANT, "other a1", q1)
        inner = add(Role.USER, "inner", other)
        add(Role.ASSISTANT, "x", inner)
        add(Role.ASSISTANT, "y", inner)
        store.messages.select(q2)
        path = [m.id for m in store.messages.path(chat.id)]
        rows = tree_rows(store.messages.tree(chat.id), path)
        drawn = [f"{row.guide}{'●' if row.is_active else '○'} {row.message.text}" for row in rows]
        assert drawn == [
            "● q1",
            "├─ ○ other a1",
            "│  ○ inner",
            "│  ├─ ○ x",
            "│  └─ ○ y",
            "└─ ● a1",
            "● q2",
            "● a2",
        ]
        lines = [row_content(row, 40, "model") for row in rows]
        assert all(line.cell_length <= 40 and "\n" not in line.plain for line in lines)


def test_a_line_of_the_tree_has_the_marks_of_what_was_typed_and_those_of_an_answer_s_lists(
    tmp_path: Path,
) -> None:
    text = "# 题目\n\n- **重点。**后文 `x`\n"
    with Store.open(tmp_path) as store:
        chat = store.chats.create()
        for role, words in ((Role.USER, text), (Role.ASSISTANT, text), (Role.ASSISTANT, "***")):
            store.messages.append(chat.id, role, words)
        rows = tree_rows(store.messages.tree(chat.id), [])
    assert [row.words for row in rows] == [
        "# 题目 - **重点。**后文 `x`",
        "题目 • 重点。后文 x",
        "***",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Two:\n\n1. **first**\n2. second\n   - inner", "Two: 1. first 2. second • inner"),
        ("3) third", "3) third"),
        ("a plain line\nand another, 3.5 high - so", "a plain line and another, 3.5 high - so"),
        ("Title\n=====\nA &amp; B", "Title A & B"),
        ("1. 1.", "1. 1."),
    ],
)
def test_words_of_an_answer_keep_the_marks_of_lists(text: str, words: str) -> None:
    assert plain_words(text) == words


def test_a_chat_deeper_than_pythons_stack_is_drawn(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        chat = store.chats.create()
        with store.database.write() as db:
            db.executemany(
                "INSERT INTO messages (id, chat_id, parent_id, role, text, status, stats,"
                " created_at, speaker, model, extras) VALUES (?, ?, ?, 'user', '', 'done', '{}',"
                " 0, '', '', '{}')",
                [(i, chat.id, i - 1 or None) for i in range(1, 3001)],
            )
        messages = store.messages.tree(chat.id)
        assert len(tree_rows(messages, [3000])) == 3000

# SPDX-License-Identifier: Apache-2.0
"""Whatever is done to a tree, in whatever order: its rules hold, and so do the indexes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from yuren_core.errors import UsageError
from yuren_core.messages import Role
from yuren_tui.store import Deletion, Store
from yuren_tui.store.writers import Writers

TEXT = st.text(alphabet=st.sampled_from("ab 你好\u2028"), max_size=6)


class TreeMachine(RuleBasedStateMachine):
    """Appends, edits, retries, switches, deletes and undoes at random."""

    messages = Bundle("messages")
    deletions = Bundle("deletions")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.store = Store.open(Path(self.directory.name))
        self.chat_id = self.store.chats.create().id
        self.said: dict[int, str] = {}

    def teardown(self) -> None:
        self.store.close()
        self.directory.cleanup()

    @rule(target=messages, text=TEXT, role=st.sampled_from([Role.USER, Role.ASSISTANT]))
    def append(self, text: str, role: Role) -> int:
        message = self.store.messages.append(self.chat_id, role, text)
        self.said[message.id] = text
        return message.id

    @rule(target=messages, parent=messages, text=TEXT)
    def append_below(self, parent: int, text: str) -> int:
        try:
            message = self.store.messages.append(self.chat_id, Role.USER, text, parent_id=parent)
        except UsageError:
            assert parent not in self.live()
            return parent
        self.said[message.id] = text
        return message.id

    @rule(target=messages, message=messages, text=TEXT)
    def edit(self, message: int, text: str) -> int:
        try:
            edited = self.store.messages.edit(message, text)
        except UsageError:
            return message
        self.said[edited.id] = text
        return edited.id

    @rule(target=messages, message=messages, text=TEXT)
    def retry(self, message: int, text: str) -> int:
        try:
            begun = self.store.messages.retry(message)
        except UsageError:
            return message
        self.store.messages.save_partial(begun.id, text[:2])
        self.store.messages.finish(begun.id, text, "done")
        self.said[begun.id] = text
        return begun.id

    @rule(message=messages)
    def select(self, message: int) -> None:
        if message in self.live():
            self.store.messages.select(message)
            assert message in [m.id for m in self.store.messages.path(self.chat_id)]

    @rule(target=deletions, message=messages)
    def delete(self, message: int) -> object:
        before = set(self.live())
        if message not in before:
            return multiple()
        deletion = self.store.messages.delete(message)
        assert deletion.message_count == len(before - set(self.live()))
        assert message not in self.live()
        return deletion

    @rule(deletion=deletions)
    def undo(self, deletion: Deletion) -> None:
        self.store.messages.undo(deletion)

    def live(self) -> list[int]:
        return [message.id for message in self.store.messages.tree(self.chat_id)]

    @invariant()
    def rules_hold(self) -> None:
        tree = {message.id: message for message in self.store.messages.tree(self.chat_id)}
        parents = {message.parent_id for message in tree.values()}
        assert parents <= {*tree, None}, "a live message hangs on nothing live"
        leaf = self.store.chats.get(self.chat_id).active_leaf
        assert (leaf is None) == (not tree)
        path = self.store.messages.path(self.chat_id)
        if leaf is not None:
            assert leaf in tree
            assert leaf not in parents
            assert path[-1].id == leaf
        for above, below in zip((None, *path), path, strict=False):
            assert below.parent_id == (above.id if above else None)
        for message in tree.values():
            siblings = [m.id for m in tree.values() if m.parent_id == message.parent_id]
            assert message.sibling_count == len(siblings)
            assert siblings[message.sibling_index - 1] == message.id
            assert message.text == self.said[message.id]

    @invariant()
    def search_finds_what_is_live_and_nothing_else(self) -> None:
        tree = self.store.messages.tree(self.chat_id)
        for query in ("aab", "你好", "b"):
            wanted = {m.id for m in tree if query in m.text}
            found = self.store.search(query, hits_per_chat=1000).chats
            assert {hit.message_id for chat in found for hit in chat.hits} == wanted


TestTree = TreeMachine.TestCase
TestTree.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_a_dead_writer_s_token_is_told_from_a_living_one_s(tmp_path: Path) -> None:
    one, other = Writers(tmp_path), Writers(tmp_path)
    token = one.token()
    assert one.token() == token
    assert other.is_alive(token)
    assert one.is_alive(token)
    one.close()
    assert not other.is_alive(token)
    assert not other.is_alive("../../etc/passwd")
    assert not list(tmp_path.iterdir())

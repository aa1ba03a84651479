# SPDX-License-Identifier: Apache-2.0
"""A conversation that goes on until it is killed; says on stdout what it has stored.

    python -m tests.tui.store.scripted_chat DIRECTORY SEED

A line is printed only after the store has returned: whoever kills this process holds it to
every line. Answers grow every few milliseconds and are saved at each growth.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

from yuren_core.messages import Role
from yuren_tui.store import Draft, Store


def say(**values: object) -> None:
    """One JSON line, at once."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main(directory: Path, seed: int) -> None:
    """Talk for ever."""
    draw = random.Random(seed)
    store = Store.open(directory)
    last = store.chats.last()
    chat_id = last.id if last else store.chats.create().id
    say(ready=True)
    for turn in range(10_000):
        draft = f"draft {seed}.{turn}"
        store.chats.save_draft(chat_id, Draft(draft))
        say(draft=draft, chat=chat_id)
        question = store.messages.append(chat_id, Role.USER, f"question {seed}.{turn} 问题")
        say(message=question.id, text=question.text)
        answer = store.messages.begin_answer(chat_id)
        text = ""
        for piece in range(draw.randint(1, 12)):
            text += f"word{piece} 词 "
            store.messages.save_partial(answer.id, text)
            say(partial=answer.id, text=text)
            time.sleep(draw.random() * 0.004)
        store.messages.finish(answer.id, text, "done")
        say(message=answer.id, text=text)
        if draw.random() < 0.2:
            again = store.messages.retry(answer.id)
            store.messages.finish(again.id, "another", "stopped")
            say(message=again.id, text="another")
        if draw.random() < 0.1:
            store.messages.undo(store.messages.delete(question.id))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

# SPDX-License-Identifier: Apache-2.0
"""How opening, listing and searching slow down with ten thousand chats of fifty messages.

    python benchmarks/store.py [--chats N] [--messages N] [--directory DIR]

Builds the store once (in DIR, where it stays, or in a temporary directory), half of it English
and half Chinese, words distributed as words are (Zipf). Then each action is timed in a fresh
process, with what the store has cached of the system's, against the same on an empty store; a draft
is saved in a chat with a lorebook of five megabytes, against one without a preset. The target is at
most 0.1 s more. Prints a table, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from yuren_tui.store import Draft, Store
from yuren_tui.store.rescue import rebuild_indexes

TARGET_S = 0.1
_LORE_CHARACTERS = 5_000_000
_DRAFTS = 30
_TRIGGERS = ("title_inserted", "message_inserted")


def make_texts(seed: int) -> Iterator[str]:
    """Endless messages of 30 to 500 characters; the same ones for the same seed."""
    draw = random.Random(seed)
    consonants, vowels = "bcdfghjklmnprstvwz", "aeiou"

    def word() -> str:
        syllables = range(draw.randint(1, 3))
        return "".join(
            draw.choice(consonants) + draw.choice(vowels) + draw.choice(["", "", "n", "r", "s"])
            for _ in syllables
        )

    common = [
        "the",
        "of",
        "and",
        "to",
        "in",
        "is",
        "that",
        "for",
        "it",
        "with",
        "France",
        "capital",
    ]
    english = [*common, *sorted({word() for _ in range(6000)})]
    chinese = [chr(code) for code in draw.sample(range(0x4E00, 0x8000), 2500)]
    english_weights = [1 / (rank + 3) for rank in range(len(english))]
    chinese_weights = [1 / (rank + 8) for rank in range(len(chinese))]
    sentences = [
        " ".join(draw.choices(english, english_weights, k=draw.randint(6, 14))) + "."
        for _ in range(20_000)
    ]
    verses = [
        "".join(draw.choices(chinese, chinese_weights, k=draw.randint(8, 24))) + "。"
        for _ in range(20_000)
    ]
    while True:
        pool = draw.choice((sentences, verses))
        for _ in range(50):
            yield " ".join(draw.choices(pool, k=draw.randint(1, 6)))


def build(directory: Path, chat_count: int, message_count: int) -> float:
    """Fill a store; returns how long it took, in seconds."""
    start = time.perf_counter()
    texts = make_texts(7)
    with Store.open(directory) as store, store.database.write() as db:
        # The indexes are filled at the end, all at once.
        made = {
            name: db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
            for name in _TRIGGERS
        }
        for name in _TRIGGERS:
            db.execute(f"DROP TRIGGER {name}")
        first = 1_700_000_000_000
        db.executemany(
            "INSERT INTO chats (id, uid, title, created_at, updated_at, opened_at, model)"
            " VALUES (?, ?, ?, ?, ?, ?, 'starter')",
            (
                (chat, str(chat), next(texts)[:40], *[first + chat * 60_000] * 3)
                for chat in range(1, chat_count + 1)
            ),
        )
        db.executemany(
            "INSERT INTO messages (id, chat_id, parent_id, role, text, status, created_at)"
            " VALUES (?, ?, ?, ?, ?, 'done', ?)",
            (
                (
                    (chat - 1) * message_count + place,
                    chat,
                    (chat - 1) * message_count + place - 1 if place > 1 else None,
                    "user" if place % 2 else "assistant",
                    next(texts),
                    first + chat * 60_000 + place,
                )
                for chat in range(1, chat_count + 1)
                for place in range(1, message_count + 1)
            ),
        )
        db.execute(
            "UPDATE chats SET active_leaf = (SELECT max(id) FROM messages WHERE chat_id = chats.id)"
        )
        rebuild_indexes(db)
        for sql in made.values():
            db.execute(sql)
    return time.perf_counter() - start


def queries(directory: Path) -> dict[str, str]:
    """What is searched for, by kind; rare ones are taken out of the store itself."""
    with Store.open(directory) as store:
        rows = store.database.rows(
            "SELECT text FROM messages WHERE id IN (SELECT max(id) / 3 + 25 * value FROM messages,"
            " (SELECT 0 AS value UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4))"
        )
    texts = [row["text"] for row in rows]
    english = next((t for t in texts if t.isascii()), "the of and")
    chinese = next((t for t in texts if not t.isascii()), "一二三四五六七八九十")
    return {
        "English, common word": "the",
        "English, two words": "France capital",
        "English, a sentence": english[:40].strip(),
        "English, letter by letter": "that for",
        "Chinese, 2 characters": chinese[:2],
        "Chinese, 4 characters": chinese[3:7],
        "Chinese, 1 character": chinese[5],
        "2 letters": "th",
        "1 letter": "e",
        "no hit": "qqxqqx",
        "no hit, common trigrams": "thethatfor",
        "no hit, 2 letters": "qx",
        "no hit, 2 Chinese characters": "饕餮",
    }


def save_drafts(store: Store, lore_characters: int) -> float:
    """Seconds that saving a draft takes, by the median, in a chat with a preset of that size."""
    preset = {"id": "lore", "toml": "x" * lore_characters} if lore_characters else None
    chat_id = store.chats.create(preset=preset).id
    taken = []
    for number in range(_DRAFTS):
        start = time.perf_counter()
        store.chats.save_draft(chat_id, Draft("a word more " * (number + 1)))
        taken.append(time.perf_counter() - start)
    store.chats.purge(chat_id)
    return statistics.median(taken)


def measure(directory: Path, asked: dict[str, str], lore_characters: int) -> dict[str, float]:
    """Seconds of each action; run in a fresh process."""
    times: dict[str, float] = {}
    start = time.perf_counter()
    store = Store.open(directory)
    times["open"] = time.perf_counter() - start
    start = time.perf_counter()
    store.chats.page(limit=50)
    times["first list"] = time.perf_counter() - start
    start = time.perf_counter()
    if last := store.chats.last():
        store.messages.path(last.id)
    times["open the last chat"] = time.perf_counter() - start
    for name, query in asked.items():
        start = time.perf_counter()
        for end in range(1, len(query) + 1) if "letter by letter" in name else [len(query)]:
            piece = time.perf_counter()
            store.search(query[:end])
            times[name] = max(times.get(name, 0.0), time.perf_counter() - piece)
    times["save a draft"] = save_drafts(store, lore_characters)
    store.close()
    return times


def measured_in_a_process(
    directory: Path, asked: dict[str, str], lore_characters: int = 0
) -> dict[str, float]:
    """`measure`, the better of three processes for each action."""
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [
                *(sys.executable, __file__, "--measure", str(directory)),
                *("--lore", str(lore_characters)),
            ],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=True,
        )
        runs.append(json.loads(done.stdout))
    return {name: min(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--chats", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=50)
    parser.add_argument("--directory", type=Path, help="keep the store here, and use it again")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--lore", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, json.load(sys.stdin), options.lore)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        full = options.directory or Path(temporary) / "full"
        built = 0.0
        if not (full / "chats.sqlite3").exists():
            built = build(full, options.chats, options.messages)
        size = (full / "chats.sqlite3").stat().st_size
        print(f"{options.chats} chats of {options.messages} messages, {size / 1e6:.0f} MB", end="")
        print(f", built in {built:.0f} s" if built else "")
        asked = queries(full)
        of_full = measured_in_a_process(full, asked, _LORE_CHARACTERS)
        of_empty = measured_in_a_process(Path(temporary) / "empty", asked)
    print(f"\n{'':32}{'empty':>10}{'full':>10}{'more':>10}")
    for name, seconds in of_full.items():
        more = seconds - of_empty[name]
        mark = "" if more <= TARGET_S else "  over the target"
        print(
            f"{name:32}{of_empty[name] * 1e3:8.1f}ms{seconds * 1e3:8.1f}ms{more * 1e3:8.1f}ms{mark}"
        )
    worst = max(of_full[name] - of_empty[name] for name in of_full)
    result = {
        "benchmark": "store",
        "chats": options.chats,
        "messages": options.chats * options.messages,
        "bytes": size,
        "target_s": TARGET_S,
        "worst_more_s": round(worst, 4),
        "empty_s": {name: round(value, 5) for name, value in of_empty.items()},
        "full_s": {name: round(value, 5) for name, value in of_full.items()},
    }
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()

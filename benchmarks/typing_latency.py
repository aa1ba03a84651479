# SPDX-License-Identifier: Apache-2.0
"""From a key to its paint while an answer streams into a long chat; memory over a longer one.

The chat runs under a pty with the scripted model process. For the latency, a chat of many messages
is opened with `--continue`, an answer streams into it, and characters that stand nowhere else are
typed: the time is from writing one to the terminal until it is painted. For the memory, as many
turns are talked in one sitting, and the chat process's resident memory is read now and then.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import random
import select
import shlex
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

from yuren_core.messages import Role
from yuren_tui.store import Store

TARGET_MS = 50.0
_COLUMNS, _ROWS = 120, 40
_CHARACTERS = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]
_ANSWER_TOKENS = 1000
_MOMENT_S = 0.3
_PAINTED_S = 0.1
_PARAGRAPH = "The **sea** is `wide`, and nobody has ever counted its waves one by one. " * 4
_CODE = "```python\nfor wave in sea:\n    count(wave)\n```\n"


class Chat:
    """`yuren-chat` under a pty.

    Args:
        home: where its store lies.
        arguments: of the command line.
        script: options of the scripted process.
    """

    def __init__(self, home: str, *arguments: str, script: tuple[str, ...]) -> None:
        worker = shlex.join((sys.executable, "-m", "yuren_core.scripted", *script))
        environment = {
            **os.environ,
            "YUREN_HOME": home,
            "YUREN_WORKER": worker,
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }
        command = [sys.executable, "-m", "yuren_tui.cli", "--model", "any", *arguments]
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, command, environment)
        size = struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, size)
        self.seen = b""

    def read(self, seconds: float) -> None:
        """Take in what comes, or wait for so long."""
        if select.select([self.terminal], [], [], seconds)[0]:
            self.seen = (self.seen + os.read(self.terminal, 1 << 16))[-(1 << 18) :]

    def wait_for(self, mark: str, seconds: float = 60.0) -> None:
        """Wait until something is painted, from now on."""
        end = time.perf_counter() + seconds
        while mark.encode() not in self.seen:
            if time.perf_counter() > end:
                raise TimeoutError(f"no {mark!r} within {seconds} s: {self.seen[-2000:]!r}")
            self.read(0.5)
        self.seen = b""

    def settle(self, seconds: float = 1.5) -> None:
        """Let it paint for a while."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self.terminal, keys.encode())

    @property
    def resident_mb(self) -> float:
        """Resident memory of the chat process, in MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def end(self) -> None:
        """End it at once."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def fill(home: str, messages: int) -> None:
    """A store with one chat of so many messages; every tenth answer has code."""
    with Store.open(Path(home) / "data") as store:
        chat = store.chats.create(model="scripted")
        for number in range(messages // 2):
            store.messages.append(chat.id, Role.USER, f"Question {number}: how wide is the sea?")
            code = _CODE if number % 10 == 0 else ""
            answer = f"{_PARAGRAPH}\n\n- wide\n- deep\n\n{code}"
            store.messages.append(chat.id, Role.ASSISTANT, answer, model="scripted")


def latencies(messages: int, keys: int, tokens_per_s: float) -> tuple[list[float], list[float]]:
    """Seconds from key to paint.

    Returns:
        For each key that is pressed while an answer streams; and for those that are pressed in
        the first moment after sending, while the exchange is put into store and transcript.
    """
    parts = (f"{'*word*' if i % 9 == 0 else 'word'}" for i in range(_ANSWER_TOKENS))
    answer = "".join(f"{word}\n\n" if i % 60 == 59 else f"{word} " for i, word in enumerate(parts))
    script = ("--answer", answer, "--token-delay", str(1 / tokens_per_s))
    begun = 0.0
    times: list[float] = []
    first: list[float] = []
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as home:
        fill(home, messages)
        chat = Chat(home, "--continue", "--max-new-tokens", "4000", script=script)
        try:
            chat.wait_for("scripted")
            chat.settle()
            for character in _CHARACTERS[:keys]:
                if time.perf_counter() - begun > 0.9 * _ANSWER_TOKENS / tokens_per_s:
                    chat.settle(0.2 * _ANSWER_TOKENS / tokens_per_s)
                    chat.press("\x15How wide is the sea?\r")
                    chat.wait_for("word")
                    begun = time.perf_counter()
                pause = time.perf_counter() + chance.uniform(0.05, 0.15)
                while (left := pause - time.perf_counter()) > 0:
                    chat.read(left)
                chat.seen = b""
                start = time.perf_counter()
                chat.press(character)
                chat.wait_for(character, 10)
                since = start - begun
                (first if since < _MOMENT_S else times).append(time.perf_counter() - start)
        finally:
            chat.end()
    return times, first


def memory(turns: int, marks: int = 8) -> dict[int, float]:
    """Resident memory in MB after so many turns of one sitting, each of which is in the store."""
    found: dict[int, float] = {}
    step = max(2, turns // marks)
    answer = f"{_PARAGRAPH}\n\n{_CODE}\nThe end of it."
    with tempfile.TemporaryDirectory() as home:
        chat = Chat(home, script=("--answer", answer))
        try:
            chat.wait_for("scripted")
            chat.settle()
            begun = time.perf_counter()
            with Store.open(Path(home) / "data") as store:
                for number in range(1, turns // 2 + 1):
                    chat.press(f"{number}\r")
                    _wait_until_stored(chat, store, 2 * number)
                    if 2 * number % step == 0 or 2 * number == 100:
                        chat.settle(0.5)
                        found[2 * number] = chat.resident_mb
                        took = time.perf_counter() - begun
                        told = f"{2 * number} turns: {chat.resident_mb:.1f} MB after {took:.0f} s"
                        print(told, file=sys.stderr, flush=True)
        finally:
            chat.end()
    return found


def _wait_until_stored(chat: Chat, store: Store, messages: int) -> None:
    """Wait until so many messages are said and written to their ends, and painted."""
    end = time.perf_counter() + 60
    query = "SELECT count(*) FROM messages WHERE status = 'done'"
    while (stored := store.database.rows(query)[0][0]) != messages:
        if time.perf_counter() > end or stored > messages:
            raise RuntimeError(f"{stored} messages are in the store where {messages} were said")
        chat.read(0.02)
    chat.settle(_PAINTED_S)


def main() -> None:
    """Measure both, print two tables, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--keys", type=int, default=400)
    parser.add_argument("--tokens-per-s", type=float, default=200.0)
    parser.add_argument("--turns", type=int, default=2000, help="0 leaves the memory out")
    options = parser.parse_args()
    streaming, first = latencies(options.messages, options.keys, options.tokens_per_s)
    times = sorted(1000 * t for t in streaming)
    shares = {"median": 0.5, "p90": 0.9, "p99": 0.99, "most": 1.0}
    result = {
        name: round(times[min(len(times) - 1, int(share * len(times)))], 2)
        for name, share in shares.items()
    }
    print(f"{'key to paint, ms':20} " + " ".join(f"{name:>8}" for name in result))
    print(f"{f'{options.messages} messages':20} " + " ".join(f"{v:8.1f}" for v in result.values()))
    resident = memory(options.turns) if options.turns else {}
    if resident:
        print(f"{'turns':20} " + " ".join(f"{turns:8d}" for turns in resident))
        print(f"{'resident, MB':20} " + " ".join(f"{mb:8.1f}" for mb in resident.values()))
    line = {
        "benchmark": "typing_latency",
        "messages": options.messages,
        "keys": len(times),
        "tokens_per_s": options.tokens_per_s,
        "key_to_paint_ms": {**result, "mean": round(statistics.mean(times), 2)},
        "target_p99_ms": TARGET_MS,
        "just_after_sending_ms": round(1000 * statistics.median(first), 1) if first else None,
        "resident_mb": {str(turns): round(mb, 1) for turns, mb in resident.items()},
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()

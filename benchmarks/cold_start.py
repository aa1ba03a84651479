# SPDX-License-Identifier: Apache-2.0
"""From the process's start to the first frame on a terminal: the chat against an empty Textual app.

Each is started under a pty, the two in turn, and timed until its first whole frame has been
written; a frame is known by a word that it shows, and the empty app shows one too. The chat has
the scripted model process, so that only what happens before the first frame is measured.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time

TARGET = 1.5  # times the empty app
_TIMEOUT_S = 20.0

EMPTY = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("first-frame")
Empty().run()
"""

CHAT = """
import sys
from yuren_core.client import ModelClient
from yuren_tui.app import ChatApp
from yuren_tui.session import ModelChoice, Session
client = ModelClient((sys.executable, "-m", "yuren_core.scripted"))
ChatApp(Session(client), choice=ModelChoice("scripted")).run()
"""

COMMAND = """
import sys
from yuren_tui.cli import main
sys.exit(main(["--model", "scripted"]))
"""

_PROMPT = b"rite a message"  # its first letter is under the cursor

PEERS = {
    "empty": (EMPTY, b"first-frame"),
    "chat": (CHAT, _PROMPT),
    "yuren-chat": (COMMAND, _PROMPT),
}


def first_frame(code: str, mark: bytes, environment: dict[str, str]) -> float:
    """Seconds from fork to the frame that shows `mark`."""
    start = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-c", code], environment)
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        seen = b""
        while mark not in seen:
            ready, _, _ = select.select([terminal], [], [], 1.0)
            if time.perf_counter() - start > _TIMEOUT_S:
                raise TimeoutError(f"no first frame within {_TIMEOUT_S} s: {seen[-500:]!r}")
            if ready:
                seen += os.read(terminal, 65536)
        return time.perf_counter() - start
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def main() -> None:
    """Time all, print a table, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in PEERS}
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "YUREN_HOME": home,
            "YUREN_WORKER": f"{sys.executable} -m yuren_core.scripted",
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "COLUMNS": "80",
            "LINES": "24",
        }
        # As people start it: with bytecode that the first round leaves behind.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(rounds + 1):
            for name, (code, mark) in PEERS.items():
                seconds = first_frame(code, mark, environment)
                if number:  # the first round warms the caches
                    times[name].append(seconds)
    median = {name: statistics.median(values) for name, values in times.items()}
    print(f"{'':12} {'median':>8} {'least':>8} {'most':>8} {'ratio':>6}")
    for name, values in times.items():
        ratio = median[name] / median["empty"]
        print(f"{name:12} {median[name]:8.3f} {min(values):8.3f} {max(values):8.3f} {ratio:6.2f}")
    result = {
        "benchmark": "cold_start",
        "rounds": rounds,
        "median_s": {name: round(value, 4) for name, value in median.items()},
        "ratio": round(median["chat"] / median["empty"], 3),
        "ratio_command": round(median["yuren-chat"] / median["empty"], 3),
        "target_ratio": TARGET,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

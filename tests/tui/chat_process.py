# SPDX-License-Identifier: Apache-2.0
"""`yuren-chat` as a process of its own, with a scripted model process behind it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CHAT = (sys.executable, "-m", "yuren_tui.cli")


def worker(*options: str) -> str:
    """What `YUREN_WORKER` has to be for a scripted process with these options."""
    return shlex.join((sys.executable, "-m", "yuren_core.scripted", *options))


@dataclass(frozen=True)
class Said:
    """What a call of `yuren-chat` said, and how it ended."""

    code: int
    out: str
    err: str


def chat(
    *arguments: str | bytes,
    script: tuple[str, ...] = (),
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
) -> Said:
    """Run `yuren-chat` to its end.

    Args:
        arguments: of the command line; `--model` is added.
        script: options of the scripted process.
        stdin: what is piped in.
        env: variables on top of this process's own.

    Returns:
        What it said; both streams must be UTF-8.
    """
    done = subprocess.run(
        [*CHAT, "--model", "any", *arguments],
        input=stdin,
        capture_output=True,
        env={**os.environ, "YUREN_WORKER": worker(*script), **(env or {})},
        timeout=30,
        check=False,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def start_chat(
    *arguments: str, script: tuple[str, ...] = (), stdout: int | IO[bytes] = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """Start `yuren-chat` with pipes; nothing is piped in."""
    return subprocess.Popen(
        [*CHAT, "--model", "any", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, "YUREN_WORKER": worker(*script)},
    )


def children_of(pid: int) -> list[int]:
    """The living child processes of a process (Linux)."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def is_alive(pid: int) -> bool:
    """Whether a process lives; one that waits for its parent to take note of its end does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pid: int, seconds: float = 30.0) -> bool:
    """Whether a process ends within some seconds."""
    end = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_alive(pid)


def kill(pid: int) -> None:
    """`kill -9`."""
    os.kill(pid, signal.SIGKILL)

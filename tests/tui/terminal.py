# SPDX-License-Identifier: Apache-2.0
"""`yuren-chat` in a terminal of its own, and what is to be seen there."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import termios
import time
from pathlib import Path

import pexpect
import pyte

from tests.tui.chat_process import children_of, worker


class Terminal:
    """A pseudo terminal with `yuren-chat` in it and a scripted model process behind it.

    Args:
        arguments: of the command line; `--model` is added.
        script: options of the scripted process.
        size: rows and columns.
        env: variables on top of this process's own.
        stdout: a file to take stdout; the terminal's own by default.
        within: a shell's script that runs it, as "{command}".
    """

    def __init__(
        self,
        *arguments: str,
        script: tuple[str, ...] = (),
        size: tuple[int, int] = (24, 80),
        env: dict[str, str] | None = None,
        stdout: Path | None = None,
        within: str = "",
    ) -> None:
        self.output = ""
        self._screen = pyte.Screen(size[1], size[0])
        self._stream = pyte.Stream(self._screen)
        command = [sys.executable, "-m", "yuren_tui.cli", "--model", "any", *arguments]
        if stdout is not None:
            command = ["sh", "-c", f"exec {shlex.join(command)} > {shlex.quote(str(stdout))}"]
        if within:
            command = ["sh", "-c", within.format(command=shlex.join(command))]
        self._process = pexpect.spawn(
            command[0],
            command[1:],
            env={
                **os.environ,
                "TERM": "xterm-256color",
                "YUREN_WORKER": worker(*script),
                **(env or {}),
            },
            dimensions=size,
            encoding="utf-8",
            codec_errors="replace",
            preexec_fn=_hear_hangup,
        )
        self.pid = self._process.pid

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def model_pid(self) -> int:
        """The model process."""
        return children_of(self.pid)[0]

    @property
    def is_cooked(self) -> bool:
        """Whether the terminal echoes and gives whole lines, as a shell wants it."""
        flags = termios.tcgetattr(self._process.child_fd)[3]
        return bool(flags & termios.ECHO) and bool(flags & termios.ICANON)

    def read(self, seconds: float = 0.05) -> bool:
        """Take in what comes within some seconds; False at the end."""
        try:
            piece = self._process.read_nonblocking(65536, timeout=seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.output += piece
        self._stream.feed(piece)
        return True

    def wait_for(self, *texts: str, seconds: float = 60.0) -> None:
        """Wait until all these texts stand on the screen."""
        end = time.monotonic() + seconds
        while any(text not in self.text for text in texts):
            assert self.read(), f"ended without {texts}:\n{self.text}"
            assert time.monotonic() < end, f"no {texts} within {seconds} s:\n{self.text}"

    def type(self, keys: str) -> None:
        """Press keys."""
        self._process.send(keys)

    def enter(self, line: str) -> None:
        """Type a line and press Enter."""
        self._process.send(f"{line}\r")

    def signal(self, number: int) -> None:
        """Send a signal to `yuren-chat` alone."""
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Close the terminal's window."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, self._process.child_fd)  # whose number pexpect closes once more
        os.close(nowhere)

    def end(self, seconds: float = 60.0) -> int:
        """Wait for the end; returns the exit code."""
        end = time.monotonic() + seconds
        while self.read():
            assert time.monotonic() < end, f"does not end:\n{self.text}"
        self._process.wait()
        assert self._process.exitstatus is not None, f"signal {self._process.signalstatus}"
        return int(self._process.exitstatus)

    def close(self) -> None:
        """End it, whatever it does."""
        try:
            self._process.close(force=True)
        except pexpect.ExceptionPexpect:  # it is killed, but a busy machine takes its time
            self._process.wait()


def _hear_hangup() -> None:
    """As in a terminal of a person's own, whatever these tests were started under (nohup)."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

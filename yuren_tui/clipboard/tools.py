# SPDX-License-Identifier: Apache-2.0
"""Run the desktop's clipboard tools: found on the PATH, timed, bounded, never in the way."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from yuren_core.i18n import reason_of

TIMEOUT_S = 5.0
"""How long a tool may take; PowerShell needs one to three seconds for its start alone."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a tool did.

    Attributes:
        code: its exit code; None where it had to be ended, or could not be started.
        output: what it wrote; empty where that was longer than allowed.
        reason: the last line of what it complained about.
    """

    code: int | None
    output: bytes = b""
    reason: str = ""


def find(name: str, environment: Mapping[str, str]) -> str | None:
    """The path of a tool."""
    return shutil.which(name, path=environment.get("PATH", os.defpath))


def is_remote(environment: Mapping[str, str]) -> bool:
    """Whether the person sits at another machine, whose clipboard tools here cannot reach."""
    return bool(environment.get("SSH_TTY") or environment.get("SSH_CONNECTION"))


def is_windows(environment: Mapping[str, str]) -> bool:
    """Whether this is Windows, or Linux inside it."""
    return sys.platform == "win32" or bool(environment.get("WSL_DISTRO_NAME"))


async def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    given: bytes = b"",
    limit: int = 0,
    timeout_s: float | None = None,
) -> Ran:
    """Run a tool.

    Args:
        command: the tool and its arguments.
        environment: all its variables.
        given: what it reads.
        limit: most bytes of its output; 0 where it has none. Tools that stay behind to serve the
            clipboard keep their output open, so it is a file that nobody waits for.
        timeout_s: it is ended then; TIMEOUT_S where it is None.

    Returns:
        What it did; never raises for what a tool can do.
    """
    timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaints:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=out if limit else asyncio.subprocess.DEVNULL,
                stderr=complaints,
                env=dict(environment),
            )
        except OSError as error:
            return Ran(None, reason=reason_of(error))
        try:
            async with asyncio.timeout(timeout_s):
                await _give(process, given)
                code = await process.wait()
        except TimeoutError:
            return Ran(None, reason=f"> {timeout_s:g} s")
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        output = _content(out, limit + 1)
        lines = _content(complaints, 4096).decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1].strip() if lines else ""
        return Ran(code, output if len(output) <= limit else b"", reason)


async def _give(process: asyncio.subprocess.Process, data: bytes) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()
    with suppress(BrokenPipeError, ConnectionResetError):
        await process.stdin.wait_closed()


def _content(file: IO[bytes], limit: int) -> bytes:
    file.seek(0)
    return file.read(limit)

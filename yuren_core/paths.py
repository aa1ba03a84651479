# SPDX-License-Identifier: Apache-2.0
"""Where things lie: config, data, cache and log directories; and writing without halves.

`YUREN_HOME`, where set, holds all four in one place. A file or directory written through
`atomic_write` or `atomic_directory` has its final name only when it is whole.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from yuren_core.errors import StorageError, UsageError
from yuren_core.i18n import reason_of, tr

_APP = "yuren"


def _directory(kind: str, standard: Path) -> Path:
    home = os.environ.get("YUREN_HOME")
    return Path(home).expanduser() / kind if home else standard


def config_dir() -> Path:
    """Settings and presets that people edit."""
    return _directory("config", platformdirs.user_config_path(_APP, appauthor=False))


def data_dir() -> Path:
    """Chats, pictures and installed models."""
    return _directory("data", platformdirs.user_data_path(_APP, appauthor=False))


def cache_dir() -> Path:
    """What can be made or fetched again."""
    return _directory("cache", platformdirs.user_cache_path(_APP, appauthor=False))


def log_dir() -> Path:
    """Logs of the chat and of the model process."""
    return _directory("log", platformdirs.user_log_path(_APP, appauthor=False))


def models_dir() -> Path:
    """Installed models, one directory each."""
    return data_dir() / "models"


@contextmanager
def storing(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals while writing `target` into one clear error.

    Raises:
        StorageError: no space left, no permission, or any other OSError inside the block.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            tr("error.paths.unwritable", path=target, reason=reason_of(error)),
            tr("error.paths.unwritable_hint"),
        ) from error


def require_parent(target: Path) -> None:
    """Refuse a file whose directory is not there: where a person names the place, none is made.

    Raises:
        UsageError: a part of the path is missing, or is a file.
        StorageError: the system does not let us look.
    """
    parts = [*reversed(target.absolute().parents)]
    with storing(target):
        wrong = next((part for part in parts if not part.is_dir()), None)
        if wrong is None:
            return
        kind = "part_is_file" if wrong.exists() else "no_directory"
    raise UsageError(
        tr(f"error.paths.{kind}", path=target, part=wrong), tr(f"error.paths.{kind}_hint")
    )


def atomic_write(target: Path, content: bytes | str) -> None:
    """Write a file beside its final name, flush it, then rename it.

    An older file's permissions stay; a new one has those that the process gives to new files.

    Args:
        target: the final path; its directory is made.
        content: bytes, or text that is written as UTF-8.

    Raises:
        StorageError: it cannot be written; an older file at `target` stays as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    with storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            os.chmod(name, _mode_for(target))  # noqa: PTH101, mkstemp makes it private
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise


def _mode_for(target: Path) -> int:
    """Permissions that a file at `target` has, or would have."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    return 0o666 & ~_UMASK


def _umask() -> int:
    """That of the process: to ask is to set it, so this is done once, before there are threads."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()


@contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """Fill a temporary directory beside `target`, then rename it.

    Args:
        target: the final directory; one that is there already is replaced at the end.

    Yields:
        The directory to write into.

    Raises:
        StorageError: it cannot be made or renamed; an older directory stays as it was.
    """
    with storing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        draft.mkdir()
    try:
        yield draft
        with storing(target):
            if target.exists():
                old = target.with_name(f"{draft.name}.old")
                target.replace(old)
                try:
                    draft.replace(target)
                except OSError:
                    old.replace(target)
                    raise
                shutil.rmtree(old, ignore_errors=True)
            else:
                draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)

# SPDX-License-Identifier: Apache-2.0
"""Every error that a person may see.

    YurenError
    ├── UsageError             an option or a value that cannot be (exit code 2)
    ├── ImageError             a picture that cannot be read or is refused
    ├── ModelError
    │   ├── ModelNotFoundError     no such directory, no such hub id, nothing installed
    │   ├── ModelFormatError       a directory that is no model, or one we cannot run
    │   ├── DamagedCheckpointError a weight file that is cut off or unreadable
    │   ├── UnsafeCheckpointError  a pickle that wants more than tensors
    │   └── NoVisionTowerError     a picture for a model that cannot see
    ├── ContextLengthError     the newest turn alone is longer than the context
    ├── OutOfMemoryError       the device has too little memory for the request
    ├── DownloadError          the network failed, or what came was not what was asked for
    ├── StorageError           a file or directory cannot be written
    ├── DataError              training data that cannot be read, or that teaches nothing
    └── ProtocolError          a line between front end and model process that is none of ours

A message says what failed and names the value; the hint says what to do next. Errors are
translated only at the borders: a command prints and exits, the chat shows them, the model
process sends `failed`.
"""

from __future__ import annotations

from typing import ClassVar


class YurenError(Exception):
    """Something went wrong in a way that a person can mend.

    Args:
        message: what failed, with the value; one sentence, no full stop needed.
        hint: what to do next; may be empty.
        exit_code: what a command exits with; the class decides where it is None.
    """

    default_exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = self.default_exit_code if exit_code is None else exit_code

    @property
    def kind(self) -> str:
        """The class name: what the protocol carries to tell errors apart."""
        return type(self).__name__

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(YurenError):
    """An option or a value that cannot be."""

    default_exit_code = 2


class ImageError(YurenError):
    """A picture that cannot be read or is refused."""


class ModelError(YurenError):
    """A model that cannot be had, read or run."""


class ModelNotFoundError(ModelError):
    """No such directory, no such hub id, or nothing installed yet."""


class ModelFormatError(ModelError):
    """A directory that is no model, or a model of a kind we cannot run."""


class DamagedCheckpointError(ModelError):
    """A weight file that is cut off or unreadable."""


class UnsafeCheckpointError(ModelError):
    """A pickle that wants more than tensors."""


class NoVisionTowerError(ModelError):
    """A picture for a model that cannot see."""


class ContextLengthError(YurenError):
    """The newest turn alone is longer than the context."""


class OutOfMemoryError(YurenError):
    """The device has too little memory for the request."""


class DownloadError(YurenError):
    """The network failed, or what came was not what was asked for."""


class StorageError(YurenError):
    """A file or directory cannot be written."""


class DataError(YurenError):
    """Training data that cannot be read, or that teaches nothing."""


class ProtocolError(YurenError):
    """A line between a front end and the model process that is none of ours."""

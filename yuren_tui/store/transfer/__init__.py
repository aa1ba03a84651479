# SPDX-License-Identifier: Apache-2.0
"""Chats into files and out of files: Markdown, JSON, training rows; ours and other programs'."""

from __future__ import annotations

from yuren_tui.store.transfer.exporting import (
    SUFFIXES,
    ExportFormat,
    ExportResult,
    export_chats,
    free_path,
)
from yuren_tui.store.transfer.importing import ImportReport, Progress, import_file
from yuren_tui.store.transfer.reading import Limits

__all__ = [
    "SUFFIXES",
    "ExportFormat",
    "ExportResult",
    "ImportReport",
    "Limits",
    "Progress",
    "export_chats",
    "free_path",
    "import_file",
]

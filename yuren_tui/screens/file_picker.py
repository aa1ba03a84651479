# SPDX-License-Identifier: Apache-2.0
"""Choose a picture: type its path, or walk the tree with a preview beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.text import Text, TextType
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import DirectoryTree, Footer, Input, Static
from textual.widgets.directory_tree import DirEntry

from yuren_core.attachments import PICTURE_SUFFIXES, resolve_path
from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.sanitize import sanitize, sanitize_line
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.url_picture import is_url
from yuren_tui.widgets.picture import ThumbnailView
from yuren_tui.widgets.safe_input import SafeInput


class PictureTree(DirectoryTree, inherit_bindings=False):
    """Directories and pictures; names are shown safely, hidden ones are left out."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("enter", "select_cursor", "picker.choose", show=True),
        bind("up,k", "cursor_up", "picker.up"),
        bind("down,j", "cursor_down", "picker.down"),
        bind("right,space", "toggle_node", "picker.open"),
        bind("left", "cursor_parent", "picker.parent"),
        bind("pageup", "page_up", "picker.page_up"),
        bind("pagedown", "page_down", "picker.page_down"),
        bind("home", "scroll_home", "picker.home"),
        bind("end", "scroll_end", "picker.end"),
    ]

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [path for path in paths if not path.name.startswith(".") and _is_shown(path)]

    def process_label(self, label: TextType) -> Text:
        return Text(sanitize_line(label if isinstance(label, str) else label.plain))


class FilePicker(TranslatedModal[Path | str | None]):
    """The picker; its result is the chosen file or the typed URL, None for none.

    Args:
        start: the directory to begin in; the working directory where it is None.
    """

    CSS_PATH = "file_picker.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("ctrl+l,slash", "type_path", "picker.type", show=True),
        bind("backspace,minus", "upwards", "picker.upwards", show=True),
    ]

    def __init__(self, start: Path | None = None) -> None:
        super().__init__()
        self._start = start or Path.cwd()

    def compose(self) -> ComposeResult:
        with Vertical(id="panel") as panel:
            panel.border_title = tr("picker.title")
            yield SafeInput(placeholder=tr("picker.placeholder"), id="path", compact=True)
            with Horizontal(id="browse"):
                yield PictureTree(self._start, id="tree")
                with Vertical(id="preview"):
                    yield ThumbnailView(columns=30, rows=14)
                    yield Static("", id="about", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(PictureTree).focus()

    @on(Input.Submitted, "#path")
    def _path_typed(self, event: Input.Submitted) -> None:
        event.stop()
        if is_url(event.value):
            self.dismiss(event.value.strip())
            return
        try:
            path = resolve_path(event.value)
        except YurenError as error:
            self._about(error.message)
            return
        if path.is_dir():
            self._go(path)
        else:
            self.dismiss(path)

    @on(DirectoryTree.FileSelected)
    def _chosen(self, event: DirectoryTree.FileSelected) -> None:
        event.stop()
        self.dismiss(event.path)

    @on(DirectoryTree.NodeHighlighted)
    def _highlighted(self, event: DirectoryTree.NodeHighlighted[DirEntry]) -> None:
        event.stop()
        entry = event.node.data
        path = entry.path if entry else None
        is_file = path is not None and path.suffix.lower() in PICTURE_SUFFIXES
        self.query_one(ThumbnailView).path = str(path) if is_file else ""
        self._about("")
        if is_file and path is not None:
            self._describe(path)

    def action_type_path(self) -> None:
        """Type a path instead."""
        self.query_one("#path", Input).focus()

    def action_upwards(self) -> None:
        """Show the directory above."""
        self._go(Path(self.query_one(PictureTree).path).absolute().parent)

    @work(thread=True, exclusive=True, group="describe")
    def _describe(self, path: Path) -> None:
        from yuren_core.images import inspect_image

        try:
            info = inspect_image(path)
            size = f"{info.width} × {info.height}  {info.format}  {info.size_bytes / 1024:.0f} KiB"
        except YurenError as error:
            size = error.message
        self.app.call_from_thread(self._about, f"{sanitize_line(path.name)}\n{size}")

    def _go(self, directory: Path) -> None:
        tree = self.query_one(PictureTree)
        tree.path = directory
        tree.focus()

    def _about(self, words: str) -> None:
        self.query_one("#about", Static).update(Content(sanitize(words)))


def _is_shown(path: Path) -> bool:
    try:
        return path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES
    except OSError:
        return False

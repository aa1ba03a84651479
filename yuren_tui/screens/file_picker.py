# SPDX-License-Identifier: Apache-2.0
"""Choose pictures: type a path, or walk the tree with a preview beside it, and mark several."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.style import Style
from rich.text import Text, TextType
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import DirectoryTree, Footer, Input, Static
from textual.widgets.directory_tree import DirEntry
from textual.widgets.tree import TreeNode

from yuren_core.attachments import PICTURE_SUFFIXES, resolve_path
from yuren_core.errors import YurenError
from yuren_core.i18n import tr
from yuren_tui.bindings import bind
from yuren_tui.sanitize import sanitize, sanitize_line
from yuren_tui.screens.base import TranslatedModal
from yuren_tui.url_picture import is_url
from yuren_tui.widgets.picture import ThumbnailView
from yuren_tui.widgets.safe_input import SafeInput

_MARK = "✓  "  # as wide as the icon of a file, which it stands in for


class PictureTree(DirectoryTree, inherit_bindings=False):
    """Directories and pictures; names are shown safely, hidden ones are left out."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"picture-tree--mark"}
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("enter", "select_cursor", "picker.choose", show=True),
        bind("up,k", "cursor_up", "picker.up"),
        bind("down,j", "cursor_down", "picker.down"),
        bind("space", "mark", "picker.mark", show=True),
        bind("right", "toggle_node", "picker.open"),
        bind("left", "cursor_parent", "picker.parent"),
        bind("pageup", "page_up", "picker.page_up"),
        bind("pagedown", "page_down", "picker.page_down"),
        bind("home", "scroll_home", "picker.home"),
        bind("end", "scroll_end", "picker.end"),
    ]

    class MarksChanged(Message):
        """A picture was marked, or is marked no more."""

    def __init__(self, path: Path, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(path, id=id)
        self.marked: dict[Path, None] = {}
        """In the order in which they were marked; those of other directories stay."""

    def action_mark(self) -> None:
        """Mark a picture or let it go; open or close a directory."""
        node = self.cursor_node
        if node is None or node.data is None:
            return
        if node.allow_expand:
            self.action_toggle_node()
            return
        path = node.data.path
        if path in self.marked:
            del self.marked[path]
        else:
            self.marked[path] = None
        node.refresh()
        self.post_message(self.MarksChanged())

    def render_label(self, node: TreeNode[DirEntry], base_style: Style, style: Style) -> Text:
        label = super().render_label(node, base_style, style)
        if node.data is None or node.data.path not in self.marked or not self.is_mounted:
            return label
        colour = self.get_component_rich_style("picture-tree--mark", partial=True)
        return Text.assemble((_MARK, base_style + colour), label[len(self.ICON_FILE) :])

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [path for path in paths if not path.name.startswith(".") and _is_shown(path)]

    def process_label(self, label: TextType) -> Text:
        return Text(sanitize_line(label if isinstance(label, str) else label.plain))


class FilePicker(TranslatedModal[list[Path] | str | None]):
    """The picker; its result is the chosen files or the typed URL, None for none.

    Where pictures are marked, those are chosen, wherever the cursor is.

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
            panel.border_subtitle = tr("picker.upwards_hint")
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
            self._choose([*self.query_one(PictureTree).marked, path])

    @on(DirectoryTree.FileSelected)
    def _chosen(self, event: DirectoryTree.FileSelected) -> None:
        event.stop()
        self._choose([*self.query_one(PictureTree).marked] or [event.path])

    @on(PictureTree.MarksChanged)
    def _marks_changed(self, event: PictureTree.MarksChanged) -> None:
        event.stop()
        count = len(self.query_one(PictureTree).marked)
        panel = self.query_one("#panel")
        panel.border_subtitle = (
            tr("picker.marked", count=count) if count else tr("picker.upwards_hint")
        )

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

    def _choose(self, paths: Iterable[Path]) -> None:
        self.dismiss(list(dict.fromkeys(paths)))

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

# SPDX-License-Identifier: Apache-2.0
"""The system's clipboard: text into it, pictures out of it. Knows no textual.

`copy_text` says truly whether it worked: what a terminal does with OSC 52 cannot be known, what a
tool's exit code says can. `pictures_from_clipboard` brings pictures as files.
"""

from yuren_tui.clipboard.copying import Copied, copy_text
from yuren_tui.clipboard.errors import ClipboardError
from yuren_tui.clipboard.pasting import pictures_from_clipboard

__all__ = ["ClipboardError", "Copied", "copy_text", "pictures_from_clipboard"]

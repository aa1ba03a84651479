# SPDX-License-Identifier: Apache-2.0
"""What the clipboard refuses."""

from __future__ import annotations

from yuren_core.errors import YurenError


class ClipboardError(YurenError):
    """The clipboard cannot be reached, or does not hold what is wanted."""

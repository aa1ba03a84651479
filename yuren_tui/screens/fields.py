# SPDX-License-Identifier: Apache-2.0
"""The scrolled part of a form: its arrows go from field to field, as the screen binds them."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll

from yuren_tui.bindings import bind


class Fields(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Textual's own scrolls on Up and Down as soon as the form is higher than its panel."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("pageup", "page_up", "modal.page_up"),
        bind("pagedown", "page_down", "modal.page_down"),
    ]

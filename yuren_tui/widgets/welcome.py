# SPDX-License-Identifier: Apache-2.0
"""What an empty chat shows: the name, and the keys that matter."""

from __future__ import annotations

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from yuren_core.i18n import tr


class Welcome(Static):
    """The first thing that is seen."""

    def __init__(self) -> None:
        super().__init__(
            Content.assemble(
                (tr("welcome.name"), "$primary bold"),
                ("\n" + tr("welcome.line"), "$foreground 75%"),
                ("\n\n" + tr("welcome.keys"), "$foreground 55%"),
            )
        )


class StarterWanted(Message):
    """The person wants the starter model to be installed."""

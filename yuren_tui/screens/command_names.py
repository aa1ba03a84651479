# SPDX-License-Identifier: Apache-2.0
"""Names for completions while one types: presets are read again only where they have changed."""

from __future__ import annotations

from collections.abc import Iterable

from yuren_tui.commands import SessionContext
from yuren_tui.presets import PresetLibrary
from yuren_tui.session import Session


class CommandNames(SessionContext):
    """Names as a session knows them.

    Args:
        session: the conversation.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._language = session.profile.language
        self._library = PresetLibrary()

    def presets(self) -> Iterable[tuple[str, str]]:
        """Ids and names of presets."""
        return [(preset.id, preset.name(self._language)) for preset in self._library.presets()]

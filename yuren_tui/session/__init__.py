# SPDX-License-Identifier: Apache-2.0
"""One chat's state machine, without textual: what screen and plain lines both drive.

Session      asks the model, stops it, counts (`session`; `answering`, `counting`)
OpenChat     which chat is open, and who the model is in it (`open_chat`, `lazy_store`)
ModelLink    the model process and what is loaded in it (`model_link`)
StoredChat   one chat, imported when it is first needed: its row (`chat_row`), its messages
             (`chat_tree`), how it is opened and left (`stored_chat`), its sampling
             (`chat_sampling`), what it tells the model (`chat_prompt`)
"""

from __future__ import annotations

from yuren_tui.session.model_link import ModelLink
from yuren_tui.session.session import Session
from yuren_tui.session.values import (
    ContextUse,
    ModelChoice,
    ModelState,
    Phase,
    Profile,
    Turn,
    TurnStats,
    TurnStatus,
)

__all__ = [
    "ContextUse",
    "ModelChoice",
    "ModelLink",
    "ModelState",
    "Phase",
    "Profile",
    "Session",
    "Turn",
    "TurnStats",
    "TurnStatus",
]

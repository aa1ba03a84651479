# SPDX-License-Identifier: Apache-2.0
"""One chat's state machine, without textual: what screen and plain lines both drive.

Session      turns, the model's state, and what may happen next (`session`)
StoredChat   the chat that is open: its tree, preset, system prompt, draft (`stored_chat`, imported
             when it is first needed)
ModelLink    the model process and what is loaded in it (`model_link`)
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

# SPDX-License-Identifier: Apache-2.0
"""What the status bar shows of a session."""

from __future__ import annotations

from pathlib import PurePath

from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.model_care import ModelCare
from yuren_tui.widgets.status_bar import Status


def status_of(care: ModelCare) -> Status:
    """The status bar's values.

    Args:
        care: the session's model, and how long it has been loading.
    """
    session = care.session
    state = session.model
    answers = [turn for turn in session.turns if turn.role is Role.ASSISTANT]
    last = answers[-1] if answers else None
    timed = [turn.stats for turn in answers if turn.stats.tokens_per_s]
    chosen = PurePath(care.choice.model).name if care.choice else ""
    ready = state.ready
    return Status(
        phase=state.phase if care.choice else "absent",
        model=ready.model if ready else chosen,
        dtype=ready.dtype if ready else "",
        device=ready.device if ready else "",
        stage=state.loading.stage if state.loading else "",
        fraction=state.loading.fraction if state.loading else None,
        seconds=care.loading_s if state.phase == "loading" else 0.0,
        used=session.context_used,
        context_length=ready.context_length if ready else 0,
        tokens_per_s=timed[-1].tokens_per_s if timed else 0.0,
        ttft_s=timed[-1].ttft_s if timed else 0.0,
        remark=tr("status.stopped") if last and last.status == "stopped" else "",
    )

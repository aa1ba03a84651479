# SPDX-License-Identifier: Apache-2.0
"""When something was, as people say it: "5 min ago", "yesterday", then the date."""

from __future__ import annotations

from datetime import datetime

from yuren_core.i18n import tr

_DAYS = 7  # beyond that, the date says more


def relative_time(moment: datetime, now: datetime) -> str:
    """A time as seen from another.

    Args:
        moment: aware; one to come counts as now.
        now: aware; its time zone says where a day ends.
    """
    local = moment.astimezone(now.tzinfo)
    seconds = (now - local).total_seconds()
    days = (now.date() - local.date()).days
    if seconds < 60:
        return tr("chats.now")
    if seconds < 3600:
        return tr("chats.minutes", count=int(seconds // 60))
    if days == 0:
        return tr("chats.hours", count=int(seconds // 3600))
    if days == 1:
        return tr("chats.yesterday")
    return tr("chats.days", count=days) if days < _DAYS else local.date().isoformat()

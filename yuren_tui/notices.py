# SPDX-License-Identifier: Apache-2.0
"""Short notices: of what happened last, and only while it matters.

Textual piles them up until each has had its time. Here a new one takes the place of those that
could be read by then and of one that says the same, and a panel that opens or closes leaves them
behind. Where they stand is in `screens/notices.tcss`: they take lines of their own, and cover
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from textual.app import App
from textual.notifications import Notification, Notify
from textual.screen import Screen
from textual.widgets._toast import ToastRack

TOGETHER_S = 0.5
"""What was told this short ago is told of what happens now, such as of a panel that opens."""

_READ_S = 3.0  # what was told this long ago has been read


class BriefNotices(App[None], inherit_bindings=False):
    """An app whose notices go with what they are about."""

    def on_notify(self, event: Notify) -> None:
        """Let go of others; Textual's own handler then shows the new one."""
        new, now = event.notification, time.time()
        self._let_go(
            one
            for one in self._notifications
            if one.message == new.message or now - one.raised_at >= _READ_S
        )

    def drop_notices(self, *, older_than_s: float = 0.0) -> None:
        """Take notices away, on every screen: what they are about is over.

        Args:
            older_than_s: those that were told since stay.
        """
        now = time.time()
        self._let_go(one for one in self._notifications if now - one.raised_at >= older_than_s)
        for rack in self._racks():
            rack.display = bool(self._notifications)

    def _let_go(self, notices: Iterable[Notification]) -> None:
        gone = set()
        for one in [*notices]:
            gone.add(ToastRack._toast_id(one))
            self._unnotify(one, refresh=False)
        for rack in self._racks():
            for holder in rack.children:
                if holder.id in gone:
                    holder.remove()

    def _racks(self) -> Iterator[ToastRack]:
        for screen in self.screen_stack:
            if rack := rack_of(screen):
                yield rack


def drop_notices(screen: Screen[Any], *, older_than_s: float = 0.0) -> None:
    """As `BriefNotices.drop_notices`, of the app that a screen is part of."""
    if isinstance(screen.app, BriefNotices):
        screen.app.drop_notices(older_than_s=older_than_s)


def rack_of(screen: Screen[Any]) -> ToastRack | None:
    """Where a screen shows notices; None where it shows none, as in tests. No query finds it."""
    return next((one for one in screen.children if isinstance(one, ToastRack)), None)

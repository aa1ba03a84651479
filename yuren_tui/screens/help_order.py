# SPDX-License-Identifier: Apache-2.0
"""In which order keys are listed: what one needs first comes first.

First the keys of what has the focus alone or of the panel, then of the chat: write, send, stop,
attach; chats; messages; panels; leaving. Then what every editor can do.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding

_OF_CHAT = {
    "prompt": (
        *("prompt.send", "prompt.newline", "chat.stop", "chat.attach", "chat.paste_picture"),
        *("chat.look", "chat.history", "chat.editor", "prompt.complete", "prompt.leave_list"),
    ),
    "chat": ("chat.new", "chat.list", "chat.back", "turns.tree"),
    "turns": (
        *("turns.enter", "turns.swap", "turns.leave", "transcript.up", "transcript.down"),
        *("turns.menu", "turns.retry", "turns.edit", "turns.resend", "turns.copy", "turns.code"),
        *("turns.previous", "turns.next", "turns.continue", "turns.quote", "turns.pin"),
        *("turns.delete", "turns.undo", "transcript.home", "transcript.end"),
        *("chat.page_up", "chat.page_down", "chat.top", "chat.bottom"),
    ),
    "panels": (
        *("chat.sampling", "chat.system", "chat.presets", "chat.lore", "chat.meter"),
        *("chat.models", "chat.reload", "app.settings", "app.theme"),
    ),
    "app": (
        *("app.help", "app.commands", "app.focus_next", "app.focus_previous"),
        *("chat.interrupt", "app.interrupt", "app.quit"),
    ),
}
_GROUPS = (
    *("chip", "editor", "chats", "tree", "sampling", "picker", "system", "meter", "presets"),
    *("models", "lore", "history", "url", "picture", "settings", "field", "list", "modal"),
    *_OF_CHAT,
    "edit",
)
_PLACES = {name: (group, at) for group, names in _OF_CHAT.items() for at, name in enumerate(names)}
_LAST = 1_000  # of its group, where no place is given


def grouped(bindings: Iterable[Binding]) -> list[tuple[str, dict[str, list[Binding]]]]:
    """Bindings that have ids, in the order in which they are shown.

    Args:
        bindings: in any order; without a place of their own they keep it within their group.

    Returns:
        Names of groups, `help.group_<name>` in the catalogues; in each, by id, all bindings of it
        with keys of their own.
    """
    groups: dict[str, dict[str, list[Binding]]] = {}
    known = [binding for binding in bindings if binding.id is not None]
    for binding in sorted(known, key=lambda one: _place(one)[1]):
        group, _ = _place(binding)
        same = groups.setdefault(group, {}).setdefault(str(binding.id), [])
        if all(binding.key != other.key for other in same):
            same.append(binding)
    return [(group, groups[group]) for group in _GROUPS if group in groups]


def _place(binding: Binding) -> tuple[str, int]:
    name = str(binding.id)
    return _PLACES.get(name, (name.split(".")[0], _LAST))

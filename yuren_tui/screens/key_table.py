# SPDX-License-Identifier: Apache-2.0
"""Every binding of the chat with its own keys, and which get in each other's way.

Collected from the classes. Only bindings with an id count: they are ours, have words in the
catalogues, and can be rebound.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen

from yuren_core.i18n import tr
from yuren_tui.settings import Keys, binding_ids

_PLACES = ("yuren_tui.screens", "yuren_tui.widgets")


@dataclass(frozen=True, slots=True)
class Row:
    """A binding.

    Attributes:
        binding: its id.
        keys: those it has where nobody says otherwise.
        owners: the classes that have it.
        is_priority: whether it comes before what the focused widget does.
    """

    binding: str
    keys: tuple[str, ...]
    owners: tuple[type[DOMNode], ...]
    is_priority: bool

    @property
    def words(self) -> str:
        """What it does."""
        return tr(f"binding.{self.binding}")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A key that two bindings have in one place, where only one can act."""

    key: str
    binding: str
    other: str

    @property
    def message(self) -> str:
        """What to tell the person."""
        return tr(
            "settings.conflict",
            key=self.key,
            one=tr(f"binding.{self.binding}"),
            other=tr(f"binding.{self.other}"),
        )


def key_table(app: type[App[Any]]) -> dict[str, Row]:
    """All bindings of an app, its screens and its widgets, by id.

    Args:
        app: the app's class; all modules of screens and widgets are imported.
    """
    found: dict[str, list[tuple[type[DOMNode], Binding]]] = {}
    for owner in (*_mro_of(app), *_owners()):
        for binding in vars(owner).get("BINDINGS", ()):
            if isinstance(binding, Binding) and binding.id in binding_ids():
                found.setdefault(str(binding.id), []).append((owner, binding))
    return {name: _row(name, pairs) for name, pairs in found.items()}


def keys_of(row: Row, keys: Keys) -> tuple[str, ...]:
    """The keys that a binding has with these settings."""
    return keys.get(row.binding, row.keys)


def conflicts(keys: Keys, table: Mapping[str, Row]) -> tuple[Conflict, ...]:
    """Keys that settings give to a binding while another has them in the same place.

    Args:
        keys: from the settings.
        table: from `key_table`.

    Returns:
        Each pair once; what the chat's own keys share on purpose is left out.
    """
    found = []
    for name in keys.keys() & table.keys():
        for other in table.values():
            if other.binding == name or (other.binding in keys and other.binding < name):
                continue
            mine, theirs = table[name], set(keys_of(other, keys))
            shared = [key for key in keys_of(mine, keys) if key in theirs]
            for key in shared:
                is_usual = key in mine.keys and key in other.keys
                if not is_usual and _meet(mine, other):
                    found.append(Conflict(key, name, other.binding))
    return tuple(sorted(found, key=lambda one: (one.binding, one.other, one.key)))


def _meet(one: Row, other: Row) -> bool:
    """Whether two bindings may act at the same time."""
    if one.binding.split(".")[0] == other.binding.split(".")[0]:
        return True
    return any(_meet_in(a, b) or _meet_in(b, a) for a in one.owners for b in other.owners)


def _meet_in(one: type[DOMNode], other: type[DOMNode]) -> bool:
    if issubclass(one, App) or issubclass(one, other):
        return True
    if not issubclass(one, Screen) or issubclass(other, Screen):
        return False
    # A screen meets its widgets: a panel those of its file, the chat those of files of their own.
    if issubclass(one, ModalScreen):
        return one.__module__ == other.__module__
    return not other.__module__.startswith("yuren_tui.screens.")


def _row(name: str, pairs: list[tuple[type[DOMNode], Binding]]) -> Row:
    keys = dict.fromkeys(key.strip() for _, one in pairs for key in one.key.split(","))
    owners = dict.fromkeys(owner for owner, _ in pairs)
    return Row(name, tuple(keys), tuple(owners), any(one.priority for _, one in pairs))


def _mro_of(app: type[App[Any]]) -> list[type[DOMNode]]:
    return [cls for cls in app.__mro__ if issubclass(cls, App)]


def _owners() -> Iterator[type[DOMNode]]:
    for place in _PLACES:
        package = importlib.import_module(place)
        for module in pkgutil.iter_modules(package.__path__, f"{place}."):
            for thing in vars(importlib.import_module(module.name)).values():
                is_node = isinstance(thing, type) and issubclass(thing, DOMNode)
                if is_node and thing.__module__ == module.name:
                    yield thing

# SPDX-License-Identifier: Apache-2.0
"""Bindings whose words are chosen at run time.

A binding's id is its name in the keymap and in the catalogues: `binding.<id>` is its
description and, for those that the footer shows, `tooltip.<id>` its tooltip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from textual.binding import ActiveBinding, Binding, BindingsMap, BindingType

from yuren_core.i18n import tr


def bind(
    keys: str, action: str, binding_id: str, *, show: bool = False, priority: bool = False
) -> Binding:
    """A binding of ours.

    Args:
        keys: keys, joined by commas.
        action: what Textual is to run.
        binding_id: the id, `group.name`.
        show: whether the footer shows it; it has a tooltip then.
        priority: whether it comes before what the focused widget does with the key.

    Returns:
        The binding; `translate` gives it its words.
    """
    tooltip = binding_id if show else ""
    return Binding(
        keys, action, binding_id, show=show, priority=priority, tooltip=tooltip, id=binding_id
    )


def translate(active: Mapping[str, ActiveBinding]) -> dict[str, ActiveBinding]:
    """The active bindings of a screen, ours in the current language."""
    return {key: _translated(binding) for key, binding in active.items()}


def in_order(active: Mapping[str, ActiveBinding], ids: Sequence[str]) -> dict[str, ActiveBinding]:
    """Active bindings with these ids first, in their order: those of the focus come first else."""
    places = {name: place for place, name in enumerate(ids)}
    last = len(ids)
    return dict(sorted(active.items(), key=lambda one: places.get(str(one[1].binding.id), last)))


def _translated(active: ActiveBinding) -> ActiveBinding:
    binding = active.binding
    if binding.id is None or binding.description != binding.id:
        return active
    tooltip = tr(f"tooltip.{binding.id}") if binding.tooltip else ""
    description = tr(f"binding.{binding.id}")
    return active._replace(
        binding=replace(binding, description=description, tooltip=tooltip), tooltip=tooltip
    )


def spoken_keys(
    bindings: Iterable[BindingType], binding_id: str, keymap: Mapping[str, str]
) -> tuple[str, ...]:
    """The keys of a binding as they are now, as a sentence names them: Ctrl+N, Delete, x.

    Args:
        bindings: those of the class that has it.
        binding_id: its id.
        keymap: keys of the person's own, by id.
    """
    bound = BindingsMap(bindings)
    bound.apply_keymap(dict(keymap))
    return tuple(_spoken(key) for key, binding in bound if binding.id == binding_id)


def _spoken(key: str) -> str:
    names = key.split("+")
    return key if len(key) == 1 else "+".join(name.capitalize() for name in names)

# SPDX-License-Identifier: Apache-2.0
"""Bindings whose words are chosen at run time.

A binding's id is its name in the keymap and in the catalogues: `binding.<id>` is its
description and, for those that the footer shows, `tooltip.<id>` its tooltip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from textual.binding import ActiveBinding, Binding

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


def _translated(active: ActiveBinding) -> ActiveBinding:
    binding = active.binding
    if binding.id is None or binding.description != binding.id:
        return active
    tooltip = tr(f"tooltip.{binding.id}") if binding.tooltip else ""
    description = tr(f"binding.{binding.id}")
    return active._replace(
        binding=replace(binding, description=description, tooltip=tooltip), tooltip=tooltip
    )

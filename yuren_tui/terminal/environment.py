# SPDX-License-Identifier: Apache-2.0
"""Variables that textual reads while it is imported, set before. Imports no textual itself."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

_KITTY_KEYS_OFF = "TEXTUAL_DISABLE_KITTY_KEY"
_ANIMATIONS = "TEXTUAL_ANIMATIONS"
_FPS = "TEXTUAL_FPS"


def is_iterm(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is iTerm2, also through ssh, which carries LC_TERMINAL along."""
    return (
        environment.get("TERM_PROGRAM") == "iTerm.app" or environment.get("LC_TERMINAL") == "iTerm2"
    )


def prepare(environment: MutableMapping[str, str], *, reduced_motion: bool = False) -> None:
    """Set what textual is to know of this terminal. A variable that is set already stays.

    Args:
        environment: `os.environ`, changed in place.
        reduced_motion: no animations. Where the environment asks for none, there are none either.
    """
    if is_iterm(environment):
        # With kitty's key reports on, iTerm2 sends nothing of what an input method commits.
        environment.setdefault(_KITTY_KEYS_OFF, "1")
    # Textual paints at the next tick but one after a long frame: a key waits for two ticks then.
    environment.setdefault(_FPS, "120")
    if reduced_motion:
        environment[_ANIMATIONS] = "none"


def wants_reduced_motion(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for no animations."""
    return environment.get(_ANIMATIONS, "").lower() == "none"

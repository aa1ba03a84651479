# SPDX-License-Identifier: Apache-2.0
"""Names of keys as people write them, brought to the one form that Textual reports.

`Ctrl+N`, `control+n`, `esc`, `?`, `shift+a` become `ctrl+n`, `ctrl+n`, `escape`, `question_mark`,
`A`. A name that no key can have is refused. Knows no textual: keys are read before it is imported.
"""

from __future__ import annotations

import re
import unicodedata

_MODIFIERS = {
    "ctrl": "ctrl",
    "control": "ctrl",
    "alt": "alt",
    "option": "alt",
    "shift": "shift",
    "super": "super",
    "cmd": "super",
    "command": "super",
    "win": "super",
    "hyper": "hyper",
    "meta": "meta",
}
_ALIASES = {
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "ins": "insert",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "page_up": "pageup",
    "page_down": "pagedown",
    "newline": "ctrl+j",
}
_NAMED = frozenset(
    [
        "enter",
        "escape",
        "tab",
        "space",
        "backspace",
        "delete",
        "insert",
        "home",
        "end",
        "pageup",
        "pagedown",
        "up",
        "down",
        "left",
        "right",
        "scroll_lock",
        "num_lock",
        "caps_lock",
        "print_screen",
        "pause",
        "menu",
    ]
) | {f"f{number}" for number in range(1, 25)}
_SHORT = {  # Textual's names for characters whose Unicode names are long
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
_DASHED = {"hyphen_minus": "-", "less_than_sign": "<", "greater_than_sign": ">"}


def canonical_key(name: str) -> str:
    """A key's name as Textual reports the key.

    Args:
        name: modifiers and a key, joined by +; upper and lower case are the same but for a
            letter alone.

    Returns:
        The name, its modifiers in alphabetical order.

    Raises:
        ValueError: no key is called so.
    """
    *modifiers, last = _parts(name.strip())
    held = set()
    for modifier in modifiers:
        if modifier.lower() not in _MODIFIERS:
            raise ValueError(name)
        held.add(_MODIFIERS[modifier.lower()])
    key = _key(last)
    if len(key) == 1 and key.isalpha():
        if held == {"shift"}:
            return key.upper()
        if held:
            key = key.lower()  # Ctrl+N is ctrl+n; shift is said where it is meant
    if "+" in key:  # an alias of a whole combination
        if held:
            raise ValueError(name)
        return key
    return "+".join([*sorted(held), key])


def is_typed(key: str) -> bool:
    """Whether a key writes a character, so that a binding of the prompt would take it away."""
    if "+" in key or key in _NAMED:
        return key == "space"
    return True


def character_name(char: str) -> str:
    """Textual's name of a character's key."""
    if char.isalnum():
        return char
    name = unicodedata.name(char, "").lower().replace("-", "_").replace(" ", "_")
    return _SHORT.get(name, name)


def _parts(name: str) -> list[str]:
    """Cut at the plus signs; the last may be a plus itself."""
    if name == "+" or name.endswith("++"):
        return [*filter(None, name[:-1].rstrip("+").split("+")), "plus"]
    return name.split("+")


def _key(name: str) -> str:
    if len(name) == 1 and name.isprintable():
        key = "space" if name == " " else character_name(name)
        if key:
            return key
    word = name.lower()
    word = _ALIASES.get(word, word)
    if word in _NAMED or word == "ctrl+j" or word in _SHORT.values():
        return word
    if re.fullmatch(r"[a-z0-9_]{2,60}", word):
        try:
            char = unicodedata.lookup(word.replace("_", " ").upper())
        except KeyError:
            char = _DASHED.get(word, "")
        if char and char.isprintable() and not char.isalnum():
            return character_name(char)
    raise ValueError(name)

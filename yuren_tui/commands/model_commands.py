# SPDX-License-Identifier: Apache-2.0
"""Commands about the model and what it is told: preset, system prompt, pictures, settings."""

from __future__ import annotations

import asyncio
import os
from dataclasses import fields, replace
from typing import Any

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_core.sampling_params import SamplingParams
from yuren_tui.commands.host import CommandHost
from yuren_tui.session import ContextUse, ModelChoice, Session
from yuren_tui.settings.schema import BY_NAME, Entry

SETTABLE = (*(field.name for field in fields(SamplingParams)), "user", "persona")
"""What `/set` knows."""

_PERSON = {"user": "name", "persona": "persona"}  # as the settings call them
_FIELDS = {"user": "user_name", "persona": "persona"}  # and as `Profile` does
_EMPTY = ('""', "''", "“”")
_DEFAULT = ("default", "默认")
"""What `/set` takes for a value that is no longer typed here."""


async def _preset(host: CommandHost, name: str) -> None:
    from yuren_tui.presets import PresetLibrary, unknown_in, warning_of

    if not name:
        await host.choose_preset()
        return
    session = host.session
    preset = await asyncio.to_thread(PresetLibrary().resolve, name)
    await session.write_ahead(preset)
    if warning := warning_of(unknown_in(preset, session.profile.language)):
        host.say(warning)
    if any(turn.role is Role.USER for turn in session.turns):
        session.use_preset(preset)
        host.say(tr("commands.preset_now", name=preset.name(session.profile.language)))
        return
    session.new_chat(preset)
    host.say(tr("commands.preset_new", name=preset.name(session.profile.language)))
    await host.show_chat()


async def _system(host: CommandHost, text: str) -> None:
    if text == "edit":
        await host.edit_system()
    elif text:
        host.session.require_rest()
        host.session.system_prompt = "" if text in _EMPTY else text
        host.say(tr("commands.system_set"))
        from yuren_tui.presets import unknown_macros, warning_of

        if warning := warning_of(unknown_macros(text)):
            host.say(warning)
    else:
        host.show(host.session.system_prompt or tr("commands.no_system"))


async def _image(host: CommandHost, path: str) -> None:
    await host.attach(path)


async def _set(host: CommandHost, argument: str) -> None:
    name, _, text = argument.partition(" ")
    if not argument:
        host.show("\n".join(_with_origin(host.session, name) for name in SETTABLE))
        return
    name = name.lower().replace("-", "_")
    if name not in SETTABLE:
        allowed = tr("settings.allowed", what=", ".join(SETTABLE))
        raise UsageError(tr("settings.unknown", name=name), allowed)
    if text.strip():
        _change(host.session, name, text.strip())
    host.say(_with_origin(host.session, name))


async def _model(host: CommandHost, reference: str) -> None:
    if not reference:
        await host.choose_model()
        return
    host.session.require_rest()
    name = _reference(reference)
    before = host.session.choice or ModelChoice(name)
    await host.load_model(replace(before, model=name))


async def _count(host: CommandHost, _: str) -> None:
    use = await host.session.count()
    if use is None:
        raise UsageError(tr("commands.no_count"))
    host.show(context_text(use))


HANDLERS = {
    "preset": _preset,
    "system": _system,
    "image": _image,
    "set": _set,
    "model": _model,
    "count": _count,
}


def shown_setting(session: Session, name: str) -> str:
    """The value of one of `SETTABLE`, as it would be typed."""
    if name in _PERSON:
        return str(getattr(session.profile, _FIELDS[name]))
    return _entry(name).kind.text(getattr(session.sampling, name))


def _with_origin(session: Session, name: str) -> str:
    """A value of `SETTABLE`, and who says it where it was not typed in this chat."""
    said = f"{name} = {shown_setting(session, name)}"
    if name in _PERSON or (origin := session.sampling_origin(name)) == "chat":
        return said
    return f"{said}  {tr(f'commands.origin_{origin}')}"


def context_text(use: ContextUse) -> str:
    """What the context is full of, as lines."""
    lines = [
        f"{count:>7}  {tr(f'commands.context_{kind}')}"
        for kind, count in use.by_kind.items()
        if count
    ]
    full = tr("commands.context_full", used=use.prompt_tokens, length=use.context_length)
    lines += [f"{use.answer_tokens:>7}  {tr('commands.context_answer')}", full]
    if use.drops_examples:
        lines.append(tr("commands.context_drops_examples"))
    if use.dropped_turn_ids:
        lines.append(tr("commands.context_drops", count=len(use.dropped_turn_ids)))
    return "\n".join(lines)


def _reference(text: str) -> str:
    return os.path.expanduser(text.strip("\"'"))  # noqa: PTH111 - a hub id is no path


def _change(session: Session, name: str, text: str) -> None:
    if text.lower() in _DEFAULT:
        _restore(session, name)
        return
    entry = _entry(name)
    said = "" if text in (*_EMPTY, "none") and name in ("seed", "stop", *_PERSON) else text
    try:
        value: Any = entry.kind.parse(said)
    except ValueError:
        allowed = tr("settings.allowed", what=entry.kind.allowed())
        raise UsageError(tr("settings.wrong_value", name=name, value=text), allowed) from None
    if name not in _PERSON:
        session.type_sampling(**{name: value})
        return
    _change_person(session, name, value)


def _restore(session: Session, name: str) -> None:
    if name in _PERSON:
        _change_person(session, name, getattr(session.base_profile, _FIELDS[name]))
    else:
        session.forget_typed_sampling(name)


def _change_person(session: Session, name: str, value: str) -> None:
    changed: dict[str, Any] = {_FIELDS[name]: value}
    session.profile = session.chat.profile = replace(session.profile, **changed)


def _entry(name: str) -> Entry:
    return BY_NAME[f"person.{_PERSON[name]}" if name in _PERSON else f"sampling.{name}"]

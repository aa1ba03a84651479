# SPDX-License-Identifier: Apache-2.0
"""From options and settings to a session and a model: what screen and lines both begin with.

The screen's first frame comes before the store, the presets and everything they import: both
are given to the session as callables, and `Session.begin` is what calls them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from yuren_core.client import WORKER_COMMAND, ModelClient
from yuren_core.errors import ImageError, UsageError
from yuren_core.i18n import language_of_locale, use_language
from yuren_tui.options import ChatOptions, worker_command
from yuren_tui.session import ModelChoice, Profile, Session

if TYPE_CHECKING:
    from yuren_core.messages import ImagePart
    from yuren_tui.presets import Preset
    from yuren_tui.settings import LoadedSettings, Settings
    from yuren_tui.store import Store


def read_settings(options: ChatOptions) -> LoadedSettings:
    """The settings, what was typed before all else; their language is spoken from now on.

    How answers are drawn is no setting where it was typed: it goes before what presets say, which
    settings do not, and is kept with no chat, which what comes of settings is.
    """
    from yuren_tui.settings import load_settings

    given = {
        name: value for name, value in options.given.items() if not name.startswith("sampling.")
    }
    loaded = load_settings(environment=os.environ, command_line=given)
    use_language(loaded.settings.interface.language)
    return loaded


def make_session(options: ChatOptions, settings: Settings, *, is_kept: bool = True) -> Session:
    """A session with nothing said yet, whose model process is not started.

    Args:
        options: the command line.
        settings: with what was typed in them, but for sampling.
        is_kept: whether chats go into the store; otherwise they end with the session, and only a
            preset that was typed is used: what a script asks must not depend on the day's date.
    """
    language = settings.interface.language
    return Session(
        ModelClient(worker_command() or WORKER_COMMAND),
        store=open_store if is_kept else None,
        profile=Profile(
            settings.person.name,
            settings.person.persona,
            language_of_locale(os.environ) if language == "auto" else language,
        ),
        preset=_preset(options, settings, is_kept=is_kept),
        system_prompt=options.system,
        sampling=settings.sampling,
        fixed_sampling=options.given_sampling,
        opening=lambda session: _open(session, options),
        ahead=lambda session: _read_ahead(session, options),
    )


def choose_model(settings: Settings) -> ModelChoice | None:
    """The model that is set, else the starter; None where neither is there."""
    model = settings.model.name
    if not model:
        from yuren_core.starter import is_usable, starter_dir

        if not is_usable():
            return None
        model = str(starter_dir())
    elif model.startswith("~"):
        model = str(Path(model).expanduser())
    return ModelChoice(model, settings.model.load, settings.model.device)


def open_store() -> Store:
    """The person's chats.

    Raises:
        StorageError: they cannot be opened.
    """
    from yuren_tui.store import Store

    return Store.open()


def named_pictures(options: ChatOptions) -> list[ImagePart]:
    """The pictures that the command line names.

    Raises:
        UsageError: one is not there, or cannot be read.
    """
    if not options.pictures:
        return []
    from yuren_core.attachments import resolve_path
    from yuren_core.images import image_part

    try:
        return [image_part(resolve_path(path)) for path in options.pictures]
    except ImageError as error:
        raise UsageError(error.message, error.hint) from error


def check_named(session: Session, options: ChatOptions) -> None:
    """Refuse a picture, chat or preset that was named and is not there, before a screen is drawn.

    Raises:
        UsageError, PresetError, CardError, StorageError: what was named cannot be had.
    """
    named_pictures(options)
    if options.chat_id is not None:
        session.store.chats.get(options.chat_id)
    if "model.preset" in options.given:
        _ = session.preset


def _preset(
    options: ChatOptions, settings: Settings, *, is_kept: bool
) -> Callable[[], Preset] | None:
    """Finds the preset of new chats; None where `--system` alone, or nobody, is to be played."""
    is_typed = "model.preset" in options.given
    if not is_typed and (options.system is not None or not is_kept):
        return None
    name = settings.model.preset

    def find() -> Preset:
        from yuren_tui.presets import PresetLibrary

        library = PresetLibrary()
        return library.resolve(name) if name else library.default()

    return find


async def _read_ahead(session: Session, options: ChatOptions) -> None:
    """Read what takes long of the chat that `_open` will show."""
    chat_id = options.chat_id
    if chat_id is None and options.continues and (last := session.store.chats.last()):
        chat_id = last.id
    if chat_id is not None:
        await session.read_ahead(chat_id)


def _open(session: Session, options: ChatOptions) -> None:
    """Show the chat that was asked for; what was typed goes before what the chat remembers."""
    if options.chat_id is not None:
        session.open_chat(options.chat_id)
    elif not (options.continues and session.continue_last()):
        session.new_chat()
        return
    if "model.preset" in options.given and session.preset is not None:
        session.use_preset(session.preset)
    if options.system is not None:
        session.system_prompt = options.system
    if options.given_sampling:
        session.type_sampling(**options.given_sampling)

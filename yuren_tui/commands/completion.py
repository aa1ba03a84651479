# SPDX-License-Identifier: Apache-2.0
"""What could be typed on in a line that is a command: plain data for a popup or for Tab.

Asked at each key press, so it stays cheap: a directory is read at most once for each call, a
list is cut at `MAX_COMPLETIONS`, and what cannot be read completes to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from yuren_core.attachments import PICTURE_SUFFIXES
from yuren_core.errors import YurenError
from yuren_core.paths import models_dir
from yuren_tui.commands.registry import COMMANDS, CommandSpec, spec_of
from yuren_tui.session import Session

MAX_COMPLETIONS = 100

Offer = tuple[str, str]
"""What could be typed, and what it is."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One way to go on.

    Attributes:
        value: goes in the place of the text from `start` to `end`.
        start: where the replaced text begins.
        end: where it ends: the cursor.
        about: what it is, for people; may be empty.
    """

    value: str
    start: int
    end: int
    about: str = ""


class CompletionContext(Protocol):
    """Where names come from; each is asked for only when it is needed."""

    def presets(self) -> Iterable[Offer]:
        """Ids and names of presets."""

    def chats(self) -> Iterable[Offer]:
        """Numbers and titles of chats, the latest first."""

    def models(self) -> Iterable[Offer]:
        """Models that are at hand."""

    def settings(self) -> Iterable[Offer]:
        """Names that `/set` knows, and their values."""


def complete(text: str, cursor: int, context: CompletionContext) -> list[Completion]:
    """What a command could go on with.

    Args:
        text: the prompt.
        cursor: where the person writes, in characters.
        context: where names come from.

    Returns:
        At most `MAX_COMPLETIONS`, the likeliest first; empty for a message.
    """
    head = text[:cursor]
    if head[:1] not in ("/", "／") or "\n" in head:
        return []
    name, blank, argument = head[1:].partition(" ")
    if not blank:
        return _names(name, cursor)
    spec = spec_of(name)
    if spec is None or spec.takes == "nothing":
        return []
    argument = argument.lstrip()
    try:
        offers = list(islice(_offers(spec, argument, context), MAX_COMPLETIONS))
    except (YurenError, OSError):
        return []
    typed = _replaced(spec, argument)
    start = cursor - len(typed)
    return [Completion(value, start, cursor, about) for value, about in offers if value != typed]


class SessionContext:
    """Names as a session knows them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def presets(self) -> Iterable[Offer]:
        from yuren_tui.presets import PresetLibrary

        language = self._session.profile.language
        return ((preset.id, preset.name(language)) for preset in PresetLibrary().presets())

    def chats(self) -> Iterable[Offer]:
        page = self._session.store.chats.page(limit=MAX_COMPLETIONS)
        return ((str(chat.id), chat.title) for chat in page)

    def models(self) -> Iterable[Offer]:
        recent = [model.model for model in self._session.store.history.models()]
        installed: list[str] = []
        with suppress(OSError):
            installed = [str(p) for p in sorted(models_dir().iterdir()) if p.is_dir()]
        shown = [path for path in installed if not Path(path).name.startswith(".")]
        return ((model, Path(model).name) for model in dict.fromkeys((*recent, *shown)))

    def settings(self) -> Iterable[Offer]:
        from yuren_tui.commands.model_commands import SETTABLE, shown_setting

        return ((name, shown_setting(self._session, name)) for name in SETTABLE)


def _names(typed: str, cursor: int) -> list[Completion]:
    wanted = typed.lower()
    return [
        Completion(
            f"/{spec.name}" if spec.takes == "nothing" else f"/{spec.name} ",
            0,
            cursor,
            spec.about,
        )
        for spec in COMMANDS
        if spec.name.startswith(wanted)
    ]


def _offers(spec: CommandSpec, typed: str, context: CompletionContext) -> Iterator[Offer]:
    match spec.completes:
        case "word":
            yield from _matching(typed, [(word, "") for word in spec.words])
        case "preset":
            yield from _matching(typed, context.presets())
        case "chat":
            yield from _matching(typed, context.chats())
        case "model":
            yield from _matching(typed, context.models())
            yield from paths(typed, directories_only=True)
        case "setting":
            name, blank, value = typed.partition(" ")
            if not blank:
                yield from ((f"{one} ", now) for one, now in _matching(name, context.settings()))
            elif not value:
                yield from ((now, "") for one, now in context.settings() if one == name and now)
            if blank and "default".startswith(value):
                yield "default", ""
        case "picture":
            yield from paths(typed, suffixes=tuple(PICTURE_SUFFIXES))
        case "file":
            yield from paths(typed)
        case "export":
            yield from _export_offers(typed)
        case "":
            pass


def _export_offers(typed: str) -> Iterator[Offer]:
    from yuren_tui.store.transfer import SUFFIXES

    word, blank, rest = typed.partition(" ")
    if blank and word in SUFFIXES:
        yield from paths(rest.lstrip())
        return
    yield from _matching(word, [(f"{one} ", suffix) for one, suffix in SUFFIXES.items()])
    yield from paths(typed) if typed else ()


def _replaced(spec: CommandSpec, argument: str) -> str:
    """What of the argument a completion takes the place of."""
    if spec.completes in ("setting", "export"):
        word, blank, rest = argument.partition(" ")
        from yuren_tui.store.transfer import SUFFIXES

        if blank and (spec.completes == "setting" or word in SUFFIXES):
            return rest.lstrip()
    return argument


def _matching(typed: str, offers: Iterable[Offer]) -> list[Offer]:
    """Those that begin with what is typed, then those that have it anywhere, or in their names."""
    wanted = typed.casefold()
    begin: list[Offer] = []
    hold: list[Offer] = []
    for offer in offers:
        if offer[0].casefold().startswith(wanted):
            begin.append(offer)
        elif wanted in offer[0].casefold() or wanted in offer[1].casefold():
            hold.append(offer)
    return begin + hold


def paths(
    typed: str, *, suffixes: tuple[str, ...] = (), directories_only: bool = False
) -> Iterator[Offer]:
    """Files and directories that a typed path could become; a directory ends in `/`.

    Args:
        typed: the beginning of a path; `~` is the home.
        suffixes: of files, in lower case; all where it is empty.
        directories_only: no files.
    """
    folder, separator, stem = typed.rpartition("/")
    base = Path(f"{folder}{separator}" or ".")
    with suppress(OSError, RuntimeError, ValueError), os.scandir(base.expanduser()) as found:
        entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if not entry.name.startswith(stem) or (entry.name[0] == "." and not stem):
                continue
            if entry.is_dir():
                yield f"{folder}{separator}{entry.name}/", ""
            elif not directories_only and (not suffixes or entry.name.lower().endswith(suffixes)):
                yield f"{folder}{separator}{entry.name}", ""

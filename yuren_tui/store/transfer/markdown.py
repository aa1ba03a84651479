# SPDX-License-Identifier: Apache-2.0
"""The path that is shown, as Markdown for people to read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.store.transfer.records import ChatRecord, MessageRecord
from yuren_tui.store.transfer.stretches import Told, stretches_of

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")
_NOT_IN_LINKS = re.compile(r"[\[\]\\\x00-\x1f]")


def render_markdown(
    record: ChatRecord, picture_paths: Mapping[str, str], told: Told | None = None
) -> str:
    """A chat's active path: title, system prompt, and who said what.

    What the model is told first stands above the first message, and where it changed, above the
    question that it was told with.

    Args:
        record: the chat.
        picture_paths: for each picture's hash, its path relative to the document.
        told: as `stretches_of`.

    Returns:
        The document. Texts stand as they were written; a code fence that an answer left open is
        closed, so that it does not swallow what follows.
    """
    title = record.title or tr("store.untitled")
    date = record.created_at.strftime("%Y-%m-%d %H:%M UTC")
    about = tr("store.export.about", date=date, model=record.model) if record.model else date
    blocks = [f"# {' '.join(title.split())}", f"*{about}*"]
    for place, stretch in enumerate(stretches_of(record, told)):
        if place:
            label = tr("store.export.system_from_here")
            blocks.append(_quoted(label, stretch.system or tr("store.export.no_system")))
        elif stretch.system:
            blocks.append(_quoted(tr("store.export.system"), stretch.system))
        for message in stretch.messages:
            blocks += _said(message, record, picture_paths)
    return "\n\n".join(blocks) + "\n"


def _quoted(label: str, text: str) -> str:
    lines = "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
    return f"> **{label}**\n>\n{lines}"


def _said(
    message: MessageRecord, record: ChatRecord, picture_paths: Mapping[str, str]
) -> Iterator[str]:
    yield f"## {_who(message)}"
    for sha256 in message.images:
        name = _NOT_IN_LINKS.sub(" ", record.pictures[sha256].name)
        yield f"![{name or tr('store.export.picture')}](<{picture_paths[sha256]}>)"
    if message.text:
        yield _closed(message.text)


def _who(message: MessageRecord) -> str:
    if message.speaker:
        return " ".join(message.speaker.split())
    names = {Role.USER: "user", Role.ASSISTANT: "assistant", Role.SYSTEM: "system"}
    return tr(f"store.export.{names[message.role]}")


def _closed(text: str) -> str:
    """The text with the fence closed that it leaves open."""
    fence = ""
    for line in text.split("\n"):
        if not (match := _FENCE.match(line)):
            continue
        marks, rest = match.groups()
        if not fence:
            fence = marks if marks[0] == "~" or "`" not in rest else ""
        elif marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip():
            fence = ""
    return f"{text}\n{fence}" if fence else text

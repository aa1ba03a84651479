# SPDX-License-Identifier: Apache-2.0
"""Chats out of ChatGPT's data export: `conversations.json`, an array of conversations.

Each holds `mapping`, a tree of nodes by id (`parent`, `message` or null), and `current_node`,
the leaf that was shown. Branches are kept. What the person never saw is left out: nodes without
a message, system texts, hidden ones, tools and calls of tools, thoughts; what stood below goes
below the nearest one that is kept. Answers that a tool call had cut in two become one. Pictures
and files are not in that file: a note stands for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from yuren_core.i18n import tr
from yuren_core.messages import Role
from yuren_tui.store.transfer.reading import Fields, Limits
from yuren_tui.store.transfer.records import ChatRecord, MessageRecord, utc_from_seconds
from yuren_tui.store.values import storable

_UNSEEN = frozenset(
    {"thoughts", "reasoning_recap", "user_editable_context", "model_editable_context"}
)
_MEDIA = {
    "image_asset_pointer": "picture",
    "audio_asset_pointer": "audio",
    "real_time_user_audio_video_asset_pointer": "audio",
    "video_container_asset_pointer": "video",
}


def parse(value: Mapping[str, Any], limits: Limits) -> ChatRecord:
    """One conversation.

    Raises:
        ValueError: what is wrong with it, in words.
    """
    chat = Fields(value)
    mapping = chat.mapping("mapping")
    created = utc_from_seconds(value.get("create_time"), datetime.now(UTC))
    messages: list[MessageRecord] = []
    # For each node, the message that it became, or that the nearest kept one above it became.
    places: dict[str, int | None] = {}
    # Nodes below which everything between them and the nearest kept one above is without branches.
    straight: set[str] = set()
    for node_id, parent_id, raw, is_alone in _walk(mapping):
        above = places.get(parent_id)
        message = _message(raw, above, created)
        is_straight = is_alone and parent_id in straight
        if message is not None or is_straight:
            straight.add(node_id)
        if message is None:
            places[node_id] = above
            continue
        if above is not None and is_straight and _goes_on(messages[above], message):
            text = f"{messages[above].text}\n\n{message.text}"
            messages[above] = replace(messages[above], text=text)
            places[node_id] = above
            continue
        messages.append(message)
        places[node_id] = len(messages) - 1
    limits.check([message.text for message in messages])
    name = chat.text("conversation_id") or chat.text("id")
    return ChatRecord(
        messages=tuple(messages),
        created_at=created,
        updated_at=utc_from_seconds(value.get("update_time"), created),
        source=f"chatgpt:{name}" if name else "",
        title=chat.text("title"),
        is_title_set=bool(chat.text("title")),
        active=places.get(str(value.get("current_node"))),
        is_archived=value.get("is_archived") is True,
        extras={"imported_from": "chatgpt"},
    )


def _walk(mapping: Mapping[str, Any]) -> Iterator[tuple[str, str, Fields, bool]]:
    """Nodes, parents before children, siblings in the order of the file; each with its parent's
    id, and whether it is that one's only child.

    Raises:
        ValueError: a node is no object, or some hang on no root because they go in a circle.
    """
    children: dict[str, list[str]] = {}
    nodes = {node_id: Fields.of(node) for node_id, node in mapping.items()}
    for node_id, node in nodes.items():
        parent = node.text("parent")
        children.setdefault(parent if parent in nodes else "", []).append(node_id)
    for node_id, below in children.items():
        if node_id:
            children[node_id] = _sorted(below, nodes[node_id].array("children"))
    waiting = [(node_id, "") for node_id in reversed(children.get("", []))]
    count = 0
    while waiting:
        node_id, parent = waiting.pop()
        count += 1
        yield node_id, parent, nodes[node_id], len(children[parent]) == 1
        waiting += [(child, node_id) for child in reversed(children.get(node_id, []))]
    if count < len(nodes):
        raise ValueError(tr("store.import.cycle"))


def _sorted(below: list[str], listed: list[object]) -> list[str]:
    """Node ids in the order that their parent lists them in, others behind."""
    place = {str(child): index for index, child in enumerate(listed)}
    return sorted(below, key=lambda child: place.get(child, len(place)))


def _goes_on(above: MessageRecord, below: MessageRecord) -> bool:
    return above.role is Role.ASSISTANT and below.role is Role.ASSISTANT


def _message(node: Fields, parent: int | None, chat_created: datetime) -> MessageRecord | None:
    """The message of a node; None where the person never saw one."""
    raw = node.mapping_or_none("message")
    if raw is None:
        return None
    message = Fields(raw)
    role = Fields(message.mapping("author")).text("role")
    metadata = message.mapping("metadata")
    content = message.mapping("content")
    hidden = metadata.get("is_visually_hidden_from_conversation") is True
    to_tool = message.text("recipient") not in ("", "all")
    if role not in ("user", "assistant") or hidden or to_tool:
        return None
    if content.get("content_type") in _UNSEEN:
        return None
    text = _text(content)
    if not text.strip():
        return None
    slug = metadata.get("model_slug")
    return MessageRecord(
        parent=parent,
        role=Role(role),
        text=text,
        created_at=utc_from_seconds(raw.get("create_time"), chat_created),
        status="stopped" if raw.get("status") == "in_progress" else "done",
        model=storable(slug) if role == "assistant" and isinstance(slug, str) else "",
    )


def _text(content: Mapping[str, Any]) -> str:
    """The words of a content of any type, a note for what is no words."""
    fields = Fields(content)
    if fields.text("content_type") == "code":
        language = fields.text("language").replace("unknown", "")
        return f"```{language}\n{fields.text('text')}\n```"
    if "parts" not in content:
        return fields.text("text") or fields.text("result")
    return "\n\n".join(filter(None, (_part(part) for part in fields.array("parts"))))


def _part(part: object) -> str:
    if isinstance(part, str):
        return storable(part)
    if not isinstance(part, dict):
        return ""
    if isinstance(part.get("text"), str):
        return storable(part["text"])
    kind = _MEDIA.get(str(part.get("content_type")), "file")
    return tr("store.import.media", kind=tr(f"store.import.media_{kind}"))

# SPDX-License-Identifier: Apache-2.0
"""Cards as other programs make them."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

DATA: dict[str, Any] = {
    "name": "Mira",
    "description": "{{char}} mends nets.",
    "personality": "calm",
    "scenario": "A pier. {{user}} is late.",
    "first_mes": "You are late, {{user}}.",
    "mes_example": "<START>\n{{user}}: Why nets?\n{{char}}: Fish.\nAnd rope.",
    "creator_notes": "For long evenings.",
    "system_prompt": "Be {{char}}. {{original}}",
    "post_history_instructions": "Stay {{char}}.",
    "alternate_greetings": ["Rain again.", "Who goes there?"],
    "tags": ["sea"],
    "creator": "someone",
    "character_version": "1.2",
    "extensions": {"depth_prompt": {"prompt": "It rains.", "depth": 2, "role": "system"}},
    "character_book": {
        "extensions": {},
        "entries": [
            {
                "keys": ["net"],
                "content": "Nets are tarred.",
                "extensions": {"position": 0, "probability": 100, "other/x": [1, None]},
                "enabled": True,
                "insertion_order": 5,
                "id": 7,
                "strange": {"kept": True},
            }
        ],
    },
}


def v1() -> dict[str, Any]:
    keys = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
    return {key: DATA[key] for key in keys} | {"avatar": "none", "talkativeness": 0.5}


def v2() -> dict[str, Any]:
    return {"spec": "chara_card_v2", "spec_version": "2.0", "data": json.loads(json.dumps(DATA))}


def v3() -> dict[str, Any]:
    card = v2() | {"spec": "chara_card_v3", "spec_version": "3.0"}
    card["data"] |= {"group_only_greetings": [], "nickname": "Mi", "assets": []}
    return card


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A picture with chunks before its end."""
    buffer = BytesIO()
    Image.new("RGB", (4, 4), "teal").save(buffer, "PNG")
    picture = buffer.getvalue()
    return picture[:-12] + b"".join(chunk(*each) for each in chunks) + picture[-12:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def text(keyword: str, card: object) -> tuple[bytes, bytes]:
    """A tEXt chunk as programs write it."""
    return b"tEXt", keyword.encode() + b"\0" + base64.b64encode(json.dumps(card).encode())


def ztxt(keyword: str, card: object) -> tuple[bytes, bytes]:
    packed = zlib.compress(base64.b64encode(json.dumps(card).encode()))
    return b"zTXt", keyword.encode() + b"\0\0" + packed


def itxt(keyword: str, card: object) -> tuple[bytes, bytes]:
    packed = zlib.compress(base64.b64encode(json.dumps(card).encode()))
    return b"iTXt", keyword.encode() + b"\0\x01\0en\0Card\0" + packed

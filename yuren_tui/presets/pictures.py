# SPDX-License-Identifier: Apache-2.0
"""The picture of a card: found inside the card's own files, brought to PNG, or drawn.

A URL is never followed. Pillow is imported when a picture must be converted or drawn, never
before. A picture that comes from a card is only bytes until `yuren_core.images` has verified it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from io import BytesIO

from yuren_core.errors import ImageError
from yuren_core.i18n import tr
from yuren_tui.presets.card import Card
from yuren_tui.presets.errors import CardError
from yuren_tui.presets.json_values import JsonObject, text_of
from yuren_tui.presets.png_chunks import SIGNATURE

MAX_PICTURE_BYTES = 32 * 1024 * 1024
_SIZE = 256
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif")


def card_picture(card: Card) -> bytes:
    """The main icon, where the card's own files hold it; empty where they do not."""
    assets = card.data.get("assets")
    icons = [
        asset
        for asset in (assets if isinstance(assets, list) else ())
        if isinstance(asset, dict) and asset.get("type") == "icon"
    ]
    icons.sort(key=lambda icon: icon.get("name") != "main")
    for icon in icons:
        if picture := _of_uri(card, icon):
            return picture
    for path, content in card.assets.items():
        if "icon/" in path and path.lower().endswith(_PICTURE_SUFFIXES):
            return content
    return b""


def png_of(picture: bytes, name: str) -> bytes:
    """A picture as PNG: itself where it is one, converted, or drawn where there is none.

    Args:
        picture: the bytes of a picture file, or nothing.
        name: whom it shows; decides the colour of a drawn one.

    Raises:
        CardError: the picture cannot be read.
    """
    if picture.startswith(SIGNATURE):
        return picture
    if not picture:
        return placeholder(name)
    from PIL import Image

    try:
        with Image.open(BytesIO(picture)) as image:
            if image.width * image.height > 50_000_000:
                raise ImageError(f"{image.width} x {image.height}")
            buffer = BytesIO()
            image.convert("RGBA").save(buffer, "PNG")
    except (OSError, ValueError, SyntaxError, MemoryError, ImageError) as error:
        raise CardError(
            tr("presets.bad_picture", name=name, reason=str(error)), tr("presets.bad_picture_hint")
        ) from error
    except Image.DecompressionBombError as error:
        raise CardError(
            tr("presets.bad_picture", name=name, reason=str(error)), tr("presets.bad_picture_hint")
        ) from error
    return buffer.getvalue()


def placeholder(name: str) -> bytes:
    """A PNG for who has no picture: a head and shoulders, its colour told by the name."""
    from PIL import Image, ImageDraw

    hue = int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest()[:2], "big") % 360
    image = Image.new("RGB", (_SIZE, _SIZE), f"hsl({hue}, 35%, 80%)")
    draw = ImageDraw.Draw(image)
    shade = f"hsl({hue}, 40%, 40%)"
    draw.ellipse((88, 56, 168, 136), fill=shade)
    draw.ellipse((40, 148, 216, 340), fill=shade)
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _of_uri(card: Card, icon: JsonObject) -> bytes:
    uri = text_of(icon, "uri")
    for scheme in ("embeded://", "embedded://", "__asset:"):
        if uri.startswith(scheme):
            return card.assets.get(uri.removeprefix(scheme), b"")
    if uri.startswith("data:image/") and len(uri) < MAX_PICTURE_BYTES:
        head, _, body = uri.partition(",")
        try:
            return base64.b64decode(body, validate=True) if head.endswith(";base64") else b""
        except binascii.Error:
            return b""
    return b""

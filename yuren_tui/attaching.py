# SPDX-License-Identifier: Apache-2.0
"""Pictures from paths, read in threads, so that a slow disk never holds up the typing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from yuren_core.errors import YurenError
from yuren_core.messages import ImagePart


async def read_pictures(
    paths: Sequence[str | Path],
) -> tuple[list[ImagePart], list[YurenError]]:
    """Check and hash pictures.

    Args:
        paths: paths, or texts as people write them: quoted, escaped, with ~ or file://.

    Returns:
        Those that can be shown, in order, and what is wrong with the others.
    """
    parts: list[ImagePart] = []
    errors: list[YurenError] = []
    for path in paths:
        try:
            parts.append(await asyncio.to_thread(_read, path))
        except YurenError as error:
            errors.append(error)
    return parts, errors


def _read(path: str | Path) -> ImagePart:
    from yuren_core.attachments import resolve_path
    from yuren_core.images import image_part

    return image_part(resolve_path(path) if isinstance(path, str) else path)

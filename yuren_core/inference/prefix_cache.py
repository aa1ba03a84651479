# SPDX-License-Identifier: Apache-2.0
"""Keys and values of the conversation so far, kept from turn to turn.

A prompt's longest common prefix with what is cached is not computed again. Tokens are compared
by id, picture patches by the picture's hash and their place in it: another picture of the same
size is another prefix.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import DynamicCache

from yuren_core.messages import ImagePart
from yuren_core.model.tokenization import common_prefix_length

Key = int | tuple[str, int]
"""What one position of the context is: a token's id, or a picture's hash and the patch's place."""


def prefix_keys(
    input_ids: Sequence[int], images: Sequence[ImagePart], *, patch_id: int | None
) -> list[Key]:
    """What the positions of a prompt are compared by.

    Args:
        input_ids: the prompt, of T tokens.
        images: its pictures, in order; each has the same number of patches.
        patch_id: id of `<|img_patch|>`; None for a model that cannot see.

    Returns:
        T keys.
    """
    keys: list[Key] = []
    patches = sum(token == patch_id for token in input_ids)
    each = patches // len(images) if images else 0
    place = 0
    for token in input_ids:
        if token != patch_id or not each:
            keys.append(token)
        else:
            keys.append((images[place // each].sha256, place % each))
            place += 1
    return keys


class PrefixCache:
    """One conversation's keys and values, of a batch of one.

    `kv` holds exactly `len(keys)` positions at all times between calls.
    """

    def __init__(self) -> None:
        self.kv = DynamicCache()
        self.keys: list[Key] = []

    def reuse(self, keys: Sequence[Key]) -> int:
        """Cut the cache to what it shares with a new prompt.

        The last position is always computed anew, since its logits are what is wanted.

        Args:
            keys: the new prompt's.

        Returns:
            How many positions need not be computed.
        """
        shared = min(common_prefix_length(self.keys, keys), len(keys) - 1)
        self.truncate(shared)
        return shared

    def truncate(self, length: int) -> None:
        """Forget the positions from `length` on."""
        if length == 0:
            self.clear()
        elif length < len(self.keys):
            self.kv.crop(length - len(self.keys))
            del self.keys[length:]

    def extend(self, keys: Sequence[Key]) -> None:
        """Note positions that the model has just written into `kv`."""
        self.keys.extend(keys)

    def clear(self) -> None:
        """Forget everything and give the memory back."""
        self.kv = DynamicCache()
        self.keys = []

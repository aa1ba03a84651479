# SPDX-License-Identifier: Apache-2.0
"""The cache holds what its keys say, whatever is cut; pictures count by hash and place."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from yuren_core.inference.prefix_cache import Key, PrefixCache, prefix_keys
from yuren_core.messages import ImagePart

PATCH = 99
CAT, DOG = ImagePart("/cat.png", "c" * 64), ImagePart("/dog.png", "d" * 64)
LAYERS = 2


def write(cache: PrefixCache, keys: list[Key]) -> None:
    """What a model does: keys and values that tell the positions apart."""
    values = torch.tensor([float(hash(key) % 1000) for key in keys]).reshape(1, 1, -1, 1)
    for layer in range(LAYERS):
        cache.kv.update(values, -values, layer)
    cache.extend(keys)


def held(cache: PrefixCache) -> list[list[float]]:
    return [layer.keys.flatten().tolist() for layer in cache.kv.layers if layer.is_initialized]


def test_pictures_are_told_apart_by_hash_and_place() -> None:
    ids = [1, 7, PATCH, PATCH, 8, 7, PATCH, PATCH, 8, 2]
    keys = prefix_keys(ids, [CAT, DOG], patch_id=PATCH)
    cat, dog = CAT.sha256, DOG.sha256
    assert keys == [1, 7, (cat, 0), (cat, 1), 8, 7, (dog, 0), (dog, 1), 8, 2]
    assert prefix_keys([1, 2], [], patch_id=None) == [1, 2]


@given(
    prompts=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=6)
)
def test_after_any_prompts_the_cache_is_what_its_keys_say(prompts: list[list[Key]]) -> None:
    cache = PrefixCache()
    before: list[Key] = []
    for prompt in prompts:
        cached = cache.reuse(prompt)
        assert cached < len(prompt)  # the last position is computed anew
        assert prompt[:cached] == before[:cached]
        assert cached == len(prompt) - 1 or before[cached : cached + 1] != [prompt[cached]]
        assert cache.kv.get_seq_length() == len(cache.keys) == cached
        write(cache, prompt[cached:])
        before = prompt
        assert cache.keys == prompt
        assert held(cache) == [[float(hash(key) % 1000) for key in prompt]] * LAYERS


def test_cutting_to_nothing_gives_the_memory_back() -> None:
    cache = PrefixCache()
    write(cache, [1, 2, 3])
    assert cache.reuse([5, 6]) == 0
    assert cache.keys == []
    assert held(cache) == []

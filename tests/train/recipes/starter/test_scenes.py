# SPDX-License-Identifier: Apache-2.0
"""Scenes are what they say: the same by seed, covered where things stand, left where it is left."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.train.recipes.starter.tiny_art import flat_sprites, number
from yuren_train.recipes.starter.scenes import (
    COLOURS,
    MOST_THINGS,
    Place,
    Scene,
    SceneMaker,
    colour_of,
    invent,
)

GRID, PIXELS = 3, 96


@pytest.fixture(scope="module")
def maker() -> SceneMaker:
    return SceneMaker(flat_sprites(), GRID)


def test_the_same_seed_gives_the_same_scenes_and_another_gives_others(maker: SceneMaker) -> None:
    one, same, other = (maker.batch(8, PIXELS, seed=seed) for seed in (3, 3, 4))
    for field in ("pixels", "coverage", "things", "counts", "colours"):
        assert torch.equal(getattr(one, field), getattr(same, field)), field
    assert not torch.equal(one.pixels, other.pixels)


@pytest.mark.parametrize("hardness", [0.0, 1.0])
def test_a_batch_is_whole(maker: SceneMaker, hardness: float) -> None:
    scenes = maker.batch(48, PIXELS, seed=1, hardness=hardness)
    assert scenes.pixels.shape == (48, 3, PIXELS, PIXELS)
    assert scenes.pixels.min() >= 0
    assert scenes.pixels.max() <= 1
    assert not scenes.pixels.isnan().any()
    assert set(scenes.counts.tolist()) == set(range(1, MOST_THINGS + 1))
    assert set(scenes.colours.tolist()) <= set(range(-1, len(COLOURS)))
    assert set(scenes.things.flatten().tolist()) <= {*maker.known, 0}


def test_coverage_is_there_for_each_thing_and_for_no_more(maker: SceneMaker) -> None:
    scenes = maker.batch(48, PIXELS, seed=2, hardness=0.0)
    covered = scenes.coverage.mean((2, 3))  # (B, N), of the whole picture
    is_there = torch.arange(MOST_THINGS) < scenes.counts[:, None]
    assert (covered[~is_there] == 0).all()
    assert (covered[is_there] > 0.01).all()
    # A square of half the sprite's side, whose side is 0.36 to 0.95 of the picture's.
    assert (covered[is_there] < 0.5**2).all()
    assert (scenes.coverage.sum(1) <= 1 + 1e-4).all()  # things do not stand on each other


def thing_mask(picture: Tensor, colour: tuple[float, float, float]) -> Tensor:
    """(S, S): where a picture has nearly this colour."""
    return (picture - torch.tensor(colour)[:, None, None]).abs().amax(0) < 0.1


def test_coverage_is_the_part_of_the_picture_that_a_thing_takes() -> None:
    maker = SceneMaker(flat_sprites("apple"), GRID)
    scenes = maker.batch(32, PIXELS, seed=5, hardness=0.0)
    alone = [i for i in range(32) if scenes.counts[i] == 1 and scenes.colours[i] > 2]
    assert alone
    for i in alone:
        is_red = thing_mask(scenes.pixels[i], (220 / 255, 20 / 255, 20 / 255)).float()
        cells = torch.nn.functional.adaptive_avg_pool2d(is_red[None, None], GRID)[0, 0]
        torch.testing.assert_close(cells, scenes.coverage[i, 0], rtol=0, atol=0.08)


@given(st.integers(0, 2**32 - 1), st.integers(1, MOST_THINGS))
def test_invented_things_keep_apart_and_inside(seed: int, count: int) -> None:
    scene = invent(count, range(20), np.random.default_rng(seed))
    assert len(scene.things) == len(scene.places) == count
    assert len(set(scene.things)) in (1, count)
    for number_, place in enumerate(scene.places):
        assert place.x - place.size / 2 >= 0
        assert place.x + place.size / 2 <= 1
        assert place.y - place.size / 2 >= 0
        assert place.y + place.size / 2 <= 1
        for other in scene.places[:number_]:
            apart = max(abs(place.x - other.x), abs(place.y - other.y))
            assert apart > max(place.size, other.size) * 0.8


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_what_is_leftmost_is_so_in_the_picture(seed: int) -> None:
    maker = SceneMaker(flat_sprites("apple", "car"), GRID)
    draw = np.random.default_rng(seed)
    scene = invent(2, [number("apple"), number("car")], draw, alike=0.0)
    scene = replace(scene, colour=COLOURS.index("white"))
    picture = maker.picture(scene, PIXELS, seed=seed)
    columns = (torch.arange(PIXELS) + 0.5) / PIXELS
    seen = {}
    for name, colour in (("apple", (220, 20, 20)), ("car", (20, 40, 230))):
        red, green, blue = colour
        weights = thing_mask(picture, (red / 255, green / 255, blue / 255)).float().sum(0)
        seen[number(name)] = float((weights * columns).sum() / weights.sum())
    first, second = scene.things
    assert abs(seen[first] - scene.places[0].x) < 0.02
    if scene.leftmost is None:
        assert abs(seen[first] - seen[second]) < 0.22
    else:
        assert (seen[first] < seen[second]) == (scene.leftmost == 0)


def test_leftmost_is_said_only_where_it_is_clear() -> None:
    def scene(*xs: float) -> Scene:
        return Scene(tuple(range(len(xs))), tuple(Place(x, 0.5, 0.3) for x in xs), 0)

    assert scene(0.2, 0.8).leftmost == 0
    assert scene(0.8, 0.2).leftmost == 1
    assert scene(0.5, 0.55).leftmost is None
    assert scene(0.5).leftmost is None
    assert scene(0.2, 0.5, 0.8).leftmost is None


def test_a_picture_shows_the_things_at_their_places_on_the_ground(maker: SceneMaker) -> None:
    scene = Scene(
        (number("apple"), number("car")),
        (Place(0.25, 0.5, 0.4), Place(0.75, 0.5, 0.4)),
        COLOURS.index("white"),
    )
    picture = maker.picture(scene, PIXELS, seed=0)
    assert thing_mask(picture, (220 / 255, 20 / 255, 20 / 255))[48, 24]
    assert thing_mask(picture, (20 / 255, 40 / 255, 230 / 255))[48, 72]
    assert picture[:, 2, 2].min() > 0.9
    assert torch.equal(picture, maker.picture(scene, PIXELS, seed=0))


@given(st.sampled_from(COLOURS), st.integers(0, 2**32 - 1))
def test_a_colour_is_what_its_name_says(name: str, seed: int) -> None:
    red, green, blue = colour_of(name, np.random.default_rng(seed))
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    match name:
        case "black":
            assert value < 0.2
        case "white":
            assert min(red, green, blue) > 0.85
        case "gray":
            assert max(red, green, blue) - min(red, green, blue) < 0.1
            assert 0.3 < value < 0.8
        case "brown":
            assert red > green > blue
            assert value < 0.6
        case "pink":
            assert red > blue > green
            assert value > 0.9
        case _:
            degrees = {"red": 0, "orange": 30, "yellow": 55, "green": 120, "blue": 220,
                       "purple": 280}[name]  # fmt: skip
            assert min(abs(hue * 360 - degrees), 360 - abs(hue * 360 - degrees)) < 35
            assert saturation > 0.4

# SPDX-License-Identifier: Apache-2.0
"""Tiny models, made once a session; pictures that differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.tiny import make_multimodal_model, make_text_model
from yuren_core.images import image_part
from yuren_core.messages import ImagePart
from yuren_core.model.loading import LoadedModel, load_model


@pytest.fixture(scope="session")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text-only model directory."""
    return make_text_model(tmp_path_factory.mktemp("models") / "tiny-text")


@pytest.fixture(scope="session")
def multimodal_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with projector and vision tower."""
    return make_multimodal_model(tmp_path_factory.mktemp("models") / "tiny-multimodal")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[ImagePart]:
    """Three pictures that a tower tells apart."""
    directory = tmp_path_factory.mktemp("pictures")
    parts = []
    for name, colour in (("red", (220, 30, 30)), ("green", (20, 200, 40)), ("blue", (10, 40, 230))):
        picture = Image.new("RGB", (48, 32), colour)
        picture.putpixel((3, 5), (255, 255, 255))
        picture.save(directory / f"{name}.png")
        parts.append(image_part(directory / f"{name}.png"))
    return parts


@pytest.fixture(scope="session")
def text(text_model: Path) -> LoadedModel:
    """The text model, loaded in fp32."""
    return load_model(str(text_model), load="fp32", device="cpu")


@pytest.fixture(scope="session")
def multimodal(multimodal_model: Path) -> LoadedModel:
    """The multimodal model, loaded in fp32."""
    return load_model(str(multimodal_model), load="fp32", device="cpu")

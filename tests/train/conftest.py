# SPDX-License-Identifier: Apache-2.0
"""Tiny models, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tiny import make_multimodal_model, make_text_model


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """What is tiny is not computed faster by two, and much slower where others compute too."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text-only model directory."""
    return make_text_model(tmp_path_factory.mktemp("models") / "tiny-text")


@pytest.fixture(scope="session")
def untied_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text-only model directory whose head is no copy of its embedding."""
    return make_text_model(tmp_path_factory.mktemp("models") / "tiny-untied", tied=False)


@pytest.fixture(scope="session")
def multimodal_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with projector and vision tower."""
    return make_multimodal_model(tmp_path_factory.mktemp("models") / "tiny-multimodal")

# SPDX-License-Identifier: Apache-2.0
"""For every test: a home of its own, English, and no terminal's peculiarities from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from yuren_core.i18n import use_language
from yuren_core.spinning import SPIN_COUNT, SPIN_VARIABLE

os.environ.setdefault(SPIN_VARIABLE, SPIN_COUNT)  # tests often share two cores

settings.register_profile(
    "yuren",
    deadline=None,  # two busy cores have no sense of time
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("yuren")

OUTSIDE = ("LC_ALL", "LC_MESSAGES", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
"""Variables of whoever runs the tests that would change what is tested; so do all of yuren's own,
whatever they are called: each setting has one."""

_HOME = "YUREN_HOME"


@pytest.fixture(autouse=True)
def home(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path | None:
    """An empty `YUREN_HOME`; None for slow tests, which need the starter of the person's."""
    own = [name for name in os.environ if name.startswith("YUREN_") and name != _HOME]
    for variable in (*OUTSIDE, *own):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    if request.node.get_closest_marker("slow"):
        return None
    directory = tmp_path_factory.mktemp("home")
    monkeypatch.setenv(_HOME, str(directory))
    return directory


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """English before and after, whatever a test speaks."""
    use_language("en")
    yield
    use_language("en")

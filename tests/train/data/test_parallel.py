# SPDX-License-Identifier: Apache-2.0
"""Work shared out: results in order, memory bounded, a killed process told in words."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable

import pytest

from yuren_core.errors import DataError
from yuren_core.i18n import tr, use_language
from yuren_train.data.parallel import ordered_map, usable_cores


def make_multiplier(factor: int) -> Callable[[int], int]:
    return lambda number: factor * number


def make_speaker(key: str) -> Callable[[int], str]:
    return lambda _: tr(key)


def make_victim() -> Callable[[int], None]:
    return lambda _: os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order_and_the_stream_is_not_read_ahead(workers: int) -> None:
    numbers = itertools.count()
    results = ordered_map(make_multiplier, (3,), numbers, workers=workers)
    assert list(itertools.islice(results, 20)) == [3 * number for number in range(20)]
    assert next(numbers) <= 20 + 4 * workers


def test_processes_speak_our_language() -> None:
    use_language("zh")
    said = list(ordered_map(make_speaker, ("data.fault.json",), range(2), workers=2))
    assert said == [tr("data.fault.json")] * 2


def test_a_killed_process_is_an_error_in_words() -> None:
    with pytest.raises(DataError, match="killed"):
        list(ordered_map(make_victim, (), range(2), workers=2))


def test_there_is_a_core() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)

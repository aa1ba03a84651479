# SPDX-License-Identifier: Apache-2.0
"""Work on a stream by several processes: results in the stream's order, memory bounded.

What comes out does not depend on how many processes there are; with one, everything happens in
this process.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from yuren_core.errors import DataError
from yuren_core.i18n import current_language, tr, use_language

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD = 3  # pieces of work that wait for each process


def usable_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    make: Callable[..., Callable[[_Item], _Result]],
    arguments: Sequence[Any],
    items: Iterable[_Item],
    *,
    workers: int,
) -> Iterator[_Result]:
    """Apply a function to each item of a stream.

    Args:
        make: makes the function, once in each process; a class or a module's function.
        arguments: of `make`.
        items: read as the results are taken, `_AHEAD` for each process in advance.
        workers: processes.

    Yields:
        The results, in the order of the items.

    Raises:
        DataError: a process was killed.
    """
    if workers <= 1:
        yield from map(make(*arguments), items)
        return
    # Not "fork": this process may have threads and a CUDA context, which do not survive it.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, context, initializer=_begin, initargs=(current_language(), make, arguments)
    )
    waiting: deque[Future[_Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(_call, item))
            if len(waiting) > _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(tr("error.data.worker"), tr("error.data.worker_hint")) from error
    finally:
        pool.shutdown(cancel_futures=True)


_function: Callable[[Any], Any] | None = None
"""In a process of the pool: what it applies; a pool hands its processes nothing else to keep."""


def _begin(
    language: str, make: Callable[..., Callable[[Any], Any]], arguments: Sequence[Any]
) -> None:
    global _function
    # Each process has one core: the tokenizer's own threads would get in each other's way.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    use_language(language)
    _function = make(*arguments)


def _call(item: Any) -> Any:
    assert _function is not None
    return _function(item)

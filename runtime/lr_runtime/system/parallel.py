"""Streams whose items are made in threads, a few items ahead of whoever takes them, in order."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_LARGEST_KEPT = 31 << 20
_END = object()
_cores = os.cpu_count() or 1

B = TypeVar("B")
T = TypeVar("T")


def share_cores(processes: int) -> None:
    """Have this process use its share of the cores, where so many work side by side."""
    global _cores  # noqa: PLW0603 - once in the life of a process
    _cores = max(1, _cores // max(processes, 1))


def in_order(
    work: Callable[[B], T],
    items: Iterable[B],
    threads: int | None = None,
    *,
    stop: Callable[[], object] = lambda: None,
) -> Iterator[T]:
    """Yield `work(item)` for each item, in order; two items a thread are in memory at most.

    Args:
        work: called in any of the threads; what it raises is raised where its result would stand.
        items: taken in the caller's thread; what they raise is raised behind the results of those before.
        threads: how many; None for one a core.
        stop: called when no more results are wanted, before work that has begun is waited for.
    """
    threads = threads or _cores
    waiting: deque[Future[T]] = deque()
    _keep_free_memory()
    pool = ThreadPoolExecutor(threads)
    try:
        for result in _begun(pool, work, items):
            waiting.append(result)
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        stop()
        pool.shutdown(cancel_futures=True)


def _begun(pool: ThreadPoolExecutor, work: Callable[[B], T], items: Iterable[B]) -> Iterator[Future[T]]:
    try:
        for item in items:
            yield pool.submit(copy_context().run, work, item)  # a thread is in the context of its caller
    except Exception as error:  # whatever it is, it waits for its turn
        failed: Future[T] = Future()
        failed.set_exception(error)
        yield failed


def made_ahead(items: Iterable[B]) -> Iterator[B]:
    """Yield the items, made in a thread of its own, up to two of them while the one before is worked on."""
    _keep_free_memory()
    source = iter(items)
    pool = ThreadPoolExecutor(1)
    try:
        coming = deque(pool.submit(next, source, _END) for _ in range(2))
        while (item := coming.popleft().result()) is not _END:
            coming.append(pool.submit(next, source, _END))
            yield cast("B", item)
    finally:
        pool.shutdown(cancel_futures=True)


def _keep_free_memory() -> None:
    """Let the C library keep memory that items and results leave behind, for those that follow.

    glibc gives the end of its heap back once twice as much is free as the largest array freed so far, of 32 MiB at
    most (mallopt(3), M_MMAP_THRESHOLD). Each page costs a fault when it is taken again: a twentieth of the time of
    parsing CSV. An array that was never touched costs nothing.
    """
    np.empty(_LARGEST_KEPT, dtype=np.uint8)

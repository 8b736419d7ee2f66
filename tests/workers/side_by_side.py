"""Workers that are threads of this process, for tests of what each does with its rows."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_runtime.tables.notices import Notices
    from lr_trainer.rows.workers import Dealt, Workers

T = TypeVar("T")


class _Room:
    """Where the workers meet."""

    def __init__(self, count: int) -> None:
        self.barrier = threading.Barrier(count)
        self.found: list[object] = [None] * count
        self.failed: list[Exception | None] = [None] * count


class Thread:
    """One of several threads; see `lr_trainer.rows.workers.Workers`."""

    notices: Notices | None = None
    dealt: Dealt | None = None

    def __init__(self, room: _Room, rank: int) -> None:
        self.rank, self.count, self._room = rank, len(room.found), room

    def gathered(self, what: str, work: Callable[[], T]) -> list[T]:
        """See `Workers.gathered`."""
        try:
            self._room.found[self.rank] = work()
        except Exception as error:
            self._room.failed[self.rank] = error
        self._room.barrier.wait(60)
        # Each has copies of its own, as of processes: a worker may change what it was given.
        found = pickle.loads(pickle.dumps(self._room.found))  # noqa: S301 - what was pickled here
        failed = list(self._room.failed)
        self._room.barrier.wait(60)
        for each in failed:
            if each is not None:
                raise each
        return cast("list[T]", found)

    def agreed(self, what: str, work: Callable[[], T]) -> T:
        """See `Workers.agreed`."""
        return cast("T", self.gathered(what, lambda: None if self.rank else work())[0])

    def own(self, what: str, work: Callable[[], T]) -> T:
        """See `Workers.own`."""
        held: list[T] = []
        self.gathered(what, lambda: held.append(work()))
        return held[0]


def together(count: int, work: Callable[[Workers], T]) -> list[T]:
    """Return what `work` gives on each of so many workers; what it raises on the first is raised."""
    room = _Room(count)
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda rank: work(Thread(room, rank)), range(count)))

"""One worker of a fit that is timed: `torchrun -m tests.benchmarks.scale.one_worker TABLE [exact]`."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, TypeVar

from lr_runtime.system.parallel import share_cores
from lr_runtime.tables import open_table
from lr_trainer.fitting.table import fit
from lr_trainer.torchrun import launched

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_runtime.tables.notices import Notices
    from lr_trainer.rows.workers import Dealt, Workers

T = TypeVar("T")

_FIRST = "the first blocks", "the exact sums"
"""The passes that read a table's first block."""


class Timed:
    """Workers that take down when the first block is asked for and when the last collective ends."""

    def __init__(self, workers: Workers) -> None:
        self._workers, self.rank, self.count = workers, workers.rank, workers.count
        self.notices: Notices | None = None
        self.dealt: Dealt | None = None
        self.begin = self.end = self.exchanging = 0.0

    def gathered(self, what: str, work: Callable[[], T]) -> list[T]:
        """See `Workers.gathered`."""
        worked = 0.0

        def timed() -> T:
            nonlocal worked
            started = time.perf_counter()
            try:
                return work()
            finally:
                worked = time.perf_counter() - started

        started = time.perf_counter()
        if what in _FIRST:
            self.begin = started
        found = self._workers.gathered(what, timed)
        self.end = time.perf_counter()
        self.exchanging += self.end - started - worked
        return found

    def agreed(self, what: str, work: Callable[[], T]) -> T:
        """See `Workers.agreed`."""
        return self._workers.agreed(what, work)

    def own(self, what: str, work: Callable[[], T]) -> T:
        """See `Workers.own`."""
        return self._workers.own(what, work)


def main() -> None:
    """Fit the table on all workers, each on a core of its own; the first prints what it took."""
    table, *exact = sys.argv[1:]
    with launched() as given:
        # Of each worker all threads are on one core, so that two have twice the machine that one has.
        os.sched_setaffinity(0, {int(os.environ["LOCAL_RANK"]) % (os.cpu_count() or 1)})
        share_cores(os.cpu_count() or 1)  # for one worker, too
        workers = Timed(given)
        checkpoint = fit(open_table(table), target="y", workers=workers, exact_sums=bool(exact))
        if given.rank == 0:
            sha = hashlib.sha256(checkpoint.to_bytes()).hexdigest()
            found = {"seconds": workers.end - workers.begin, "exchanging": workers.exchanging, "sha256": sha}
            print(json.dumps(found))


if __name__ == "__main__":
    main()

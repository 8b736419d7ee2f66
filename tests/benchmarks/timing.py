"""What runs cost in this process, interleaved with those of their peers: wall time, and CPU time of all threads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_RUNS = 7
ENOUGH = 1.5
"""Seconds of CPU after which a way is not run again: what takes long varies less."""

PAUSE = 0.2
"""Seconds before each run: the threads of a peer that ran before wait for work at full load for a while."""


class Cost(NamedTuple):
    """Seconds: the least of several runs, of either kind on its own."""

    wall: float
    cpu: float

    def by(self, other: Cost) -> Cost:
        """Return how many times the other each is."""
        return Cost(self.wall / other.wall, self.cpu / other.cpu)


def least(ways: Mapping[str, Callable[[], object]], *, pause: float = PAUSE) -> dict[str, Cost]:
    """Return the least cost of each way, after up to 7 runs of all of them in turn."""
    found: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(MOST_RUNS):
        for name, way in ways.items():
            if sum(each.cpu for each in found[name]) < ENOUGH:
                time.sleep(pause)
                found[name].append(cost(way))
    return {name: Cost(*map(min, zip(*each, strict=True))) for name, each in found.items()}


def cost(way: Callable[[], object]) -> Cost:
    """Return the cost of one run; a way that runs elsewhere measures itself, and returns its cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = way()
    mine = Cost(time.perf_counter() - wall, time.process_time() - cpu)
    return done if isinstance(done, Cost) else mine

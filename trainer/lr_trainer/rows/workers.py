"""Who takes the passes over a table: this process alone, or several, each over rows of its own.

All workers run the same fit. Where a pass has gone over a worker's own rows, `gathered` gives every worker what all of
them found, in the order of the rows, so that all go on alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from lr_runtime.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lr_runtime.tables.notices import Notices

T = TypeVar("T")


class Workers(Protocol):
    """The workers of a fit, in the order of their rows.

    Attributes:
        rank: the place of this one among them, from 0 on.
        count: how many there are.
        notices: what the table that all read says here; of several workers, the first says it for all.
        dealt: how the table was dealt out; None where it was not.
    """

    rank: int
    count: int
    notices: Notices | None
    dealt: Dealt | None

    def gathered(self, what: str, work: Callable[[], T]) -> list[T]:
        """Return what `work` gives on each worker; `what` names it, and must be the same on all of them.

        Raises:
            Exception: what `work` raised on the first worker that it raised anything on, on all of them.
        """
        ...

    def agreed(self, what: str, work: Callable[[], T]) -> T:
        """Return what `work` gives on the first worker; the others wait for it."""
        ...

    def own(self, what: str, work: Callable[[], T]) -> T:
        """Return what `work` gives here, once it has gone well on all workers."""
        ...


class Dealt(NamedTuple):
    """How a table was dealt out: the number of its pieces, and of the rows of each worker. No piece is read by halves:
    of fewer pieces than workers, several read the same.
    """

    pieces: int
    rows: Sequence[int]


class Alone:
    """This process, which is its only worker."""

    rank, count = 0, 1
    notices: Notices | None = None
    dealt: Dealt | None = None

    def gathered(self, what: str, work: Callable[[], T]) -> list[T]:  # noqa: ARG002 - nobody else is to be told
        """See `Workers.gathered`."""
        return [work()]

    def agreed(self, what: str, work: Callable[[], T]) -> T:  # noqa: ARG002 - nobody else is to be told
        """See `Workers.agreed`."""
        return work()

    def own(self, what: str, work: Callable[[], T]) -> T:  # noqa: ARG002 - nobody else is to be told
        """See `Workers.own`."""
        return work()


ALONE = Alone()


def check_same(workers: Workers, given: Mapping[str, object]) -> None:
    """Raise FitError where a worker was given something else, by its name, than the first."""
    first, *others = workers.gathered("what is fitted", lambda: dict(given))
    for place, other in enumerate(others, 2):
        for name in given:
            if other.get(name) != first[name]:
                raise FitError(
                    f"{name}: {first[name]!r:.200} on the first worker, {other.get(name)!r:.200} on number {place}. "
                    "Give all workers the same options and the same table"
                )

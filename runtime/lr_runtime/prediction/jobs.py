"""The rows that a scoring gives, as they are written: by this process, or by several, each for a piece at a time.

What is written is the same: a piece has the batches of the whole table at its place, and whatever of them can be made
apart from the others is made where they are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from lr_runtime.errors import LinedgeError
from lr_runtime.tables.pieces import pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lr_runtime.prediction.table import Scoring, Tally
    from lr_runtime.tables.table import Table
    from lr_runtime.tables.writing import OutputRows, Prepared

    Prepare: TypeAlias = Callable[[OutputRows], Prepared]


@dataclass(frozen=True)
class Scored:
    """Rows that are to be written.

    Attributes:
        first: those of the first batch, which tell how all are written; one without rows for an empty table.
        prepared: yields what a `TableWriter.prepared` makes of all batches, in order.
    """

    first: OutputRows
    prepared: Callable[[Prepare], Iterator[Prepared]]


def scored(
    scoring: Scoring,
    jobs: int = 1,
    report: Callable[[str], None] = lambda _: None,
    advance: Callable[[int], None] = lambda _: None,
) -> Scored:
    """Return the rows of a scoring, the first of which are computed.

    Args:
        scoring: the model and the table; its tally counts.
        jobs: how many processes work side by side, where the table can be cut into pieces.
        report: as `Scoring.rows` has it.
        advance: likewise; several processes advance by a piece.

    Raises:
        TableError: as of `Scoring.rows`, and behind the rows before it.
        WorkerError: one of the processes was ended by something else.
    """
    if jobs > 1 and len(pieces := pieces_of(scoring.table)) > 1 and _can_be_sent(pieces):
        first = next(scoring.of(scoring.table).rows())
        return Scored(first, partial(_by_processes, scoring, pieces, jobs, first, report=report, advance=advance))
    rows = scoring.rows(report, advance)
    first = next(rows)
    return Scored(first, lambda prepare: map(prepare, chain([first], rows)))


def _can_be_sent(pieces: Sequence[Table]) -> bool:
    """Whether other processes can open the pieces: no pipe is among them, nor what was copied to be read."""
    import pickle

    try:
        return all(map(pickle.dumps, pieces))
    except (AttributeError, TypeError, pickle.PicklingError):  # what pickle raises varies
        return False


def _by_processes(
    scoring: Scoring,
    pieces: Sequence[Table],
    jobs: int,
    first: OutputRows,
    prepare: Prepare,
    *,
    report: Callable[[str], None],
    advance: Callable[[int], None],
) -> Iterator[Prepared]:
    from lr_runtime.system.processes import in_processes

    is_begun = False
    for done in in_processes(_Work(scoring, prepare), pieces, min(jobs, len(pieces))):
        scoring.tally.rows += done.tally.rows
        scoring.tally.bad += done.tally.bad
        scoring.table.notices.tell(done.said)
        for line in done.bad:
            report(line)
        yield from done.prepared
        if done.error is not None:
            raise done.error
        advance(sum(done.sizes))
        is_begun = is_begun or bool(done.prepared)
    if not is_begun:
        yield prepare(first)


@dataclass
class _Done:
    """What a process made of a piece: its rows, batch by batch, with their sizes, a line for each bad row, lines that
    the reader said beside, and the error that ended it.
    """

    tally: Tally
    prepared: list[Prepared] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    said: Mapping[str, Sequence[str]] = field(default_factory=dict)
    error: LinedgeError | None = None


@dataclass(frozen=True)
class _Work:
    """What each process does with a piece: the scoring of the whole table, and how its rows are prepared."""

    scoring: Scoring
    prepare: Prepare

    def __call__(self, piece: Table) -> _Done:
        scoring = self.scoring.of(piece)
        done = _Done(scoring.tally)
        piece.notices.listen()
        try:
            for rows in scoring.rows(done.bad.append, done.sizes.append):
                done.prepared.append(self.prepare(rows))
        except LinedgeError as error:
            done.error = error
        done.said = piece.notices.told
        # A piece without a batch gives the rows of an empty table, which the whole need not be.
        del done.prepared[len(done.sizes) :]
        return done

"""The passes of a fit over its rows: what the design needs is looked up once, then every pass is a function of that.

prepare(rows, ...) -> Prepared -> take_moments, residuals, expanded, ...
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial, reduce
from itertools import chain, islice
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from lr_runtime.errors import TableError
from lr_trainer.arithmetic.arrays import Array, host, on
from lr_trainer.arithmetic.exact_sums import ExactSums
from lr_trainer.choices import FitOptions
from lr_trainer.moments.accuracy import mapped_back, preconditioned
from lr_trainer.moments.blocks import block_moments, moments_about
from lr_trainer.moments.exact import exact_sums, moments_of
from lr_trainer.moments.moments import Moments, merged, merged_others
from lr_trainer.moments.pilot import Pilot
from lr_trainer.moments.prepared import BlockParts, Prepared, blocks_of, first_block, in_parts, labelled, width_of
from lr_trainer.rows.blocks import Block, block_rows, in_one, joined, one_thread, over_blocks, side_by_side
from lr_trainer.rows.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_trainer.rows.holdout import Parts
    from lr_trainer.rows.reading import Rows
    from lr_trainer.rows.workers import Workers

B = TypeVar("B")
T = TypeVar("T")


_MOST_PASSES = 3
"""A third pass serves columns of which the first saw nothing but rounding; a fourth would move digits by rounding."""


@dataclass(frozen=True)
class _Source(Generic[B]):
    """Where passes take their blocks from.

    Attributes:
        blocks: starts a pass.
        parts: returns the terms and targets of a block's rows by fold, where asked with what float64 rounds away of
            powers.
        folds: how many folds there are, numbered from 0 on.
        held_out: the number of the fold that does not train; None where all rows do, for a fit by least squares.
    """

    blocks: Callable[[], Iterator[B]]
    parts: Callable[[B, bool], dict[int, BlockParts]]
    folds: int = 1
    held_out: int | None = None

    @property
    def labels(self) -> list[int]:
        """The numbers of all folds, that of what is held out last."""
        return [*range(self.folds), *([] if self.held_out is None else [self.held_out])]


class _Start(Generic[B]):
    """A pass that has begun: a worker's first block and whether it has another one."""

    def __init__(self, source: _Source[B]) -> None:
        self._blocks = source.blocks()
        self.first = list(islice(self._blocks, 2))

    @property
    def rows(self) -> Iterator[B]:
        """All blocks, the first ones again."""
        return chain(self.first, self._blocks)


def take_moments(prepared: Prepared, digits: int = FitOptions.digits) -> Moments:
    """Take the pass for the moments of the terms and targets, and further ones while there are too few digits.

    `digits` are those that weights and standard errors should have.

    Raises:
        TableError: there are no rows.
    """
    return _some(moments_if_any(prepared, digits), prepared.rows)


def moments_if_any(prepared: Prepared, digits: int) -> Moments | None:
    """Take the passes of `take_moments`; None where there are no rows."""
    views, table = _views(prepared), _Source(partial(blocks_of, prepared), partial(_in_one, prepared))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of what is infinite, the reader tells where
        take = _taken_exactly if prepared.exact_sums else _taken
        found, passes = (None, 0) if views is None else take(prepared, views, digits)
        if found is None or not np.isfinite(found.whole.comoment).all():
            found, _ = take(prepared, table, digits)
            return None if found is None else found.whole
    for _ in range(passes):
        prepared.rows.count_views(found.whole.rows)
    return found.whole


def _views(prepared: Prepared) -> _Source[tuple[Array, ...]] | None:
    """Return the blocks of arrays in memory, without a copy; None where they are not plain columns of float64.

    Where a value there is missing or infinite, the moments are not finite.
    """
    roles, design, size = prepared.roles, prepared.design, block_rows(width_of(prepared))
    is_other = roles.categories or roles.weight is not None or not np.isnan(design.fill).all()
    if is_other or prepared.rows.views(size) is None:
        return None

    def parts(views: tuple[Array, ...], is_exact: bool) -> dict[int, BlockParts]:
        if not design.is_plain:
            return _in_one(prepared, (in_one(tuple(map(host, views))),), is_exact)
        return {0: BlockParts(tuple(on(prepared.device, part) for part in side_by_side(views)))}

    return _Source(lambda: prepared.rows.views(size) or iter(()), parts)


_NARROW = 256
"""The best pilot of so many terms takes some milliseconds. Where weights are shrunk, more get it if it is needed."""


@dataclass(frozen=True)
class Folded:
    """The moments of rows that train.

    Attributes:
        whole: of all of them.
        folds: of each fold of them.
        held_out: of the others; only their ranges are meant to be read. None where there are none.
        pairs: of each fold and of all other folds together, with their digits; made as they are taken, once.
    """

    whole: Moments
    folds: Sequence[Moments] = ()
    held_out: Moments | None = None
    pairs: Iterable[tuple[Moments, Moments]] = ()


def take_moments_of_folds(
    prepared: Prepared, parts: Parts, digits: int = FitOptions.digits, *, is_penalised: bool
) -> Folded:
    """Take the passes for the moments of the rows that `parts` do not hold out, and of each fold of them.

    Of a wide table with fewer rows than terms, a penalised fit takes one pass in float64.

    Raises:
        TableError: there are no rows.
    """
    source = _Source(partial(labelled, prepared, parts), partial(_in_folds, prepared), parts.folds, parts.held_out)
    take = _taken_exactly if prepared.exact_sums else _taken
    return _some(take(prepared, source, digits, is_penalised=is_penalised)[0], prepared.rows)


def _taken_exactly(
    prepared: Prepared, source: _Source[B], digits: int, *, is_penalised: bool = False
) -> tuple[Folded | None, int]:
    """Return the moments of exact sums, by one pass; None of no rows. Those of what is infinite are not finite."""
    by_fold: dict[int, ExactSums] = {}
    for found in prepared.rows.workers.gathered("the exact sums", lambda: _exactly_here(source)):
        if found is None:
            return _taken(prepared, source, digits, is_penalised=is_penalised)
        _add(by_fold, found)
    moments = partial(moments_of, design=prepared.design, intercept=prepared.intercept)
    if not by_fold:
        return None, 1
    rows_of = [by_fold[fold] for fold in sorted(by_fold)]
    folds = [moments(each) for each in rows_of] if len(rows_of) > 1 else []
    others = (reduce(ExactSums.merge, rows_of[:place] + rows_of[place + 1 :]) for place in range(len(rows_of)))
    pairs = ((fold, moments(rest)) for fold, rest in zip(folds, others, strict=False))
    whole = moments(reduce(ExactSums.merge, rows_of))
    return Folded(whole, folds or [whole], pairs=pairs), 1


def _exactly_here(source: _Source[B]) -> dict[int, ExactSums] | None:
    """Return the exact sums of the rows of each fold that a worker reads; None where a value is not finite."""
    by_fold: dict[int, ExactSums] = {}
    for block in over_blocks(partial(_kept, source), source.blocks()):
        if block is None:
            return None
        _add(by_fold, block)
    return by_fold


def _add(by_fold: dict[int, ExactSums], more: Mapping[int, ExactSums]) -> None:
    for fold, rows in more.items():
        by_fold[fold] = by_fold[fold].merge(rows) if fold in by_fold else rows


def _kept(source: _Source[B], block: B) -> dict[int, ExactSums] | None:
    found = {fold: exact_sums(each) for fold, each in source.parts(block, True).items()}
    return found if all(each.is_finite for each in found.values()) else None


@one_thread()
def _taken(
    prepared: Prepared, source: _Source[B], digits: int, *, is_penalised: bool = False
) -> tuple[Folded | None, int]:
    """Return the moments by passes about better and better pilots, None of no rows, and the number of passes."""
    terms, intercept = len(prepared.design.terms), prepared.intercept
    rounded = np.zeros(terms + len(prepared.roles.targets), dtype=np.bool_)
    rounded[:terms], functions = prepared.design.are_rounded, np.zeros(len(rounded))
    workers = prepared.rows.workers
    starts: list[_Start[B]] = []
    blocks = sum(workers.gathered("the first blocks", lambda: _begun(starts, source)))
    if not blocks:
        return None, 1
    (start,), is_whole, is_wide = starts, blocks == 1, source.held_out is not None and terms > _NARROW
    share = 10.0**-digits
    sketched = partial(Pilot.sketched, terms=terms, share=share, intercept=intercept, is_whole=is_whole and not is_wide)
    # One worker's pilots serve all: another processor would round them otherwise, and their moments would not add up.
    pilot = workers.agreed("the pilot", lambda: _of_first(sketched, source, start.first[0]))
    if pilot is None:
        return None, 1
    rows = start.rows
    before = -math.inf
    for number in range(1, _MOST_PASSES + 1):
        by_fold = _gathered(workers, source, prepared, pilot, rows)
        held_out = None if source.held_out is None else by_fold.pop(source.held_out, None)
        folds = list(by_fold.values())
        found = merged(folds)
        assert found is not None
        if not np.isfinite(found.comoment).all():
            return Folded(found, folds, held_out), number
        functions[:terms] = prepared.design.rounding_of_functions(found.largest)
        moments, expected = preconditioned(
            pilot, found, terms, rounded=rounded, functions=functions, intercept=intercept
        )
        # A pass that gained less than a digit is the last that helps.
        is_enough = expected >= digits or expected < before + 1 or (is_wide and is_penalised and found.rows <= terms)
        is_last, before = is_enough or number == _MOST_PASSES, expected
        refined = partial(pilot.refined, found, moments.mean, terms, share, intercept=intercept)
        better = workers.agreed("a better pilot", lambda: None if is_last else refined())  # noqa: B023 - called here
        if better is None:
            break
        rows, pilot = iter(start.first) if is_whole else source.blocks(), better
    each_fold = [mapped_back(pilot, each)[0] for each in folds]
    fine = partial(preconditioned, pilot, terms=terms, rounded=rounded, functions=functions, intercept=intercept)
    pairs = ((fine(fold)[0], fine(others)[0]) for fold, others in merged_others(folds))
    return Folded(moments, each_fold, held_out, pairs), 1 if is_whole else number


def _begun(starts: list[_Start[B]], source: _Source[B]) -> int:
    """Begin a pass, which is put into `starts`; return the number of its blocks, 2 of more."""
    starts.append(_Start(source))
    return len(starts[0].first)


def _of_first(pilot_of: Callable[[Moments], Pilot], source: _Source[B], first: B) -> Pilot | None:
    """Return the pilot that the rows of the table's first block give that train; None where none does."""
    (found,) = over_blocks(lambda block: source.parts(block, False), [first])
    sketch = merged(
        block_moments(*each.parts, weights=each.weights) for fold, each in found.items() if fold != source.held_out
    )
    return None if sketch is None else pilot_of(sketch)


def _gathered(
    workers: Workers, source: _Source[B], prepared: Prepared, pilot: Pilot, rows: Iterator[B]
) -> dict[int, Moments]:
    """Return the moments of each fold's rows about a pilot, which all workers take of their own blocks."""
    trees = workers.gathered("the moments", lambda: _trees(source, prepared, pilot, rows))
    totals = {fold: Tree.joined([each[fold] for each in trees]).total() for fold in source.labels}
    return {fold: moments for fold, moments in totals.items() if moments is not None}


def _trees(source: _Source[B], prepared: Prepared, pilot: Pilot, rows: Iterator[B]) -> dict[int, Tree[Moments]]:
    first = first_block(prepared)
    trees = {fold: Tree(Moments.merge, first) for fold in source.labels}
    saved = prepared.saved
    done, is_over = saved.begin(prepared.rows, pilot, trees) if saved else (0, False)
    left = iter(()) if is_over else islice(rows, done, None)
    for number, found in enumerate(over_blocks(partial(_about, source, pilot), left), done + 1):
        for fold, tree in trees.items():
            tree.push(found.get(fold))
        done = number
        if saved:
            saved.keep(trees, done, is_over=False)
    if saved and not is_over:
        saved.keep(trees, done, is_over=True)
    return trees


def _about(source: _Source[B], pilot: Pilot, block: B) -> dict[int, Moments]:
    return {
        fold: moments_about(pilot, *each.parts, low=each.low, weights=each.weights)
        for fold, each in source.parts(block, pilot.is_exact).items()
    }


def _some(found: T | None, rows: Rows) -> T:
    if found is None:
        count = rows.counts.rows_dropped
        dropped = f" ({count} rows were dropped)" if count else ""
        raise TableError(f"{rows.table.name} has no rows{dropped}. A table has a row of names and rows of numbers")
    return found


def _in_one(prepared: Prepared, block: Block, is_exact: bool) -> dict[int, BlockParts]:
    return {0: in_parts(prepared, block, is_exact)}


def _in_folds(prepared: Prepared, given: tuple[Block, NDArray[np.int64]], is_exact: bool) -> dict[int, BlockParts]:
    block, labels = given
    rows = joined(block)
    return {part: in_parts(prepared, (rows[labels == part],), is_exact) for part in sorted(set(labels.tolist()))}

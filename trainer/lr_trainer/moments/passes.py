"""The passes of a fit over its rows: what the design needs is looked up once, then every pass is a function of that.

prepare(rows, ...) -> Prepared -> take_moments, residuals, expanded, ...
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np

from lr_runtime.errors import FitError, TableError, escaped, listed
from lr_trainer.arithmetic.arrays import beside, host, matmul, names_of, on
from lr_trainer.arithmetic.functions import on_own_scale
from lr_trainer.choices import FitOptions
from lr_trainer.model.design import Design
from lr_trainer.moments.accuracy import mapped_back, preconditioned
from lr_trainer.moments.blocks import block_moments, formed, moments_about
from lr_trainer.moments.moments import Moments, merged, merged_others
from lr_trainer.moments.pilot import Pilot
from lr_trainer.moments.terms import check_present, design_of, needs_survey
from lr_trainer.rows.blocks import block_rows, in_blocks, in_one, joined, one_thread, over_blocks, side_by_side
from lr_trainer.rows.roles import Rows, check_weights
from lr_trainer.rows.survey import Survey, survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Place
    from lr_trainer.choices import MissingPolicy
    from lr_trainer.model.checkpoint import Checkpoint
    from lr_trainer.rows.blocks import Block
    from lr_trainer.rows.holdout import Parts
    from lr_trainer.rows.roles import Roles

    Array = NDArray[np.float64]

B = TypeVar("B")
T = TypeVar("T")

_OWN_ROUNDINGS = 16
"""Of a function, its inverse and the sum between them, each relative to the size of what it makes."""

_MOST_PASSES = 3
"""A third pass serves columns of which the first saw nothing but rounding; a fourth would move digits by rounding."""


class BlockParts(NamedTuple):
    """A block as its moments are taken: the columns of the parts side by side.

    Attributes:
        parts: float64 (rows, columns) each, or consecutive pieces of it.
        low: float64 (rows, columns), what the parts round away; None where they are exact.
        weights: float64 (rows,); None without.
    """

    parts: tuple[Array | Block, ...]
    low: Array | None = None
    weights: Array | None = None


@dataclass(frozen=True)
class _Source(Generic[B]):
    """Where passes take their blocks from.

    Attributes:
        blocks: starts a pass.
        parts: returns the terms and targets of a block's rows by fold, where asked with what float64 rounds away of
            powers.
        held_out: the number of the fold that does not train; None where all rows do, for a fit by least squares.
    """

    blocks: Callable[[], Iterator[B]]
    parts: Callable[[B, bool], dict[int, BlockParts]]
    held_out: int | None = None


_TERMS_A_COLUMN = 8
"""Of more terms a column, as many levels are, a block has fewer rows, so that its terms take at most 64 MiB."""


@dataclass(frozen=True)
class Prepared:
    """Rows with all that a pass over them needs.

    Attributes:
        rows: the rows of the table by the part of each column.
        device: where their blocks are computed.
        intercept: whether one is fitted.
        levels: the categories by column, the reference level first.
        design: what is made of the columns.
        seen: the means and ranges of the columns; None where the design needed no look at them.
    """

    rows: Rows
    device: Place
    intercept: bool
    levels: Mapping[str, tuple[str, ...]]
    design: Design
    seen: Survey | None = None

    @property
    def roles(self) -> Roles:
        """The columns by their part in the fit."""
        return self.rows.roles


def prepare(rows: Rows, device: Place, *, missing: MissingPolicy = "error", shifts: bool = True) -> Prepared:
    """Take the passes that the design needs: for the categories' values, for means and ranges.

    Unless it `shifts` them, all variables have the origin 0.

    Raises:
        FitError: a column has no values, or nothing varies that the target could be predicted from.
    """
    roles, seen = rows.roles, None
    levels = rows.levels() if roles.coded else {}
    if missing in {"mean", "indicator"} or needs_survey(roles.specification):
        seen = survey_of(rows, levels)
        check_present(roles, seen)
    design = design_of(roles, levels, seen, missing, shifts=shifts)
    if not design.terms:
        raise FitError(
            f"the category {escaped(roles.features[0])} has the same value in every row, and there is no other feature "
            f"to predict {listed(roles.targets)} from"
        )
    return Prepared(rows, device, roles.specification.intercept, levels, design, seen)


def survey_of(rows: Rows, levels: Mapping[str, tuple[str, ...]]) -> Survey:
    """Take one pass for the means and ranges of all columns; another one where arrays in memory have gaps."""
    width = rows.roles.width
    if not rows.roles.categories and (views := rows.views(block_rows(width))) is not None:
        seen = survey(((in_one(tuple(map(host, parts))),) for parts in views), width)
        if np.isfinite(seen.maximum - seen.minimum).all() and (seen.count == rows.table.size).all():
            rows.count_views(int(seen.count[0]))
            return seen
    return survey(in_blocks(rows.arrays(levels), width), width)


def split(prepared: Prepared, share: float, seed: Sequence[int]) -> tuple[Prepared, Prepared]:
    """Return the rows that train, and a share of them held out by chance."""
    train, held_out = (prepared.rows.part(share, seed, held_out=held) for held in (False, True))
    return replace(prepared, rows=train), replace(prepared, rows=held_out)


def take_moments(prepared: Prepared, digits: int = FitOptions.digits) -> Moments:
    """Take the pass for the moments of the terms and targets, and further ones while they have too few digits.

    Args:
        prepared: the rows.
        digits: how many digits of weights and standard errors are wanted.

    Raises:
        TableError: there are no rows.
    """
    views, table = _views(prepared), _Source(partial(_blocks, prepared), partial(_in_one, prepared))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of what is infinite, the reader tells where
        found, passes = (None, 0) if views is None else _taken(prepared, views, digits)
        if found is None or not np.isfinite(found.whole.comoment).all():
            found, _ = _taken(prepared, table, digits)
            return _some(found, prepared.rows).whole
    for _ in range(passes):
        prepared.rows.count_views(found.whole.rows)
    return found.whole


def _views(prepared: Prepared) -> _Source[tuple[Array, ...]] | None:
    """Return the blocks of arrays in memory, without a copy; None where they are not plain columns of float64.

    Where a value there is missing or infinite, the moments are not finite.
    """
    roles, design, size = prepared.roles, prepared.design, block_rows(_width(prepared))
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
    source = _Source(partial(_labelled, prepared, parts), partial(_in_folds, prepared), parts.held_out)
    return _some(_taken(prepared, source, digits, is_penalised=is_penalised)[0], prepared.rows)


@one_thread()
def _taken(
    prepared: Prepared, source: _Source[B], digits: int, *, is_penalised: bool = False
) -> tuple[Folded | None, int]:
    """Return the moments by passes about better and better pilots, None of no rows, and the number of passes."""
    terms, intercept = len(prepared.design.terms), prepared.intercept
    rounded = np.zeros(terms + len(prepared.roles.targets), dtype=np.bool_)
    rounded[:terms], functions = prepared.design.are_rounded, np.zeros(len(rounded))
    blocks = source.blocks()
    first = list(islice(blocks, 2))
    if not first:
        return None, 1
    is_whole, is_wide = len(first) == 1, source.held_out is not None and terms > _NARROW
    rows: Iterator[B] = chain(first, blocks)
    (found_first,) = over_blocks(partial(_sketch, source), first[:1])
    sketch = merged(moments for fold, moments in found_first.items() if fold != source.held_out)
    if sketch is None:
        return None, 1
    share = 10.0**-digits
    pilot = Pilot.sketched(sketch, terms, share, intercept=intercept, is_whole=is_whole and not is_wide)
    before = -math.inf
    for number in range(1, _MOST_PASSES + 1):
        by_fold = _by_fold(over_blocks(partial(_about, source, pilot), rows))
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
        if expected >= digits or expected < before + 1 or (is_wide and is_penalised and found.rows <= terms):
            break
        before = expected
        rows = iter(first) if is_whole else source.blocks()
        pilot = pilot.refined(found, moments.mean, terms, share, intercept=intercept)
    each_fold = [mapped_back(pilot, each)[0] for each in folds]
    fine = partial(preconditioned, pilot, terms=terms, rounded=rounded, functions=functions, intercept=intercept)
    pairs = ((fine(fold)[0], fine(others)[0]) for fold, others in merged_others(folds))
    return Folded(moments, each_fold, held_out, pairs), 1 if is_whole else number


def _sketch(source: _Source[B], block: B) -> dict[int, Moments]:
    return {fold: block_moments(*each.parts, weights=each.weights) for fold, each in source.parts(block, False).items()}


def _about(source: _Source[B], pilot: Pilot, block: B) -> dict[int, Moments]:
    return {
        fold: moments_about(pilot, *each.parts, low=each.low, weights=each.weights)
        for fold, each in source.parts(block, pilot.is_exact).items()
    }


def _by_fold(blocks: Iterable[dict[int, Moments]]) -> dict[int, Moments]:
    """Return the moments of each fold, from those of its rows in each block."""
    found: dict[int, list[Moments]] = {}
    for block in blocks:
        for fold, moments in block.items():
            found.setdefault(fold, []).append(moments)
    return {fold: each for fold, parts in sorted(found.items()) if (each := merged(parts)) is not None}


def residuals(prepared: Prepared, checkpoint: Checkpoint, parts: Parts | None = None) -> tuple[Array, Array]:
    """Take one pass for the absolute residuals (rows, outputs) of a model, and how far any is off (outputs,).

    A sum of products is off by its number of roundings times what its parts are in all (Higham 2002, Accuracy and
    Stability of Numerical Algorithms, 3.1).

    Args:
        prepared: the rows.
        checkpoint: the model.
        parts: of the rows that `parts` hold out; None for all rows.
    """
    weight, bias = checkpoint.weight, checkpoint.bias
    design, found, sizes = Design.of(checkpoint), [], [np.zeros_like(bias)]
    for block in _blocks(prepared) if parts is None else _held_out(prepared, parts):
        x, y, _ = _split(prepared, block)
        slope, start = beside(x, weight).T, beside(x, bias)
        with np.errstate(over="ignore", invalid="ignore"):
            terms = design.expand(x)
            found.append(host(abs(y - (matmul(terms, slope) + start))))
            sizes.append(host(names_of(x).amax(abs(y) + matmul(abs(terms), abs(slope)) + abs(start), axis=0)))
    off = (len(weight.T) + 4) * 2.0**-53 * np.max(sizes, axis=0)
    return np.concatenate(found) if found else np.empty((0, len(prepared.roles.targets))), off


def over_rows(prepared: Prepared, pilot: Pilot, work: Callable[[Array, Array, Array], T]) -> Iterator[T]:
    """Take one pass over numbered rows: yield `work` of Z (columns, rows), roots of weights, numbers of each block."""

    def one(block: Block) -> T:
        rows = joined(block)
        found, numbers = _in_parts(prepared, (rows,), pilot.is_exact), rows[:, -len(prepared.roles.beside) :]
        roots = np.ones(len(numbers)) if found.weights is None else np.sqrt(host(found.weights))
        return work(formed(pilot, *found.parts, low=found.low), roots, numbers)

    return over_blocks(one, _blocks(prepared))


def own_scale(prepared: Prepared, checkpoint: Checkpoint) -> tuple[Array, Array, Array]:
    """Take one pass for sums of squares of the targets themselves, where functions of them were fitted.

    Returns:
        Of each output, float64 (outputs,), the sum of w (y - prediction)^2, that of w (y - mean)^2, and the most that
        rounding moves a prediction.
    """
    functions = tuple(output.function for output in checkpoint.contract.outputs)
    weight, bias, outputs = checkpoint.weight, checkpoint.bias, len(functions)
    residual, off = np.zeros(outputs), np.zeros(outputs)
    total, about, mean = 0.0, np.zeros(outputs), np.zeros(outputs)
    for terms, fitted, weights in expanded(prepared):
        predicted = host(on_own_scale(matmul(terms, beside(terms, weight).T) + beside(terms, bias), functions))
        y, w = host(on_own_scale(fitted, functions)), np.ones(len(fitted)) if weights is None else host(weights)
        residual += w @ (y - predicted) ** 2
        here, share = w @ y / w.sum(), w.sum() / (total + w.sum())
        about += w @ (y - here) ** 2 + total * share * (here - mean) ** 2  # Chan, Golub and LeVeque 1983, eq. 2.1
        total, mean = total + w.sum(), mean + share * (here - mean)
        off = np.maximum(off, _OWN_ROUNDINGS * 2.0**-53 * (abs(y) * (1 + abs(host(fitted)))).max(axis=0))
    return residual, about, off


def equal_pairs(prepared: Prepared, pairs: Sequence[tuple[int, int]]) -> list[bool]:
    """Take one pass to see of which (feature, target) pairs the values are equal in every row."""
    equal = [True] * len(pairs)
    for block in _blocks(prepared):
        x, y, _ = _split(prepared, block)
        here = [bool((x[:, feature] == y[:, target]).all()) for feature, target in pairs]
        equal = [before and now for before, now in zip(equal, here, strict=True)]
    return equal


def few_blocks(prepared: Prepared, most: int) -> list[Block] | None:
    """Take one pass for the blocks of a table with at most so many rows; None, without reading on, of a longer one."""
    found: list[Block] = []
    for block in _blocks(prepared):
        found.append(block)
        if sum(len(piece) for each in found for piece in each) > most:
            return None
    return found


def expanded(prepared: Prepared, blocks: Iterable[Block] | None = None) -> Iterator[tuple[Array, Array, Array | None]]:
    """Yield the terms (rows, terms), targets (rows, outputs) and weights (rows,) of blocks; None to take one pass."""
    for block in _blocks(prepared) if blocks is None else blocks:
        x, y, weights = _split(prepared, block)
        with np.errstate(over="ignore", invalid="ignore"):
            terms = prepared.design.expand(x)
        yield terms, y, weights


def _blocks(prepared: Prepared) -> Iterator[Block]:
    return in_blocks(prepared.rows.arrays(prepared.levels), _width(prepared))


def _width(prepared: Prepared) -> int:
    """Return how many columns the number of rows of a block is chosen for."""
    return max(prepared.roles.width, len(prepared.design.terms) // _TERMS_A_COLUMN)


def _labelled(prepared: Prepared, parts: Parts) -> Iterator[tuple[Block, NDArray[np.int64]]]:
    start, group = 0, prepared.roles.group
    for block in _blocks(prepared):
        rows = sum(len(piece) for piece in block)
        if group is None:
            yield block, parts.labels(start, rows)
        else:
            place, whole = prepared.roles.columns.index(group), joined(block)
            own = whole if group in prepared.roles.features else np.delete(whole, place, axis=1)
            yield (own,), parts.labels(start, rows, whole[:, place])
        start += rows


def _held_out(prepared: Prepared, parts: Parts) -> Iterator[Block]:
    for block, labels in _labelled(prepared, parts):
        rows = joined(block)[labels == parts.held_out]
        if len(rows):
            yield (rows,)


def _some(found: Folded | None, rows: Rows) -> Folded:
    if found is None:
        count = rows.counts.rows_dropped
        dropped = f" ({count} rows were dropped)" if count else ""
        raise TableError(f"{rows.table.name} has no rows{dropped}. A table has a row of names and rows of numbers")
    return found


def _split(prepared: Prepared, block: Block) -> tuple[Array, Array, Array | None]:
    variables, targets = len(prepared.roles.variables), len(prepared.roles.targets)
    rows = on(prepared.device, joined(block))
    x, y = rows[:, :variables], rows[:, variables : variables + targets]
    if prepared.roles.weight is None:
        return x, y, None
    weights = rows[:, -1 - len(prepared.roles.beside)]
    check_weights(host(weights))
    return x, y, weights


def _in_one(prepared: Prepared, block: Block, is_exact: bool) -> dict[int, BlockParts]:
    return {0: _in_parts(prepared, block, is_exact)}


def _in_folds(prepared: Prepared, labelled: tuple[Block, NDArray[np.int64]], is_exact: bool) -> dict[int, BlockParts]:
    block, labels = labelled
    rows = joined(block)
    return {part: _in_parts(prepared, (rows[labels == part],), is_exact) for part in sorted(set(labels.tolist()))}


def _in_parts(prepared: Prepared, block: Block, is_exact: bool) -> BlockParts:
    """Return the terms and targets of a block; where exact, with what float64 rounds away of powers."""
    design = prepared.design
    if design.is_plain and prepared.roles.weight is None and not prepared.roles.beside:
        return BlockParts((tuple(on(prepared.device, piece) for piece in block),))
    x, y, weights = _split(prepared, block)
    if not is_exact or not design.are_rounded.any():
        return BlockParts((design.expand(x), y), None, weights)
    terms = design.expand_extended(x)
    low = names_of(y).concatenate([terms.low, names_of(y).zeros_like(y)], axis=1)
    return BlockParts((terms.high, y), low, weights)

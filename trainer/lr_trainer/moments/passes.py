"""The passes of a fit over its rows: what the design needs is looked up once, then every pass is a function of that.

prepare(rows, ...) -> Prepared -> take_moments, gram, residuals, expanded, ...
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
from lr_trainer.arithmetic.double_double import Extended, two_sum
from lr_trainer.arithmetic.gram import block_gram
from lr_trainer.choices import FitOptions
from lr_trainer.model.design import Design
from lr_trainer.moments.accuracy import preconditioned
from lr_trainer.moments.blocks import block_moments, moments_about
from lr_trainer.moments.moments import Moments, merged
from lr_trainer.moments.pilot import Pilot
from lr_trainer.moments.terms import check_present, design_of
from lr_trainer.rows.blocks import block_rows, in_blocks, joined, one_thread, over_blocks, side_by_side
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
        parts: returns the terms and targets of a block, where asked with what float64 rounds away of powers.
    """

    blocks: Callable[[], Iterator[B]]
    parts: Callable[[B, bool], BlockParts]


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


def prepare(
    rows: Rows, device: Place, *, degree: int = 1, missing: MissingPolicy = "error", intercept: bool = True
) -> Prepared:
    """Take the passes that the design needs: for the categories' values, for means and ranges.

    Raises:
        FitError: a column has no values, or nothing varies that the target could be predicted from.
    """
    roles, seen = rows.roles, None
    levels = rows.levels() if roles.coded else {}
    if degree > 1 or missing in {"mean", "indicator"}:
        seen = survey(in_blocks(rows.arrays(levels), roles.width), roles.width)
        check_present(roles, seen)
    design = design_of(roles, levels, seen, degree, missing, intercept=intercept)
    if not design.terms:
        raise FitError(
            f"the category {escaped(roles.features[0])} has the same value in every row, and there is no other feature "
            f"to predict {listed(roles.targets)} from"
        )
    return Prepared(rows, device, intercept, levels, design, seen)


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
    views, table = _views(prepared), _Source(partial(_blocks, prepared), partial(_in_parts, prepared))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of what is infinite, the reader tells where
        found, passes = (None, 0) if views is None else _taken(prepared, views, digits)
        if found is None or not np.isfinite(found.comoment).all():
            return _some(_taken(prepared, table, digits)[0], prepared.rows)
    for _ in range(passes):
        prepared.rows.count_views(found.rows)
    return found


def _views(prepared: Prepared) -> _Source[tuple[Array, ...]] | None:
    """Return the blocks of arrays in memory, without a copy; None where they are not plain columns of float64.

    Where a value there is missing or infinite, the moments are not finite.
    """
    size = block_rows(prepared.roles.width)
    if not prepared.design.is_plain or prepared.roles.weight is not None or prepared.rows.views(size) is None:
        return None
    return _Source(
        lambda: prepared.rows.views(size) or iter(()),
        lambda parts, _: BlockParts(tuple(on(prepared.device, part) for part in side_by_side(parts))),
    )


@one_thread()
def _taken(prepared: Prepared, source: _Source[B], digits: int) -> tuple[Moments | None, int]:
    """Return the moments by passes about better and better pilots, None of no rows, and the number of passes."""
    terms, intercept = len(prepared.design.terms), prepared.intercept
    rounded = np.zeros(terms + len(prepared.roles.targets), dtype=np.bool_)
    rounded[:terms] = [each.is_rounded for each in prepared.design.evaluations]
    blocks = source.blocks()
    first = list(islice(blocks, 2))
    if not first:
        return None, 1
    is_whole = len(first) == 1
    rows: Iterator[B] = chain(first, blocks)
    (sketch,) = over_blocks(partial(_sketch, source), first[:1])
    share = 10.0**-digits
    pilot = Pilot.sketched(sketch, terms, share, intercept=intercept, is_whole=is_whole)
    before = -math.inf
    for number in range(1, _MOST_PASSES + 1):
        found = merged(over_blocks(partial(_about, source, pilot), rows))
        assert found is not None
        if not np.isfinite(found.comoment).all():
            return found, number
        moments, expected = preconditioned(pilot, found, terms, rounded=rounded, intercept=intercept)
        if expected >= digits or expected < before + 1:  # a pass that gained less than a digit is the last that helps
            break
        before = expected
        rows = iter(first) if is_whole else source.blocks()
        pilot = pilot.refined(found, moments.mean, terms, share, intercept=intercept)
    return moments, 1 if is_whole else number


def _sketch(source: _Source[B], block: B) -> Moments:
    found = source.parts(block, False)
    return block_moments(*found.parts, weights=found.weights)


def _about(source: _Source[B], pilot: Pilot, block: B) -> Moments:
    found = source.parts(block, pilot.is_exact)
    return moments_about(pilot, *found.parts, low=found.low, weights=found.weights)


def take_moments_by_part(prepared: Prepared, parts: Parts) -> list[Moments | None]:
    """Take the pass for the moments of each part of the rows apart; None of a part without rows.

    Raises:
        TableError: there are no rows.
    """
    by_part: list[list[Moments]] = [[] for _ in range(parts.count)]
    for found in over_blocks(partial(_parted, prepared), _labelled(prepared, parts)):
        for part, moments in found.items():
            by_part[part].append(moments)
    _some(next((each[0] for each in by_part if each), None), prepared.rows)
    return [merged(each) for each in by_part]


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
    for block in _blocks(prepared) if parts is None else _of_parts(prepared, parts, held_out=True):
        x, y, _ = _split(prepared, block)
        slope, start = beside(x, weight).T, beside(x, bias)
        with np.errstate(over="ignore", invalid="ignore"):
            terms = design.expand(x)
            found.append(host(abs(y - (matmul(terms, slope) + start))))
            sizes.append(host(names_of(x).amax(abs(y) + matmul(abs(terms), abs(slope)) + abs(start), axis=0)))
    off = (len(weight.T) + 4) * 2.0**-53 * np.max(sizes, axis=0)
    return np.concatenate(found) if found else np.empty((0, len(prepared.roles.targets))), off


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


def gram(prepared: Prepared, design: Design, shift: Array, parts: Parts | None = None) -> tuple[Extended[Array], float]:
    """Take the pass for the double-double products of the terms and targets, a column of ones first.

    Beside them it returns the largest weight of a row.

    Args:
        prepared: the rows.
        design: of the terms.
        shift: float64 (terms + targets,), taken from every row.
        parts: leaves out the rows that they hold out; None for all rows.
    """
    total, heaviest = None, 0.0
    blocks = _blocks(prepared) if parts is None else _of_parts(prepared, parts, held_out=False)
    for part, heavy in over_blocks(lambda block: _gram_of(prepared, block, design, shift), blocks):
        total, heaviest = part if total is None else total + part, max(heaviest, heavy)
    assert total is not None
    return total, heaviest


def _blocks(prepared: Prepared) -> Iterator[Block]:
    width = max(prepared.roles.width, len(prepared.design.terms) // _TERMS_A_COLUMN)
    return in_blocks(prepared.rows.arrays(prepared.levels), width)


def _labelled(prepared: Prepared, parts: Parts) -> Iterator[tuple[Block, NDArray[np.int64]]]:
    start = 0
    for block in _blocks(prepared):
        rows = sum(len(piece) for piece in block)
        yield block, parts.labels(start, rows)
        start += rows


def _of_parts(prepared: Prepared, parts: Parts, *, held_out: bool) -> Iterator[Block]:
    for block, labels in _labelled(prepared, parts):
        rows = joined(block)[(labels == parts.held_out) == held_out]
        if len(rows):
            yield (rows,)


def _parted(prepared: Prepared, labelled: tuple[Block, NDArray[np.int64]]) -> dict[int, Moments]:
    block, labels = labelled
    rows, chosen = joined(block), {part: labels == part for part in sorted(set(labels.tolist()))}
    return {part: _moments_of(prepared, (rows[mask],)) for part, mask in chosen.items()}


def _some(moments: Moments | None, rows: Rows) -> Moments:
    if moments is None:
        count = rows.counts.rows_dropped
        dropped = f" ({count} rows were dropped)" if count else ""
        raise TableError(f"{rows.table.name} has no rows{dropped}. A table has a row of names and rows of numbers")
    return moments


def _split(prepared: Prepared, block: Block) -> tuple[Array, Array, Array | None]:
    features, targets = len(prepared.roles.features), len(prepared.roles.targets)
    rows = on(prepared.device, joined(block))
    x, y = rows[:, :features], rows[:, features : features + targets]
    if prepared.roles.weight is None:
        return x, y, None
    check_weights(host(rows[:, -1]))
    return x, y, rows[:, -1]


def _moments_of(prepared: Prepared, block: Block) -> Moments:
    found = _in_parts(prepared, block, False)
    return block_moments(*found.parts, weights=found.weights)


def _in_parts(prepared: Prepared, block: Block, is_exact: bool) -> BlockParts:
    """Return the terms and targets of a block; where exact, with what float64 rounds away of powers."""
    design = prepared.design
    if design.is_plain and prepared.roles.weight is None:
        return BlockParts((tuple(on(prepared.device, piece) for piece in block),))
    x, y, weights = _split(prepared, block)
    if not is_exact or not any(each.is_rounded for each in design.evaluations):
        return BlockParts((design.expand(x), y), None, weights)
    terms = design.expand_extended(x)
    low = names_of(y).concatenate([terms.low, names_of(y).zeros_like(y)], axis=1)
    return BlockParts((terms.high, y), low, weights)


def _gram_of(prepared: Prepared, block: Block, design: Design, shift: Array) -> tuple[Extended[Array], float]:
    x, y, weights = _split(prepared, block)
    names, terms, away = names_of(x), design.expand_extended(x), beside(x, -shift)
    terms = terms + Extended.of(away[: terms.high.shape[1]])
    targets = Extended(*two_sum(y, away[terms.high.shape[1] :]))
    ones = [names.ones_like(y[:, :1])] if prepared.intercept else []
    high = names.concatenate([*ones, terms.high, targets.high], axis=1)
    low = names.concatenate([*(part * 0 for part in ones), terms.low, targets.low], axis=1)
    return block_gram(Extended(high, low), weights), 1.0 if weights is None else float(weights.max())

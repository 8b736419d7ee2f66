"""The rows of a fit with what a pass over them needs: the categories, the design, blocks and their parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_runtime.errors import FitError, escaped, listed
from lr_trainer.arithmetic.arrays import Array, Place, host, names_of, on
from lr_trainer.moments.terms import check_present, design_of, needs_survey
from lr_trainer.rows.blocks import Block, block_rows, in_blocks, in_one, joined
from lr_trainer.rows.reading import Rows, check_weights
from lr_trainer.rows.survey import Sums, Survey, sums_of, survey, surveyed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_trainer.choices import MissingPolicy
    from lr_trainer.model.design import Design
    from lr_trainer.moments.saved import Saved
    from lr_trainer.rows.holdout import Parts
    from lr_trainer.rows.roles import Roles
    from lr_trainer.rows.tree import Tree

_TERMS_A_COLUMN = 8
"""Of more terms a column, as many levels are, a block has fewer rows, so that its terms take at most 64 MiB."""


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


class Seen(NamedTuple):
    """The categories by column, and means and ranges of the columns; None where the design needs no look at them."""

    levels: Mapping[str, tuple[str, ...]]
    ranges: Survey | None


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
        exact_sums: whether all sums over rows are exact.
        saved: where passes for moments go on from, and what they leave; None without it.
    """

    rows: Rows
    device: Place
    intercept: bool
    levels: Mapping[str, tuple[str, ...]]
    design: Design
    seen: Survey | None = None
    exact_sums: bool = False
    saved: Saved | None = None

    @property
    def roles(self) -> Roles:
        """The columns by their part in the fit."""
        return self.rows.roles


def prepare(
    rows: Rows,
    device: Place,
    *,
    missing: MissingPolicy = "error",
    shifts: bool = True,
    exact_sums: bool = False,
    seen: Seen | None = None,
) -> Prepared:
    """Take the passes that the design needs: for the categories' values, for means and ranges.

    Unless it `shifts` them, all variables have the origin 0. No pass is taken for what was `seen` already.

    Raises:
        FitError: a column has no values, or nothing varies that the target could be predicted from.
    """
    roles, (levels, ranges) = rows.roles, seen or _seen(rows, missing, exact_sums=exact_sums)
    if ranges is not None:
        check_present(roles, ranges)
    design = design_of(roles, levels, ranges, missing, shifts=shifts)
    if not design.terms:
        raise FitError(
            f"the category {escaped(roles.features[0])} has the same value in every row, and there is no other feature "
            f"to predict {listed(roles.targets)} from"
        )
    return Prepared(rows, device, roles.specification.intercept, levels, design, ranges, exact_sums)


def _seen(rows: Rows, missing: MissingPolicy, *, exact_sums: bool) -> Seen:
    levels = rows.levels() if rows.roles.coded else {}
    is_needed = needs_survey(rows.roles.specification, missing)
    return Seen(levels, survey_of(rows, levels, exact_sums=exact_sums) if is_needed else None)


def survey_of(rows: Rows, levels: Mapping[str, tuple[str, ...]], *, exact_sums: bool = False) -> Survey:
    """Take one pass for the means and ranges of all columns; another one where arrays in memory have gaps."""
    width, first = rows.roles.width, rows.first // block_rows(rows.roles.width)
    if not rows.roles.categories and (views := rows.views(block_rows(width))) is not None:
        seen = survey(((in_one(tuple(map(host, parts))),) for parts in views), width, exact_sums=exact_sums)
        if np.isfinite(seen.maximum - seen.minimum).all() and (seen.count == rows.table.size).all():
            rows.count_views(int(seen.count[0]))
            return seen

    def here() -> Tree[Sums]:
        return sums_of(in_blocks(rows.arrays(levels), width), first, exact_sums=exact_sums)

    return surveyed(rows.workers.gathered("the survey", here), width)


def split(prepared: Prepared, share: float, seed: Sequence[int]) -> tuple[Prepared, Prepared]:
    """Return the rows that train, and a share of them held out by chance."""
    train, held_out = (prepared.rows.part(share, seed, held_out=held) for held in (False, True))
    return replace(prepared, rows=train), replace(prepared, rows=held_out)


def equal_pairs(prepared: Prepared, pairs: Sequence[tuple[int, int]]) -> list[bool]:
    """Take one pass to see of which (feature, target) pairs the values are equal in every row."""
    found = prepared.rows.workers.gathered("equal columns", lambda: _equal_here(prepared, pairs))
    return [all(each) for each in zip(*found, strict=True)]


def _equal_here(prepared: Prepared, pairs: Sequence[tuple[int, int]]) -> list[bool]:
    equal = [True] * len(pairs)
    for block in blocks_of(prepared):
        x, y, _ = parts_of(prepared, block)
        here = [bool((x[:, feature] == y[:, target]).all()) for feature, target in pairs]
        equal = [before and now for before, now in zip(equal, here, strict=True)]
    return equal


def first_block(prepared: Prepared) -> int:
    """Return the number in the table of the first block of `blocks_of`."""
    return prepared.rows.first // block_rows(width_of(prepared))


def few_blocks(prepared: Prepared, most: int) -> list[Block] | None:
    """Take one pass for the blocks of a table with at most so many rows; None, without reading on, of a longer one."""
    found: list[Block] = []
    for block in blocks_of(prepared):
        found.append(block)
        if sum(len(piece) for each in found for piece in each) > most:
            return None
    return found


def expanded(prepared: Prepared, blocks: Iterable[Block] | None = None) -> Iterator[tuple[Array, Array, Array | None]]:
    """Yield the terms (rows, terms), targets (rows, outputs) and weights (rows,) of blocks; None to take one pass."""
    for block in blocks_of(prepared) if blocks is None else blocks:
        x, y, weights = parts_of(prepared, block)
        with np.errstate(over="ignore", invalid="ignore"):
            terms = prepared.design.expand(x)
        yield terms, y, weights


def blocks_of(prepared: Prepared) -> Iterator[Block]:
    """Take one pass over the rows in blocks, each in pieces."""
    return in_blocks(prepared.rows.arrays(prepared.levels), width_of(prepared))


def width_of(prepared: Prepared) -> int:
    """Return how many columns the number of rows of a block is chosen for."""
    return max(prepared.roles.width, len(prepared.design.terms) // _TERMS_A_COLUMN)


def labelled(prepared: Prepared, parts: Parts) -> Iterator[tuple[Block, NDArray[np.int64]]]:
    """Take one pass over the blocks, each with the fold of its rows."""
    start, group = prepared.rows.first, prepared.roles.group
    for block in blocks_of(prepared):
        rows = sum(len(piece) for piece in block)
        if group is None:
            yield block, parts.labels(start, rows)
        else:
            place, whole = prepared.roles.columns.index(group), joined(block)
            own = whole if group in prepared.roles.features else np.delete(whole, place, axis=1)
            yield (own,), parts.labels(start, rows, whole[:, place])
        start += rows


def blocks_of_part(prepared: Prepared, parts: Parts, *, held_out: bool) -> Iterator[Block]:
    """Take one pass over the rows that `parts` hold out, or over all others."""
    for block, labels in labelled(prepared, parts):
        rows = joined(block)[(labels == parts.held_out) == held_out]
        if len(rows):
            yield (rows,)


def parts_of(prepared: Prepared, block: Block) -> tuple[Array, Array, Array | None]:
    """Return the variables, the targets and the weights of a block."""
    variables, targets = len(prepared.roles.variables), len(prepared.roles.targets)
    rows = on(prepared.device, joined(block))
    x, y = rows[:, :variables], rows[:, variables : variables + targets]
    if prepared.roles.weight is None:
        return x, y, None
    weights = rows[:, -1 - len(prepared.roles.beside)]
    check_weights(host(weights))
    return x, y, weights


def in_parts(prepared: Prepared, block: Block, is_exact: bool) -> BlockParts:
    """Return the terms and targets of a block; where exact, with what float64 rounds away of powers."""
    design = prepared.design
    if design.is_plain and prepared.roles.weight is None and not prepared.roles.beside:
        return BlockParts((tuple(on(prepared.device, piece) for piece in block),))
    x, y, weights = parts_of(prepared, block)
    if not is_exact or not design.are_rounded.any():
        return BlockParts((design.expand(x), y), None, weights)
    terms = design.expand_extended(x)
    low = names_of(y).concatenate([terms.low, names_of(y).zeros_like(y)], axis=1)
    return BlockParts((terms.high, y), low, weights)

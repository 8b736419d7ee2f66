"""Passes that take the residuals of a model, or work on numbered rows, after a fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from lr_trainer.arithmetic.arrays import Array, beside, host, matmul, names_of
from lr_trainer.arithmetic.functions import on_own_scale
from lr_trainer.model.design import Design
from lr_trainer.moments.blocks import formed
from lr_trainer.moments.prepared import (
    Prepared,
    blocks_of,
    blocks_of_part,
    expanded,
    first_block,
    in_parts,
    parts_of,
)
from lr_trainer.rows.blocks import Block, joined, over_blocks
from lr_trainer.rows.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lr_trainer.model.checkpoint import Checkpoint
    from lr_trainer.moments.pilot import Pilot
    from lr_trainer.rows.holdout import Parts

T = TypeVar("T")

_OWN_ROUNDINGS = 16
"""Of a function, its inverse and the sum between them, each relative to the size of what it is made of."""

_SLOPES = {None: 0.0, "log": 1.0, "sqrt": 0.5, "reciprocal": 2.0}
"""The power of a target's size that its slope in what was fitted has, but for the 2 of a square."""


def residuals(prepared: Prepared, checkpoint: Checkpoint, parts: Parts | None = None) -> tuple[Array, Array]:
    """Take one pass for the absolute residuals (rows, outputs) of a model, and how far any is off (outputs,).

    A sum of products is off by its number of roundings times what its parts are in all (Higham 2002, Accuracy and
    Stability of Numerical Algorithms, 3.1). The rows are those that `parts` hold out, or all of them.
    """
    here = prepared.rows.workers.gathered("the residuals", lambda: _residuals_here(prepared, checkpoint, parts))
    found, sizes = zip(*here, strict=True)
    return np.concatenate(found), (len(checkpoint.weight.T) + 4) * 2.0**-53 * np.max(sizes, axis=0)


def _residuals_here(prepared: Prepared, checkpoint: Checkpoint, parts: Parts | None) -> tuple[Array, Array]:
    """Return the absolute residuals (rows, outputs) of a worker's rows, and how large their parts are (outputs,)."""
    weight, bias = checkpoint.weight, checkpoint.bias
    design, found, sizes = Design.of(checkpoint), [], [np.zeros_like(bias)]
    for block in blocks_of(prepared) if parts is None else blocks_of_part(prepared, parts, held_out=True):
        x, y, _ = parts_of(prepared, block)
        slope, start = beside(x, weight).T, beside(x, bias)
        with np.errstate(over="ignore", invalid="ignore"):
            terms = design.expand(x)
            found.append(host(abs(y - (matmul(terms, slope) + start))))
            sizes.append(host(names_of(x).amax(abs(y) + matmul(abs(terms), abs(slope)) + abs(start), axis=0)))
    return np.concatenate(found) if found else np.empty((0, len(bias))), np.max(sizes, axis=0)


def over_rows(prepared: Prepared, pilot: Pilot, work: Callable[[Array, Array, Array], T]) -> Iterator[T]:
    """Take one pass over numbered rows: yield `work` of Z (columns, rows), roots of weights, numbers of each block."""

    def one(block: Block) -> T:
        rows = joined(block)
        found, numbers = in_parts(prepared, (rows,), pilot.is_exact), rows[:, -len(prepared.roles.beside) :]
        roots = np.ones(len(numbers)) if found.weights is None else np.sqrt(host(found.weights))
        return work(formed(pilot, *found.parts, low=found.low), roots, numbers)

    return over_blocks(one, blocks_of(prepared))


def own_scale(prepared: Prepared, checkpoint: Checkpoint, parts: Parts | None = None) -> tuple[Array, Array, Array]:
    """Take one pass for sums of squares of the targets themselves, where functions of them were fitted.

    Return float64 (outputs,) each, the sum of w (y - prediction)^2, that of w (y - mean)^2, and the most that rounding
    moves a prediction. The rows are those that `parts` do not hold out, or all of them.
    """
    trees = prepared.rows.workers.gathered("the own scale", lambda: _own_scale_here(prepared, checkpoint, parts))
    found = Tree.joined(trees).total()
    assert found is not None
    return found.residual, found.about, found.off


class _OwnScale(NamedTuple):
    """What `own_scale` returns of some rows, with the sum of their weights and their means (outputs,)."""

    residual: Array
    about: Array
    off: Array
    weight: float
    mean: Array

    def merge(self, other: _OwnScale) -> _OwnScale:
        """Return that of the rows of both (Chan, Golub and LeVeque 1983, eq. 2.1)."""
        weight, away = self.weight + other.weight, other.mean - self.mean
        share = other.weight / weight
        return _OwnScale(
            self.residual + other.residual,
            self.about + other.about + self.weight * share * away**2,
            np.maximum(self.off, other.off),
            weight,
            self.mean + share * away,
        )


@np.errstate(over="ignore", invalid="ignore")  # `with_own_scale` tells what float64 does not hold
def _own_scale_here(prepared: Prepared, checkpoint: Checkpoint, parts: Parts | None) -> Tree[_OwnScale]:
    functions = tuple(output.function for output in checkpoint.contract.outputs)
    weight, bias, tree = checkpoint.weight, checkpoint.bias, Tree(_OwnScale.merge, first_block(prepared))
    blocks = None if parts is None else blocks_of_part(prepared, parts, held_out=False)
    for terms, fitted, weights in expanded(replace(prepared, design=Design.of(checkpoint)), blocks):
        slope, start = beside(terms, weight).T, beside(terms, bias)
        predicted = host(on_own_scale(matmul(terms, slope) + start, functions))
        size = host(abs(fitted) + matmul(abs(terms), abs(slope)) + abs(start))
        y, w = host(on_own_scale(fitted, functions)), np.ones(len(fitted)) if weights is None else host(weights)
        most, mean = np.maximum(abs(y), abs(predicted)), w @ y / w.sum()
        moved = most + most ** [_SLOPES[function] for function in functions] * size
        off = _OWN_ROUNDINGS * 2.0**-53 * moved.max(axis=0)
        tree.push(_OwnScale(w @ (y - predicted) ** 2, w @ (y - mean) ** 2, off, w.sum(), mean))
    return tree

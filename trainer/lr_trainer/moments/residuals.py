"""Passes that take the residuals of a model, or work on numbered rows, after a fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lr_trainer.arithmetic.arrays import Array, beside, host, matmul, names_of
from lr_trainer.arithmetic.functions import on_own_scale
from lr_trainer.model.design import Design
from lr_trainer.moments.blocks import formed
from lr_trainer.moments.prepared import Prepared, blocks_of, blocks_of_part, expanded, in_parts, parts_of
from lr_trainer.rows.blocks import Block, joined, over_blocks

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
    weight, bias = checkpoint.weight, checkpoint.bias
    design, found, sizes = Design.of(checkpoint), [], [np.zeros_like(bias)]
    for block in blocks_of(prepared) if parts is None else blocks_of_part(prepared, parts, held_out=True):
        x, y, _ = parts_of(prepared, block)
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
        found, numbers = in_parts(prepared, (rows,), pilot.is_exact), rows[:, -len(prepared.roles.beside) :]
        roots = np.ones(len(numbers)) if found.weights is None else np.sqrt(host(found.weights))
        return work(formed(pilot, *found.parts, low=found.low), roots, numbers)

    return over_blocks(one, blocks_of(prepared))


@np.errstate(over="ignore", invalid="ignore")  # `with_own_scale` tells what float64 does not hold
def own_scale(prepared: Prepared, checkpoint: Checkpoint, parts: Parts | None = None) -> tuple[Array, Array, Array]:
    """Take one pass for sums of squares of the targets themselves, where functions of them were fitted.

    Return float64 (outputs,) each, the sum of w (y - prediction)^2, that of w (y - mean)^2, and the most that rounding
    moves a prediction. The rows are those that `parts` do not hold out, or all of them.
    """
    functions = tuple(output.function for output in checkpoint.contract.outputs)
    weight, bias, outputs = checkpoint.weight, checkpoint.bias, len(functions)
    residual, off = np.zeros(outputs), np.zeros(outputs)
    total, about, mean = 0.0, np.zeros(outputs), np.zeros(outputs)
    blocks = None if parts is None else blocks_of_part(prepared, parts, held_out=False)
    for terms, fitted, weights in expanded(replace(prepared, design=Design.of(checkpoint)), blocks):
        slope, start = beside(terms, weight).T, beside(terms, bias)
        predicted = host(on_own_scale(matmul(terms, slope) + start, functions))
        size = host(abs(fitted) + matmul(abs(terms), abs(slope)) + abs(start))
        y, w = host(on_own_scale(fitted, functions)), np.ones(len(fitted)) if weights is None else host(weights)
        residual += w @ (y - predicted) ** 2
        here, share = w @ y / w.sum(), w.sum() / (total + w.sum())
        about += w @ (y - here) ** 2 + total * share * (here - mean) ** 2  # Chan, Golub and LeVeque 1983, eq. 2.1
        total, mean = total + w.sum(), mean + share * (here - mean)
        most = np.maximum(abs(y), abs(predicted))
        moved = most + most ** [_SLOPES[function] for function in functions] * size
        off = np.maximum(off, _OWN_ROUNDINGS * 2.0**-53 * moved.max(axis=0))
    return residual, about, off

"""What a user should look at before trusting a fit, each in one line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime.contract.terms.term import columns_on_basis
from lr_runtime.errors import FitError, escaped
from lr_trainer.arithmetic.rounding import varies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.columns import Column
    from lr_trainer.model.design import Design
    from lr_trainer.moments.moments import Moments
    from lr_trainer.moments.passes import Passes

_TOO_GOOD = 0.9999999
_FEW_DIGITS = 1e-9
_ROUNDING = 1e-9
"""Moments of equal columns differ by less, whatever their origin and scale."""


def check_squares(
    moments: Moments, design: Design, columns: tuple[Column, ...], targets: Sequence[str], *, intercept: bool
) -> None:
    """Raise FitError where values are so large or so small that float64 does not hold their squares to all digits."""
    names = [*(term.name(columns) for term in design.terms), *targets]
    with np.errstate(over="ignore", under="ignore"):
        squares = np.diag(moments.gram(intercept=intercept))
    held = ~moments.varies(intercept=intercept) | _is_held(squares)
    sizes = list(zip(names, moments.largest.tolist(), held, strict=True))
    # Powers are of values divided by their scale, so their squares are near 1, but that division must be held, too.
    reach = [max(abs(column.minimum), abs(column.maximum)) for column in columns]
    sizes += list(zip((column.name for column in columns), reach, _is_held(design.scale), strict=True))
    for name, largest, is_held in sizes:
        if not is_held:
            raise FitError(
                f"the values of the column {escaped(name)} reach {largest:.3g}, and float64 does not hold their "
                "squares. Choose a unit in which they lie between 1e-130 and 1e130"
            )


def _is_held(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    # The low parts of double-double products lie 106 bits below.
    return np.asarray((values >= 2.0**-900) & (values <= 2.0**900))


def check_not_the_target(passes: Passes, moments: Moments) -> None:
    """Raise FitError where a column holds the values of a target, bit for bit.

    Their moments are alike then, but values that differ in their last digits have such moments, too: one more pass
    compares the rows, where there is a column to be compared.
    """
    roles, terms = passes.roles, passes.design.terms
    pairs = [
        (term.raw_column, output)
        for place, term in enumerate(terms)
        if term.raw_column is not None
        for output in range(len(roles.targets))
        if _alike(moments, place, len(terms) + output, float(passes.design.scale[term.raw_column]))
    ]
    if not pairs:
        return
    for (column, output), same in zip(pairs, passes.same(pairs), strict=True):
        if same:
            name, target = roles.features[column], roles.targets[output]
            raise FitError(
                f"the column {escaped(name)} holds the same values as the target {escaped(target)}. "
                f"Leave it out: --ignore {name}"
            )


def cautions(
    moments: Moments, design: Design, columns: tuple[Column, ...], targets: Sequence[str], *, intercept: bool
) -> list[str]:
    """Return the lines."""
    names = [term.name(columns) for term in design.terms]
    references = [] if intercept else _references(columns)
    return [*_leaks(moments, names, targets), *_offsets(design, columns), *references]


def shortfalls(fit: Mapping[str, Any]) -> Iterator[str]:
    """Yield what keeps a descent from its optimum, and what to change; `fit` is its report."""
    validation = fit.get("validation")
    if validation is not None and validation["stopped_early"]:
        yield (
            f"stopped early after {fit['epochs']} epochs: the validation loss was least after epoch "
            f"{validation['epoch']}, whose weights these are. Give it more --patience to go on for longer"
        )
    elif not fit["converged"] and validation is None:
        gap = fit["gap"]
        above = "an unknown distance" if gap is None else f"at most {gap:.2g} of its value"
        batches = fit["batch_size"] is not None
        way = "leave --batch-size out" if batches else "use --optimizer lbfgs" if fit["optimizer"] != "lbfgs" else ""
        yield (
            f"not converged after {fit['epochs']} epochs: the gradient's norm is {fit['gradient_norm']:.2g}, the "
            f"objective {above} above its least. Give it more --epochs{', or ' if way else ''}{way}"
        )


def _alike(moments: Moments, term: int, target: int, scale: float) -> bool:
    if _r(moments, term, target) <= _TOO_GOOD:
        return False
    slope = math.sqrt(moments.comoment[target, target]) / math.sqrt(moments.comoment[term, term]) / scale
    return abs(slope - 1) < _ROUNDING


def _r(moments: Moments, a: int, b: int) -> float:
    """Return the correlation of two columns; 0 where one does not vary."""
    variances = max(moments.comoment[a, a], 0.0), max(moments.comoment[b, b], 0.0)
    size = math.sqrt(variances[0]) * math.sqrt(variances[1])
    return float(moments.comoment[a, b]) / size if size > 0 else 0.0


def _leaks(moments: Moments, names: Sequence[str], targets: Sequence[str]) -> Iterator[str]:
    terms = len(names)
    for place, name in enumerate(names):
        for output, target in enumerate(targets, terms):
            if abs(r := _r(moments, place, output)) > _TOO_GOOD:
                yield f"{escaped(name)} and the target {escaped(target)} are nearly proportional (r = {r:.9f}): a leak?"


def _offsets(design: Design, columns: Sequence[Column]) -> Iterator[str]:
    fixed = columns_on_basis(design.terms)
    for place, column in enumerate(columns):
        spread, largest = column.maximum - column.minimum, max(abs(column.minimum), abs(column.maximum))
        if column.kind == "category" or not varies(column.minimum, column.maximum):
            continue
        if spread < _FEW_DIGITS * largest:
            digits = max(0.0, np.log10(spread / largest) + 15.95)
            yield (
                f"{escaped(column.name)} varies in its last digits only: float64 holds {digits:.0f} of its variation. "
                "Subtract an offset before it is written to the table"
            )
        elif design.origin[place] and place not in fixed:
            step = float(np.spacing(np.float32(min(largest, 3e38))))
            yield (
                f"{escaped(column.name)} lies far from 0: float32 inputs hold it in steps of {step:.6g}. "
                "lr-export takes float64 inputs where that is too coarse"
            )


def _references(columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        if column.categories:
            yield (
                f"there is no intercept, and the reference level {escaped(column.categories[0])} of "
                f"{escaped(column.name)} has no weight of its own: rows of it are predicted from the other columns "
                "alone, as 0 where there are none. With an intercept they have one"
            )

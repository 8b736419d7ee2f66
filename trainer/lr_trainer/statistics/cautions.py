"""The cautions of a fit: what a user should look at before trusting it, each in one line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.term import Term, columns_on_basis
from lr_runtime.errors import escaped
from lr_trainer.arithmetic.elementary import log10
from lr_trainer.arithmetic.rounding import varies
from lr_trainer.moments.training_data import PROPORTIONAL, TrainingData

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.fit_report import DescentReport
    from lr_trainer.model.design import Design
    from lr_trainer.moments.moments import Moments

_HIGH = 0.5
"""A row of a larger leverage weighs more in its prediction than all others do (Huber 1981, "Robust Statistics", 7.2).
Where three times the mean leverage is more, there are few rows, and that needs no caution."""

_FEW_DIGITS = 1e-9
"""A smaller ratio of a column's spread to its size leaves fewer than 7 of float64's 16 digits for its variation."""

NEEDLESS = "no rows were held out: the interval of a least-squares fit comes from its moments, at any level"
"""What is said of an interval that was asked for."""


def cautions(data: TrainingData, design: Design) -> list[str]:
    """Return the cautions on the data; `design` is that of the solution."""
    references = [] if data.intercept else _references(data.columns, design.terms)
    leaks = _leaks(data.moments, data.names, data.targets)
    return [*leaks, *_far_rows(data), *_offsets(design, data.columns), *references]


def shortfalls(found: DescentReport) -> Iterator[str]:
    """Yield why a descent ended before its optimum, and which option to change."""
    validation = found.validation
    if validation is not None and validation.stopped_early:
        yield (
            f"stopped early after {found.epochs} epochs: the validation loss was least after epoch "
            f"{validation.epoch}, whose weights these are. Give it more --patience to go on for longer"
        )
    elif not found.converged and validation is None:
        above = f"at most {found.gap:.2g} of its value" if math.isfinite(found.gap) else "an unknown distance"
        batches = found.batch_size is not None
        way = "leave --batch-size out" if batches else "use --optimizer lbfgs" if found.optimizer != "lbfgs" else ""
        yield (
            f"not converged after {found.epochs} epochs: the gradient's norm is {found.gradient_norm:.2g}, the "
            f"objective {above} above its least. Give it more --epochs{', or ' if way else ''}{way}"
        )


def _leaks(moments: Moments, names: Sequence[str], targets: Sequence[str]) -> Iterator[str]:
    terms = len(names)
    for place, name in enumerate(names):
        for output, target in enumerate(targets, terms):
            if abs(r := moments.correlation(place, output)) > PROPORTIONAL:
                yield f"{escaped(name)} and the target {escaped(target)} are nearly proportional (r = {r:.9f}): a leak?"


def _far_rows(data: TrainingData) -> Iterator[str]:
    """Yield the variable of which a single row has the most leverage, 1/n + (x - mean)^2 / sum of squares or more.

    The ends of a range always have much of the leverage of powers and products, so they say nothing of a row.
    """
    moments, terms, intercept = data.moments, len(data.names), data.intercept
    center, squares = moments.mean * intercept, moments.squares(intercept=intercept)
    reach = np.maximum(moments.maximum - center, center - moments.minimum)
    own = np.divide(reach**2, squares, out=np.zeros_like(center), where=moments.varies(intercept=intercept))[:terms]
    own = own * [term.raw_column is not None for term in data.design.terms]
    leverage, place = float(own.max() + intercept / moments.rows), int(own.argmax())
    is_weighted = moments.weight != moments.count  # the weight of the row at an end is not known
    if leverage > max(_HIGH, 3 * (terms + intercept) / moments.rows) and not is_weighted:
        yield (
            f"a single row at an end of {escaped(data.names[place])} has a leverage of {min(leverage, 1.0):.3g} of at "
            "most 1: the fit goes nearly through it, wherever it lies. --influence names it"
        )


def _offsets(design: Design, columns: Sequence[Column]) -> Iterator[str]:
    fixed = columns_on_basis(design.terms)
    for place, column in enumerate(columns):
        spread, largest = column.maximum - column.minimum, max(abs(column.minimum), abs(column.maximum))
        if column.kind == "category" or not varies(column.minimum, column.maximum):
            continue
        if spread < _FEW_DIGITS * largest:
            digits = max(0.0, log10(spread / largest) + 15.95)
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


def _references(columns: Sequence[Column], terms: Sequence[Term]) -> Iterator[str]:
    for place, column in enumerate(columns):
        if column.categories and Level(place, 0) not in terms:
            yield (
                f"there is no intercept, and the reference level {escaped(column.categories[0])} of "
                f"{escaped(column.name)} has no weight of its own: rows of it are predicted from the other columns "
                "alone, as 0 where there are none. With an intercept they have one"
            )

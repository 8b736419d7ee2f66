"""A table with fewer rows than coefficients: refused, or solved from its rows, without the products of its terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import FitError, escaped
from lr_trainer.errors import TooFewRowsError
from lr_trainer.moments.training_data import TrainingData, training_data
from lr_trainer.solvers.dual import solve_dual
from lr_trainer.solvers.strategy import Solved, with_origins

if TYPE_CHECKING:
    from lr_runtime.contract.fit_report import Penalty
    from lr_trainer.moments.few_rows import FewRows
    from lr_trainer.moments.prepared import Prepared
    from lr_trainer.rows.holdout import Parts
    from lr_trainer.solvers.aim import MinimumNorm

_MOST_TERMS = 1 << 13
"""The products of as many terms take 512 MiB, and their solution several times that."""


def check_levels(prepared: Prepared) -> None:
    """Raise FitError where the products of the terms of categories with each other would not fit into usual memory."""
    terms, features = len(prepared.design.terms), prepared.roles.features
    levels = {name: found for name, found in prepared.levels.items() if name in features}
    if terms > _MOST_TERMS and levels:
        name = max(levels, key=lambda each: len(levels[each]))
        raise FitError(
            f"the columns and their levels make {terms:,} terms, and the products of more than {_MOST_TERMS:,} with "
            f"each other do not fit into usual memory. {escaped(name)} alone has {len(levels[name]):,} levels: group "
            "them, or leave it out with --ignore"
        )


def refuse(few: FewRows) -> None:
    """Raise TooFewRowsError where the rows do not determine the coefficients of the terms that vary."""
    data = training_data(few.prepared, few.moments())
    rows, coefficients = _counts(data)
    if rows < coefficients:
        raise TooFewRowsError(rows, coefficients, intercept=data.intercept)


def solve_few(
    few: FewRows, parts: Parts, aim: MinimumNorm | Penalty
) -> tuple[TrainingData, MinimumNorm | Penalty, Solved] | None:
    """Return the solution of the rows that train; None where the passes over moments have to find it."""
    trains = parts.labels(0, len(few.columns)) != parts.held_out
    if not trains.any():
        return None
    train, held_out = few.among(trains), few.among(~trains)
    moments, intercept = train.moments(), few.prepared.intercept
    data = training_data(few.prepared, moments, None if trains.all() else held_out.moments())
    rows, coefficients = _counts(data)
    found = rows < coefficients and solve_dual(moments, train.columns, train.weights, aim, intercept=intercept)
    if not found:
        return None
    return data, aim, Solved(with_origins(data.design, moments, intercept=intercept), *found)


def _counts(data: TrainingData) -> tuple[int, int]:
    """Return the number of rows and of coefficients."""
    varies = data.moments.varies(intercept=data.intercept)[: len(data.design.terms)]
    return data.moments.rows, int(np.count_nonzero(varies)) + data.intercept

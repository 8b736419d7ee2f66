"""The problem of a descent: the moments of the training rows, the columns that take part, the validation rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.fit_report import Penalty
from lr_runtime.contract.terms.term import columns_on_basis, free_columns
from lr_runtime.errors import OptionError
from lr_trainer.errors import TooFewRowsError
from lr_trainer.model.design import Design
from lr_trainer.moments.passes import take_moments
from lr_trainer.moments.prepared import Prepared, split
from lr_trainer.moments.training_data import TrainingData, training_data
from lr_trainer.solvers.aim import LeastSquares
from lr_trainer.solvers.strategy import Solved, solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.choices import FitOptions
    from lr_trainer.descent.coordinates import Coordinates
    from lr_trainer.descent.options import Descent
    from lr_trainer.model.checkpoint import Checkpoint
    from lr_trainer.moments.moments import Moments


@dataclass(frozen=True)
class Setting:
    """The problem of a descent, and its exact solution where there is one.

    Attributes:
        prepared: the training rows.
        validation: the validation rows; None where there are none.
        data: the moments and columns of the training rows.
        kept: bool (terms,), the columns that take part.
        constant: bool (terms,), those left out because they do not vary.
        exact: the least-squares solution, with the penalties where the loss is squared; None under other penalties.
        penalty: per target, in the data's units.
    """

    prepared: Prepared
    validation: Prepared | None
    data: TrainingData
    kept: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    exact: Solved | None
    penalty: Penalty


def setting_of(prepared: Prepared, descent: Descent, asked: FitOptions, held_out: Moments | None = None) -> Setting:
    """Return the problem that the rows pose; `held_out` are the moments of rows that are left to an interval.

    Raises:
        FitError: the rows do not determine the model.
    """
    validation = None
    if descent.validation is not None:
        prepared, validation = split(prepared, descent.validation, [descent.seed])
    data = training_data(prepared, take_moments(prepared), held_out)
    moments, names, intercept, outputs = data.moments, data.names, data.intercept, len(data.targets)
    penalty, is_penalised = Penalty((asked.l1,) * outputs, (asked.l2,) * outputs), bool(asked.l1 or asked.l2)
    if is_penalised and moments.rows < 2:
        raise TooFewRowsError(moments.rows, 2, intercept=intercept)
    constant = ~moments.varies(intercept=intercept)[: len(names)]
    exact, kept = None, ~constant
    if not is_penalised or descent.loss == "squared":
        aim = penalty if is_penalised else LeastSquares(asked.drop_collinear)
        exact = solve(moments, data.design, names, aim, intercept=intercept)
        kept = kept if is_penalised else exact.solution.support
    return Setting(prepared, validation, data, kept, constant, exact, penalty)


def start_of(init: Checkpoint, setting: Setting, coordinates: Coordinates) -> Array:
    """Return the coordinates, float64 (outputs, size), of a checkpoint's model, where the descent is to start.

    Raises:
        OptionError: the model has other columns, targets, categories, powers or functions.
    """
    design, data = Design.of(init), setting.data
    same = (
        init.contract.column_names == setting.prepared.roles.features
        and init.contract.derived == data.design.derived
        and init.contract.output_names == data.targets
        and tuple(output.function for output in init.contract.outputs) == data.functions
        and init.terms == data.design.terms
        and [column.categories for column in init.contract.columns] == [c.categories for c in data.columns]
    )
    if not same:
        raise OptionError(
            "--init: the checkpoint has other columns, targets, categories, powers or functions than this fit"
        )
    plain, fixed = free_columns(data.design.terms), columns_on_basis(data.design.terms)
    if any(
        design.origin[column] != data.design.origin[column] or design.scale[column] != data.design.scale[column]
        for column in fixed
    ):
        raise OptionError("--init: the checkpoint's powers are of another origin or scale than this table's")
    terms = len(plain)
    origin = np.array([0.0 if column is None else design.origin[column] for column in plain])
    weights = init.weight / np.array([1.0 if column is None else design.scale[column] for column in plain])
    means = (data.moments.mean - np.concatenate([origin, np.zeros(coordinates.outputs)])) + data.moments.mean_low
    offsets = init.bias + weights @ means[:terms] - means[terms:]
    return coordinates.place(weights, offsets)

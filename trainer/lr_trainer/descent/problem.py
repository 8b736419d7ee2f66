"""The problem of a descent: the moments of the training rows, the columns that take part, the validation rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.terms.term import columns_on_basis, free_columns
from lr_runtime.errors import OptionError
from lr_trainer.errors import TooFewRowsError
from lr_trainer.model.design import Design
from lr_trainer.solvers.solver import LeastSquares, Penalty
from lr_trainer.solvers.strategy import Solved, solve
from lr_trainer.statistics.assembly import columns_of_passes, term_names
from lr_trainer.statistics.cautions import check_not_the_target, check_squares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.columns import Column
    from lr_trainer.choices import FitOptions
    from lr_trainer.descent.coordinates import Coordinates
    from lr_trainer.descent.options import Descent
    from lr_trainer.model.checkpoint import Checkpoint
    from lr_trainer.moments.moments import Moments
    from lr_trainer.moments.passes import Passes

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """The problem of a descent, and its exact solution where there is one.

    Attributes:
        passes: over the training rows.
        validation: over the validation rows; None where there are none.
        moments: of the training rows.
        columns: of the contract.
        kept: bool (terms,), the columns that take part.
        constant: bool (terms,), those left out because they do not vary.
        exact: the least-squares solution, with the penalties where the loss is squared; None under other penalties.
        penalty: per target, in the data's units.
    """

    passes: Passes
    validation: Passes | None
    moments: Moments
    columns: tuple[Column, ...]
    kept: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    exact: Solved | None
    penalty: Penalty

    @property
    def penalised(self) -> bool:
        """Whether there is a penalty."""
        return any(self.penalty.l1) or any(self.penalty.l2)


def setting_of(passes: Passes, descent: Descent, asked: FitOptions) -> Setting:
    """Return the problem that the rows of `passes` pose.

    Raises:
        FitError: the rows do not determine the model.
    """
    validation = None
    if descent.validation is not None:
        passes, validation = passes.split(descent.validation, [descent.seed])
    moments = passes.moments()
    columns = columns_of_passes(passes, moments)
    names, outputs = term_names(passes.design, columns), len(passes.roles.targets)
    check_squares(moments, passes.design, columns, passes.roles.targets, intercept=passes.intercept)
    check_not_the_target(passes, moments)
    penalty, is_penalised = Penalty((asked.l1,) * outputs, (asked.l2,) * outputs), bool(asked.l1 or asked.l2)
    if is_penalised and moments.rows < 2:
        raise TooFewRowsError(moments.rows, 2, intercept=passes.intercept)
    constant = ~moments.varies(intercept=passes.intercept)[: len(names)]
    exact, kept = None, ~constant
    if not is_penalised or descent.loss == "squared":
        aim = penalty if is_penalised else LeastSquares(asked.drop_collinear)
        exact = solve(moments, passes.design, names, aim, intercept=passes.intercept, products=passes.gram)
        kept = kept if is_penalised else exact.solution.support
    return Setting(passes, validation, moments, columns, kept, constant, exact, penalty)


def start_of(init: Checkpoint, setting: Setting, coordinates: Coordinates) -> Array:
    """Return the coordinates, float64 (outputs, size), of a checkpoint's model, where the descent is to start.

    Raises:
        OptionError: the model has other columns, targets, categories or powers.
    """
    design, passes = Design.of(init), setting.passes
    same = (
        init.contract.column_names == passes.roles.features
        and init.contract.output_names == passes.roles.targets
        and init.terms == passes.design.terms
        and [column.categories for column in init.contract.columns] == [c.categories for c in setting.columns]
    )
    if not same:
        raise OptionError("--init: the checkpoint has other columns, targets, categories or powers than this fit")
    plain, fixed = free_columns(passes.design.terms), columns_on_basis(passes.design.terms)
    if any(
        design.origin[column] != passes.design.origin[column] or design.scale[column] != passes.design.scale[column]
        for column in fixed
    ):
        raise OptionError("--init: the checkpoint's powers are of another origin or scale than this table's")
    terms = len(plain)
    origin = np.array([0.0 if column is None else design.origin[column] for column in plain])
    weights = init.weight / np.array([1.0 if column is None else design.scale[column] for column in plain])
    means = (setting.moments.mean - np.concatenate([origin, np.zeros(coordinates.outputs)])) + setting.moments.mean_low
    offsets = init.bias + weights @ means[:terms] - means[terms:]
    return coordinates.place(weights, offsets)

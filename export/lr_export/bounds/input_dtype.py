"""The dtype of an artefact's inputs: float32 where its rounding of x is negligible, else float64."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lr_export.bounds.forward import input_rounding
from lr_export.bounds.response import Near, on_own_scale
from lr_export.choices import INPUT_CHOICES, InputChoice
from lr_export.exact.box import box
from lr_export.exact.dyadic import Dyadic
from lr_export.model.exact import ExactModel
from lr_export.model.variables import are_held
from lr_runtime.contract.equation import rounded_up
from lr_runtime.errors import OptionError, escaped
from lr_runtime.options import OneOf, check_value

if TYPE_CHECKING:
    from lr_export.model.response import Response
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Dtype, Precision

_TAKEN: dict[Precision, tuple[Dtype, ...]] = {
    "exact": ("float32", "float64"),
    "float32": ("float32",),
    "float64": ("float64",),
    "portable": ("float32",),
}
"""The dtypes of x that a precision can have."""
_MOST_SHARE = 0.01
"""Input rounding that moves y by less than this share of the residual standard deviation is lost in the noise."""
_MOST_OF_SPAN = 1e-5
"""Where no residual is known, this share of the output's span: five digits of what the model tells apart are left.

A column whose range reaches 0 costs 1e-7 of it at most; one far from 0, such as a time since 1970, costs more.
"""
_WHOLE_IN_FLOAT32 = 2.0**24
"""float32 has 24 binary digits, so that from here on it skips integers."""


@dataclass(frozen=True)
class Inputs:
    """The dtype of x, and the cost of rounding to it.

    Attributes:
        dtype: the dtype of x.
        cost: per output, the most that rounding every input in the training box moves what was fitted, in its unit.
        share: the largest ratio of cost to the output's residual standard deviation, or where the fit has none, as a
            descent, to its root mean squared residual; None where no output has either.
        remark: why the dtype is float64, or what is lost because the precision takes float32 alone; None otherwise.
    """

    dtype: Dtype
    cost: tuple[float, ...]
    share: float | None
    remark: str | None = None

    @staticmethod
    def of(checkpoint: Checkpoint, precision: Precision, choice: InputChoice) -> Inputs:
        """Return the inputs of the dtype that was chosen; for "auto", of the dtype that the data need.
        Raises OptionError where the precision does not take inputs of that dtype.
        """
        check_value("--input", OneOf(INPUT_CHOICES), choice)
        taken = _TAKEN[precision]
        if choice != "auto" and choice not in taken:
            others = ", ".join(name for name, dtypes in _TAKEN.items() if choice in dtypes)
            raise OptionError(
                f"the precision {precision} takes {taken[0]} inputs, not {choice}. Precisions that take them: {others}"
            )
        if "float64" in (taken[0], choice):
            return _in_float64(checkpoint)
        cost = _cost(checkpoint)
        share = _share(checkpoint, cost)
        reason = (
            _instants(checkpoint)
            or _integers(checkpoint)
            or (_too_dear(share) if share is not None else _too_coarse(checkpoint, cost))
        )
        if reason is None or choice == "float32":
            return Inputs("float32", cost, share)
        if "float64" in taken:
            return _in_float64(checkpoint, f"inputs are float64: {reason}. --input float32 takes float32 all the same")
        return Inputs("float32", cost, share, f"the precision {precision} takes float32 inputs: {reason}")

    def cost_in_outputs(self, checkpoint: Checkpoint, response: Response) -> tuple[float, ...]:
        """Return, per output, the most that rounding the inputs moves y; the largest float64 where it is beyond it."""
        if response.is_plain or not any(self.cost):
            return self.cost
        ends, moved = ExactModel.of(checkpoint).spanned(*box(checkpoint.contract)), Dyadic.of(np.array(self.cost))
        near = (on_own_scale(response, Near(end.reshaped(1, -1), moved.reshaped(1, -1)), "float64") for end in ends)
        largest = [max(fractions) for fractions in zip(*(each.bound.fractions() for each in near), strict=True)]
        return tuple(rounded_up(min(each, Fraction(sys.float_info.max))) for each in largest)


def _in_float64(checkpoint: Checkpoint, remark: str | None = None) -> Inputs:
    return Inputs("float64", (0.0,) * len(checkpoint.contract.outputs), 0.0, remark)


def _cost(checkpoint: Checkpoint) -> tuple[float, ...]:
    """Return the cost of float32 inputs, infinite where training ranges exceed its range or in it leave a domain."""
    ends = np.stack(box(checkpoint.contract))
    is_beyond = not (np.abs(ends) <= np.finfo(np.float32).max).all()
    if is_beyond or not are_held(checkpoint.contract, ends.astype(np.float32), "float64").all():
        return (math.inf,) * len(checkpoint.contract.outputs)
    return tuple(map(rounded_up, input_rounding(checkpoint, *box(checkpoint.contract))))


def _share(checkpoint: Checkpoint, cost: tuple[float, ...]) -> float | None:
    """Return the largest ratio of cost to residual; a cost over a residual of 0 is infinite."""
    shares = [
        moved / residual if residual else math.copysign(math.inf, moved) if moved else 0.0
        for moved, residual in zip(cost, _residuals(checkpoint), strict=True)
        if residual is not None
    ]
    return max(shares, default=None)


def _residuals(checkpoint: Checkpoint) -> list[float | None]:
    """Return the size of each output's residuals, 0 where all of it is rounding, None where it is unknown."""
    outputs, quality = checkpoint.contract.outputs, checkpoint.report.quality
    if not quality:
        return [output.residual_sd for output in outputs]
    return [
        (each.rmse or 0.0) if output.residual_sd is None else output.residual_sd
        for output, each in zip(outputs, quality, strict=True)
    ]


def _instants(checkpoint: Checkpoint) -> str | None:
    """Any instant may be asked for: how far apart those of the training rows are tells nothing."""
    names = [column.name for column in checkpoint.contract.columns if column.time is not None]
    return f"float32 does not tell the instants of column {escaped(names[0])} apart" if names else None


def _integers(checkpoint: Checkpoint) -> str | None:
    for column in checkpoint.contract.columns:
        ends = (column.minimum, column.maximum)
        if all(end.is_integer() for end in ends) and max(map(abs, ends)) > _WHOLE_IN_FLOAT32:
            return f"float32 does not hold every integer of column {escaped(column.name)}, beyond 2^24"
    return None


def _too_dear(share: float) -> str | None:
    if share <= _MOST_SHARE:
        return None
    return f"rounding them to float32 would move the output by up to {share:.2g} residual standard deviations"


def _too_coarse(checkpoint: Checkpoint, cost: tuple[float, ...]) -> str | None:
    spans = map(float, ExactModel.of(checkpoint).span(*box(checkpoint.contract)).fractions())
    moved, span = max(zip(cost, spans, strict=True), key=lambda each: each[0] / each[1] if each[1] else 0.0)
    if moved <= _MOST_OF_SPAN * span:
        return None
    how_far = f"{moved:.2g}, while it spans {span:.2g} over the training ranges"
    return f"rounding them to float32 would move the output by up to {how_far}"

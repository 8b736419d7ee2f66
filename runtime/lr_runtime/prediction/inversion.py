"""From a reading back to one column, without a file for it: by bracketing on the predictor, over the training range."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_runtime.errors import InputError, OptionError, RowError, escaped, listed
from lr_runtime.options import NUMBER, VALUES, check_value
from lr_runtime.prediction.inputs import by_name
from lr_runtime.system.text import composed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.contract import Contract
    from lr_runtime.prediction.result import Prediction

    Curve = Callable[[np.floating], float]

_STEPS = 256
"""Parts of the training range, between which a curve is taken to rise or fall as it does at their ends."""


class Inversion(NamedTuple):
    """The value of a column that gives a reading.

    Attributes:
        column: its name.
        x: between the neighbouring numbers of the model's input type whose predictions enclose the reading.
        lower: where an end of the prediction interval is the reading, infinite where that is beyond the training range;
            None where the model has no interval.
        upper: likewise above x.
    """

    column: str
    x: float
    lower: float | None = None
    upper: float | None = None

    def to_json(self) -> dict[str, object]:
        """Return JSON values under the names that an inverse gives them."""
        found = {self.column: self.x, f"{self.column}_lower": self.lower, f"{self.column}_upper": self.upper}
        return {name: value for name, value in found.items() if value is not None}


def inverted(
    contract: Contract, predict: Callable[[object], Prediction], reading: Mapping[str, float], at: Mapping[str, object]
) -> Inversion:
    """Return where a model gives a reading of one output; see `Predictor.invert`."""
    check_value("--invert", VALUES, reading)
    check_value("--at", VALUES, at)
    reading, at = ({composed(name): value for name, value in (by_name(each) or {}).items()} for each in (reading, at))
    if len(reading) != 1 or (output := next(iter(reading))) not in contract.output_names:
        raise OptionError(f"--invert takes a reading of one output of {listed(contract.output_names)}, such as y=7.2")
    check_value(f"the reading of {escaped(output)}", NUMBER, reading[output])
    column, place = free_column(contract, at), contract.output_names.index(output)
    y, x = float(reading[output]), _between(column, contract.input_dtype)

    def predicted(x: Sequence[np.floating] | NDArray[np.floating]) -> Prediction:
        try:
            return predict({**{name: [value] * len(x) for name, value in at.items()}, column.name: np.array(x)})
        except RowError as error:  # the rows are ours
            raise InputError(error.what) from error

    first = predicted(x)
    values = first.values[:, place].astype(np.float64)
    sign, off = float(np.sign(values[-1] - values[0])), 2 * contract.bound[place] if contract.bound else 0.0
    low, high = sorted(values[[0, -1]].tolist())
    over = f"over the training range of {escaped(column.name)} {escaped(output)} goes from {low:.6g} to {high:.6g}"
    if not sign or (np.diff(values) * sign < -off).any():
        raise InputError(f"{over}, but does not rise or fall throughout, so that a reading has no one inverse")
    if not low <= y <= high:
        raise InputError(f"{over}, which a reading of {y:.6g} is outside of")

    def crossing(name: str) -> float | None:
        return _crossing(lambda at: float(getattr(predicted([at]), name)[0, place]), x[0], x[-1], y, sign)

    if (found := crossing("values")) is None:  # it is at an end, which rounding moves where it is predicted alone
        found = float(x[np.argmin(np.abs(values - y))])
    if first.lower is None:
        return Inversion(column.name, found)
    lower, upper = map(crossing, ("upper", "lower")[:: int(sign)])
    return Inversion(column.name, found, -math.inf if lower is None else lower, math.inf if upper is None else upper)


def free_column(contract: Contract, at: Mapping[str, object]) -> Column:
    """Return the one column, a numeric one, that has no value in `at`; OptionError where there is no such one."""
    names = contract.column_names
    if strange := [name for name in at if name not in names]:
        raise OptionError(f"the model has no column {escaped(strange[0])}; its columns are {listed(names)}")
    free = [column for column in contract.columns if column.name not in at]
    if len(free) != 1 or free[0].kind == "category":
        left = listed([column.name for column in free]) if free else "none"
        raise OptionError(f"a reading is taken back to one numeric column: give each other one a value; left is {left}")
    return free[0]


def _between(column: Column, dtype: str) -> NDArray[np.floating]:
    """Return even steps of the training range in the dtype of x, none beyond its ends."""
    if not math.isfinite(column.maximum - column.minimum):
        raise InputError(f"the model does not say between which values of {escaped(column.name)} to look")
    low, high = (np.array(end).astype(dtype) for end in (column.minimum, column.maximum))
    share = np.linspace(0, 1, _STEPS + 1)
    return np.unique(np.clip((low * (1 - share) + high * share).astype(dtype), low, high))


def _crossing(curve: Curve, low: np.floating, high: np.floating, y: float, sign: float) -> float | None:
    """Return where a curve that rises (sign 1) or falls (-1) passes y between two numbers; None where it does not."""
    if sign * (curve(low) - y) > 0 or sign * (curve(high) - y) < 0:
        return None
    left, _ = _halved(low, high, lambda x: sign * (curve(x) - y) >= 0)
    _, right = _halved(low, high, lambda x: sign * (curve(x) - y) > 0)
    return float(left) / 2 + float(right) / 2


def _halved(
    low: np.floating, high: np.floating, holds: Callable[[np.floating], bool]
) -> tuple[np.floating, np.floating]:
    """Return neighbours in the dtype between which a test begins to hold, or the end that it holds from or does not."""
    if holds(low) or not holds(high):
        return (low, low) if holds(low) else (high, high)
    while low < (middle := low.dtype.type(low / 2 + high / 2)) < high:
        low, high = (low, middle) if holds(middle) else (middle, high)
    return low, high

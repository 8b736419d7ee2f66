"""The claims for the results of an artefact: their exact values, and bounds of any engine's errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.box import box
from lr_export.exact.dyadic import Dyadic
from lr_runtime.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lr_export.bounds.forward import ForwardError
    from lr_export.model.exact import Floats
    from lr_export.model.numbers import Numbers
    from lr_runtime.contract.checkpoint import Checkpoint


@dataclass(frozen=True)
class Claims:
    """The claims for the results of an artefact, by name: `at` gives for rows x (rows, columns) each exact result and a
    bound of any engine's error, both (rows, width); `bounds` has such a bound for each column of a result, anywhere in
    the training box.
    """

    at: Callable[[Floats], Mapping[str, tuple[Dyadic, Dyadic]]]
    bounds: dict[str, tuple[float, ...]]


def check_sums(error: ForwardError, low: Floats, high: Floats) -> None:
    """Raise CheckFailedError where a number on the way to y in the box from `low` to `high` may be beyond its dtype."""
    sums = error.exact.largest_sum(abs(error.exact.coefficients), low, high)
    check_reach("output", error.numbers.compute, sums + error.before_rounding_over(low, high))


def rounded_box(checkpoint: Checkpoint, numbers: Numbers) -> tuple[Floats, Floats]:
    """Return the corners (columns,) of the training box in the dtype of x."""
    low, high = (corner.astype(numbers.input) for corner in box(checkpoint.contract))
    return low, high


def check_digits(dtype: str, largest: Dyadic) -> None:
    """Raise CheckFailedError where an output is so small everywhere in the box that its dtype loses digits."""
    tiny, zero = (Dyadic.of(np.asarray(value)) for value in (np.finfo(dtype).tiny, 0.0))
    if not ((tiny <= largest) | (largest <= zero)).all():
        raise CheckFailedError(
            f"the output is below the range of {dtype} everywhere in the training ranges: few of its digits, or none, "
            "would be left. Try --precision float64, or a larger unit"
        )


def check_reach(what: str, dtype: str, largest: Dyadic) -> None:
    """Raise CheckFailedError where a number may be beyond the range of its dtype within the training ranges."""
    if not (largest <= Dyadic.of(np.asarray(np.finfo(dtype).max))).all():
        raise CheckFailedError(
            f"the {what} is beyond the range of {dtype} within the training ranges. Try another --precision"
        )

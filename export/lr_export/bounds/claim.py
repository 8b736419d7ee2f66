"""The claim for a result of an artefact: its exact value, and a bound of any engine's error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.bounds.forward import ForwardError
from lr_export.exact.box import box
from lr_export.exact.dyadic import Dyadic, rounded_up
from lr_runtime.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_export.model.exact import Floats
    from lr_export.model.numbers import Numbers
    from lr_runtime.contract.checkpoint import Checkpoint


@dataclass(frozen=True)
class Claim:
    """The claim for one result of an artefact.

    Attributes:
        at: gives, for rows x (rows, columns), the exact result and a bound of any engine's error, both (rows, width).
        bound: for each column of the result, a bound of any engine's error anywhere in the training box.
    """

    at: Callable[[Floats], tuple[Dyadic, Dyadic]]
    bound: tuple[float, ...]


def claim_of_y(checkpoint: Checkpoint, numbers: Numbers) -> Claim:
    """Return the claim for y.

    Raises:
        CheckFailedError: an output or an intermediate number may be beyond the range of its dtype in the box, or an
            output is so small everywhere in the box that its dtype loses digits.
    """
    error = ForwardError.of(checkpoint, numbers)

    def at(x: Floats) -> tuple[Dyadic, Dyadic]:
        design = error.exact.design(x)
        y = error.exact.outputs(design)
        return y, error.at(design, y)

    low, high = rounded_box(checkpoint, numbers)
    bound = error.over(low, high)
    sums = error.exact.largest_sum(abs(error.exact.coefficients), low, high) + bound
    check_reach("output", numbers.compute, sums)
    largest = error.exact.largest_output(low, high)
    check_reach("output", numbers.output, largest + bound)
    _check_digits(numbers.output, largest)
    return Claim(at, tuple(rounded_up(value) for value in bound.fractions()))


def rounded_box(checkpoint: Checkpoint, numbers: Numbers) -> tuple[Floats, Floats]:
    """Return the corners (columns,) of the training box in the dtype of x."""
    low, high = (corner.astype(numbers.input) for corner in box(checkpoint.contract))
    return low, high


def _check_digits(dtype: str, largest: Dyadic) -> None:
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

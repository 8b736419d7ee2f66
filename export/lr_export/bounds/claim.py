"""What is claimed of a result of an artefact: its exact value, and how far any engine may be from it."""

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
    """What is claimed of one result of an artefact.

    Attributes:
        at: from rows x (rows, columns) the exact result, and how far any engine may be from it: both (rows, width).
        bound: for each column of the result, the most that an engine is off anywhere in the training box.
    """

    at: Callable[[Floats], tuple[Dyadic, Dyadic]]
    bound: tuple[float, ...]


def claim_of_y(checkpoint: Checkpoint, numbers: Numbers) -> Claim:
    """Return what is claimed of y.

    Raises:
        CheckFailedError: an output, or a number on the way to it, may be beyond the range of its dtype in the box; or
            an output is so small everywhere in it that its dtype has lost digits of it, or all.
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
    low, high = (corner.astype(numbers.input) for corner in box(checkpoint))
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

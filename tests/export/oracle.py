"""The exact model in fractions, written a second time and as plainly as can be: what the tests compare with."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lr_export.arithmetic import Dyadic
from lr_export.bound import ExactModel, forward_error, inner_error

if TYPE_CHECKING:
    from lr_export.numbers import Numbers
    from lr_runtime.checkpoint import Checkpoint

Floats = NDArray[np.floating[Any]]
Exact = NDArray[Any]
"""An array of fractions."""


def fractions(values: Floats) -> Exact:
    """Return floating-point numbers as fractions, in the same shape."""
    exact = np.empty(values.size, dtype=object)
    exact[:] = [Fraction(value) for value in values.ravel().tolist()]
    return exact.reshape(values.shape)


def outputs(checkpoint: Checkpoint, x: Floats) -> Exact:
    """Return the model at x (rows, columns), as the docstring of lr_runtime.checkpoint states it."""
    terms = (fractions(x) - fractions(checkpoint.origin)) / fractions(checkpoint.scale)
    exact: Exact = terms @ fractions(checkpoint.weight).T + fractions(checkpoint.bias)
    return exact


def magnitudes(checkpoint: Checkpoint, x: Floats) -> Exact:
    """Return the sum of the absolute values of all terms, (rows, outputs)."""
    terms = abs((fractions(x) - fractions(checkpoint.origin)) / fractions(checkpoint.scale))
    exact: Exact = terms @ abs(fractions(checkpoint.weight)).T + abs(fractions(checkpoint.bias))
    return exact


def bounds(checkpoint: Checkpoint, numbers: Numbers, x: Floats) -> Exact:
    """Return the library's bound at each row, (rows, outputs)."""
    exact, inputs = ExactModel.of(checkpoint), Dyadic.of(x)
    return as_array(forward_error(numbers, exact.outputs(inputs), exact.magnitudes(inputs)))


def bounds_before_rounding(checkpoint: Checkpoint, numbers: Numbers, x: Floats) -> Exact:
    """Return the library's bound at each row before any last rounding, (rows, outputs)."""
    return as_array(inner_error(numbers, ExactModel.of(checkpoint).magnitudes(Dyadic.of(x))))


def as_array(value: Dyadic) -> Exact:
    """Return dyadic numbers as fractions, in the same shape."""
    exact = np.empty(value.integers.size, dtype=object)
    exact[:] = value.fractions()
    return exact.reshape(value.integers.shape)


def rows_in_the_box(checkpoint: Checkpoint, rows: int, dtype: str, seed: int = 5) -> Floats:
    """Return seeded rows (rows, columns) inside the training ranges."""
    columns = checkpoint.contract.columns
    low = np.array([column.minimum for column in columns])
    high = np.array([column.maximum for column in columns])
    x: Floats = np.random.default_rng(seed).uniform(low, high, size=(rows, len(low))).astype(dtype)
    return x

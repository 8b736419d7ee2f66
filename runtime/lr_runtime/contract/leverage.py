"""Leverage: how far a row lies from the rows that a model was fitted on, in the metric of their covariance.

With x a row of the design matrix X and W the rows' weights, h = x' (X' W X)^-1 x (Hoaglin and Welsch 1978, The American
Statistician 32), and with an intercept, about the means of the n terms t,

    h = 1 / sum of weights + |(t - mean) L|^2,    L L' the inverse of the terms' centred Gram matrix

A new observation of weight 1 then has the variance s^2 (1 + h) about the prediction, s the residual standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import CheckpointError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Leverage:
    """The numbers of h = constant + |(t - mean) @ factor + shift|^2, for the terms t of a model's origin and scale.

    Each is rounded once; where float64 normal equations would lose digits they come from double-double ones.

    Attributes:
        constant: float64 (), one over the sum of the weights; 0 without an intercept.
        mean: float64 (terms,), the (weighted) means of the terms; 0 without an intercept.
        factor: float64 (terms, terms), upper triangular; rows and columns of terms that were left out are 0.
        shift: float64 (terms,), corrects the rounding of `mean`, which matters where columns are nearly collinear.

    Raises:
        CheckpointError: an array has another shape or dtype, or a number that is not possible.
    """

    constant: NDArray[np.float64]
    mean: NDArray[np.float64]
    factor: NDArray[np.float64]
    shift: NDArray[np.float64]

    def __post_init__(self) -> None:
        terms = len(np.atleast_1d(self.mean))
        for name, shape in (("constant", ()), ("mean", (terms,)), ("factor", (terms, terms)), ("shift", (terms,))):
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float64:
                raise CheckpointError(f"leverage.{name} is {array.dtype} {array.shape}, not float64 {shape}")
            if not np.isfinite(array).all():
                raise CheckpointError(f"leverage.{name} holds a number that is not finite")
        if self.constant < 0 or np.tril(self.factor, -1).any():
            raise CheckpointError("leverage.constant is negative, or leverage.factor is not upper triangular")

    def at(self, terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return h, float64 (rows,), at rows of the design matrix (rows, terms)."""
        return np.asarray(self.constant + (((terms - self.mean) @ self.factor + self.shift) ** 2).sum(axis=1))

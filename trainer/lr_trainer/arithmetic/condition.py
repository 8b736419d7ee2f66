"""How nearly dependent columns are: condition numbers and eigenvalues of their correlation matrix."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.linear_algebra import extreme_eigenvalues, largest_eigenvalue, squared_spectral_norm

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_trainer.arithmetic.arrays import Array

_FEW_COLUMNS = 256
"""All eigenvalues of a matrix up to this size are found faster than the one that counts."""


def condition_number(gram: Array, inverse_norm: float | None = None) -> float:
    """Return the 2-norm condition number of columns with this Gram matrix, at unit length; infinite if dependent.

    Args:
        gram: float64 (columns, columns).
        inverse_norm: the norm of the inverse of their correlations, where it is known: the smallest eigenvalue of a
            matrix is lost in the rounding of the largest, but is the largest of the inverse.
    """
    if not len(gram):
        return 1.0
    if inverse_norm is not None:
        unit = correlation(gram)
        few = len(unit) <= _FEW_COLUMNS
        largest = largest_eigenvalue(unit) if few else _largest_eigenvalue(len(unit), unit.__matmul__)
        return math.sqrt(largest * inverse_norm)
    smallest, largest = extreme_eigenvalues(correlation(gram))
    return math.sqrt(largest / smallest) if smallest > 0 else math.inf


def correlation(gram: Array) -> Array:
    """Return the Gram matrix of the columns at unit length."""
    unit = 1.0 / np.sqrt(np.diag(gram))
    return np.asarray(gram * unit[:, None] * unit[None, :])


def squared_norm(factor: Array) -> float:
    """Return the largest eigenvalue of F F', for F float64 (columns, columns), to 6 digits or more."""
    if len(factor) <= _FEW_COLUMNS:
        return squared_spectral_norm(factor) if len(factor) else 0.0
    return _largest_eigenvalue(len(factor), lambda vector: factor @ (factor.T @ vector))


def _largest_eigenvalue(size: int, times: Callable[[Array], Array]) -> float:
    """Return the largest eigenvalue of a symmetric matrix by Lanczos (Lehoucq, Sorensen, Yang 1998)."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    start = np.random.default_rng(size).normal(size=size)
    matrix = LinearOperator((size, size), matvec=times, dtype=np.float64)
    return float(eigsh(matrix, k=1, which="LA", v0=start, tol=1e-4, return_eigenvectors=False)[0])

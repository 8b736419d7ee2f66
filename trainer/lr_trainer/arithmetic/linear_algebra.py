"""The linear algebra of a fit: by BLAS and LAPACK, or inside of `fixed_order()` by loops with the same bits everywhere.

The loops go over the columns and change the rest of the matrix at once (Golub and Van Loan 2013, "Matrix computations",
3.2.5, 4.2.5: outer product forms), so that no sum depends on how a processor adds. All arrays are float64.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from lr_trainer.arithmetic.fixed_order import in_fixed_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_trainer.arithmetic.arrays import Array

_HALVINGS = 48
"""Of an interval that reaches from an eigenvalue's least to its most: what is left is rounding."""


def times(left: Array, right: Array) -> Array:
    """Return left @ right, of matrices or vectors."""
    if not in_fixed_order():
        return np.asarray(left @ right)
    if right.ndim == 1:
        return _summed(left * right, -1)
    if left.ndim == 1:
        return _summed(left[:, None] * right, 0)
    found = np.zeros((len(left), right.shape[1]))
    part = np.empty_like(found)
    for column, row in zip(left.T, right, strict=True):
        found += np.multiply(column[:, None], row, out=part)
    return found


def dots(left: Array, right: Array, axis: int) -> Array:
    """Return the sums of the products of elements of two matrices along an axis, of which there are two."""
    if in_fixed_order():
        return _summed(left * right, axis)
    return np.asarray(np.einsum("ij,ij->j" if axis == 0 else "ij,ij->i", left, right))


def inner(left: Array, right: Array) -> float:
    """Return the sum of the products of all elements."""
    return float(_summed((left * right).ravel(), 0) if in_fixed_order() else np.vdot(left, right))


def norm(array: Array) -> float:
    """Return the root of the sum of the squares of all elements."""
    return math.sqrt(inner(array, array)) if in_fixed_order() else float(np.linalg.norm(array))


def hypot(left: Array, right: Array) -> Array:
    """Return the root of the sum of two squares, element by element."""
    return np.asarray(np.sqrt(left * left + right * right) if in_fixed_order() else np.hypot(left, right))


def cholesky(matrix: Array) -> Array | None:
    """Return R, upper triangular, with R'R the symmetric matrix; None if it is not positive definite."""
    if not in_fixed_order():
        root, failed = lapack.dpotrf(matrix, clean=1)
        return None if failed else np.asarray(root)
    rest, root = np.array(matrix, order="C"), np.zeros(matrix.shape)
    for k in range(len(rest)):
        if not rest[k, k] > 0:
            return None
        root[k, k:] = row = rest[k, k:] / math.sqrt(rest[k, k])
        rest[k + 1 :, k + 1 :] -= row[1:, None] * row[1:]
    return root


def solve_triangular(
    root: Array, right: Array, *, is_transposed: bool = False, has_unit_diagonal: bool = False
) -> Array:
    """Return X with root X = right, or root' X = right, for an upper triangular root."""
    if not in_fixed_order():
        trans = "T" if is_transposed else "N"
        return np.asarray(linalg.solve_triangular(root, right, trans=trans, unit_diagonal=has_unit_diagonal))
    found, size = np.array(right, order="C"), len(root)
    for k in range(size) if is_transposed else range(size - 1, -1, -1):
        if not has_unit_diagonal:
            found[k] /= root[k, k]
        rest, shares = (slice(k + 1, None), root[k, k + 1 :]) if is_transposed else (slice(k), root[:k, k])
        found[rest] -= np.multiply.outer(shares, found[k])
    return found


def triangular_inverse(root: Array) -> Array:
    """Return the inverse of an upper triangular matrix."""
    return solve_triangular(root, np.eye(len(root))) if in_fixed_order() else np.asarray(lapack.dtrtri(root)[0])


def cholesky_solve(root: Array, right: Array) -> Array:
    """Return X with root' root X = right."""
    if in_fixed_order():
        return solve_triangular(root, solve_triangular(root, right, is_transposed=True))
    return np.asarray(lapack.dpotrs(root, right)[0])


def reciprocal_condition(root: Array, size: float) -> float:
    """Return 1 / (|A| |A^-1|) of A = root' root in the 1-norm, `size` |A|; LAPACK estimates it from above."""
    if not in_fixed_order():
        return float(lapack.dpocon(root, size)[0])
    back = triangular_inverse(root)
    return 1.0 / (size * float(_summed(np.abs(times(back, back.T)), 0).max()))


def solve(matrix: Array, right: Array) -> Array:
    """Return X with matrix X = right.

    Raises:
        LinAlgError: the matrix is singular.
    """
    return _eliminated(matrix, right) if in_fixed_order() else np.asarray(np.linalg.solve(matrix, right))


def solver_of(matrix: Array) -> Callable[[Array], Array]:
    """Return what solves matrix X = right for several right sides, of which LAPACK factors the matrix once."""
    if in_fixed_order():
        return lambda right: _eliminated(matrix, right)
    factors = linalg.lu_factor(matrix)
    return lambda right: np.asarray(linalg.lu_solve(factors, right))


def upper_root(matrix: Array) -> Array:
    """Return upper triangular U with U U' = F F', row by row right to the rounding of float64 (RQ decomposition)."""
    if not in_fixed_order():
        return np.asarray(np.triu(linalg.rq(matrix, mode="r")))
    rest = np.array(matrix, order="C")
    for k in range(len(rest) - 1, 0, -1):  # a reflection of the columns takes row k onto its last element
        axis = rest[k, : k + 1].copy()
        axis[k] += math.copysign(norm(axis), axis[k])
        if square := inner(axis, axis):
            rest[: k + 1, : k + 1] -= times(rest[: k + 1, : k + 1], axis)[:, None] * (2 / square * axis)
    return np.triu(rest)


def extreme_eigenvalues(matrix: Array) -> tuple[float, float]:
    """Return the smallest and the largest eigenvalue of a symmetric matrix, right to the rounding of the largest."""
    if in_fixed_order():
        return -largest_eigenvalue(-matrix), largest_eigenvalue(matrix)
    values = np.linalg.eigvalsh(matrix)
    return float(values[0]), float(values[-1])


def largest_eigenvalue(matrix: Array) -> float:
    """Return the largest eigenvalue of a symmetric matrix A: above it alone s I - A is positive definite."""
    if not in_fixed_order():
        return float(np.linalg.eigvalsh(matrix)[-1])
    low, high = float(np.diag(matrix).max()), float(_summed(np.abs(matrix), 0).max())
    for _ in range(_HALVINGS):
        middle = low + (high - low) / 2
        low, high = (low, middle) if cholesky(middle * np.eye(len(matrix)) - matrix) is not None else (middle, high)
    return high


def squared_spectral_norm(matrix: Array) -> float:
    """Return the largest eigenvalue of F F'."""
    return largest_eigenvalue(times(matrix, matrix.T)) if in_fixed_order() else float(np.linalg.norm(matrix, 2) ** 2)


def _summed(values: Array, axis: int) -> Array:
    """Return the sums along an axis, in an order that does not depend on how the array lies in memory."""
    return np.asarray(np.add.reduce(np.ascontiguousarray(values), axis=axis))


def _eliminated(matrix: Array, right: Array) -> Array:
    """Return X with matrix X = right by Gaussian elimination, the largest of a column its pivot."""
    rest, found = np.array(matrix, order="C"), np.array(right, order="C")
    for k in range(len(rest)):
        pivot = k + int(np.argmax(np.abs(rest[k:, k])))
        if not rest[pivot, k]:
            raise np.linalg.LinAlgError("Singular matrix")
        for each in (rest, found):
            each[[k, pivot]] = each[[pivot, k]]
        shares = rest[k + 1 :, k] / rest[k, k]
        rest[k + 1 :, k:] -= shares[:, None] * rest[k, k:]
        found[k + 1 :] -= np.multiply.outer(shares, found[k])
    return solve_triangular(rest, found)

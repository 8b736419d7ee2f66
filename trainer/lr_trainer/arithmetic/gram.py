"""Gram matrices in double-double, at the speed of float64 matrix products.

Each column is cut into slices of a few bits, so few that the products of two slices add up without rounding over a
whole block (Ozaki, Ogita, Oishi and Rump 2012, Numerical Algorithms 59: error-free transformation of matrix
multiplication).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.arrays import A, beside, host, matmul, names_of
from lr_trainer.arithmetic.double_double import Extended, two_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PRECISION_BITS = 106
_LEAST_EXPONENT = -1022


def product(left: Extended[A], right: Extended[A]) -> Extended[NDArray[np.float64]]:
    """Return left.T @ right (columns of left, columns of right), to 2^-106 of the columns' largest values.

    The sum of products of slices of `bits` bits over `rows` rows stays below 2^53: 2 bits + log2 rows <= 53.
    """
    bits = (53 - math.ceil(math.log2(max(left.high.shape[0], 2)))) // 2
    count = -(-_PRECISION_BITS // bits)
    left_slices, left_exponents = _slices(left, bits, count)
    right_slices, right_exponents = (left_slices, left_exponents) if right is left else _slices(right, bits, count)
    total: Extended[NDArray[np.float64]] = Extended.of(np.zeros((left.high.shape[1], right.high.shape[1])))
    # The smallest products first; those below the precision asked for are left out.
    for order in range(count + 1, 1, -1):
        for first in range(1, order):
            whole = host(matmul(left_slices[first - 1].T, right_slices[order - first - 1]))
            total = total + Extended.of(whole * 2.0 ** (-bits * order))
    return total.scaled(np.ldexp(1.0, left_exponents[:, None] + right_exponents[None, :]))


def _slices(block: Extended[A], bits: int, count: int) -> tuple[list[A], NDArray[np.int64]]:
    """Return integers t_1, t_2, ... of `bits` bits, and e, with block = 2^e sum_k t_k 2^(-k bits) per column."""
    largest = host(names_of(block.high).amax(abs(block.high), axis=0))
    # Of what is smaller 2^-e would overflow; only a constant column's rounding is.
    exponents = np.maximum(np.frexp(largest)[1].astype(np.int64), _LEAST_EXPONENT)
    scale = beside(block.high, np.ldexp(1.0, -exponents))
    high, low = block.high * scale, block.low * scale
    slices = []
    for _ in range(count):
        high, low = high * 2.0**bits, low * 2.0**bits
        whole = high.round()
        slices.append(whole)
        # Taking the integer part off is exact; what is left lets bits of the low part move up.
        high, low = two_sum(high - whole, low)
    return slices, exponents


def congruence(gram: NDArray[np.float64], matrix: Extended[NDArray[np.float64]]) -> Extended[NDArray[np.float64]]:
    """Return matrix' gram matrix in double-double, for a symmetric Gram matrix (columns, columns).

    Columns of the matrix that are those of the identity cost nothing.
    """
    scale = powers_of_two(np.sqrt(np.maximum(np.diag(gram), 0.0)))
    gram, matrix = gram / scale / scale[:, None], matrix.scaled(scale[:, None]).scaled(1 / scale)
    changed = np.flatnonzero(((matrix.high != np.eye(len(gram))) | (matrix.low != 0)).any(axis=0))
    found, part = Extended.of(gram.copy()), matrix[:, changed]
    across = product(Extended.of(gram), part)
    found[:, changed], found[changed, :] = across, transposed(across)
    found[np.ix_(changed, changed)] = product(part, across)
    return found.scaled(scale).scaled(scale[:, None])


def inverse(matrix: NDArray[np.float64], lengths: NDArray[np.float64]) -> Extended[NDArray[np.float64]]:
    """Return the inverse of a matrix (columns, columns) in double-double, by Newton's method from that in float64.

    Args:
        matrix: maps columns of these lengths to others.
        lengths: float64 (columns,).
    """
    identity = np.eye(len(matrix))
    others = matrix - identity
    changed = np.flatnonzero(others.any(axis=0))
    if not others[np.ix_(changed, changed)].any():
        return Extended.of(identity - others)  # the square of others is 0
    scale = powers_of_two(lengths)
    scaled = matrix / scale * scale[:, None]
    found, rows = Extended.of(np.asarray(np.linalg.inv(scaled), np.float64)), Extended.of(scaled.T.copy())
    for _ in range(2):
        rest = Extended.of(identity) - product(rows, found)
        found = found + Extended.of(found.high @ rest.high)
    return found.scaled(scale).scaled(1 / scale[:, None])


def transposed(matrix: Extended[NDArray[np.float64]]) -> Extended[NDArray[np.float64]]:
    """Return the transposed matrix."""
    return Extended(matrix.high.T.copy(), matrix.low.T.copy())


def powers_of_two(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return powers of two near the lengths, by which division rounds nothing; 1 where a length is 0."""
    return np.where(lengths > 0, np.ldexp(1.0, np.frexp(lengths)[1] - 1), 1.0)

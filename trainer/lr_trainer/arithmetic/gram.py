"""Gram matrices in double-double, at the speed of float64 matrix products.

Each column is cut into slices of a few bits, so few that the products of two slices add up without rounding over a
whole block (Ozaki, Ogita, Oishi and Rump 2012, Numerical Algorithms 59: error-free transformation of matrix
multiplication). Matrices may have further axes in front, of which each is one of its own, as in `numpy.matmul`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic import linear_algebra
from lr_trainer.arithmetic.arrays import A, beside, host, matmul, names_of
from lr_trainer.arithmetic.double_double import Extended, two_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PRECISION_BITS = 106
_LEAST_EXPONENT = -1022


def product(left: Extended[A], right: Extended[A]) -> Extended[NDArray[np.float64]]:
    """Return left.T @ right (columns of left, columns of right), to 2^-106 of the columns' largest values.

    The sum of products of slices of `bits` bits over `rows` rows, of all pairs that are of one size, stays below 2^53:
    of one pair it is at most 2^(2 bits) rows, of all of them less than twice that, as all slices but the first are of
    numbers of at most 1/2.
    """
    bits = (52 - math.ceil(math.log2(max(left.high.shape[-2], 2)))) // 2
    count = -(-_PRECISION_BITS // bits)
    left_slices, left_exponents = _slices(left, bits, count)
    right_slices, right_exponents = (left_slices, left_exponents) if right is left else _slices(right, bits, count)
    front: tuple[int, ...] = np.broadcast_shapes(left.high.shape[:-2], right.high.shape[:-2])
    shape = (*front, left.high.shape[-1], right.high.shape[-1])
    total: Extended[NDArray[np.float64]] = Extended.of(np.zeros(shape))
    # The smallest products first; those below the precision asked for are left out.
    for order in range(count + 1, 1, -1):
        whole = matmul(left_slices[order - 2].swapaxes(-1, -2), right_slices[0])
        for first in range(order - 2):
            whole = whole + matmul(left_slices[first].swapaxes(-1, -2), right_slices[order - first - 2])
        total = total + Extended.of(host(whole) * 2.0 ** (-bits * order))
    return total.scaled(np.ldexp(1.0, left_exponents[..., :, None] + right_exponents[..., None, :]))


def _slices(block: Extended[A], bits: int, count: int) -> tuple[list[A], NDArray[np.int64]]:
    """Return integers t_1, t_2, ... of `bits` bits, and e, with block = 2^e sum_k t_k 2^(-k bits) per column."""
    largest = host(names_of(block.high).amax(abs(block.high), axis=-2))
    # Of what is smaller 2^-e would overflow; only a constant column's rounding is.
    exponents = np.maximum(np.frexp(largest)[1].astype(np.int64), _LEAST_EXPONENT)
    scale = beside(block.high, np.ldexp(1.0, -exponents)[..., None, :])
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
    scale = powers_of_two(np.sqrt(np.maximum(diagonal(gram), 0.0)))
    across, down = scale[..., None, :], scale[..., :, None]
    gram, matrix = gram / across / down, matrix.scaled(down).scaled(1 / across)
    differs = (matrix.high != np.eye(gram.shape[-1])) | (matrix.low != 0)
    changed = np.flatnonzero(differs.any(axis=tuple(range(differs.ndim - 1))))
    found, part = Extended.of(gram.copy()), matrix[..., changed]
    products = product(Extended.of(gram), part)
    found[..., changed], found[..., changed, :] = products, transposed(products)
    found[..., changed[:, None], changed] = product(part, products)
    return found.scaled(across).scaled(down)


def inverse(matrix: NDArray[np.float64], lengths: NDArray[np.float64]) -> Extended[NDArray[np.float64]]:
    """Return the inverse of a matrix (columns, columns) in double-double, by Newton's method from that in float64.

    Args:
        matrix: maps columns of these lengths to others.
        lengths: float64 (columns,).
    """
    identity = np.eye(matrix.shape[-1])
    others = matrix - identity
    changed = np.flatnonzero(others.any(axis=tuple(range(others.ndim - 1))))
    if not others[..., changed[:, None], changed].any():
        return Extended.of(identity - others)  # the square of others is 0
    scale = powers_of_two(lengths)
    scaled = matrix / scale * scale[:, None]
    found, rows = Extended.of(linear_algebra.solve(scaled, identity)), transposed(Extended.of(scaled))
    for _ in range(2):
        rest = Extended.of(identity) - product(rows, found)
        found = found + Extended.of(linear_algebra.times(found.high, rest.high))
    return found.scaled(scale).scaled(1 / scale[:, None])


def transposed(matrix: Extended[NDArray[np.float64]]) -> Extended[NDArray[np.float64]]:
    """Return the transposed matrix."""
    return Extended(matrix.high.swapaxes(-1, -2).copy(), matrix.low.swapaxes(-1, -2).copy())


def diagonal(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the diagonal of a matrix (columns, columns)."""
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def powers_of_two(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return powers of two near the lengths, by which division rounds nothing; 1 where a length is 0."""
    return np.where(lengths > 0, np.ldexp(1.0, np.frexp(lengths)[1] - 1), 1.0)

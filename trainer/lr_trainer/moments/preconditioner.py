"""The transform that makes columns nearly orthogonal, by a Cholesky factorisation of their products."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.linear_algebra import cholesky, solve_triangular, times

if TYPE_CHECKING:
    from lr_trainer.arithmetic.arrays import Array

LITTLE = 0.1
"""A term of which others leave less than this share of its length is replaced by what they leave: two digits are lost
at most where they leave more, and each replaced term costs its share of a matrix product."""

_ROUNDING = 2.0**-48
"""What is left of a term, less than this share of its parts, is rounding and tells nothing of others."""

_NOTHING = 1e-7
"""A share that float64 products do not tell from 0; such terms are not taken out of others."""


def improved(
    transform: Array, gram: Array, terms: int, lengths: Array, *, little: float = 1.0, noise: Array | float = 0.0
) -> Array:
    """Return a transform that leaves less of columns D of these lengths than one of which `gram` are the products.

    A term no longer than its `noise`, float64 (columns,), takes no part. The others are those of `preconditioner`.
    """
    left = share_left(gram, transform, lengths)
    known = (left > _ROUNDING) & (np.diag(gram) > noise**2)
    known[terms:] = True
    better = preconditioner(np.where(np.outer(known, known), gram, 0.0), terms, little=little, left=left[:terms])
    return times(transform, better)


def preconditioner(gram: Array, terms: int, *, little: float = LITTLE, left: Array | None = None) -> Array:
    """Return T, float64 (columns, columns), from the sums of products about the center of terms and then targets.

    By Cholesky factorisation R'R of the terms' correlations, the largest pivot first where some are little (Higham
    2002, "Accuracy and stability of numerical algorithms", section 10.3).

    Args:
        gram: float64 (columns, columns).
        terms: how many columns are terms.
        little: the share of a term's length under which it is replaced.
        left: float64 (terms,), the share of its parts that each term has left after an earlier transform. Terms that
            have more left come first: little ones would have to be taken many times out of large ones.

    Example:
        >>> preconditioner(np.array([[4.0, 2.0], [2.0, 9.0]]), 1)
        array([[ 1. , -0.5],
               [ 0. ,  1. ]])
    """
    lengths = np.sqrt(np.maximum(np.diag(gram), 0.0))
    lengths[lengths == 0] = 1.0
    correlation, transform = gram / np.outer(lengths, lengths), np.eye(len(gram))
    factor, order, whole = _factor(correlation, terms, little, left)
    base, others = order[:whole], order[whole:] + sorted(set(range(terms)).difference(order))
    if others:
        own, inside = np.eye(len(others)), factor[whole:, others]
        own[: len(inside)] = inside / np.diag(inside)[:, None]
        left = solve_triangular(own, np.eye(len(others)), has_unit_diagonal=True)
        above = solve_triangular(factor[:whole, base], times(factor[:whole, others], left)) if whole else 0.0
        transform[np.ix_(others, others)], transform[np.ix_(base, others)] = left, -above
    if order:
        weights = solve_triangular(factor[:, order], factor[:, terms:])
        transform[np.ix_(order, range(terms, len(gram)))] = -weights
    return np.asarray(transform * lengths / lengths[:, None])


def _factor(correlation: Array, terms: int, little: float, left: Array | None) -> tuple[Array, list[int], int]:
    """Return R, float64 (pivots, columns), the terms in the order of the pivots, and how many of these are not little.

    Terms of which nothing is left are no pivots.
    """
    if left is not None:
        return _pivoted(correlation, left, little)
    root = cholesky(correlation[:terms, :terms])
    if root is not None and np.diag(root).min(initial=1.0) >= little:
        across = solve_triangular(root, correlation[:terms, terms:], is_transposed=True)
        return np.hstack([root, across]), list(range(terms)), terms
    return _pivoted(correlation, np.ones(terms), little)


def _pivoted(correlation: Array, left: Array, little: float) -> tuple[Array, list[int], int]:
    terms = len(left)
    rest, rows = np.diag(correlation)[:terms].copy(), np.zeros((terms, len(correlation)))
    order, whole = list[int](), terms
    for count in range(terms):
        size = np.where(rest > _NOTHING**2, rest * left**2, -1.0)
        size[order] = -1.0
        pivot = int(np.argmax(size))
        if size[pivot] < 0:
            break
        if rest[pivot] < little**2:
            whole = min(whole, count)
        row = correlation[pivot] - times(rows[:count, pivot], rows[:count])
        row[order] = 0.0
        rows[count] = row / math.sqrt(rest[pivot])
        rows[count, pivot] = math.sqrt(rest[pivot])
        rest -= rows[count, :terms] ** 2
        order.append(pivot)
    return rows[: len(order)], order, min(whole, len(order))


def size_of_parts(transform: Array, lengths: Array) -> Array:
    """Return float64 (columns,), of which a share is the rounding of Z; `lengths` (columns,) are those of D.

    The roundings of products and of their sums do not depend on one another, so their squares add up, twice.
    """
    return np.asarray(2 * np.linalg.norm(transform * lengths[:, None], axis=0))


def share_left(gram: Array, transform: Array, lengths: Array) -> Array:
    """Return float64 (columns,), how long the columns of Z are, of these products, as a share of their parts' size."""
    parts = size_of_parts(transform, lengths)
    return np.asarray(np.sqrt(np.maximum(np.diag(gram), 0.0)) / np.where(parts > 0, parts, np.inf))

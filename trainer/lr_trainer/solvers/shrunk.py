"""How far rounding may have moved penalised and minimum-norm weights.

They solve (G + P) w = X' y, G the Gram matrix of the terms and P the ridge penalty. With E the rounding of G on the
preconditioned columns Z = X T, |E_ij| <= a_i a_j (`lr_trainer.moments.preconditioned`), to which that of solving adds,
H = T' (G + P) T, and d = T^-1 (w - pilot) what the weights take of the columns of Z, a combination c' w is off by

    sum_j |(c' T H^-1)_j| a_j (sum_j |d_j| a_j + a_y), to first order,

the residual sum by sum |d_j| a_j (sum |d_j| a_j + 2 a_y) + off + 2 |s' dw|, s = X' (y - X w) what a penalty holds in
balance, and the explained sum by as much and what the total is off. Where a lasso leaves columns out, the inverse is
no larger in norm on the others, so that c' w is off by root(c' T H^-1 T' c) root(e) as much, e as it is there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.condition import squared_norm
from lr_trainer.arithmetic.linear_algebra import cholesky, hypot, solve, times, triangular_inverse
from lr_trainer.solvers.digits import DOUBLE_DOUBLE, Rounding, together

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.solvers.normal_equations import NormalEquations

_MOST = 0.1
"""Of a larger share of rounding the first order says too little."""

_UNKNOWN = 2.0**100
"""Where rounding hides whether columns are dependent, their weights may be anything."""


def rounding_of_shrunk(
    normal: NormalEquations,
    weight: Array,
    ssr: Array,
    slope: Array,
    *,
    among: NDArray[np.bool_],
    ridge: float,
    unit: float,
) -> Rounding:
    """Return the rounding of weights at another optimum, where the residual sum is not stationary.

    `slope` (outputs, terms) is X' (y - X w) of the terms that have weights, 0 where no penalty balances it; `among`,
    bool (terms,), are independent columns, of which all that have weights are combinations; `ridge` is the penalty of
    each term, as a share of its sum of squares, and `unit` that of the arithmetic of solving.
    """
    terms, lengths, transform = normal.terms, normal.lengths[: normal.terms], normal.preconditioned.transform
    # Of few columns the bound is sharper, and costs nothing where the transform takes none of the others.
    is_apart = not transform[np.ix_(~among, among)].any() and not transform[:terms, terms:][~among].any()
    for inside in (among, normal.informative) if is_apart else (normal.informative, among):
        sizes = times(np.abs(normal.among(inside).preconditioned.transform[:terms]).T, lengths)
        sizes[terms:] += normal.lengths[terms:]
        found = _Inverse.of(normal.among(inside), np.flatnonzero(inside), ridge, math.sqrt(unit) * sizes)
        if found is not None:
            others = times(np.abs(weight), np.where(inside, 0.0, normal.preconditioned.error[:terms]))
            return found.rounding(weight, ssr, slope, others)
    unknown = _UNKNOWN * normal.lengths[terms:] ** 2
    spread = np.divide(_UNKNOWN, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return Rounding(1.0, lengths, normal.lengths[terms:], unknown, unknown, spread)


@dataclass(frozen=True)
class _Inverse:
    """The inverse of H = F F' of some columns, and the rounding there.

    Attributes:
        normal: the normal equations of these columns.
        places: which terms they are of.
        penalty: float64 (terms,), P.
        factor: float64 (places, places), F.
        error: float64 (columns,), a, with the rounding of solving.
        off: float64 (outputs,), how far the squares of what the pilot leaves of the targets are off.
        share: e, of H.
    """

    normal: NormalEquations
    places: NDArray[np.intp]
    penalty: Array
    factor: Array
    error: Array
    off: Array
    share: float

    @staticmethod
    def of(normal: NormalEquations, places: NDArray[np.intp], ridge: float, solving: Array) -> _Inverse | None:
        """Return it; None where it is mostly rounding. `solving` (columns,) is what solving adds to a."""
        terms, fine, penalty = normal.terms, normal.preconditioned, ridge * np.diag(normal.columns)
        gram, transform = fine.comoment[np.ix_(places, places)], fine.transform[:terms, places]
        if ridge:
            gram = gram + times(transform.T * penalty, transform)
        lengths, error = np.sqrt(np.maximum(np.diag(gram), 0.0)), hypot(fine.error, solving)
        if not (lengths > 0).all():
            return None
        root = cholesky(gram / np.outer(lengths, lengths)) if len(gram) else gram
        if root is None:
            return None
        factor = triangular_inverse(root) if len(gram) else gram
        share = replace(fine, error=error).rounding(places, lengths, squared_norm(factor))
        off = fine.off[terms:] + solving[terms:] ** 2
        return (
            _Inverse(normal, places, penalty, factor / lengths[:, None], error, off, share) if share < _MOST else None
        )

    def rounding(self, weight: Array, ssr: Array, slope: Array, others: Array) -> Rounding:
        """Return the rounding of weights (outputs, terms); `others` (outputs,) is a_y of what other columns take."""
        fine, terms, root = self.normal.preconditioned, self.normal.terms, math.sqrt(max(self.share, DOUBLE_DOUBLE))
        lengths, pilot, rest = (
            self.normal.lengths[:terms],
            fine.transform[:terms, terms:].T,
            self.error[terms:] + others,
        )
        left, held = np.sqrt(np.maximum(np.diag(fine.comoment)[terms:], 0.0)), np.sqrt(times(weight**2, self.penalty))
        taken = root * hypot(left + np.sqrt(ssr), held + np.sqrt(times(pilot**2, self.penalty)))
        whole = root * hypot(np.sqrt(self.normal.tss) + np.sqrt(ssr), held)
        reached, has_weight = times(fine.transform[:terms, self.places], self.factor), weight != 0
        spread, turned = (root * np.linalg.norm(each, axis=1) for each in (reached, times(slope, reached)))
        inside = np.isin(np.arange(terms), self.places)
        if has_weight[:, ~inside].any():  # the others share what is off
            alone = root * math.sqrt(squared_norm(lengths[self.places][:, None] * reached[self.places]))
            spread = np.divide(alone, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        elif has_weight[:, inside].all():
            back, a = times(reached, self.factor.T), self.error[self.places]
            spread = np.minimum(spread, together(back, a))
            turned = np.minimum(turned, together(times(slope, back), a))
            own = solve(fine.transform[np.ix_(self.places, self.places)], (weight + pilot)[:, self.places].T)
            taken = np.minimum(taken, together(own.T, a))
        reach = (taken + rest) / (1 - self.share)
        turned = 2 * turned * reach
        residual, explained = taken * (taken + 2 * rest) + self.off + turned, whole * (2 * reach + whole) + turned
        explained *= has_weight.any(axis=1)
        return Rounding(root * root, lengths, reach / root, residual, explained, spread * has_weight.any(axis=0) / root)

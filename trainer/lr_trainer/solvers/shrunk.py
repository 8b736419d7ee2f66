"""How far rounding may have moved penalised and minimum-norm weights.

They solve (G + P) w = X' y, G the Gram matrix of the terms and P the ridge penalty. With E the rounding of the moments
(`lr_trainer.moments.preconditioned`), d the weights less those of the pilot, and norms those of G, or of G + P,

    |z' E v| <= |z| m,    m = e |d| + sqrt(e) a_y

so the weights are off by dw with |dw| <= m, a combination c' w of them by m times the root of c' (G + P)^-1 c, and with
s = X' (y - X w), what a penalty holds in balance,

    the residual sum is off by |d| (e |d| + 2 sqrt(e) a_y) + off + 2 |s' dw|
    the explained sum is off by |w| (2 m + e |w|) + 2 |s' dw|

To this comes the rounding of solving, by `lr_trainer.solvers.digits`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.moments.preconditioned import inverse_norm as norm_of_inverse
from lr_trainer.solvers.digits import Rounding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lr_trainer.solvers.normal_equations import NormalEquations

    Array = NDArray[np.float64]


def rounding_of_shrunk(
    normal: NormalEquations,
    weight: Array,
    ssr: Array,
    slope: Array,
    *,
    among: NDArray[np.bool_],
    inverse_norm: float,
    ridge: float,
    unit: float,
) -> Rounding:
    """Return the rounding of weights at another optimum, where the residual sum is not stationary.

    Args:
        normal: the normal equations.
        weight: float64 (outputs, terms).
        ssr: float64 (outputs,), the residual sums.
        slope: float64 (outputs, terms), X' (y - X w); 0 where no penalty holds it in balance.
        among: bool (terms,), independent columns, of which all that have weights are combinations.
        inverse_norm: the norm of (G + P)^-1, of columns at unit length.
        ridge: the penalty of each term, as a share of its sum of squares.
        unit: of the arithmetic of solving, `lr_trainer.solvers.digits`.
    """
    lengths = normal.lengths[: weight.shape[1]]
    support = (weight != 0).any(axis=0) & (lengths > 0)
    pull = np.linalg.norm(slope[:, support] / lengths[support], axis=1)
    root, several = math.sqrt(inverse_norm), math.sqrt(max(int(np.count_nonzero(support)), 1))
    spread = np.divide(several * inverse_norm, lengths, out=np.zeros_like(lengths), where=support)
    found = Rounding.of_sizes(normal, weight, spread, unit)
    moved = min(_bounds(normal, weight, ssr, among, ridge), key=lambda each: float(each.weights.max(initial=0.0)))
    reach = found.reach + moved.weights / (unit * several * root)
    turned = 2 * np.where(pull > 0, pull * unit * several * inverse_norm, 0.0) * reach
    return replace(
        found,
        reach=reach,
        residual=found.residual + moved.residual + turned,
        explained=found.explained + moved.explained + turned,
    )


@dataclass(frozen=True)
class _Moved:
    """How far the rounding of the moments moves the weights, m, and the sums but for s' dw, float64 (outputs,) each."""

    unit: float
    weights: Array
    residual: Array
    explained: Array

    @staticmethod
    def of(normal: NormalEquations, weight: Array, ssr: Array, ridge: float, inside: NDArray[np.bool_]) -> _Moved:
        """Return that in the norm of G + P, of the columns inside, bool (terms,), which make up the others."""
        terms, places, fine = normal.terms, np.flatnonzero(inside), normal.among(inside).preconditioned
        others = np.where(inside, 0.0, normal.preconditioned.error[:terms])
        penalty, transform = ridge * np.diag(normal.columns), fine.transform[:terms, places]
        gram = fine.comoment[np.ix_(places, places)]
        if ridge:
            gram = gram + (transform.T * penalty) @ transform
        lengths = np.sqrt(np.maximum(np.diag(gram), 0.0))
        unit = fine.rounding(places, lengths, norm_of_inverse(gram))
        left, pilot = np.sqrt(np.maximum(np.diag(fine.comoment)[terms:], 0.0)), fine.transform[:terms, terms:].T
        held, rest = np.sqrt(weight**2 @ penalty), np.sqrt(ssr)
        away, whole = (
            np.hypot(left + rest, held + np.sqrt(pilot**2 @ penalty)),
            np.hypot(np.sqrt(normal.tss) + rest, held),
        )
        off = math.sqrt(unit) * (fine.error[terms:] + np.abs(weight) @ others)
        weights = unit * away + off
        return _Moved(unit, weights, away * (weights + off) + fine.off[terms:], whole * (2 * weights + unit * whole))


def _bounds(
    normal: NormalEquations, weight: Array, ssr: Array, among: NDArray[np.bool_], ridge: float
) -> Iterator[_Moved]:
    """Yield bounds: of all columns, in the norms of G and of G + P; where these say nothing, of independent ones."""
    found = [_Moved.of(normal, weight, ssr, each, normal.informative) for each in sorted({0.0, ridge})]
    yield from found
    if all(each.unit == 1 for each in found):
        yield _Moved.of(normal, weight, ssr, ridge, among)

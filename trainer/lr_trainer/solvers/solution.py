"""What every solver returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.condition import condition_number, squared_norm
from lr_trainer.arithmetic.double_double import Extended, sum_of
from lr_trainer.arithmetic.linear_algebra import dots, solver_of, times, upper_root
from lr_trainer.solvers.digits import FEWEST_DIGITS, Rounding, digits
from lr_trainer.solvers.shrunk import rounding_of_shrunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.solvers.normal_equations import NormalEquations


@dataclass(frozen=True)
class Solution:
    """The weights of a linear model and its sums of squares. Names are those of statsmodels.

    Attributes:
        weight: double-double (outputs, terms); 0 outside the support.
        factor: float64 (terms, terms), upper triangular: factor @ factor.T is the inverse of the Gram matrix of the
            support, the covariance of the weights at unit residual variance. 0 outside, and of a biased solution.
        support: bool (terms,), the columns that have weights.
        constant: bool (terms,), left out because they do not vary.
        ssr: float64 (outputs,), the (weighted) sum of squared residuals.
        ess: float64 (outputs,), the explained sum, what `ssr` is below `tss`, without that difference.
        tss: float64 (outputs,), the (weighted) sum of squares about the mean, or about 0 without intercept.
        df_resid: the degrees of freedom of the residuals; 0 of a solution that is biased.
        condition_number: in the 2-norm, of the columns that vary, centred and at unit length; after columns were
            dropped, of the support.
        rounding: how far rounding may have moved all this.
        basis: float64 (terms, terms) each, the transform of the terms and the factor of the inverse there: `factor` is
            their product; None of a biased solution.
        is_unbiased: whether this is the least-squares solution itself, with standard errors; a penalised or
            minimum-norm one has none.
        held: bool (outputs, terms), the weights at their bounds; None of a solution without bounds.
    """

    weight: Extended[Array]
    factor: Array
    support: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    ssr: Array
    ess: Array
    tss: Array
    df_resid: int
    condition_number: float
    rounding: Rounding
    basis: tuple[Array, Array] | None = None
    is_unbiased: bool = True
    held: NDArray[np.bool_] | None = None

    @property
    def is_certain(self) -> bool:
        """Whether rounding leaves six digits of the figures made of the sums."""
        residual = _share(self.rounding.residual, self.ssr)
        explained = _share(self.rounding.explained, self.ess) * (self.ess < self.ssr)
        return digits(float((residual + explained).max(initial=0.0)), 1.0) >= FEWEST_DIGITS

    def biased(self) -> Solution:
        """Return the same solution, of a kind that has no standard errors."""
        return replace(self, factor=np.zeros_like(self.factor), basis=None, df_resid=0, is_unbiased=False)

    def without_residuals(self) -> Solution:
        """Return a solution of as many weights as rows, whose residuals are 0 whatever rounding makes of them."""
        nothing = np.zeros_like(self.ssr)
        return replace(self, ssr=nothing, rounding=replace(self.rounding, residual=nothing))

    @staticmethod
    def of_preconditioned(
        normal: NormalEquations, support: NDArray[np.bool_], weight: Array, factor: Array, ssr: Array
    ) -> Solution:
        """Return the least-squares solution from that of the preconditioned normal equations on the support.

        The weights, float64 (terms, outputs), are of the preconditioned columns for what the transform left of the
        targets, and factor @ factor.T, upper triangular, is the inverse of their Gram matrix.
        """
        terms, fine = normal.terms, normal.preconditioned
        transform, taken = fine.transform[:terms, :terms] * support[:, None] * support, fine.transform[:terms, terms:]
        changed = np.flatnonzero((transform != np.diag(support)).any(axis=0))
        found = _combined(transform, changed, weight) - Extended.of(taken.T * support)
        whole = times(transform, factor) if len(changed) else factor
        inside, spread = np.ix_(support, support), np.sqrt(dots(whole, whole, axis=1))
        norm = squared_norm(_lengths(fine.comoment, support)[:, None] * factor[inside])
        own = squared_norm(_lengths(normal.gram, support)[:, None] * whole[inside]) if len(changed) else norm
        explained = _explained(normal, transform[inside], found[:, support], inside)
        solution = Solution(
            weight=found,
            factor=_upper(whole),
            support=support,
            constant=normal.constant,
            ssr=np.maximum(ssr, 0.0),
            ess=explained,
            tss=normal.tss,
            df_resid=normal.rows - int(normal.intercept) - int(np.count_nonzero(support)),
            condition_number=condition_number(normal.columns[inside], own),
            rounding=Rounding.of_preconditioned(normal, found.high, (spread, norm), ssr, explained),
            basis=(transform, factor),
        )
        return solution if solution.df_resid > 0 else solution.without_residuals()

    @staticmethod
    def of_weights(
        normal: NormalEquations,
        weight: Extended[Array],
        unit: float,
        *,
        ridge: float | None = None,
        pivots: NDArray[np.bool_] | None = None,
        held: NDArray[np.bool_] | None = None,
    ) -> Solution:
        """Return the solution with given weights (outputs, terms) that are not the least-squares ones.

        The sums come from the weights, in double-double: near the least one they hardly depend on their rounding.

        `unit` is of their arithmetic (`lr_trainer.solvers.digits`), `ridge` the least ridge penalty of the targets,
        None where none holds the weights off the best fit. All columns with weights are combinations of the `pivots`,
        bool (terms,), None for these themselves; `held`, bool (outputs, terms), are exact, whatever the products are.
        """
        ssr, ess, slope = sums_of(normal, weight)
        varies, support = normal.varies[: normal.terms], (weight.high != 0).any(axis=0)
        nothing, left = np.zeros_like(normal.columns), np.maximum(ssr, 0.0)
        if held is not None:  # free weights fit what these leave, which may be longer than the target
            left = (np.sqrt(left) + times(np.abs(weight.high * held), normal.lengths[: normal.terms])) ** 2
        return Solution(
            weight=weight,
            factor=nothing,
            support=support,
            constant=np.asarray(~varies & normal.intercept),
            ssr=np.maximum(ssr, 0.0),
            ess=ess,
            tss=normal.tss,
            df_resid=0,
            condition_number=condition_number(normal.columns[np.ix_(varies, varies)]),
            rounding=rounding_of_shrunk(
                normal,
                weight.high,
                left,
                slope * (support & (ridge is not None)),
                among=support if pivots is None else pivots,
                ridge=ridge or 0.0,
                unit=unit,
            ),
            is_unbiased=False,
            held=held,
        )


def _lengths(gram: Array, support: NDArray[np.bool_]) -> Array:
    """Return float64 (support,), the lengths of the columns of the support."""
    return np.sqrt(np.maximum(np.diag(gram)[: len(support)][support], 0.0))


def _upper(factor: Array) -> Array:
    """Return upper triangular U with U U' = F F'."""
    return factor if np.array_equal(factor, np.triu(factor)) else upper_root(factor)


def _explained(
    normal: NormalEquations, transform: Array, weight: Extended[Array], inside: tuple[NDArray[np.bool_], ...]
) -> Array:
    """Return the explained sums (outputs,) of weights (outputs, support), as sums of squares of preconditioned columns.

    They keep their digits where they are a small share of the total, of which they would be the difference.
    """
    here = weight.rounded().T
    if not np.array_equal(transform, np.eye(len(transform))):
        solved, here = solver_of(transform), np.zeros_like(here)
        for _ in range(3):  # refined with residuals in double-double, as the transform may be nearly singular
            left = (weight - _combined(transform, np.arange(len(here)), here)).rounded()
            here = here + solved(left.T)
    return dots(here, times(normal.preconditioned.comoment[inside], here), axis=0)


def _combined(transform: Array, changed: NDArray[np.intp], weight: Array) -> Extended[Array]:
    """Return T w, double-double (outputs, terms), of weights (terms, outputs).

    The columns of T that are not changed are those of the identity.
    """
    rest = weight.copy()
    rest[changed] = 0.0
    found, columns = Extended.of(np.ascontiguousarray(rest.T)), Extended.of(transform[:, changed])
    for output, each in enumerate(weight[changed].T if len(changed) else ()):
        found[output] = found[output] + sum_of(columns * Extended.of(np.tile(each, (len(transform), 1))))
    return found


def _share(noise: Array, value: Array) -> Array:
    """Return what part of each value its noise is; 0 of no noise."""
    with np.errstate(divide="ignore"):
        return np.divide(noise, np.abs(value), out=np.zeros_like(noise), where=noise > 0)


def sums_of(normal: NormalEquations, weight: Extended[Array]) -> tuple[Array, Array, Array]:
    """Return the residual and the explained sums (outputs,), and the products X' (y - X w) (outputs, terms)."""
    terms, scale = normal.terms, normal.scale
    gram, at = normal.scaled, weight.scaled(scale[:terms]).scaled(1 / scale[terms:, None])
    about, cross = gram[:terms, :terms], gram[terms:, :terms]
    sums, slope = np.zeros((2, len(at.high))), np.zeros_like(at.high)
    for output in range(len(slope)):
        own = terms + output, terms + output
        fitted = sum_of(about * at[output][None, :])
        part = sum_of(at[output] * (cross[output].scaled(2.0) - fitted))
        sums[:, output] = (gram[own] - part).rounded(), part.rounded()
        slope[output] = (cross[output] - fitted).rounded()
    residual, explained = sums * scale[terms:] ** 2
    return residual, explained, slope * scale[terms:, None] * scale[:terms]

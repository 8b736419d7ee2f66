"""The coordinates that a descent runs in: columns and targets about their means, at unit deviation, uncorrelated.

A step along the gradient takes as long as the columns' condition number squared is large. From the moments, which one
pass has given, that is taken out before the first step: with R = L L^T the correlation matrix, or R plus the ridge
penalty, the columns L^-1 D^-1 (x - mean) have the unit matrix as their curvature. The optimum is the same point in
any coordinates; rounding in L changes the path to it and not where it is. A lasso penalty acts on each column apart, so
its proximal steps need the columns themselves, at unit deviation only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import linalg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.moments.moments import Moments


@dataclass(frozen=True)
class Coordinates:
    """The coordinates of rows: 1 (with an intercept), the columns' coordinates, the targets, the weight (if any).

    Attributes:
        mean: float64 (terms + outputs,), what is subtracted; 0 without intercept.
        mean_low: float64 (terms + outputs,), what `mean` rounds away.
        sd: float64 (terms,), the standard deviations, or the root mean squares without intercept; 1 if left out.
        scale: float64 (outputs,), those of the targets.
        kept: bool (terms,), the columns that take part.
        mixing: float64 (kept, kept), B: the weights on the columns at unit deviation are B times the coordinates'.
        curvature: float64 (size, size), the mean of the rows' products, which the moments give.
        mean_weight: the mean weight of a row.
        intercept: whether one is fitted.
        weighted: whether rows have weights.
    """

    mean: Array
    mean_low: Array
    sd: Array
    scale: Array
    kept: NDArray[np.bool_]
    mixing: Array
    curvature: Array
    mean_weight: float
    intercept: bool
    weighted: bool

    @staticmethod
    def of(
        moments: Moments,
        kept: NDArray[np.bool_],
        *,
        intercept: bool,
        weighted: bool,
        ridge: float = 0.0,
        uncorrelated: bool = True,
    ) -> Coordinates:
        """Return the coordinates for these rows: the columns of `kept`, and the targets that follow them.

        Unless they are to be `uncorrelated`, the columns are at unit deviation and not mixed; `ridge` is what the
        penalty adds to their curvature.
        """
        gram = moments.gram(intercept=intercept)
        lengths = np.sqrt(np.maximum(np.diag(gram), 0.0) / float(moments.weight))
        terms = len(kept)
        sd = np.where(kept & (lengths[:terms] > 0), lengths[:terms], 1.0)
        scale = np.where(lengths[terms:] > 0, lengths[terms:], 1.0)
        inside = gram[:terms, :terms][np.ix_(kept, kept)] / float(moments.weight) / np.outer(sd[kept], sd[kept])
        mixing = _uncorrelating(inside, ridge) if uncorrelated else np.eye(len(inside))
        curvature = np.eye(int(intercept) + len(inside))
        curvature[int(intercept) :, int(intercept) :] = mixing.T @ inside @ mixing
        return Coordinates(
            mean=moments.mean if intercept else np.zeros_like(moments.mean),
            mean_low=moments.mean_low if intercept else np.zeros_like(moments.mean_low),
            sd=sd,
            scale=scale,
            kept=kept,
            mixing=mixing,
            curvature=curvature,
            mean_weight=float(moments.weight) / moments.rows,
            intercept=intercept,
            weighted=weighted,
        )

    @property
    def size(self) -> int:
        """The number of coordinates, the intercept's among them."""
        return len(self.mixing) + int(self.intercept)

    @property
    def outputs(self) -> int:
        """The number of targets."""
        return len(self.scale)

    @property
    def width(self) -> int:
        """The number of columns of `rows`."""
        return self.size + self.outputs + int(self.weighted)

    def rows(self, x: Array, y: Array, weights: Array | None) -> torch.Tensor:
        """Return float64 (rows, width) for terms x (rows, terms), targets y (rows, outputs), weights (rows,)."""
        given, wanted, terms = torch.as_tensor(x), torch.as_tensor(y), len(self.kept)

        def on(array: NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(given.device)

        # The difference to the rounded mean is exact for columns far from 0 (Sterbenz 1974); then what it rounded away.
        columns = given[:, on(np.flatnonzero(self.kept))] - on(self.mean[:terms][self.kept])
        columns = (columns - on(self.mean_low[:terms][self.kept])) / on(self.sd[self.kept])
        targets = ((wanted - on(self.mean[terms:])) - on(self.mean_low[terms:])) / on(self.scale)
        parts = [torch.ones_like(wanted[:, :1])] if self.intercept else []
        parts += [columns @ on(self.mixing), targets]
        if weights is not None:
            parts.append(torch.as_tensor(weights)[:, None] / self.mean_weight)
        return torch.cat(parts, dim=1)

    def unit(self, at: Array) -> Array:
        """Return float64 (outputs, kept), the weights on columns and targets at unit deviation."""
        return np.asarray(at[:, int(self.intercept) :] @ self.mixing.T)

    def weights(self, at: Array) -> Array:
        """Return float64 (outputs, terms), the weights on the columns themselves."""
        weights = np.zeros((self.outputs, len(self.kept)))
        weights[:, self.kept] = self.unit(at) * self.scale[:, None] / self.sd[self.kept]
        return weights

    def offsets(self, at: Array) -> Array:
        """Return float64 (outputs,), the prediction at the columns' means less the target's mean."""
        return np.asarray(at[:, 0] * self.scale) if self.intercept else np.zeros(self.outputs)

    def place(self, weights: Array, offsets: Array) -> Array:
        """Return float64 (outputs, size), the coordinates of weights and offsets: `weights` and `offsets` undone."""
        unit = weights[:, self.kept] * self.sd[self.kept] / self.scale[:, None]
        return self.placed(unit, (offsets / self.scale)[:, None])

    def placed(self, unit: Array, intercepts: Array) -> Array:
        """Return float64 (outputs, size), the coordinates of `intercepts` and weights `unit` at unit deviation."""
        mixed = linalg.solve_triangular(self.mixing, unit.T).T if unit.size else unit
        return np.column_stack([intercepts[:, 0], mixed]) if self.intercept else mixed

    def column_gradient(self, gradient: Array) -> Array:
        """Return a gradient (outputs, size) with respect to the weights on columns at unit deviation."""
        start = int(self.intercept)
        if not len(self.mixing):
            return gradient
        mixed = linalg.solve(self.mixing.T, gradient[:, start:].T).T
        return np.column_stack([gradient[:, :start], mixed])


def _uncorrelating(correlation: Array, ridge: float) -> Array:
    """Return L^-T for R = L L^T; where rounding leaves no factor, for R plus a small multiple of the unit matrix."""
    size = len(correlation)
    more = ridge
    while True:
        try:
            factor = linalg.cholesky(correlation + more * np.eye(size), lower=True)
            return np.asarray(linalg.solve_triangular(factor, np.eye(size), lower=True).T)
        except linalg.LinAlgError:
            more = max(10 * more, 2.0**-52 * size)

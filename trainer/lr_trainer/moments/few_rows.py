"""Fewer rows than coefficients: the rows themselves, which take less memory than the products of their terms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.double_double import two_sum
from lr_trainer.moments.moments import Moments
from lr_trainer.moments.prepared import Prepared, expanded, few_blocks
from lr_trainer.rows.device import device_named

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array

_NARROW = 256
"""The products of so many terms take half a megabyte and a few milliseconds: there is nothing to be spared."""


@dataclass(frozen=True)
class MarginalMoments(Moments):
    """Moments without the products of the terms with each other, which no checkpoint stores.

    Attributes:
        comoment: float64 (columns, targets), the products of the terms and targets with the targets.
        diagonal: float64 (columns,), `own`.
    """

    diagonal: Array = field(kw_only=True)

    def products(self, column: int, target: int) -> float:
        """See `Moments.products`; the second column has to be a target."""
        return float(self.comoment[column, target - len(self.mean)])

    @property
    def own(self) -> Array:
        """See `Moments.own`."""
        return self.diagonal

    def arrays(self) -> dict[str, Array]:
        """Return no array: with these moments no other rows can be joined."""
        return {}


@dataclass(frozen=True)
class FewRows:
    """All rows of a table, fewer than the coefficients.

    Attributes:
        prepared: the rows, with the counts of the pass that read them.
        columns: float64 (rows, terms + targets), the terms and the targets.
        weights: float64 (rows,), ones where the rows have none.
    """

    prepared: Prepared
    columns: Array
    weights: Array

    def among(self, chosen: NDArray[np.bool_]) -> FewRows:
        """Return some of the rows."""
        return replace(self, columns=self.columns[chosen], weights=self.weights[chosen])

    @np.errstate(over="ignore", invalid="ignore")
    def moments(self) -> MarginalMoments:
        """Return their moments, which are not finite where squares of the numbers are not."""
        weight, middle = self.weights.sum(), np.median(self.columns, axis=0)
        away = self.columns - middle
        mean, mean_low = two_sum(middle, np.asarray(self.weights @ away / weight))
        away -= self.weights @ away / weight
        weighted, targets = away * self.weights[:, None], len(self.prepared.roles.targets)
        return MarginalMoments(
            count=np.array(float(len(away))),
            weight=np.asarray(weight),
            log_weight=np.asarray(np.log(self.weights).sum()),
            mean=mean,
            mean_low=mean_low,
            comoment=weighted.T @ away[:, len(mean) - targets :],
            minimum=self.columns.min(axis=0) + 0.0,  # 0.0 for -0.0
            maximum=self.columns.max(axis=0) + 0.0,
            diagonal=np.einsum("rc,rc->c", weighted, away),
        )


def few_rows(prepared: Prepared) -> FewRows | None:
    """Return the rows of a wide table where they are fewer than its coefficients; None where they are not.

    No more rows are read than there are terms, so that they take less memory than the terms' products would.
    """
    terms = len(prepared.design.terms)
    views = prepared.rows.views(terms + 1) if terms > _NARROW else None
    if terms <= _NARROW or (views is not None and len(next(views, ((),))[0]) > terms):
        return None
    aside = replace(prepared, rows=prepared.rows.aside(), device=device_named("cpu"))
    if not (blocks := few_blocks(aside, terms + int(prepared.intercept) - 1)):
        return None
    parts = [(np.hstack([x, y]), np.ones(len(y)) if w is None else w) for x, y, w in expanded(aside, blocks)]
    return FewRows(aside, *(np.concatenate(part) for part in zip(*parts, strict=True)))

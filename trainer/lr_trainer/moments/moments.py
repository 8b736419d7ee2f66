"""Centred moments of rows, in blocks: what a least-squares fit needs to know of a table of any length.

A block's moments come from one pass over it on any device; blocks merge in a fixed tree, so the bits depend neither on
how many threads took blocks nor on how the rows arrived.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.arithmetic.double_double import Extended, two_sum
from lr_trainer.arithmetic.exact_sums import ExactSums
from lr_trainer.arithmetic.rounding import varies
from lr_trainer.moments.preconditioned import Joint, Preconditioned, total
from lr_trainer.moments.preconditioner import preconditioner
from lr_trainer.rows.blocks import one_thread
from lr_trainer.rows.tree import summed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Array

_FINE = "fine"
_EXACT = "exact"
_NOT_STORED = {_FINE, _EXACT, "others"}


@dataclass(frozen=True)
class Moments:
    """Moments of `count` rows of float64 columns.

    The mean is the unevaluated sum `mean + mean_low`: a column near 1.7e9 keeps the digits that its deviations have.

    Attributes:
        count: float64 (), the number of rows.
        weight: float64 (), the sum of their weights; the number of rows where they have none.
        log_weight: float64 (), the sum of the weights' logarithms.
        mean: float64 (columns,), weighted.
        mean_low: float64 (columns,), what `mean` rounds away.
        comoment: float64 (columns, columns), sum of w (x - mean)(x - mean)^T: the centred Gram matrix.
        minimum: float64 (columns,).
        maximum: float64 (columns,).
        fine: the Gram matrix on a transform that keeps its digits, with a bound on its rounding; None where only
            `comoment` is known.
        others: float64 (), the weight of all rows but the heaviest, or more; no checkpoint stores it.
        exact: the exact sums that the moments are of; None where they were not asked for.
    """

    count: Array
    weight: Array
    log_weight: Array
    mean: Array
    mean_low: Array
    comoment: Array
    minimum: Array
    maximum: Array
    fine: Preconditioned | None = None
    others: Array = field(default_factory=lambda: np.array(math.inf))
    exact: ExactSums | None = None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.count)

    @property
    def largest(self) -> Array:
        """float64 (columns,), the largest absolute values."""
        return np.maximum(np.abs(self.minimum), np.abs(self.maximum))

    def varies(self, *, intercept: bool) -> NDArray[np.bool_]:
        """Return bool (columns,): which columns are not constant, or without an intercept not 0 throughout."""
        return varies(self.minimum, self.maximum) if intercept else np.asarray(self.largest > 0)

    def gram(self, *, intercept: bool) -> Array:
        """Return float64 (columns, columns), the sums of products about the mean, or without an intercept about 0."""
        return self.comoment if intercept else self.about(None)

    def about(self, other: Moments | None) -> Array:
        """Return float64 (columns, columns), the sums of products about the mean of `other` rows, or about 0 for None.

        A square is added to the sum about the mean, so nothing cancels. The low parts of the means count where two are
        near each other: near 1.7e15 they differ by less than `mean` holds. One mean alone is its own rounded sum.
        """
        away = self.mean + self.mean_low
        if other is not None:
            away = (self.mean - other.mean) + (self.mean_low - other.mean_low)
        products = np.outer(away, away)
        products *= self.weight
        products += self.comoment
        return products

    @property
    def own(self) -> Array:
        """float64 (columns,), the products of each column with itself."""
        return np.diag(self.comoment)

    def squares(self, *, intercept: bool) -> Array:
        """Return float64 (columns,), the sums of squares about the mean, or without an intercept about 0."""
        return self.own if intercept else self.own + self.weight * (self.mean + self.mean_low) ** 2

    def products(self, column: int, target: int) -> float:
        """Return the sum of products of two columns about their means."""
        return float(self.comoment[column, target])

    def correlation(self, column: int, target: int) -> float:
        """Return the correlation of two columns; 0 where one does not vary."""
        size = math.sqrt(max(self.own[column], 0.0)) * math.sqrt(max(self.own[target], 0.0))
        return self.products(column, target) / size if size > 0 else 0.0

    @property
    def _heaviest(self) -> float:
        return max(float(self.weight - self.others), 0.0)

    @property
    def _mean(self) -> Extended[Array]:
        return Extended(self.mean, self.mean_low)

    def preconditioned(self, terms: int, *, intercept: bool) -> Preconditioned:
        """Return the Gram matrix on the transform that keeps its digits, about the mean or, without intercept, 0."""
        return self.fine or Preconditioned.plain(self.comoment, terms) if intercept else self.fine_about(None, terms)

    def fine_about(self, other: Moments | None, terms: int) -> Preconditioned:
        """Return the same about the mean of `other` rows, or about 0 for None."""
        away = self._mean if other is None else self._mean - other._mean
        return self.preconditioned(terms, intercept=True).about_zero(away, float(self.weight))

    def arrays(self) -> dict[str, Array]:
        """The arrays by the names of the fields, as a checkpoint stores them."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NOT_STORED}
        fine = {} if self.fine is None else {each.name: getattr(self.fine, each.name) for each in fields(self.fine)}
        exact = {} if self.exact is None else self.exact.arrays()
        inside = {_FINE: fine, _EXACT: exact}
        return own | {f"{part}.{name}": array for part, each in inside.items() for name, array in each.items()}

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array]) -> Moments:
        """Return the moments that a checkpoint stores; before version 0.3 it stored none on a transform."""
        own = {each.name: arrays[each.name] for each in fields(Moments) if each.name not in _NOT_STORED}
        names = [each.name for each in fields(Preconditioned)]
        is_known = f"{_FINE}.{names[0]}" in arrays
        fine = Preconditioned(**{name: arrays[f"{_FINE}.{name}"] for name in names}) if is_known else None
        sums = {name.removeprefix(f"{_EXACT}."): arrays[name] for name in arrays if name.startswith(f"{_EXACT}.")}
        exact = ExactSums.from_arrays(sums, int(own["count"]), own["minimum"], own["maximum"]) if sums else None
        return Moments(**own, fine=fine, exact=exact)

    def merge(self, other: Moments) -> Moments:
        """Return the moments of the rows of both (Chan, Golub and LeVeque 1983, eq. 2.1, for a mean in two parts)."""
        weight = np.asarray(self.weight + other.weight)
        delta = (other.mean - self.mean) + (other.mean_low - self.mean_low)
        share = other.weight / weight
        mean, mean_low = two_sum(self.mean, self.mean_low + delta * share)
        comoment = np.outer(delta, delta)  # with many columns, temporary arrays would cost most of the time
        comoment *= self.weight * share
        comoment += self.comoment
        comoment += other.comoment
        return Moments(
            count=np.asarray(self.count + other.count),
            weight=weight,
            log_weight=np.asarray(self.log_weight + other.log_weight),
            mean=mean,
            mean_low=mean_low,
            comoment=comoment,
            minimum=np.minimum(self.minimum, other.minimum),
            maximum=np.maximum(self.maximum, other.maximum),
            others=np.asarray(self.others + other.others + min(self._heaviest, other._heaviest)),
        )


def merged(parts: Iterable[Moments]) -> Moments | None:
    """Return the moments of all parts, merged in a tree whose shape depends on their number alone; None of none."""
    return summed(Moments.merge, parts)


def merged_others(parts: Sequence[Moments]) -> Iterator[tuple[Moments, Moments]]:
    """Yield each part with the moments of all other parts, of which there is one at least: nothing is subtracted."""
    behind, before = [*accumulate(reversed(parts), Moments.merge)][::-1], [*accumulate(parts, Moments.merge)]
    others = [behind[1], *map(Moments.merge, before[:-2], behind[2:]), before[-2]]
    yield from zip(parts, others, strict=True)


def stacked(parts: Sequence[Moments], terms: int) -> Moments:
    """Return the moments of several parts, with an axis more in front: float64 (parts, ...)."""
    whole = [replace(each, fine=each.fine or Preconditioned.plain(each.comoment, terms), exact=None) for each in parts]
    arrays = [each.arrays() for each in whole]
    return Moments.from_arrays({name: np.stack([each[name] for each in arrays]) for name in arrays[0]})


@one_thread()
def joined(parts: Moments, terms: int, columns: Array | None = None, *, intercept: bool) -> Moments:
    """Return the moments of the rows of several parts of a fit together, on a transform that keeps their digits.

    Args:
        parts: their arrays have an axis more in front: float64 (parts, ...).
        terms: the number of terms, which come before the targets.
        columns: float64 (parts, columns, columns), see `Joint`.
        intercept: whether the fit has one.
    """
    assert parts.fine is not None
    weight = np.asarray(math.fsum(parts.weight))
    first, weights = parts._mean[:1], Extended.of(parts.weight[:, None] + np.zeros_like(parts.mean))
    delta = parts._mean - first
    moved = total(delta * weights) / Extended.of(np.full_like(parts.mean[0], weight))
    # What a transform leaves of the mean may be far smaller than the rounding of a mean's high part.
    mean, away = first[0] + moved, delta - moved[None]
    between = parts.weight[:, None, None] * away.high[:, :, None] * away.high[:, None, :]
    whole = Moments(
        count=np.asarray(parts.count.sum()),
        weight=weight,
        log_weight=np.asarray(math.fsum(parts.log_weight)),
        mean=mean.high,
        mean_low=mean.low,
        comoment=total(Extended.of(parts.comoment) + Extended.of(between)).rounded(),
        minimum=parts.minimum.min(axis=0),
        maximum=parts.maximum.max(axis=0),
    )
    lengths = np.sqrt(np.maximum(np.diag(whole.about(None)), 0.0))
    transform = parts.fine.transform[0]
    if columns is not None:  # a part that lacks levels says nothing of these
        varies = whole.varies(intercept=intercept)
        gram = np.where(np.outer(varies, varies), whole.gram(intercept=intercept), 0.0)
        transform = preconditioner(gram, terms, little=1.0)
    joint = Joint(terms, lengths, parts.weight, away, mean.scaled(0.0 if intercept else 1.0), columns, transform)
    return replace(whole, fine=parts.fine.joined(joint))

"""The checkpoint's model in exact arithmetic: what every artefact is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export.exact.dyadic import Dyadic
from lr_export.exact.layout import Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint

    Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Coefficients:
    """A number for each place of a design matrix, and one beside them: weights and bias, or what is allowed for them.

    Attributes:
        powers: for each power from 1 on, (outputs, numeric columns) of (x - origin)**power; 0 where there is no term.
        indicators: (outputs, indicators).
        bias: (outputs,).
    """

    powers: tuple[Dyadic, ...]
    indicators: Dyadic
    bias: Dyadic

    def __abs__(self) -> Coefficients:
        return Coefficients(tuple(map(abs, self.powers)), abs(self.indicators), abs(self.bias))


@dataclass(frozen=True)
class ExactDesign:
    """The design matrix at some rows, or a difference of two, exactly.

    Attributes:
        powers: for each power from 1 on, (rows, numeric columns) of (x - origin)**power.
        indicators: (rows, indicators), of 0 and 1.
    """

    powers: tuple[Dyadic, ...]
    indicators: Dyadic

    def __abs__(self) -> ExactDesign:
        return ExactDesign(tuple(map(abs, self.powers)), abs(self.indicators))

    def __matmul__(self, coefficients: Coefficients) -> Dyadic:
        """Return the sums of coefficient times term, and the bias, (rows, outputs)."""
        total = coefficients.bias
        for power, weight in zip(self.powers, coefficients.powers, strict=True):
            total = power @ weight.T + total
        return self.indicators @ coefficients.indicators.T + total if self.indicators.integers.size else total


def coefficients_of(checkpoint: Checkpoint, layout: Layout, weight: NDArray[np.float64], bias: Dyadic) -> Coefficients:
    """Return weights (outputs, terms) of a checkpoint's terms as those of powers of x - origin."""
    placed, exponents = layout.placed(weight), scale_exponents(checkpoint, layout)
    powers = tuple(
        Dyadic.of(share) * Dyadic.power_of_two(-power * exponents)
        for power, share in enumerate(layout.by_power(placed), 1)
    )
    return Coefficients(powers, Dyadic.of(placed[:, len(layout.raised) :]), bias)


def scale_exponents(checkpoint: Checkpoint, layout: Layout) -> NDArray[np.int64]:
    """Return e (numeric columns,) for scales of 2**e; the reciprocal of one can be beyond the range of float64."""
    return np.frexp(checkpoint.scale[list(layout.numeric)])[1].astype(np.int64) - 1


@dataclass(frozen=True)
class ExactModel:
    """y = bias + sum_t weight_t term_t(x), as `lr_runtime.contract.checkpoint` states it, on the places of a `Layout`.

    Attributes:
        layout: the places.
        coefficients: weights and bias; weights of powers over their scale to that power.
        origin: (numeric columns,).
        fill: (numeric columns,), what x - origin is at a missing value.
    """

    layout: Layout
    coefficients: Coefficients
    origin: Dyadic
    fill: Dyadic

    @staticmethod
    def of(checkpoint: Checkpoint) -> ExactModel:
        """Return the model whose numbers the checkpoint holds."""
        layout = Layout.of(checkpoint)
        numeric = np.array(layout.numeric, dtype=np.intp)
        origin = Dyadic.of(checkpoint.origin[numeric])
        return ExactModel(
            layout=layout,
            coefficients=coefficients_of(checkpoint, layout, checkpoint.weight, Dyadic.of(checkpoint.bias)),
            origin=origin,
            fill=Dyadic.of(checkpoint.fill[numeric]) - origin,
        )

    def design(self, x: Floats) -> ExactDesign:
        """Return the design matrix at rows (rows, columns) that the model takes; NaN is a missing value."""
        given = x[:, list(self.layout.numeric)]
        missing = np.isnan(given)
        centred = Dyadic.of(np.where(missing, 0, given)) - self.origin
        if missing.any():
            centred = centred.replaced(missing, self.fill)
        powers = [centred] if self.layout.powers else []
        while len(powers) < len(self.layout.powers):
            powers.append(powers[-1] * centred)
        return ExactDesign(tuple(powers), Dyadic(self.layout.indicators(x).astype(object), 0))

    def outputs(self, design: ExactDesign) -> Dyadic:
        """Return y (rows, outputs)."""
        return design @ self.coefficients

    def largest_sum(self, sizes: Coefficients, low: Floats, high: Floats) -> Dyadic:
        """Return the largest sum of sizes times |terms| (outputs,) over the box from `low` to `high` (columns,).

        It separates by column. Of a numeric column every |term| is largest at the end of its range further from the
        origin, or else the value is missing; a category has one level at a time.
        """
        columns = self.powers_of(sizes, self.reach(low, high))
        if any(self.layout.filled):
            columns = columns.maximum(self._at_missing(sizes, self.powers_of(sizes, abs(self.fill))))
        total = columns.sum() + sizes.bias
        for group in self.layout.groups:
            total = total + sizes.indicators.columns(group).largest()
        return total

    def largest_output(self, low: Floats, high: Floats) -> Dyadic:
        """Return the largest |y| (outputs,) over the box, or, where columns have powers, a number not below it.

        The range of a sum over a box is the sum of its columns' ranges. That of powers is taken as twice their reach.
        """
        weights = self.coefficients
        if len(self.layout.powers) > 1:
            highest = self.powers_of(abs(weights), self.reach(low, high))
            lowest = -highest
        else:
            ends = [self.powers_of(weights, end) for end in self.ends(low, high)]
            highest, lowest = ends[0].maximum(ends[1]), ends[0].minimum(ends[1])
        if any(self.layout.filled):
            missing = self._at_missing(weights, self.powers_of(weights, self.fill))
            filled = np.broadcast_to(self.layout.filled, missing.integers.shape)
            highest = highest.maximum(highest.replaced(filled, missing))
            lowest = lowest.minimum(lowest.replaced(filled, missing))
        upper, lower = highest.sum() + weights.bias, lowest.sum() + weights.bias
        for group in self.layout.groups:
            levels = weights.indicators.columns(group)
            upper, lower = upper + levels.largest(), lower - (-levels).largest()
        return abs(upper).maximum(abs(lower))

    def ends(self, low: Floats, high: Floats) -> tuple[Dyadic, Dyadic]:
        """Return x - origin (numeric columns,) at both corners of a box."""
        numeric = list(self.layout.numeric)
        return Dyadic.of(low[numeric]) - self.origin, Dyadic.of(high[numeric]) - self.origin

    def reach(self, low: Floats, high: Floats) -> Dyadic:
        """Return the largest |x - origin| (numeric columns,)."""
        lower, upper = self.ends(low, high)
        return abs(lower).maximum(abs(upper))

    def powers_of(self, coefficients: Coefficients, u: Dyadic) -> Dyadic:
        """Return each column's share (outputs, numeric columns) at the values u (numeric columns,) of x - origin."""
        total = Dyadic.of(np.zeros((len(coefficients.bias.integers), len(u.integers))))
        power = u
        for weight in coefficients.powers:
            total = total + weight * power
            power = power * u
        return total

    def _at_missing(self, coefficients: Coefficients, filled: Dyadic) -> Dyadic:
        """Return each column's share where its value is missing: what its fill gives, and the indicator of that."""
        outputs, first = len(filled.integers), self.layout.groups[-1].stop if self.layout.groups else 0
        flags = np.zeros((outputs, len(self.layout.numeric)), dtype=object)
        flags[:, list(self.layout.flagged)] = coefficients.indicators.integers[:, first:]
        shares = filled + Dyadic(flags, coefficients.indicators.exponent)
        unfilled = ~np.broadcast_to(self.layout.filled, flags.shape)
        return shares.replaced(unfilled, Dyadic.of(np.zeros(1)))

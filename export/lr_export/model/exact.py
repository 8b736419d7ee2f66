"""The checkpoint's model in exact arithmetic: what every artefact is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.dyadic import SMALLEST, Dyadic
from lr_export.model.layout import Layout
from lr_export.model.terms.block import Box, Extremes, Rows, zeros
from lr_export.model.variables import exact_variables, off

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Contract, Dtype

    Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Coefficients:
    """A number for each place of a design matrix, and one beside them: weights and bias, or what is allowed for them.
    For each block `parts` are (outputs, places), 0 where there is no term; the bias is (outputs,).
    """

    parts: tuple[Dyadic, ...]
    bias: Dyadic

    def __abs__(self) -> Coefficients:
        return Coefficients(tuple(map(abs, self.parts)), abs(self.bias))


@dataclass(frozen=True)
class ExactDesign:
    """The design matrix at some rows, or a difference of two, exactly; `parts` are (rows, places) for each block.

    `gap` is how far an engine's terms may be from these for what its functions round, and its products lose to
    underflow; it has no parts where there are neither.
    """

    parts: tuple[Dyadic, ...]
    gap: tuple[Dyadic, ...] = ()

    def __abs__(self) -> ExactDesign:
        return ExactDesign(tuple(map(abs, self.parts)))

    def __sub__(self, other: ExactDesign) -> ExactDesign:
        return ExactDesign(tuple(left - right for left, right in zip(self.parts, other.parts, strict=True)))

    def __matmul__(self, coefficients: Coefficients) -> Dyadic:
        """Return the sums of coefficient times term, and the bias, (rows, outputs)."""
        total = coefficients.bias
        for part, weight in zip(self.parts, coefficients.parts, strict=True):
            total = part @ weight.T + total
        return total


def coefficients_of(layout: Layout, weight: NDArray[np.float64], bias: Dyadic) -> Coefficients:
    """Return weights (outputs, terms) of a checkpoint's terms."""
    return Coefficients(tuple(map(Dyadic.of, layout.parts(layout.placed(weight)))), bias)


def across(gap: tuple[Dyadic, ...], moving: tuple[Dyadic, ...]) -> Dyadic:
    """Return the sums of factors (outputs, places) times a gap (..., places), (..., outputs); 0 where there is none."""
    total = zeros(1)
    for part, factor in zip(gap, moving, strict=False):
        total = total + part @ factor.T
    return total


def exponents_of(scale: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return e for scales of 2**e; the reciprocal of one can be beyond the range of float64."""
    return np.frexp(scale)[1].astype(np.int64) - 1


@dataclass(frozen=True)
class ExactModel:
    """y = bias + sum_t weight_t term_t(x), as `lr_runtime.contract.checkpoint` states it, on the places of a `Layout`.

    Attributes:
        contract: its columns, and the variables behind them.
        compute: the dtype in which an engine computes variables and terms; None where nothing is asked of engines.
        layout: the places.
        coefficients: weights and bias.
        origin: (variables,).
        shrink: (variables,), 1 / scale.
        fill: (variables,), what (v - origin) / scale is at a missing value.
        may_miss: bool (variables,), whether values may be missing.
    """

    contract: Contract
    compute: Dtype | None
    layout: Layout
    coefficients: Coefficients
    origin: Dyadic
    shrink: Dyadic
    fill: Dyadic
    may_miss: NDArray[np.bool_]

    @staticmethod
    def of(checkpoint: Checkpoint, compute: Dtype | None = None) -> ExactModel:
        """Return the model whose numbers the checkpoint holds."""
        layout, origin = Layout.of(checkpoint), Dyadic.of(checkpoint.origin)
        shrink = Dyadic.power_of_two(-exponents_of(checkpoint.scale))
        return ExactModel(
            contract=checkpoint.contract,
            compute=compute,
            layout=layout,
            coefficients=coefficients_of(layout, checkpoint.weight, Dyadic.of(checkpoint.bias)),
            origin=origin,
            shrink=shrink,
            fill=(Dyadic.of(checkpoint.fill) - origin) * shrink,
            may_miss=np.array([variable.missing != "error" for variable in checkpoint.contract.variables]),
        )

    def design(self, x: Floats) -> ExactDesign:
        """Return the design matrix at rows (rows, columns) that the model takes; NaN is a missing value."""
        given, derived = x[:, self.layout.bases], self.contract.derived
        # In place of a missing value any in the domain of the functions, until it is filled in.
        any_value = [0.0] * x.shape[1] + [self.contract.columns[each.column].minimum for each in derived]
        missing = np.isnan(given)
        values = exact_variables(derived, np.where(missing, any_value, given))
        u = self._scaled(values)
        rows = Rows(given, u.replaced(missing, self.fill) if missing.any() else u)
        return ExactDesign(
            tuple(block.exact(rows) for block in self.layout.blocks), self._gap(abs(rows.u), values, missing)
        )

    def outputs(self, design: ExactDesign) -> Dyadic:
        """Return y (rows, outputs)."""
        return design @ self.coefficients

    def box(self, low: Floats, high: Floats) -> Box:
        """Return the box from `low` to `high` (columns,) on origin and scale."""
        low_end, high_end = self._ends(low, high)
        return Box(self._scaled(low_end), self._scaled(high_end), self.fill, self.may_miss)

    def gap(self, low: Floats, high: Floats) -> tuple[Dyadic, ...]:
        """Return the largest gap of a row in the box from `low` to `high` (columns,)."""
        low_end, high_end = self._ends(low, high)
        reach = self.box(low, high).filled_reach
        return self._gap(reach, abs(low_end).maximum(abs(high_end)), np.zeros(len(self.may_miss), dtype=np.bool_))

    def largest_sum(self, sizes: Coefficients, low: Floats, high: Floats) -> Dyadic:
        """Return the largest sum of sizes times |terms| (outputs,) over the box from `low` to `high` (columns,).

        It separates by column. Of a numeric column every |term| is largest at the end of its range further from the
        origin, or else the value is missing; a category has one level at a time.
        """
        box = self.box(low, high)
        return self._extremes(sizes, [abs(block.values(box)) for block in self.layout.blocks])[1]

    def largest_output(self, low: Floats, high: Floats) -> Dyadic:
        """Return the largest |y| (outputs,) over the box, or, where columns have powers, a number not below it.

        The range of a sum over a box is the sum of its columns' ranges. That of powers is taken as twice their reach.
        """
        lower, upper = self.reached(low, high)
        return abs(upper).maximum(abs(lower))

    def span(self, low: Floats, high: Floats) -> Dyadic:
        """Return the largest y less the least (outputs,) over the box, or, where there are powers, a larger number."""
        lower, upper = self.reached(low, high)
        return upper - lower

    def spanned(self, low: Floats, high: Floats) -> tuple[Dyadic, Dyadic]:
        """Return the same as `reached`, nearer to where y lies: what is positive throughout need not reach 0."""
        box = self.box(low, high)
        return self._extremes(self.coefficients, [block.span(box) for block in self.layout.blocks])

    def reached(self, low: Floats, high: Floats) -> tuple[Dyadic, Dyadic]:
        """Return between which numbers (outputs,) y lies over the box; where there are powers, they may lie outside."""
        box = self.box(low, high)
        box = box if self.layout.is_linear else box.symmetric
        return self._extremes(self.coefficients, [block.values(box) for block in self.layout.blocks])

    def moved(self, low: Floats, high: Floats, by: Dyadic) -> Dyadic:
        """Return the most (outputs,) that y moves where variables of the box from `low` to `high` move `by`."""
        box, step = self.box(low, high), by * self.shrink
        reach = box.filled_reach if self.layout.has_products else box.reach
        total = zeros(len(self.coefficients.bias.integers))
        for block, weight in zip(self.layout.blocks, self.coefficients.parts, strict=True):
            total = total + (abs(weight) * block.moved(reach, step)).sum()
        return total

    def _scaled(self, values: Dyadic) -> Dyadic:
        return (values - self.origin) * self.shrink

    def _ends(self, low: Floats, high: Floats) -> tuple[Dyadic, Dyadic]:
        """Return the least and the largest of each variable, (variables,): functions are monotonic."""
        first, last = (exact_variables(self.contract.derived, x[None, self.layout.bases]) for x in (low, high))
        if self.contract.derived:
            # Outward by far more than the exact value of a function is off: 2^-60 of what float64 has.
            room = off(self.contract, "float64", abs(first).maximum(abs(last))) * Dyadic.power_of_two(-60)
            first, last = first.minimum(last) - room, first.maximum(last) + room
        return first.reshaped(-1), last.reshaped(-1)

    def _gap(self, reach: Dyadic, values: Dyadic, missing: NDArray[np.bool_]) -> tuple[Dyadic, ...]:
        """Return the gap (..., places) for |u| up to `reach` and variables up to `values`, both (..., variables)."""
        if self.compute is None or not (self.contract.derived or self.layout.has_products):
            return ()
        by = (off(self.contract, self.compute, values) * self.shrink).replaced(missing, zeros(1))
        eta = Dyadic.power_of_two(SMALLEST[self.compute])
        return tuple(block.moved(reach, by) + eta * block.lost(reach) for block in self.layout.blocks)

    def _extremes(self, coefficients: Coefficients, values: list[Extremes]) -> tuple[Dyadic, Dyadic]:
        """Return between which numbers (outputs,) the sums of coefficient times term, and the bias, lie."""
        low = high = missing = zeros(len(coefficients.bias.integers), len(self.may_miss) + 1)
        for block, weight, each in zip(self.layout.blocks, coefficients.parts, values, strict=True):
            columns, share = block.shares(weight, each)
            low, high = low.added(columns, share.low), high.added(columns, share.high)
            missing = missing.added(columns, share.missing)
        may_miss = np.append(self.may_miss, False)
        low = low.replaced(may_miss, low.minimum(missing))
        high = high.replaced(may_miss, high.maximum(missing))
        return low.sum() + coefficients.bias, high.sum() + coefficients.bias

r"""How far any engine may be from the exact ends of the interval, from the leverage, and from in_range.

The sum width^2 h + width^2 = width^2 (1 + h) has the k roundings of h (`leverage_bound`, with its e, how far z moves
the root of 1 + h), 1 + r of width^2 (r = 1 where float32 rounds it once more), of the product and the sum, and one that
covers a product that underflows: it loses eta / 2 at most, and width^2 is 0 or normal, at least eta / (2 u). All parts
are positive, so that these are relative errors of their sum, and no larger of its root. That is off by an ulp at most,
which is two more: half an ulp in IEEE 754, but not every vector library gives the nearest number. So for
half = width root, root = sqrt(1 + h),

    H = width (e + gamma_{k + r + 6} (root + e))

or gamma_r width where the width is the half itself. Where the root is that of h + 1 and the width comes after it, there
are fewer: k of h, two of the root, r of the width, and one each of the sum and the product. With B the bound of `bound`
for y before its last rounding, the difference is rounded once more, and where the results have another dtype, each of
them again:

    |y_lower_computed - y_lower| <= E = B + H + u (|y_lower| + B + H)    [+ 2^-24 (|y_lower| + E) + 2^-150]

The root is taken to 60 digits; what is cut off is part of e. in_range is made of signs and comparisons alone, which
round nothing (`limits`): no engine may be off. All bounds grow with the sizes that they are made of, so that sizes that
no row of the training box passes give bounds that no row of it passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.bounds.claim import Claim, check_reach, rounded_box
from lr_export.bounds.forward import ForwardError, gamma, rounding, times
from lr_export.bounds.leverage import ExactLeverage
from lr_export.exact.dyadic import DIGITS, Dyadic, rounded_up

if TYPE_CHECKING:
    from lr_export.bounds.leverage import Root
    from lr_export.model.exact import Floats
    from lr_export.model.numbers import Numbers
    from lr_export.model.uncertainty import Uncertainty
    from lr_runtime.contract.checkpoint import Checkpoint

_KEPT = 4
"""Batches of rows in the cache: the results of one artefact are asked for one after the other at the same rows."""
_BEYOND = 1100
"""No number of any dtype comes near 2 to this power."""


def claims_of(uncertainty: Uncertainty, checkpoint: Checkpoint, numbers: Numbers) -> dict[str, Claim]:
    """Return the claims for the results besides y.

    Raises:
        CheckFailedError: a result may be beyond the range of its dtype within the training ranges.
    """
    bounds = _Bounds.of(uncertainty, checkpoint, numbers)
    largest = bounds.over(*rounded_box(checkpoint, numbers))
    for name, (size, bound) in largest.items():
        check_reach(name, numbers.output, size + bound)

    def of(name: str) -> Claim:
        return Claim(lambda x: bounds.at(x)[name], tuple(map(rounded_up, largest[name][1].fractions())))

    return {name: of(name) for name in uncertainty.results}


@dataclass(frozen=True)
class _Bounds:
    """Values and bounds of the results of one artefact, by name."""

    uncertainty: Uncertainty
    numbers: Numbers
    y: ForwardError
    leverage: ExactLeverage | None
    kept: dict[bytes, dict[str, tuple[Dyadic, Dyadic]]]

    @staticmethod
    def of(uncertainty: Uncertainty, checkpoint: Checkpoint, numbers: Numbers) -> _Bounds:
        leverage = None
        if uncertainty.leverage is not None:
            assert checkpoint.leverage is not None
            leverage = ExactLeverage.of(checkpoint, checkpoint.leverage, numbers, uncertainty.leverage)
        return _Bounds(uncertainty, numbers, ForwardError.of(checkpoint, numbers), leverage, {})

    def at(self, x: Floats) -> dict[str, tuple[Dyadic, Dyadic]]:
        """Return each result at rows (rows, columns), and its bound, from a cache of the last few batches."""
        key = x.tobytes()
        if key not in self.kept:
            if len(self.kept) >= _KEPT:
                self.kept.clear()
            self.kept[key] = self._at(x)
        return self.kept[key]

    def _at(self, x: Floats) -> dict[str, tuple[Dyadic, Dyadic]]:
        design = self.y.exact.design(x)
        root = None if self.leverage is None else self.leverage.at(design)
        y, error = self.y.exact.outputs(design), self.y.before_rounding(design)
        found = {}
        if self.uncertainty.interval is not None:
            half, half_error = self._half(root)
            found = {
                "y_lower": self._end(y - half, error + half_error),
                "y_upper": self._end(y + half, error + half_error),
            }
        if self.uncertainty.limits is not None:
            inside = self.uncertainty.limits.hold(x).astype(object)
            found["in_range"] = Dyadic(inside, 0), Dyadic(inside * 0, 0)
        if root is not None:
            found["leverage"] = root.h, self._rounded(root.h, root.h_error)
        return {name: (value, self._safely(bound, root)) for name, (value, bound) in found.items()}

    def over(self, low: Floats, high: Floats) -> dict[str, tuple[Dyadic, Dyadic]]:
        """Return upper limits of each result's size and bound in the box from `low` to `high` (columns,)."""
        root = None if self.leverage is None else self.leverage.over(low, high)
        found = {}
        if self.uncertainty.interval is not None:
            y, error = self.y.exact.largest_output(low, high), self.y.before_rounding_over(low, high)
            half, half_error = self._half(root)
            found["y_lower"] = found["y_upper"] = self._end(y + half, error + half_error)
        if self.uncertainty.limits is not None:
            found["in_range"] = times(1, 0).reshaped(1), times(0, 0).reshaped(1)
        if root is not None:
            found["leverage"] = root.h, self._rounded(root.h, root.h_error)
        return {
            name: (value.reshaped(-1), self._safely(bound, root).reshaped(-1)) for name, (value, bound) in found.items()
        }

    def _half(self, root: Root | None) -> tuple[Dyadic, Dyadic]:
        """Return half the interval's length and its bound, (rows, outputs) or (outputs,)."""
        interval, compute = self.uncertainty.interval, self.numbers.compute
        assert interval is not None
        width, rounded = Dyadic.of(interval.width), int(compute == "float32")
        if root is None or interval.leverage is None:
            return width, gamma(rounded, DIGITS[compute]) * width
        relative = gamma(root.roundings + rounded + 6, DIGITS[compute])
        return root.root * width, (root.moved + relative * (root.root + root.moved)) * width

    def _safely(self, bound: Dyadic, root: Root | None) -> Dyadic:
        """Return the bound, or 2^_BEYOND where an intermediate number may be beyond the range of its dtype."""
        if root is None:
            return bound
        safe = root.is_safe
        if self.uncertainty.interval is not None:
            # Twice the sum under the root, or the product after it, covers its roundings.
            width = Dyadic.of(np.array([self.uncertainty.interval.width.max()]))
            largest = Dyadic.of(np.array([np.finfo(self.numbers.compute).max]))
            half = width * width * (root.h + times(1, 0)) if self.uncertainty.is_squared else width * root.root
            safe = safe & (times(2, 0) * half <= largest)
        return bound.replaced(~safe, times(1, _BEYOND).reshaped(1))

    def _end(self, end: Dyadic, error: Dyadic) -> tuple[Dyadic, Dyadic]:
        unit = Dyadic.power_of_two(-DIGITS[self.numbers.compute])
        return end, self._rounded(end, error + unit * (abs(end) + error))

    def _rounded(self, value: Dyadic, error: Dyadic) -> Dyadic:
        output = self.numbers.output
        return error if output == self.numbers.compute else error + rounding(output, abs(value) + error)

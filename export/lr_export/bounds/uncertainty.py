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

Where a target was fitted as a function of it, that is so of the function, and `response` says how far its inverse is.

The root is taken to 60 digits; what is cut off is part of e. in_range is made of signs and comparisons alone, which
round nothing (`limits`): no engine may be off. All bounds grow with the sizes that they are made of, so that sizes that
no row of the training box passes give bounds that no row of it passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.bounds.claim import Claims, check_digits, check_reach, check_sums, rounded_box
from lr_export.bounds.forward import ForwardError, as_result, gamma, times
from lr_export.bounds.leverage import ExactLeverage, Root
from lr_export.bounds.response import Near, check_reciprocals, on_own_scale
from lr_export.exact.dyadic import DIGITS, Dyadic
from lr_runtime.contract.equation import rounded_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lr_export.model.exact import Floats
    from lr_export.model.numbers import Numbers
    from lr_export.model.uncertainty import Uncertainty
    from lr_runtime.contract.checkpoint import Checkpoint

_BEYOND = 1100
"""No number of any dtype comes near 2 to this power."""
_FIRST = np.array([[1], [0]], dtype=object)


def claims_of(uncertainty: Uncertainty, checkpoint: Checkpoint, numbers: Numbers) -> Claims:
    """Return the claims for y and the results besides it.
    Raises CheckFailedError where a result or an intermediate number may be beyond the range of its dtype within the
    training ranges, or an output is so small everywhere there that its dtype loses digits.
    """
    bounds, (low, high) = _Bounds.of(uncertainty, checkpoint, numbers), rounded_box(checkpoint, numbers)
    check_sums(bounds.y, low, high)
    largest = bounds.over(low, high)
    check_digits(numbers.output, largest["y"][0])
    for name, (size, bound) in largest.items():
        check_reach("output" if name == "y" else name, numbers.output, size + bound)
    names = ("y", *uncertainty.results)
    return Claims(bounds.at, {name: tuple(map(rounded_up, largest[name][1].fractions())) for name in names})


@dataclass(frozen=True)
class _Bounds:
    """Values and bounds of the results of one artefact, by name."""

    uncertainty: Uncertainty
    numbers: Numbers
    names: tuple[str, ...]
    y: ForwardError
    leverage: ExactLeverage | None

    @staticmethod
    def of(uncertainty: Uncertainty, checkpoint: Checkpoint, numbers: Numbers) -> _Bounds:
        leverage = None
        if uncertainty.leverage is not None:
            assert checkpoint.leverage is not None
            leverage = ExactLeverage.of(checkpoint, checkpoint.leverage, numbers, uncertainty.leverage)
        names = checkpoint.contract.output_names
        return _Bounds(uncertainty, numbers, names, ForwardError.of(checkpoint, numbers), leverage)

    def at(self, x: Floats) -> dict[str, tuple[Dyadic, Dyadic]]:
        """Return each result at rows (rows, columns), and its bound."""
        design, limits = self.y.exact.design(x), self.uncertainty.limits
        root = None if self.leverage is None else self.leverage.at(design)
        eta = Near(self.y.exact.outputs(design), self.y.before_rounding(design))
        near = self._near(eta, root, times(1, 0), times(1, 0))
        return self._results(near, root, None if limits is None else limits.hold(x))

    def over(self, low: Floats, high: Floats) -> dict[str, tuple[Dyadic, Dyadic]]:
        """Return upper limits of each result's size and bound in the box from `low` to `high` (columns,).
        Raises CheckFailedError where a reciprocal may reach 0 there.
        """
        root = None if self.leverage is None else self.leverage.over(low, high)
        exact = self.y.exact
        ends = exact.reached(low, high) if self.numbers.response.is_plain else exact.spanned(low, high)
        bottom, top = (end.reshaped(1, -1) for end in ends)
        error = self.y.before_rounding_over(low, high).reshaped(1, -1)
        eta = Near(bottom.above(top), error.above(error))
        # The lower end lies between the bottom less half the interval and the top, and the upper end likewise.
        near = self._near(eta, root, Dyadic(_FIRST, 0), Dyadic(1 - _FIRST, 0))
        for each in near.values():
            check_reciprocals(self.numbers.response, self.names, each)
        inside = None if self.uncertainty.limits is None else np.ones((1, 1), dtype=np.bool_)
        found = self._results(near, root, inside)
        return {name: (abs(value).T.largest(), bound.T.largest()) for name, (value, bound) in found.items()}

    def _near(self, eta: Near, root: Root | None, below: Dyadic, above: Dyadic) -> dict[str, Near]:
        """Return what was fitted and the ends of its interval, (rows, outputs), before the inverses of functions.
        Half the interval is taken away `below` times for its lower end, and added `above` times, both (rows, 1).
        """
        found = {"y": eta}
        if self.uncertainty.interval is not None:
            half, half_error = self._half(root)
            unit, error = Dyadic.power_of_two(-DIGITS[self.numbers.compute]), eta.bound + half_error
            ends = eta.value - below * half, eta.value + above * half
            lower, upper = (Near(end, error + unit * (abs(end) + error)) for end in ends)
            falling = self.numbers.response.falling
            found |= {"y_lower": lower.with_columns(falling, upper), "y_upper": upper.with_columns(falling, lower)}
        return found

    def _results(
        self, near: Mapping[str, Near], root: Root | None, inside: NDArray[np.bool_] | None
    ) -> dict[str, tuple[Dyadic, Dyadic]]:
        """Return each result and its bound; `inside` is what in_range (rows, 1) is, None without flags."""
        found: dict[str, tuple[Dyadic, Dyadic]] = {}
        for name, each in near.items():
            value, bound = on_own_scale(self.numbers.response, each, self.numbers.compute, is_end=name != "y")
            bound = as_result(bound, value, self.numbers)
            found[name] = value, bound if name == "y" else self._safely(bound, root)
        if inside is not None:
            found["in_range"] = Dyadic(inside.astype(object), 0), Dyadic(inside.astype(object) * 0, 0)
        if root is not None:
            found["leverage"] = root.h, self._safely(as_result(root.h_error, root.h, self.numbers), root)
        return found

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

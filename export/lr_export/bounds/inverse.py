r"""How far any engine may be from the exact inverse of a model: running error analysis of its steps.

With u the unit roundoff of the computing dtype and eta its smallest number (Higham 2002, Accuracy and Stability of
Numerical Algorithms, 2.4 and 3.3), operands a and b that are off by A and B give, before a result r that is off by R is
rounded to R + u (|r| + R) + eta,

    a + b    R = A + B                          a / b    R = A + |a / b| B          for divisors of 1 or more
    a b      R = |a| B + |b| A + A B            sqrt a   R = A / sqrt a, or sqrt A where A > a

since |sqrt a - sqrt a'| = |a - a'| / (sqrt a + sqrt a'); a root is allowed an ulp. Numbers of the artefact are off by
u, g(y) by what `model.variables` says, and x of v by what `response` says; in the case of log v by B / (v - B) and the
roundings of our own log.

Over the range of readings v rises or falls throughout, and so do both ends of its interval, whose slope is pace -+ a
number up to `spread`, which is smaller where Fieller's g is below 1. The derivatives of the functions are largest at an
end, too. So the bounds at both ends hold between them, each made of the largest sizes and the largest errors of both;
under a root stands the least, which for the limits is `floor`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np

from lr_export.bounds.claim import Claims, check_reach
from lr_export.bounds.forward import as_result, times, units
from lr_export.bounds.response import Near, on_own_scale
from lr_export.exact.dyadic import DIGITS, SMALLEST, Dyadic
from lr_export.exact.functions import exact
from lr_export.model.inverse import Inverse, dyadic
from lr_export.model.response import Response
from lr_export.model.variables import exact_variables, moved_by_float32, off
from lr_export.program.functions import roundings
from lr_runtime.contract.equation import rounded_up
from lr_runtime.errors import CheckFailedError, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lr_export.model.exact import Floats
    from lr_export.model.in_range import Limits
    from lr_export.model.numbers import Numbers
    from lr_runtime.contract.contract import Contract, TargetFunction

_BEYOND = times(1, 1100)
"""No number of any dtype comes near: an infinite limit, or a bound where there is none."""
_ZERO, _ONE = times(0, 0), times(1, 0)
_CUT = Dyadic.power_of_two(-100)
"""Exact numbers have far more bits than these."""


@dataclass(frozen=True)
class _Engine:
    """The operations of any engine, on numbers (rows, 1) that are off: at rows, or all over a range from its ends."""

    unit: Dyadic
    eta: Dyadic
    spreads: bool

    def number(self, value: Dyadic) -> Near:
        return Near(value, self.unit * abs(value))

    def add(self, a: Near, b: Near) -> Near:
        return self._rounded(a.value + b.value, a.bound + b.bound)

    def multiply(self, a: Near, b: Near) -> Near:
        moved = self.size(a.value) * b.bound + self.size(b.value) * a.bound + a.bound * b.bound
        return self._rounded(a.value * b.value, moved)

    def divide(self, a: Near, b: Near) -> Near:
        """Return a / b, for a b of 1 or more, as the engine has it, too."""
        value = a.value * exact("reciprocal", b.value)
        return self._rounded(value, a.bound + self.size(value) * b.bound)

    def root(self, a: Near, least: Dyadic) -> Near:
        """Return the root of a, which is nowhere below `least`."""
        near = a.bound <= least
        quotient = a.bound * exact("reciprocal", exact("sqrt", least.replaced(~near, _ONE)))
        return self._rounded(exact("sqrt", a.value), quotient.replaced(~near, exact("sqrt", a.bound)), roundings=2)

    def size(self, value: Dyadic) -> Dyadic:
        return abs(value).T.largest() + abs(value) * _ZERO if self.spreads else abs(value)

    def _rounded(self, value: Dyadic, moved: Dyadic, roundings: int = 1) -> Near:
        moved = self.size(moved)
        return Near(value, moved + times(roundings, 0) * self.unit * (self.size(value) + moved) + self.eta)


@dataclass(frozen=True)
class InverseBounds:
    """Values and bounds of the results of an inverse in an artefact.

    Attributes:
        inverse: the exact one.
        readings: the contract of the artefact, whose last variable is g(y).
        numbers: its dtypes.
        limits: of in_range.
    """

    inverse: Inverse
    readings: Contract
    numbers: Numbers
    limits: Limits

    def claims(self, low: Floats, high: Floats) -> Claims:
        """Return the claims for readings; the bounds hold from `low` to `high` (1,).

        Raises:
            CheckFailedError: a result may be infinite, or beyond the range of its dtype, there.
        """
        bounds = {}
        for name, near in self._near(self._fitted(np.array([low, high])), spreads=True).items():
            if not (near.bound + abs(near.value) <= _BEYOND * _CUT).all():
                raise CheckFailedError(
                    f"{escaped(self.inverse.curve.column + name[1:])} may be infinite or none within the readings of "
                    "training. Try --precision exact, or a lower level of --interval or none"
                )
            value, bound = self._finished(near)
            check_reach(name, self.numbers.output, abs(value) + bound)
            bounds[name] = (rounded_up(max(bound.fractions())),)
        return Claims(self.at, {**bounds, "in_range": (0.0,)})

    def at(self, y: Floats) -> Mapping[str, tuple[Dyadic, Dyadic]]:
        """Return each result at readings (rows, 1), and its bound."""
        inside = self.limits.hold(y).astype(object)
        found = {name: self._finished(near) for name, near in self._near(self._fitted(y)).items()}
        return {**found, "in_range": (Dyadic(inside, 0), Dyadic(inside * 0, 0))}

    def before_rounding(self, y: Floats) -> Near:
        """Return x at readings (rows, 1), and its bound before it is rounded to the results' dtype."""
        return self._near(self._fitted(y))["y"]

    def moved(self, low: Floats, high: Floats) -> float:
        """Return the most that float32 readings from `low` to `high` (1,) move x, or the largest float64."""
        moved = Dyadic.of(np.spacing(np.maximum(abs(low), abs(high)).astype(np.float32)) / 2)
        for each in self.readings.derived:
            moved = moved_by_float32(each, *low.tolist(), *high.tolist()).reshaped(1)
        value = self._fitted(np.array([low, high])).value
        near = self._near(Near(value, moved + value * _ZERO), spreads=True, digits=300)["y"]
        return rounded_up(min(max(near.bound.fractions()), Fraction(sys.float_info.max)))

    def _fitted(self, y: Floats) -> Near:
        """Return g(y) in its domain, and its bound."""
        values = exact_variables(self.readings.derived, np.repeat(y, len(self.readings.variables), axis=1))
        return Near(*(each.columns([-1]) for each in (values, off(self.readings, self.numbers.compute, values))))

    def _near(self, eta: Near, *, spreads: bool = False, digits: int = 0) -> dict[str, Near]:
        """Return x and its limits for what was fitted, or all over the range between two of it."""
        compute, inverse = self.numbers.compute, self.inverse
        unit = Dyadic.power_of_two(-(digits or DIGITS[compute]))
        engine = _Engine(unit, times(1, SMALLEST[compute] - digits), spreads)
        held = {name: engine.number(dyadic(value)) for name, value in inverse.numbers.items()}
        d = engine.add(eta, Near(-held["center"].value, _ZERO))
        step, known = engine.multiply(d, held["rate"]), np.ones(eta.value.integers.shape, dtype=np.bool_)
        seen = [d, step]
        if inverse.bend:
            one = Near(_ONE, _ZERO)
            q = engine.add(engine.multiply(d, held["bend"]), one)
            known = ~(q.value <= engine.size(q.bound))
            q = Near(q.value.replaced(~known, _ONE), q.bound)
            root = engine.root(q, -(-q.value).T.largest() + q.value * _ZERO if spreads else q.value)
            step = engine.divide(engine.add(step, step), engine.add(root, one))
            seen += [q, root]
        found = {"y": engine.add(step, held["start"])}
        if inverse.limits is not None:
            middle = engine.add(engine.multiply(d, held["pace"]), held["middle"])
            wide, moved = engine.multiply(d, held["spread"]), held["spread"].value * dyadic(inverse.moved)
            wide = Near(wide.value + moved, wide.bound + abs(moved))
            square = engine.add(engine.multiply(wide, wide), held["floor"])
            half = engine.root(square, held["floor"].value + square.value * _ZERO)
            minus = Near(-half.value, half.bound)
            found |= inverse.in_order(engine.add(middle, minus), engine.add(middle, half))
            seen += [middle, square, half]
        most = Dyadic.of(np.asarray(np.finfo(compute).max))
        for each in (*seen, *found.values()):
            known = known & (times(2, 0) * (abs(each.value) + each.bound) <= most)
        return {name: self._x(near, known, is_end=name != "y") for name, near in found.items()}

    def _x(self, v: Near, known: NDArray[np.bool_], *, is_end: bool) -> Near:
        """Return x of v; a limit that is cut at 0 is infinite but for a square root."""
        sign, function = self.inverse.sign, self.inverse.curve.function
        bound, infinite = v.bound + _CUT * abs(v.value), np.zeros(known.shape, dtype=np.bool_)
        if sign and function != "sqrt":
            beside = times(sign, 0) * v.value
            infinite = (beside + bound <= _ZERO) & known & is_end
            known = known & (~(abs(v.value) <= bound) & ((function == "reciprocal") | ~(beside <= _ZERO)) | infinite)
        found = self._inverse(Near(v.value.replaced(~known | infinite, _ONE), bound))
        known = known & (found.bound <= _BEYOND * _CUT)
        far = times(-1 if function == "exp" else sign, 0) * _BEYOND
        value, bound = found.value.replaced(~known, _ZERO), found.bound.replaced(~known, _BEYOND)
        return Near(value.replaced(infinite, far), bound.replaced(infinite, _ZERO))

    def _inverse(self, v: Near) -> Near:
        function, compute = self.inverse.curve.function, self.numbers.compute
        least, unit = times(1, SMALLEST[compute]), Dyadic.power_of_two(-DIGITS[compute])
        if function == "exp":
            x, count = exact("log", v.value), units(roundings("log", compute), compute) + _CUT
            return Near(x, v.bound * exact("reciprocal", (v.value - v.bound).maximum(least)) + count * abs(x) + least)
        # What inverts log, sqrt and 1/x of a target inverts them of a column; log1p is a log, moved by 1.
        own = cast("TargetFunction | None", "log" if function == "log1p" else function)
        near = on_own_scale(Response((own,)), v, compute)
        if function == "log1p":
            return Near(near.value - _ONE, near.bound + unit * (abs(near.value - _ONE) + near.bound))
        return near

    def _finished(self, near: Near) -> tuple[Dyadic, Dyadic]:
        """Return a result and its bound in its own dtype; an infinite limit is not rounded."""
        value, bound = near
        return value, as_result(bound, value, self.numbers).replaced(abs(value) >= _BEYOND, _ZERO)

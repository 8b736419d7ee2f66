r"""How far an output on its target's own scale may be from the exact one.

Let eta be exact, and what is computed of it within B. With u the unit roundoff, c the roundings of our own exp
(`lr_export.program.functions`) and eta_0 the smallest positive number of the dtype,

    exp          |computed - exp(eta)| <= exp(eta) ((1 + B + B^2) (1 + c u) - 1) + eta_0    where B <= 1
    max(., 0)^2  |computed - m^2| <= (2 m B + B^2) (1 + u) + u m^2 + eta_0                   with m = max(eta, 0)
    reciprocal   |computed - 1 / eta| <= (B / |eta| + u) / (|eta| - B) + eta_0               where B < |eta|

because e^B <= 1 + B + B^2 there, and max moves no further than eta does. The correction of a mean is rounded once
where the artefact computes in float32, and its sum is rounded: that is part of
B of a log, and of the last line of a sqrt. Each bound grows with the derivative of the inverse, which over an interval
is largest at one of its ends, so that the largest of both ends holds everywhere between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_export.bounds.forward import ForwardError, times, units
from lr_export.exact.dyadic import DIGITS, SMALLEST, Dyadic
from lr_export.exact.functions import exact
from lr_export.program.functions import roundings
from lr_runtime.errors import CheckFailedError, escaped

if TYPE_CHECKING:
    from lr_export.model.exact import Floats
    from lr_export.model.response import Response
    from lr_runtime.contract.contract import Dtype, TargetFunction

_BEYOND = 1100
"""No number of any dtype comes near 2 to this power."""
_FURTHEST = 1 << 11
"""exp of more than this, or less than its negative, is beyond the range of float64 by far."""
_ROUNDED = -100
"""Exact values are rounded to far more bits than these; one part in 2^100 of a value is added to each bound for it."""


class Near(NamedTuple):
    """Exact numbers, and a bound of the distance of what is computed of them, both (rows, outputs)."""

    value: Dyadic
    bound: Dyadic

    def with_columns(self, places: list[int], other: Near) -> Near:
        """Return the same with those of `other` for some outputs."""
        return Near(*(mine.with_columns(places, its.columns(places)) for mine, its in zip(self, other, strict=True)))


def on_own_scale(response: Response, eta: Near, compute: Dtype, *, is_end: bool = False) -> Near:
    """Return the outputs of sums of terms, or of interval ends; the bound is beyond every dtype where there is none."""
    if response.is_plain:
        return eta
    found = eta
    for function, places in response.places():
        if function is not None:
            correction = None if response.correction is None or is_end else Dyadic.of(response.correction[places])
            own = _inverse(function, Near(*(each.columns(places) for each in eta)), correction, compute)
            found = Near(*(each.with_columns(places, new) for each, new in zip(found, own, strict=True)))
    return found


def outputs_at(error: ForwardError, x: Floats) -> Near:
    """Return the outputs at rows (rows, columns), and their bounds before they are rounded to their own dtype."""
    design, numbers = error.exact.design(x), error.numbers
    eta = Near(error.exact.outputs(design), error.before_rounding(design))
    return on_own_scale(numbers.response, eta, numbers.compute)


def check_reciprocals(response: Response, names: tuple[str, ...], ends: Near) -> None:
    """Raise CheckFailedError where an output is the reciprocal of what may be 0 between two ends, (2, outputs)."""
    zero = times(0, 0)
    apart = ~(ends.value - ends.bound <= zero)[0] | ~(zero <= ends.value + ends.bound)[1]
    for place in response.falling:
        if not apart[place]:
            name = escaped(names[place])
            raise CheckFailedError(
                f"1/{name}, which was fitted, or an end of its interval reaches 0 within the training ranges, and "
                f"{name} is infinite there. Fit another function of it, or on narrower ranges"
            )


def _inverse(function: TargetFunction, eta: Near, correction: Dyadic | None, compute: Dtype) -> Near:
    value, error = eta
    unit = Dyadic.power_of_two(-DIGITS[compute])
    least, one, most = times(1, SMALLEST[compute]), times(1, 0), Dyadic.of(np.asarray(np.finfo(compute).max / 2))
    match function:
        case "log":
            if correction is not None:
                value, error = value + correction, error + _rounded_once(correction, compute)
                error = error + unit * (abs(value) + error)
            furthest = times(_FURTHEST, 0)
            clamped = value.maximum(-furthest).minimum(furthest)
            found = exact("exp", clamped)
            grown = one + error + error * error
            bound = found * (grown * (one + units(roundings("exp", compute), compute)) - one) + least
            known = (error <= one) & (found <= most)
        case "sqrt":
            cut = value.maximum(times(0, 0))
            found = cut * cut
            bound = (times(2, 0) * cut * error + error * error) * (one + unit) + unit * found + least
            if correction is not None:
                found, bound = found + correction, bound + _rounded_once(correction, compute)
                bound = bound + unit * (found + bound)
            known = np.ones(found.integers.shape, dtype=np.bool_)
        case "reciprocal":
            size = abs(value)
            known = ~(size <= error)
            found = exact("reciprocal", value.replaced(~known, one))
            inner = exact("reciprocal", (size - error).replaced(~known, one))
            bound = (error * abs(found) + unit) * inner + least
            known &= abs(found) <= most
    bound = bound + Dyadic.power_of_two(_ROUNDED) * abs(found)
    return Near(found.replaced(~known, times(0, 0)), bound.replaced(~known, times(1, _BEYOND)))


def _rounded_once(correction: Dyadic, compute: Dtype) -> Dyadic:
    """Return how far the correction is off that an artefact holds: float64 holds it as it is."""
    rounds = compute == "float32"
    return Dyadic.power_of_two(-DIGITS[compute]) * correction if rounds else times(0, 0)

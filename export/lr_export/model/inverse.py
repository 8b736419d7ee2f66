r"""The way back: from a reading of the output to one column, the other columns held at values.

With v a function f of the column x, and g(y) what was fitted, a model that is a line or a parabola of v is inverted by

    d = g(y) - center,    v = start + rate d,    or of a parabola    v = start + 2 rate d / (1 + sqrt(1 + bend d))

the root on the side of the training range, without cancellation (Press et al. 2007, Numerical Recipes, 5.6). Fieller's
limits (Fieller 1954, Some problems in interval estimation, Journal of the Royal Statistical Society B 16) are where the
ends of a line's prediction interval are y: with b the slope, h = h0 + c2 (v - v0)^2 the leverage, W the interval's
width (`lr_runtime.contract.interval`), r the distance of g(y) from what was fitted at v0, and A = b^2 - W^2 c2,

    (r - b (v - v0))^2 = W^2 (1 + h),    v = v0 + r b / A -+ sqrt((W^2 c2 / A^2) r^2 + W^2 (1 + h0) / A)

in which all under the root is positive. So is A where the slope differs from 0 at that level (g < 1, as Fieller has
it); else no reading has limits, and there is no file. A conformal interval has no leverage: h is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from lr_export.exact.dyadic import Dyadic
from lr_export.model.exact import ExactModel, coefficients_of
from lr_export.model.leverage import mean_design
from lr_export.model.response import Response
from lr_export.model.variables import exact
from lr_export.program import functions
from lr_export.program.program import Builder, Constant, Value
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.term import factors_of
from lr_runtime.errors import CheckFailedError, OptionError, UnsupportedModelError, escaped
from lr_runtime.prediction.coercion import Coercion
from lr_runtime.prediction.inputs import given
from lr_runtime.prediction.inversion import free_column

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lr_export.model.exact import Floats
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Dtype
    from lr_runtime.contract.derived import Derived, FunctionName
    from lr_runtime.contract.interval import Interval

_BITS = 320
"""Exact numbers are cut to so many binary digits: `bounds.inverse` counts a part in 2^100 for it."""


class Curve(NamedTuple):
    """What was fitted, over the training range of one column: at its lower end, its middle, its upper end.

    Attributes:
        column: its name.
        function: f; None where v is the column itself.
        v: there.
        eta: what was fitted there.
        z: (3, terms), whose squares add up to the leverage there, but for its constant; None without one.
        is_bent: whether it is a parabola.
        outside: the other columns that are held outside their training ranges.
    """

    column: str
    function: FunctionName | None
    v: tuple[Fraction, ...]
    eta: tuple[Fraction, ...]
    z: Dyadic | None
    is_bent: bool
    outside: tuple[str, ...] = ()

    @property
    def bend(self) -> Fraction:
        """Half the second derivative, by divided differences."""
        (v0, v1, v2), (eta0, eta1, eta2) = self.v, self.eta
        return ((eta2 - eta1) / (v2 - v1) - (eta1 - eta0) / (v1 - v0)) / (v2 - v0) if self.is_bent else Fraction(0)

    def at(self, v: Fraction) -> Fraction:
        """Return what was fitted at v."""
        return self.eta[0] + (v - self.v[0]) * (self.slope((v + self.v[0]) / 2))

    def slope(self, v: Fraction) -> Fraction:
        """Return the derivative at v."""
        return (self.eta[2] - self.eta[0]) / (self.v[2] - self.v[0]) + self.bend * (2 * v - self.v[0] - self.v[2])


class Limits(NamedTuple):
    """Fieller's limits of v: middle + pace d -+ sqrt((spread r)^2 + floor), in which an artefact takes d for r."""

    middle: Fraction
    pace: Fraction
    spread: Fraction
    floor: Fraction


@dataclass(frozen=True)
class Inverse:
    """The exact numbers of the module's docstring.

    Attributes:
        center: a number of the computing dtype.
        bend: 0 of a line.
        limits: None without an interval.
        moved: the center less what was fitted at v0, next to which it is: d + moved is r.
    """

    curve: Curve
    center: Fraction
    start: Fraction
    rate: Fraction
    bend: Fraction
    limits: Limits | None
    moved: Fraction

    @staticmethod
    def of(curve: Curve, compute: Dtype, interval: Interval | None) -> Inverse:
        """Return the inverse of a curve, for a computing dtype.

        Raises:
            UnsupportedModelError: the curve turns within the training range, or has no limits at the level.
            CheckFailedError: a number is beyond the dtype, or too near to others for it.
        """
        if curve.slope(curve.v[0]) * curve.slope(curve.v[2]) <= 0:
            raise UnsupportedModelError(
                f"the model does not rise or fall throughout the training range of {escaped(curve.column)}, so that a "
                "reading has no one inverse"
            )
        v, square, c2, least = (curve.v[0] + curve.v[2]) / 2, Fraction(0), Fraction(0), Fraction(1)
        if interval is not None:
            square = Fraction(float(interval.width[0])) ** 2
            if interval.leverage is not None and curve.z is not None:
                v, c2, least = _leverage(curve, Fraction(float(interval.leverage.constant)))
        center, slope = Fraction(float(rounded(curve.at(v), compute, "center")[0])), curve.slope(v)
        moved = center - curve.at(v)
        if (square_of_root := 1 + 4 * curve.bend * moved / slope**2) <= 0:
            raise CheckFailedError(f"{compute} does not tell the readings apart. Try --precision float64")
        root = root_of(square_of_root)
        limits = None
        if interval is not None:
            a = slope**2 - square * c2
            _check_limits(curve, interval.level, float(square * c2 / slope**2))
            floor, middle = square * least / a, v + moved * slope / a
            limits = Limits(middle, pace=slope / a, spread=root_of(square * c2) / a, floor=floor)
        bend = 4 * curve.bend / (slope * root) ** 2
        return Inverse(curve, center, v + 2 * moved / slope / (1 + root), 1 / (slope * root), bend, limits, moved)

    @property
    def numbers(self) -> dict[str, Fraction]:
        """The numbers that an artefact holds, each rounded once, by name."""
        found = {"center": self.center, "rate": self.rate, "start": self.start}
        return found | ({"bend": self.bend} if self.bend else {}) | (self.limits._asdict() if self.limits else {})

    @property
    def sign(self) -> int:
        """The sign of v where f has values on one side of 0 alone, which limits are cut to; else 0."""
        has_sign = self.curve.function in {"sqrt", "exp", "reciprocal"}
        return 0 if not has_sign else -1 if self.curve.v[0] + self.curve.v[2] < 0 else 1

    def append(self, build: Builder, eta: Value, output: Dtype, compute: Dtype) -> None:
        """Append the steps from what was fitted, in the dtype `compute`, to x and its limits."""
        held = {name: Constant(name, rounded(value, compute, name)) for name, value in self.numbers.items()}
        d = build.subtract(eta, held["center"])
        step = build.multiply(d, held["rate"])
        if self.bend:
            one = Constant("one", np.ones(1, dtype=compute))
            root = build.sqrt(build.add(build.multiply(d, held["bend"]), one))
            step = build.divide(build.add(step, step), build.add(root, one))
        build.result("y", build.cast(self._x(build, build.add(step, held["start"])), output))
        if self.limits is not None:
            middle, wide = build.add(build.multiply(d, held["pace"]), held["middle"]), build.multiply(d, held["spread"])
            half = build.sqrt(build.add(build.multiply(wide, wide), held["floor"]))
            for name, end in self.in_order(build.subtract(middle, half), build.add(middle, half)).items():
                build.result(name, build.cast(self._x(build, self._cut(build, end), is_end=True), output))

    def in_order(self, low: T, high: T) -> dict[str, T]:
        """Return the limits of x by name, of those of v."""
        ends = (high, low) if self.curve.function == "reciprocal" else (low, high)
        return dict(zip(("y_lower", "y_upper"), ends, strict=True))

    def _cut(self, build: Builder, end: Value) -> Value:
        """Append a limit of v, or 0, with the sign of v, where f does not come as far."""
        if not self.sign:
            return end
        zero = Constant("cut", np.array([math.copysign(0.0, self.sign)], dtype=end.dtype))
        return build.where(build.less(zero, end) if self.sign < 0 else build.less(end, zero), zero, end)

    def _x(self, build: Builder, v: Value, *, is_end: bool = False) -> Value:
        """Append x of v; a limit at 0 of an exp or a reciprocal is infinite."""
        one, function = Constant("one", np.ones(1, dtype=v.dtype)), self.curve.function
        if function == "log1p":
            return build.subtract(functions.append(build, "exp", v), one)
        if function == "exp":
            x = functions.append(build, "log", v)
            minus, zero = (Constant(name, np.array([n], dtype=v.dtype)) for name, n in (("minus", -1.0), ("cut", 0.0)))
            return build.where(build.equal(v, zero), build.divide(minus, v), x) if is_end else x
        if function == "reciprocal" and is_end:
            return build.divide(one, v)
        return Response((function,)).append(build, v)  # type: ignore[arg-type]


def _leverage(curve: Curve, constant: Fraction) -> tuple[Fraction, Fraction, Fraction]:
    """Return v0, c2 and 1 + h0: z is a line in v."""
    assert curve.z is not None
    first, _, last = (Dyadic(row, curve.z.exponent).fractions() for row in curve.z.integers)
    length = curve.v[2] - curve.v[0]
    grown = [(high - low) / length for low, high in zip(first, last, strict=True)]
    c1 = sum((low * step for low, step in zip(first, grown, strict=True)), Fraction(0))
    c2 = sum((step * step for step in grown), Fraction(0))
    return curve.v[0] - c1 / c2, c2, 1 + constant + sum(low * low for low in first) - c1**2 / c2


def _check_limits(curve: Curve, level: float, g: float) -> None:
    if curve.is_bent:
        raise UnsupportedModelError(
            f"Fieller's limits are of models that are straight in a function of {escaped(curve.column)}, and this one "
            "has a square. Leave --interval out; lr-infer MODEL --invert has limits of it"
        )
    if g >= 1:
        raise UnsupportedModelError(
            f"at the level {level:g} the slope of {escaped(curve.column)} does not differ from 0 (Fieller's g is "
            f"{g:.3g}, and not below 1), so that no reading limits it. Leave --interval out, or lower the level"
        )


def curve_of(checkpoint: Checkpoint, column: str, at: Mapping[str, object]) -> Curve:
    """Return what was fitted as a curve of one column, "" for the only one that has no value in `at`.

    Raises:
        OptionError: a column has no value, or a name or value is none of the model's.
        UnsupportedModelError: the model has several outputs, or the curve is none that a file inverts.
    """
    contract = checkpoint.contract
    if len(contract.outputs) > 1:
        raise UnsupportedModelError(f"an inverse is of a model of one output, and this one has {len(contract.outputs)}")
    free = free_column(contract, at)
    if column not in {"", free.name}:
        raise OptionError(f"--inverse {escaped(column)}: the column that has no value is {escaped(free.name)}")
    column, low, high = free.name, free.minimum, free.maximum
    derived, is_bent = _function(checkpoint, contract.columns.index(free))
    x = np.array([low, low / 2 + high / 2, high])
    rows, faults = Coercion(contract)(
        given({**{n: [v] * 3 for n, v in at.items()}, column: x}, contract.column_names, contract.category_names)
    )
    if faults:
        raise OptionError(f"--at {faults[min(faults)]}")
    model, leverage = ExactModel.of(checkpoint), checkpoint.leverage
    design, z = model.design(rows), None
    if leverage is not None:
        factor = coefficients_of(model.layout, leverage.factor.T, Dyadic.of(leverage.shift))
        z = (design - mean_design(model.layout, leverage)) @ factor
    v = (Dyadic.of(x) if derived is None else exact(derived, x)).fractions()
    if not v[0] != v[1] != v[2]:
        raise UnsupportedModelError(
            f"the training range of {escaped(column)} is one value, so that nothing is read off"
        )
    eta = model.outputs(design).fractions()
    outside = tuple(
        each.name
        for each, held in zip(contract.columns, rows[0].tolist(), strict=True)
        if each.kind != "category" and (held < each.minimum or held > each.maximum)
    )
    return Curve(column, None if derived is None else derived.function, tuple(v), tuple(eta), z, is_bent, outside)


def _function(checkpoint: Checkpoint, place: int) -> tuple[Derived | None, bool]:
    """Return the function of a column that a model has, None for the column itself; and whether it has its square."""
    contract, columns = checkpoint.contract, len(checkpoint.contract.columns)
    own: dict[int, Derived | None] = {place: None} | {
        columns + n: each for n, each in enumerate(contract.derived) if each.column == place
    }
    powers = {
        (factor.columns[0], factor.power if isinstance(factor, Power) else 0)
        for term, weight in zip(checkpoint.terms, checkpoint.weight[0], strict=True)
        for factor in factors_of(term)
        if weight and factor.columns[0] in own and not factor.is_of_missing
    }
    variables, degree = {variable for variable, _ in powers}, max((power for _, power in powers), default=0)
    found = own[variables.pop()] if len(variables) == 1 else None
    if degree not in {1, 2} or variables or (found is not None and found.function == "hinge"):
        raise UnsupportedModelError(
            "a file inverts models that are straight, or of degree 2, in one function of a column, and this one is not "
            f"in {escaped(contract.columns[place].name)}. lr-infer MODEL --invert inverts any that rises or falls"
        )
    return found, degree == 2


def dyadic(value: Fraction) -> Dyadic:
    """Return a fraction (1,), cut to _BITS binary digits where it has more."""
    bits = max(_BITS + value.denominator.bit_length() - value.numerator.bit_length(), 0)
    return Dyadic(np.array([(value.numerator << bits) // value.denominator], dtype=object), -bits)


def root_of(value: Fraction) -> Fraction:
    """Return the square root to more than 150 binary digits."""
    bits = max(_BITS + value.denominator.bit_length() - value.numerator.bit_length(), 0) // 2 * 2
    return Fraction(math.isqrt((value.numerator << bits) // value.denominator), 1 << bits // 2)


def rounded(value: Fraction, dtype: Dtype, what: str) -> Floats:
    """Return a number (1,) rounded once; CheckFailedError where it overflows, or is subnormal and loses digits."""
    found = dyadic(value).rounded(dtype, "nearest").astype(dtype)
    if not np.isfinite(found).all() or (value and abs(found[0]) < np.finfo(dtype).tiny):
        raise CheckFailedError(f"the {what} of the inverse is beyond the range of {dtype}. Try --precision exact")
    return found

r"""How far any engine may be from the exact model, and how far it can be anywhere in the training box.

With u the unit roundoff of the computing dtype and every operation rounded to nearest (IEEE 754), the standard model of
floating-point arithmetic (Higham 2002, Accuracy and Stability of Numerical Algorithms, 2.4) gives each operation a
factor 1 + delta, |delta| <= u. In y = bias + sum_j weight_j (x_j - origin_j), one product passes through at most

    1 rounding of the weight (only where the artefact's weight is the checkpoint's, rounded)
    1 subtraction            (only where the artefact has origins)
    1 multiplication
    n additions              (n - 1 of products and 1 of the bias, in any order: any engine, any batch size)

so with k their number, and gamma_k = k u / (1 - k u) (Higham 2002, lemma 3.1),

    |y_computed - y| <= gamma_k M + n eta,    M = |bias| + sum_j |weight_j (x_j - origin_j)|

where M is taken with the checkpoint's own numbers, and eta, the smallest positive number of the dtype, covers products
that underflow (each loses at most eta / 2, times 1 + gamma). A fused multiply-add only leaves a rounding out.

Where the result is rounded once more to float32 (precision `exact`), half an ulp is added: with B the bound above,

    |y_float32 - y| <= B + 2^-24 (|y| + B) + 2^-150

M and |y| are convex in x, so over a box both are largest at a corner, and M's largest value separates by column: that
is the closed form for the worst case over the whole training box, not over a sample of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lr_export.arithmetic import Dyadic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_export.numbers import Numbers
    from lr_runtime.checkpoint import Checkpoint

_DIGITS = {"float32": 24, "float64": 53}
_SMALLEST = {"float32": -149, "float64": -1074}
_SLACK_BITS = 64


@dataclass(frozen=True)
class ExactModel:
    """The checkpoint's model in exact arithmetic: y = bias + sum_j weight_j / scale_j (x_j - origin_j)."""

    weight: Dyadic
    bias: Dyadic
    origin: Dyadic

    @staticmethod
    def of(checkpoint: Checkpoint) -> ExactModel:
        """Return the model whose numbers the checkpoint holds."""
        # A scale is 0.5 * 2**exponent; its reciprocal can be beyond the range of float64.
        inverse = Dyadic.power_of_two(1 - np.frexp(checkpoint.scale)[1])
        return ExactModel(
            Dyadic.of(checkpoint.weight) * inverse, Dyadic.of(checkpoint.bias), Dyadic.of(checkpoint.origin)
        )

    def outputs(self, x: Dyadic) -> Dyadic:
        """Return y (rows, outputs) for x (rows, columns)."""
        return (x - self.origin) @ self.weight.T + self.bias

    def magnitudes(self, x: Dyadic) -> Dyadic:
        """Return M (rows, outputs): the sum of the absolute values of all terms."""
        return abs(x - self.origin) @ abs(self.weight).T + abs(self.bias)

    def largest(self, low: Dyadic, high: Dyadic) -> tuple[Dyadic, Dyadic]:
        """Return the largest |y| and M (outputs,) over the box with the corners low and high (columns,)."""
        reach = abs(low - self.origin).maximum(abs(high - self.origin))
        spread = (abs(self.weight) * reach).sum()
        # y is the box's middle plus and minus half its width, column by column; twice both keeps the numbers dyadic.
        middle = (self.weight * (low + high - self.origin - self.origin)).sum() + self.bias + self.bias
        width = (abs(self.weight) * (high - low)).sum()
        twice = abs(middle) + width
        return Dyadic(twice.integers, twice.exponent - 1), spread + abs(self.bias)


def inner_error(numbers: Numbers, magnitude: Dyadic) -> Dyadic:
    """Return gamma_k M + n eta: the bound before any last rounding, for the magnitudes M."""
    columns = numbers.weight.shape[1]
    operations = 1 + columns + (numbers.origin is not None) + (numbers.compute == "float32")
    return _gamma(operations, _DIGITS[numbers.compute]) * magnitude + _times(columns, _SMALLEST[numbers.compute])


def forward_error(numbers: Numbers, y: Dyadic, magnitude: Dyadic) -> Dyadic:
    """Return the bound of the module's docstring for exact outputs `y` and their `magnitude` M, of equal shape."""
    inner = inner_error(numbers, magnitude)
    if numbers.io == numbers.compute:
        return inner
    half_ulp = Dyadic.power_of_two(-_DIGITS[numbers.io])
    return inner + half_ulp * (abs(y) + inner) + Dyadic.power_of_two(_SMALLEST[numbers.io] - 1)


def _gamma(operations: int, digits: int) -> Dyadic:
    """Return gamma_k = k u / (1 - k u), u = 2^-digits, rounded up to a dyadic number."""
    gamma = Fraction(operations, 2**digits - operations)
    scaled = gamma * 2 ** (digits + _SLACK_BITS)
    return Dyadic(np.array(-(-scaled.numerator // scaled.denominator), dtype=object), -(digits + _SLACK_BITS))


def _times(count: int, exponent: int) -> Dyadic:
    return Dyadic(np.array(count, dtype=object), exponent)


def input_rounding(checkpoint: Checkpoint, low: NDArray[np.float64], high: NDArray[np.float64]) -> list[Fraction]:
    """Return, per output, the most that rounding every input in the box to float32 moves y: sum_j |w_j| ulp_j / 2."""
    with np.errstate(over="ignore"):
        reach = np.maximum(np.abs(low), np.abs(high)).astype(np.float32)
        half_ulps = [Fraction(float(np.spacing(value))) / 2 for value in reach]
    weight = ExactModel.of(checkpoint).weight
    rows = (Dyadic(row, weight.exponent).fractions() for row in weight.integers)
    return [sum((abs(w) * h for w, h in zip(row, half_ulps, strict=True)), Fraction(0)) for row in rows]

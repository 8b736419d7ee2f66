r"""How far any engine may be from the exact model, and how far it can be anywhere in the training box.

With u the unit roundoff of the computing dtype and every operation rounded to nearest (IEEE 754), the standard model of
floating-point arithmetic (Higham 2002, Accuracy and Stability of Numerical Algorithms, 2.4) gives each operation a
factor 1 + delta, |delta| <= u. On its way into y = bias + sum_t weight_t term_t, a term that is the p-th power of
(x - origin) / scale passes through at most

    1 rounding of the weight          (only where the artefact's weight is the checkpoint's, rounded)
    p roundings of its p factors      (only where the artefact has origins, each factor being a rounded difference, or
                                       values that stand in for missing ones, each rounded once)
    p - 1 multiplications             (dividing by the scale, a power of two, rounds nothing)
    1 multiplication by the weight
    n additions                       (n - 1 of products and 1 of the bias, in any order: any engine, any batch size)

with n the number of terms. An indicator is 0 or 1 exactly (a quotient of equal numbers is), so it and the bias pass
through the rounding of the weight and the n additions alone. With k_t the number for a term and
gamma_k = k u / (1 - k u) (Higham 2002, lemma 3.1),

    |y_computed - y| <= sum_t gamma_{k_t} |weight_t term_t| + gamma_{k_0} |bias| + n eta + U

where terms are taken with the checkpoint's own numbers, and eta, the smallest positive number of the dtype, covers
products that underflow: each loses at most eta / 2, times 1 + gamma. U = 2 eta sum_t p_t |weight_t|, of the artefact's
own weights, covers what underflows on the way to a power: the multiplications by 1 / scale and by each other, and the
rounding of a value that stands in for a missing one; it is 0 where there is neither. (A product u^j u underflows only
where |u| < 1, so that what it loses is not enlarged by the factors that follow.)
A fused multiply-add only leaves a rounding out.

A derived variable v = f(x) is computed as some v' with |v' - v| <= d = c u |f(x)| + eta (`program.functions`). All of
the above holds for the model at v', whose terms are not those at v: u' = (v' - origin) / scale is d / scale from u,
however small u itself has become, and so the term, a product of p factors, moves by at most

    m_t = prod_i (|u_i| + d_i / scale_i) - prod_i |u_i|

as each |u_i + e| <= |u_i| + |e|. In a product of several variables what one factor loses to underflow is enlarged by
the others: 2 eta p_t prod_i max(1, |u_i|) stands in m_t, too. Both together add, since |term(v')| <= |term(v)| + m_t,

    sum_t (1 + gamma_{k_t}) |weight_t| m_t

where an indicator is taken as 1. Over the box every |u_i| is at its reach. A product's p counts the factors of all its
powers; its multiplications by indicators are exact.

Where the result is rounded once more to float32 (precision `exact`), half an ulp is added: with B the bound above,

    |y_float32 - y| <= B + 2^-24 (|y| + B) + 2^-150

Each |term| of a column is largest over its range at the end further from the origin, or else the value is missing, and
a category has one level: the bound's largest value over the whole training box separates by column. That is the closed
form for the worst case, not over a sample of the box.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.dyadic import DIGITS, SMALLEST, Dyadic
from lr_export.model.exact import Coefficients, ExactDesign, ExactModel, across
from lr_export.model.variables import moved_by_float32

if TYPE_CHECKING:
    from lr_export.model.exact import Floats
    from lr_export.model.numbers import Numbers
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Dtype

_SLACK_BITS = 64
"""Bits of a gamma beyond those of u: rounding it up to so many adds less than a 2^-60 of it to the bound."""


@dataclass(frozen=True)
class ForwardError:
    """The bound of the module's docstring for one artefact.

    Attributes:
        exact: the exact model.
        numbers: the numbers of the artefact.
        allowed: gamma_k |coefficient| of each coefficient of the model.
        moving: for each block, (1 + gamma_k) |weight|.
        underflow: n eta + U, (outputs,) or ().
    """

    exact: ExactModel
    numbers: Numbers
    allowed: Coefficients
    moving: tuple[Dyadic, ...]
    underflow: Dyadic

    @staticmethod
    def of(checkpoint: Checkpoint, numbers: Numbers) -> ForwardError:
        """Return the bound of the artefact that holds these numbers of the checkpoint."""
        exact, terms = ExactModel.of(checkpoint, numbers.compute), len(checkpoint.terms)
        digits, rounded = DIGITS[numbers.compute], int(numbers.compute == "float32")
        factor = int(numbers.origin is not None or numbers.fill is not None)
        sizes = abs(exact.coefficients)
        allowed = Coefficients(
            parts=tuple(
                gamma(rounded + block.roundings(factor) + min(block.degree, 1) + terms, digits) * size
                for block, size in zip(exact.layout.blocks, sizes.parts, strict=True)
            ),
            bias=gamma(rounded + terms, digits) * sizes.bias,
        )
        moving = tuple(map(add, sizes.parts, allowed.parts))
        return ForwardError(exact, numbers, allowed, moving, underflow_of(numbers, numbers.weight, terms))

    def before_rounding(self, design: ExactDesign) -> Dyadic:
        """Return the bound (rows, outputs) before the result is rounded to its own dtype."""
        return abs(design) @ self.allowed + self.underflow + across(design.gap, self.moving)

    def over(self, low: Floats, high: Floats) -> Dyadic:
        """Return an upper limit (outputs,) of the bound over the box from `low` to `high` (columns,)."""
        return as_result(self.before_rounding_over(low, high), self.exact.largest_output(low, high), self.numbers)

    def before_rounding_over(self, low: Floats, high: Floats) -> Dyadic:
        """Return the limit (outputs,) of `over` before the result is rounded to its own dtype."""
        gap = across(self.exact.gap(low, high), self.moving)
        return self.exact.largest_sum(self.allowed, low, high) + self.underflow + gap


def as_result(error: Dyadic, value: Dyadic, numbers: Numbers) -> Dyadic:
    """Return a bound of a result's error with the half ulp by which rounding it to its own dtype moves it."""
    output = numbers.output
    if output == numbers.compute:
        return error
    return error + Dyadic.power_of_two(-DIGITS[output]) * (abs(value) + error) + times(1, SMALLEST[output] - 1)


def gamma(operations: int, digits: int) -> Dyadic:
    """Return gamma_k = k u / (1 - k u), u = 2^-digits, rounded up to a dyadic number."""
    value = Fraction(operations, 2**digits - operations)
    scaled = value * 2 ** (digits + _SLACK_BITS)
    return times(-(-scaled.numerator // scaled.denominator), -(digits + _SLACK_BITS))


def units(count: Fraction, dtype: Dtype) -> Dyadic:
    """Return a number of unit roundoffs of a dtype, rounded up to a dyadic number."""
    bits = DIGITS[dtype] + _SLACK_BITS
    return times(-(-(count.numerator << _SLACK_BITS) // count.denominator), -bits)


def times(count: int, exponent: int) -> Dyadic:
    """Return count 2^exponent."""
    return Dyadic(np.array(count, dtype=object), exponent)


def underflow_of(numbers: Numbers, weight: Floats, terms: int) -> Dyadic:
    """Return n eta + U of the module's docstring, (outputs,) or (), for n terms and the factor `weight` (outputs,
    places) of the artefact's design matrix, in the dtype `numbers.compute`.
    """
    eta = SMALLEST[numbers.compute]
    if numbers.layout.is_linear and numbers.fill is None:
        return times(terms, eta)
    inside = (abs(Dyadic.of(weight)) * Dyadic(numbers.layout.degrees().astype(object), 0)).sum()
    return times(terms, eta) + times(2, eta) * inside


def input_rounding(checkpoint: Checkpoint, low: Floats, high: Floats) -> list[Fraction]:
    """Return, per output, the most that rounding every number in the box to float32 moves y.

    Where x - origin moves by h, half an ulp of x, its p-th power moves by at most (reach + h)^p - reach^p. Categories
    are small integers, which float32 holds. A derived variable moves as `moved_by_float32` says.
    """
    with np.errstate(over="ignore"):
        ulps = np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(np.float32))
    derived = (moved_by_float32(each, low[each.column], high[each.column]) for each in checkpoint.contract.derived)
    moved = Dyadic.beside([Dyadic.of(ulps / 2), *(each.reshaped(1) for each in derived)])
    return ExactModel.of(checkpoint).moved(low, high, moved).fractions()

r"""How far any engine may be from the exact leverage; the root of 1 + h makes an interval of it.

With the names of `leverage`, u, eta and gamma_k as in `bound`, b = r + 1 + n + 1 (r = 1 where the artefact's numbers
are the checkpoint's, rounded; a product; n additions, n the number of terms; the difference d) and a_t the roundings
inside a term (`bound`: p factors and p - 1 products), a computed z_k, whose shift is rounded once, is off by at most

    E_k = sum_t |L_tk| ((gamma_{a_t + b} - gamma_b) |t| + gamma_b |t - center_t|) + gamma_{1 + n} |shift_k|
          + 2 eta sum_t |t - center_t| + n eta + U_k

since gamma_i + gamma_j + gamma_i gamma_j <= gamma_{i + j} (Higham 2002, lemma 3.3). A number of the factor that
underflows when it is rounded is off by eta at most, and U_k is the U of `bound`, of the artefact's own factor. Squares
and the constant are not negative, so that a sum of m squares and the constant keeps a relative error of
gamma_{m + 1 + r}:

    |h_computed - h| <= A + gamma_{m + 1 + r} (h + A) + 2 m eta,    A = sum_k (2 |z_k| E_k + E_k^2)

where an engine's terms are m_t from the exact ones for what functions round and products lose (`forward`), E_k is that
of these other terms, |t'| <= |t| + m_t, and their distance comes on top: in all

    sum_t ((1 + gamma_{a_t + b}) |L_tk| + 2 eta) m_t

is added. And sqrt(1 + h) is the length of the vector (sqrt(1 + constant), z): by the triangle inequality it moves by at
most sum_k E_k where z moves by E, before any rounding of the sum.

Over the training box |t - center_t| is largest at an end of a column's range (or its fill), powers at their reach, and
a category has one level: that gives sizes of z and E in closed form that no row in it passes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from lr_export.bounds.forward import gamma, times, underflow_of
from lr_export.exact.dyadic import DIGITS, SMALLEST, Dyadic
from lr_export.model.exact import Coefficients, ExactDesign, ExactModel, across, coefficients_of
from lr_export.model.leverage import LeverageNumbers, exact_shift, held_design, kept, mean_design

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_export.model.exact import Floats
    from lr_export.model.numbers import Numbers
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.leverage import Leverage

_HIGHEST = {"float32": 60, "float64": 500}
"""Squares of sums below 2 to this power, and sums of squares, are within the range of the dtype."""


@dataclass(frozen=True)
class Root:
    """The leverage and the root of 1 + h, at rows, (rows, 1), or over a box, (1, 1).

    Attributes:
        h: the leverage.
        h_error: a bound of any engine's error in h.
        root: sqrt(1 + h), rounded down to 60 digits or more.
        moved: a bound of the distance from `root` to sqrt(1 + h) for the z of an engine, without further roundings.
        roundings: the number of roundings in the engine's h.
        is_safe: bool, whether every intermediate number is within the range of the computing dtype.
    """

    h: Dyadic
    h_error: Dyadic
    root: Dyadic
    moved: Dyadic
    roundings: int
    is_safe: NDArray[np.bool_]


@dataclass(frozen=True)
class ExactLeverage:
    """A leverage in exact arithmetic, and the bound of the module's docstring for one artefact.

    Attributes:
        model: the exact model, with its design.
        numbers: the numbers of the artefact.
        center: the row that the artefact subtracts.
        mean: the mean of the terms.
        factor: L, and as its bias the exact shift.
        constant: the exact constant of h.
        drift: (gamma_{a + b} - gamma_b) |L|, what the roundings inside the terms add.
        allowed: gamma_b |L| + 2 eta, as a number of the factor may have underflowed, and as its bias all that does not
            depend on the row.
        moving: for each block, the sum of |L| and both.
    """

    model: ExactModel
    numbers: Numbers
    center: ExactDesign
    mean: ExactDesign
    factor: Coefficients
    constant: Dyadic
    drift: Coefficients
    allowed: Coefficients
    moving: tuple[Dyadic, ...]

    @staticmethod
    def of(checkpoint: Checkpoint, leverage: Leverage, numbers: Numbers, held: LeverageNumbers) -> ExactLeverage:
        """Return the leverage of a checkpoint, for the artefact that holds these numbers of it."""
        model, layout, zero = ExactModel.of(checkpoint, numbers.compute), numbers.layout, Dyadic.of(np.zeros(1))
        digits, eta, terms = DIGITS[numbers.compute], SMALLEST[numbers.compute], len(checkpoint.terms)
        rounded = int(numbers.compute == "float32")
        inside = int(numbers.origin is not None or numbers.fill is not None)
        center = np.zeros(len(layout.sources)) if held.center is None else held.center
        shift = exact_shift(checkpoint, leverage, layout, center)
        factor = coefficients_of(layout, kept(leverage), shift)
        sizes, last = abs(factor), rounded + 2 + terms
        steady = underflow_of(numbers, held.factor, terms) + gamma(1 + terms, digits) * sizes.bias
        ones = coefficients_of(layout, np.ones((1, terms)), zero)
        drift = tuple(
            (gamma(block.roundings(inside) + last, digits) - gamma(last, digits)) * size
            for block, size in zip(layout.blocks, sizes.parts, strict=True)
        )
        steps = zip(sizes.parts, ones.parts, strict=True)
        allowed = tuple(gamma(last, digits) * size + times(2, eta) * one for size, one in steps)
        return ExactLeverage(
            model=model,
            numbers=numbers,
            center=held_design(checkpoint, layout, center),
            mean=mean_design(layout, leverage),
            factor=factor,
            constant=Dyadic.of(leverage.constant),
            drift=Coefficients(drift, zero),
            allowed=Coefficients(allowed, steady),
            moving=tuple(map(add, sizes.parts, map(add, drift, allowed))),
        )

    def at(self, design: ExactDesign) -> Root:
        """Return the leverage and its root at rows of the design."""
        deviation = design - self.center
        z, sizes, terms = abs(deviation @ self.factor), abs(deviation), abs(design)
        error = sizes @ self.allowed + terms @ self.drift + across(design.gap, self.moving)
        return self._root(z, error, sizes @ abs(self.factor))

    def over(self, low: Floats, high: Floats) -> Root:
        """Return upper limits of leverage, root and errors in the box from `low` to `high` (columns,)."""
        sizes, none = abs(self.factor), Dyadic.of(np.zeros(1))
        z = self._supremum(replace(sizes, bias=none), low, high, self.mean)
        error = self._supremum(self.allowed, low, high, self.center) + self._supremum(self.drift, low, high, None)
        error = error + across(self.model.gap(low, high), self.moving)
        return self._root(z, error, self._supremum(sizes, low, high, self.center))

    def _root(self, z: Dyadic, error: Dyadic, sums: Dyadic) -> Root:
        """Return the root for |z| and E (rows, whitened), and sums of absolute values that are not below |z|."""
        compute, count = self.numbers.compute, z.integers.shape[-1]
        digits, roundings = DIGITS[compute], count + 1 + int(compute == "float32")
        lost = times(2 * count, SMALLEST[compute])
        h = (z * z).sum().reshaped(-1, 1) + self.constant
        moved = (times(2, 0) * z * error + error * error).sum().reshaped(-1, 1)
        root, cut = (h + times(1, 0)).root()
        return Root(
            h=h,
            h_error=moved + gamma(roundings, digits) * (h + moved) + lost,
            root=root,
            moved=error.sum().reshaped(-1, 1) + lost + cut,
            roundings=roundings,
            is_safe=(sums + error).sum().reshaped(-1, 1) <= times(1, _HIGHEST[compute]),
        )

    def _supremum(self, sizes: Coefficients, low: Floats, high: Floats, center: ExactDesign | None) -> Dyadic:
        """Return the supremum of sizes times |terms| or |terms - center|, plus the bias, (1, whitened)."""
        box, total = self.model.box(low, high), sizes.bias
        for number, (block, size) in enumerate(zip(self.model.layout.blocks, sizes.parts, strict=True)):
            away = None if center is None else center.parts[number].reshaped(-1)
            total = total + block.supremum(size, box, away)
        return total.reshaped(1, -1)

"""The leverage in an artefact: its numbers at a precision, and its steps.

    d = design - center,    z = d @ factor.T + shift,    h = sum_k z_k^2 + constant

are the leverage of `lr_runtime.contract.leverage` for any center, if its shift and (center - mean) @ L, rounded once,
are the shift. The center is the mean, rounded once to the computing dtype, where the terms are large beside what they
differ by: the difference comes first then, and loses nothing. Where they are not, there is no center.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.dyadic import Dyadic
from lr_export.model.exact import ExactDesign, coefficients_of, exponents_of
from lr_export.program.program import Builder, Constant, Value
from lr_runtime.errors import CheckFailedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_export.model.build import ModelValues
    from lr_export.model.exact import Floats
    from lr_export.model.layout import Layout
    from lr_export.model.numbers import Numbers
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.leverage import Leverage

_FAR = 32.0
"""Where products are larger than their sum by this factor, more than 5 bits of it are lost."""


@dataclass(frozen=True)
class LeverageNumbers:
    """What an artefact holds of a leverage, in the dtype `compute`.

    Attributes:
        center: (places,); None where all are 0, which every artefact then leaves out.
        factor: (whitened, places), a row for each term that the fit kept.
        shift: (whitened,).
        constant: (1,); None where it is 0.
    """

    center: Floats | None
    factor: Floats
    shift: Floats
    constant: Floats | None

    def append(self, build: Builder, model: ModelValues) -> Value:
        """Append the steps of h (rows, 1) in the dtype `compute`."""
        deviation = model.design
        if self.center is not None:
            deviation = build.subtract(deviation, Constant("center", self.center))
        z = build.affine(deviation, Constant("factor", self.factor), Constant("shift", self.shift))
        squares = build.multiply(z, z)
        h = build.sum(squares) if z.width > 1 else squares
        return h if self.constant is None else build.add(h, Constant("constant", self.constant))


def leverage_numbers(checkpoint: Checkpoint, leverage: Leverage, numbers: Numbers) -> LeverageNumbers:
    """Return a checkpoint's leverage at a precision.
    Raises CheckFailedError where a number is beyond the range of the computing dtype.
    """
    layout = numbers.layout
    center, factor = layout.placed(leverage.mean[None, :]), layout.placed(kept(leverage))
    with np.errstate(over="ignore", under="ignore"):
        center *= layout.folded(checkpoint.scale)
        factor /= layout.folded(checkpoint.scale)
    held = _converted(center[0] * _is_far(leverage), numbers.compute)
    shift = exact_shift(checkpoint, leverage, layout, held).rounded(numbers.compute, "nearest")
    return LeverageNumbers(
        center=held if held.any() else None,
        factor=_converted(factor, numbers.compute),
        shift=_converted(shift, numbers.compute),
        constant=_converted(leverage.constant[None], numbers.compute) if leverage.constant else None,
    )


def _is_far(leverage: Leverage) -> bool:
    """Return whether z, of the terms themselves, would be a small difference of large products.

    Over the rows of the fit z has the standard deviation 1 / sqrt(sum of weights), which is sqrt(constant).
    """
    sizes = np.abs(leverage.mean) @ np.abs(leverage.factor)
    return bool((sizes > _FAR * np.sqrt(leverage.constant)).any())


def kept(leverage: Leverage) -> NDArray[np.float64]:
    """Return the factor's columns as rows (whitened, terms), but for those of terms that were left out."""
    return np.asarray(leverage.factor.T[_left(leverage)])


def _left(leverage: Leverage) -> NDArray[np.bool_]:
    """Return which columns of the factor belong to terms that were not left out, or the first where all were."""
    left = np.asarray(leverage.factor.any(axis=0))
    left[0] |= not left.any()
    return left


def _converted(values: Floats, dtype: str) -> Floats:
    with np.errstate(over="ignore", under="ignore"):
        converted = values.astype(dtype)
    if not np.isfinite(converted).all():
        raise CheckFailedError(f"the leverage takes a number beyond the range of {dtype}. Try --precision float64")
    return converted


def exact_shift(checkpoint: Checkpoint, leverage: Leverage, layout: Layout, held: Floats) -> Dyadic:
    """Return the shift (whitened,) exactly, for the center (places,) that the artefact holds."""
    coefficients = coefficients_of(layout, kept(leverage), Dyadic.of(leverage.shift[_left(leverage)]))
    center, mean = held_design(checkpoint, layout, held), mean_design(layout, leverage)
    return ((center - mean) @ coefficients).reshaped(-1)


def mean_design(layout: Layout, leverage: Leverage) -> ExactDesign:
    """Return the means of the terms as a row of the design matrix."""
    return ExactDesign(tuple(map(Dyadic.of, layout.parts(layout.placed(leverage.mean[None, :])))))


def held_design(checkpoint: Checkpoint, layout: Layout, held: Floats) -> ExactDesign:
    """Return the center that an artefact holds as a row of the design matrix, the scales folded into it taken out."""
    exponents = exponents_of(layout.folded(checkpoint.scale))[None, :]
    pairs = zip(layout.parts(held[None, :]), layout.parts(exponents), strict=True)
    return ExactDesign(tuple(Dyadic.of(part) * Dyadic.power_of_two(-exponent) for part, exponent in pairs))

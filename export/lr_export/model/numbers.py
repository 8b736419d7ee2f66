"""The checkpoint's numbers at a precision: what an artefact holds, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.exact.dyadic import Dyadic
from lr_export.model.exact import exponents_of
from lr_export.model.layout import Layout
from lr_export.model.response import Response
from lr_export.model.variables import is_within
from lr_runtime.contract.contract import OUTPUT_DTYPES, Contract, Dtype, Precision
from lr_runtime.errors import CheckFailedError, escaped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint

COMPUTE_DTYPES: dict[Precision, Dtype] = {
    "exact": "float64",
    "float32": "float32",
    "float64": "float64",
    "portable": "float32",
}


@dataclass(frozen=True)
class Numbers:
    """y = design @ weight.T + bias, the design of x as `layout` says, of u = (x - origin) * inverse_scale.

    Attributes:
        layout: the places of the design matrix.
        weight: (outputs, places) in the dtype `compute`; where no column is raised to a power the scales are folded in:
            a power of two rounds nothing.
        bias: (outputs,) in the dtype `compute`.
        origin: (numeric variables,) in the dtype `compute`; None where all are 0, which every artefact then leaves out.
        inverse_scale: (numeric variables,) 1 / scale in the dtype `compute`; None where all are 1, or folded in.
        fill: (numeric variables,) what u is at a missing value, in the dtype `compute`, rounded once; 0 where it has no
            policy; None where no column has one.
        input: the dtype of x.
        compute: the dtype in between.
        output: the dtype of the results.
        ordered: whether sums are taken in one fixed order, which gives the same bits in every engine.
        response: the inverses of the targets' functions.
        correction: (outputs,) what the means add, in the dtype `compute`; None for medians.
    """

    layout: Layout
    weight: NDArray[np.floating]
    bias: NDArray[np.floating]
    origin: NDArray[np.floating] | None
    inverse_scale: NDArray[np.floating] | None
    fill: NDArray[np.floating] | None
    input: Dtype
    compute: Dtype
    output: Dtype
    ordered: bool
    response: Response
    correction: NDArray[np.floating] | None


def numbers_at(
    checkpoint: Checkpoint, precision: Precision, input_dtype: Dtype | None = None, *, mean: bool = False
) -> Numbers:
    """Return the checkpoint's numbers for `precision`: themselves in float64, correctly rounded in float32.

    Args:
        checkpoint: the model.
        precision: of the artefact.
        input_dtype: of x; by default that of the results.
        mean: whether outputs that were fitted as a function are means, and not medians.

    Raises:
        OptionError: the mean is asked for, and no output was fitted as a function.
        UnsupportedModelError: the terms are none that an artefact can hold, or there is no mean.
        CheckFailedError: a number does not survive: it overflows, or becomes subnormal and loses its digits; or the
            training range of a column is beyond the range of the inputs' dtype.
    """
    layout, compute = Layout.of(checkpoint), COMPUTE_DTYPES[precision]
    given = input_dtype or OUTPUT_DTYPES[precision]
    _check_ranges(checkpoint, given)
    _check_functions(checkpoint.contract, given, compute)
    numeric = np.array(layout.numeric, dtype=np.intp)
    origin, scale, fill = checkpoint.origin[numeric], checkpoint.scale[numeric], checkpoint.fill[numeric]
    folded, response = layout.is_linear, Response.of(checkpoint.contract.outputs, mean=mean)
    correction = response.correction
    with np.errstate(over="ignore"):
        inverse = 1 / scale
    return Numbers(
        layout=layout,
        weight=narrowed(_divided(layout.placed(checkpoint.weight), layout.folded(checkpoint.scale)), compute, "weight"),
        bias=narrowed(checkpoint.bias, compute, "bias"),
        origin=_exactly(origin, compute, "origin") if origin.any() else None,
        inverse_scale=None if folded or (scale == 1).all() else _exactly(inverse, compute, "scale"),
        fill=_filled(layout, fill, origin, np.ones(len(scale)) if folded else scale, compute),
        input=given,
        compute=compute,
        output=OUTPUT_DTYPES[precision],
        ordered=precision == "portable",
        response=response,
        correction=None if correction is None else narrowed(correction, compute, "correction of the mean"),
    )


def _divided(weight: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore", under="ignore"):
        divided = weight / scale
        survived = divided * scale == weight
    if not survived.all():
        raise CheckFailedError("a weight over its scale is beyond the range of float64")
    return np.asarray(divided, dtype=np.float64)


def _filled(
    layout: Layout, fill: NDArray[np.float64], origin: NDArray[np.float64], scale: NDArray[np.float64], compute: Dtype
) -> NDArray[np.floating] | None:
    """Return (fill - origin) / scale, rounded once."""
    if not any(layout.filled):
        return None
    zero = Dyadic.of(origin)
    exact = (Dyadic.of(np.where(layout.filled, fill, origin)) - zero) * Dyadic.power_of_two(-exponents_of(scale))
    return narrowed(exact.rounded(compute, "nearest"), compute, "stand-in for missing values")


def _check_ranges(checkpoint: Checkpoint, dtype: Dtype) -> None:
    for column in checkpoint.contract.columns:
        ends = np.array([column.minimum, column.maximum])
        with np.errstate(over="ignore"):
            beyond = ends[~np.isfinite(ends.astype(dtype))]
        if beyond.size:
            raise CheckFailedError(
                f"column {escaped(column.name)} reaches {float(beyond[0])!r} in training, beyond the range of {dtype}. "
                + _WIDER
            )


def _check_functions(contract: Contract, given: Dtype, compute: Dtype) -> None:
    """Raise CheckFailedError where a range, rounded to the inputs' dtype, leaves a domain, or a function its dtype."""
    for each in contract.derived:
        column, name = contract.columns[each.column], escaped(each.name(contract.columns))
        for end in (column.minimum, column.maximum):
            held = float(np.array(end).astype(given))
            if not each.holds(held):
                raise CheckFailedError(f"{given} makes {held!r} of {end!r}, where {name} is not defined. {_WIDER}")
            if not is_within(each.value(held), compute):
                raise CheckFailedError(f"{name} is beyond the range of {compute} in training, at {end!r}. {_WIDER}")


_WIDER = "Try --precision float64, or --precision exact with --input float64"


def _exactly(values: NDArray[np.float64], dtype: Dtype, what: str) -> NDArray[np.floating]:
    converted = narrowed(values, dtype, what)
    if not (converted == values).all():
        raise CheckFailedError(f"an {what} is not exact in {dtype}. Try --precision exact")
    return converted


def narrowed(values: NDArray[np.float64], dtype: Dtype, what: str) -> NDArray[np.floating]:
    """Return numbers rounded once to a dtype; `what` they are stands in an error.
    Raises CheckFailedError where one overflows, or becomes subnormal and loses its digits.
    """
    with np.errstate(over="ignore", under="ignore"):
        converted = values.astype(dtype)
    info = np.finfo(converted.dtype)
    lost = ~np.isfinite(converted) | ((values != 0) & (np.abs(converted) < info.tiny) & (converted != values))
    if lost.any():
        raise CheckFailedError(
            f"the {what} {float(values[lost][0])!r} is beyond the range of {dtype}. Try --precision exact"
        )
    return converted

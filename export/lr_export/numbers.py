"""The checkpoint's numbers at a precision: what an artefact holds, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lr_runtime.contract import OUTPUT_DTYPES
from lr_runtime.errors import CheckFailedError, UnsupportedModelError, escaped, listed
from lr_runtime.terms import Term

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.checkpoint import Checkpoint
    from lr_runtime.contract import Precision

COMPUTE_DTYPES: dict[Precision, Literal["float32", "float64"]] = {
    "exact": "float64",
    "float32": "float32",
    "float64": "float64",
}


@dataclass(frozen=True)
class Numbers:
    """y = (x - origin) @ weight.T + bias, computed in `compute` on inputs and outputs of dtype `io`.

    Attributes:
        weight: (outputs, columns) in the dtype `compute`, the scales folded in: a power of two rounds nothing.
        bias: (outputs,) in the dtype `compute`.
        origin: (columns,) in the dtype `compute`; None where all are 0, which every artefact then leaves out.
    """

    weight: NDArray[np.floating[Any]]
    bias: NDArray[np.floating[Any]]
    origin: NDArray[np.floating[Any]] | None
    io: Literal["float32", "float64"]
    compute: Literal["float32", "float64"]

    def arrays(self) -> dict[str, NDArray[np.floating[Any]]]:
        """The arrays by name, without an origin of zeros."""
        origin = {} if self.origin is None else {"origin": self.origin}
        return {"weight": self.weight, "bias": self.bias, **origin}


def numbers_at(checkpoint: Checkpoint, precision: Precision) -> Numbers:
    """Return the checkpoint's numbers for `precision`: themselves in float64, correctly rounded in float32.

    Raises:
        UnsupportedModelError: a term is a power, a category, or stands in for a missing value.
        CheckFailedError: a number does not survive: it overflows, or becomes subnormal and loses its digits; or the
            training range of a column is beyond the range of the inputs' dtype.
    """
    _check_terms(checkpoint)
    compute = COMPUTE_DTYPES[precision]
    _check_ranges(checkpoint, OUTPUT_DTYPES[precision])
    with np.errstate(over="ignore", under="ignore"):
        weight = checkpoint.weight / checkpoint.scale
    if not (weight * checkpoint.scale == checkpoint.weight).all():
        raise CheckFailedError("a weight over its scale is beyond the range of float64")
    origin = _converted(checkpoint.origin, compute, "origin") if checkpoint.origin.any() else None
    if origin is not None and not (origin == checkpoint.origin).all():
        raise CheckFailedError(f"an origin is not exact in {compute}. Try --precision exact")
    return Numbers(
        weight=_converted(weight, compute, "weight"),
        bias=_converted(checkpoint.bias, compute, "bias"),
        origin=origin,
        io=OUTPUT_DTYPES[precision],
        compute=compute,
    )


def _check_terms(checkpoint: Checkpoint) -> None:
    columns = checkpoint.contract.columns
    strange = [term.name(columns) for place, term in enumerate(checkpoint.terms) if term != Term(place)]
    strange += [f"{column.name} (missing: {column.missing})" for column in columns if column.missing != "error"]
    if strange:
        raise UnsupportedModelError(
            f"the model has terms that lr-export cannot write yet: {listed(strange)}. "
            "It writes numeric columns as they are; fit without --degree, --category and --missing"
        )


def _check_ranges(checkpoint: Checkpoint, dtype: Literal["float32", "float64"]) -> None:
    for column in checkpoint.contract.columns:
        ends = np.array([column.minimum, column.maximum])
        with np.errstate(over="ignore"):
            beyond = ends[~np.isfinite(ends.astype(dtype))]
        if beyond.size:
            raise CheckFailedError(
                f"column {escaped(column.name)} reaches {float(beyond[0])!r} in training, beyond the range of {dtype}. "
                "Try --precision float64"
            )


def _converted(values: NDArray[np.float64], dtype: str, what: str) -> NDArray[np.floating[Any]]:
    with np.errstate(over="ignore", under="ignore"):
        converted = values.astype(dtype)
    info = np.finfo(converted.dtype)
    lost = ~np.isfinite(converted) | ((values != 0) & (np.abs(converted) < info.tiny) & (converted != values))
    if lost.any():
        raise CheckFailedError(
            f"the {what} {float(values[lost][0])!r} is beyond the range of {dtype}. Try --precision exact"
        )
    return converted

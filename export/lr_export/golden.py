"""Golden rows: synthetic inputs with correctly rounded outputs, by which a device can check itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_export.arithmetic import Dyadic, distance_to_tie, nearest
from lr_export.bound import ExactModel, inner_error
from lr_export.probes import box
from lr_runtime.contract import GoldenRow

if TYPE_CHECKING:
    from lr_export.numbers import Numbers
    from lr_runtime.checkpoint import Checkpoint

GOLDEN_ROWS = 3
_TRIED = 64


def golden_rows(checkpoint: Checkpoint, numbers: Numbers) -> tuple[GoldenRow, ...]:
    """Return rows in the training box whose outputs every engine must round alike.

    No two columns stand at the same share of their ranges, so that swapped columns show and a difference of two columns
    is not always 0.

    Rows whose exact output lies within the float64 bound of a rounding tie are passed over; where nearly all do (terms
    that cancel), there may be fewer rows than GOLDEN_ROWS.
    """
    low, high = box(checkpoint)
    exact, found = ExactModel.of(checkpoint), []
    for step in range(_TRIED):
        share = np.array([_spread(1 + step + column) for column in range(len(low))])
        with np.errstate(over="ignore"):
            x = (low * (1 - share) + high * share).astype(numbers.io)
        if not np.isfinite(x).all():
            continue
        row = _golden(exact, numbers, x[None, :].astype(np.float64))
        if row is not None:
            found.append(row)
        if len(found) == GOLDEN_ROWS:
            break
    return tuple(found)


def _spread(index: int) -> float:
    """Return number `index` of 1/2, 1/4, 3/4, 1/8, ..., its bits mirrored at the point (van der Corput 1935)."""
    return int(f"{index:b}"[::-1], 2) / (1 << index.bit_length())


def _golden(
    exact: ExactModel, numbers: Numbers, x: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> GoldenRow | None:
    inputs = Dyadic.of(x)
    try:
        wanted = [(y, nearest(y, numbers.io)) for y in exact.outputs(inputs).fractions()]
    except OverflowError:
        return None
    errors = inner_error(numbers, exact.magnitudes(inputs)).fractions()
    # Where nothing is rounded at the end the device's result is held to the bound, and ties do not matter.
    at_tie = numbers.io != numbers.compute and any(
        distance_to_tie(y, rounded) <= error for (y, rounded), error in zip(wanted, errors, strict=True)
    )
    return None if at_tie else GoldenRow(tuple(x[0].tolist()), tuple(float(rounded) for _, rounded in wanted))

"""Every float32 through the functions, held against float64: `make functions`.

A number behind it says to take one of so many; an odd one reaches every digit.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_export.program.evaluation import evaluated
from lr_export.program.functions import roundings
from tests.export.straight_line import function_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lr_runtime.contract.derived import FunctionName

FUNCTIONS: dict[FunctionName, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "log": np.log,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
}
"""In float64, within 4 of its units in the last place: 2^-27 of those of float32."""
U, ETA, TINY, LARGEST = 2.0**-24, 2.0**-149, 2.0**-126, (2 - 2.0**-23) * 2.0**127
BLOCK = 1 << 13
"""Rows at a time, whose values stay in a cache."""
ENDS: dict[FunctionName, tuple[float, float]] = {
    "log": (0.0, math.inf),
    "log1p": (1.0, math.inf),
    "exp": (104.0, 89.0),
    "sqrt": (0.0, math.inf),
}
"""How far the arguments go below and above 0."""


class Worst(NamedTuple):
    """Over some arguments: the largest error in u of the function, where, and of all in u |f(x)| + eta."""

    error: float
    x: float
    with_eta: float


def worst(function: FunctionName, blocks: Iterator[NDArray[np.float32]]) -> Worst:
    """Return the worst over all arguments of the blocks whose results are within the range of float32."""
    program, found = function_of(function, "float32"), Worst(0.0, 0.0, 0.0)
    c = float(roundings(function, "float32"))
    for x in blocks:
        # As one row of many columns, which numpy takes at once.
        y = evaluated(program, x[None])["y"][0].astype(np.float64)
        with np.errstate(all="ignore"):
            f = FUNCTIONS[function](x.astype(np.float64))
            size = np.abs(f)
            error = np.abs(y - f) / np.where(size < TINY, np.inf, size) / U
            of_all = np.abs(y - f) / (c * U * size + ETA)
        inside = size < LARGEST
        assert not np.isnan(y[inside]).any(), function
        error, of_all = np.where(inside, error, 0), np.where(inside, of_all, 0)
        place = int(error.argmax())
        if error[place] > found.error:
            found = found._replace(error=float(error[place]), x=float(x[place]))
        found = found._replace(with_eta=max(found.with_eta, float(of_all.max())))
    return found


def blocks(function: FunctionName, step: int = 1) -> Iterator[NDArray[np.float32]]:
    """Yield every float32 of both signs in the domain, or one of `step` of them."""
    for sign, end in zip((-1, 1), ENDS[function], strict=True):
        last = int(np.float32(end).view(np.uint32))
        for start in range(0, last, BLOCK * step):
            bits = np.arange(start, min(start + BLOCK * step, last), step, dtype=np.uint32)
            yield sign * bits.view(np.float32)


def main(step: int) -> int:
    """Print the worst of each function, and return whether one is above what `roundings` says."""
    failed = 0
    for function in FUNCTIONS:
        found, c = worst(function, blocks(function, step)), float(roundings(function, "float32"))
        holds = found.error < c and found.with_eta < 1
        failed += not holds
        print(f"{function}: within {found.error:.4f} u, at {found.x!r}; {c} u are promised", flush=True)  # noqa: T201
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))

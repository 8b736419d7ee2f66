"""The self-test of a model: its results on this machine and engine, compared with its golden rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.contract import EQUAL_BITS, Contract
from lr_runtime.errors import CheckFailedError, escaped
from lr_runtime.onnx_file.check import open_model
from lr_runtime.onnx_file.session import ENGINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class SelfTest:
    """The result of a self-test that passed.

    Attributes:
        rows: the number of golden rows.
        worst_error: per output, the largest distance to a golden output, in the output's unit.
        allowed: per output, the largest allowed distance; 0 where equal bits are required.
    """

    engine: str
    rows: int
    worst_error: tuple[float, ...]
    allowed: tuple[float, ...]

    def to_json(self) -> dict[str, object]:
        """Return JSON values."""
        return asdict(self)


def self_test(content: bytes) -> SelfTest:
    """Run the golden rows of an ONNX file alone and together.

    A golden output is the exact one, rounded to the output's dtype: half an ulp of that dtype is added to the bound at
    the precisions that promise a bound.

    Raises:
        ModelFileError: linedge did not write the file.
        CheckFailedError: the model has no golden rows, or an output is too far from its golden one.
    """
    session, contract = open_model(content)
    return golden_test(session.run, contract)


def golden_test(run: Callable[[NDArray[np.floating]], NDArray[np.floating]], contract: Contract) -> SelfTest:
    """Run the golden rows of a contract by what evaluates `y` (rows, outputs) for `x` (rows, columns).

    Raises:
        CheckFailedError: see `self_test`.
    """
    if not contract.golden_rows:
        raise CheckFailedError("the model carries no golden rows, so nothing shows whether this machine runs it right")
    x, golden = _golden(contract)
    allowed = _allowed(contract, golden)
    worst = np.zeros(golden.shape[1])
    for rows in (slice(None), *(slice(row, row + 1) for row in range(len(x)))):
        error = np.abs(run(x[rows]).astype(np.float64) - golden[rows])
        if not (error <= allowed[rows]).all():
            raise _failure(contract, x[rows], error, allowed[rows])
        worst = np.maximum(worst, error.max(axis=0))
    return SelfTest(ENGINE, len(x), tuple(worst.tolist()), tuple(allowed.max(axis=0).tolist()))


def _golden(contract: Contract) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
    """Return the golden rows' x (rows, columns), NaN where a value is missing, and y (rows, outputs)."""
    x = [row.x for row in contract.golden_rows]  # None becomes NaN
    return np.array(x, dtype=contract.input_dtype), np.array([row.y for row in contract.golden_rows], dtype=np.float64)


def _allowed(contract: Contract, golden: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest allowed distance of each output from its golden one, (rows, outputs)."""
    if contract.precision in EQUAL_BITS or contract.bound is None:
        return np.zeros_like(golden)
    half_step = np.spacing(np.abs(golden).astype(contract.output_dtype)).astype(np.float64) / 2
    allowed: NDArray[np.float64] = np.array(contract.bound) + half_step
    return allowed


def _failure(
    contract: Contract, x: NDArray[np.floating], error: NDArray[np.float64], allowed: NDArray[np.float64]
) -> CheckFailedError:
    row, output = np.argwhere(~(error <= allowed))[0]
    wanted = f"stay within {allowed[row, output]:.3g}" if allowed[row, output] else "be equal"
    name = escaped(contract.output_names[output])
    return CheckFailedError(
        f"{ENGINE} on this machine is {error[row, output]:.3g} from the golden {name} "
        f"at x = {x[row].tolist()!r:.200}; it has to {wanted}. Do not use this file here"
    )

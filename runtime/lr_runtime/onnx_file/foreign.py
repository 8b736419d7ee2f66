"""An ONNX model that linedge did not write, run because a user asked for it.

What it takes and gives is read from the session: one float input (rows, columns), one or more float outputs, side by
side. Nothing is known of its columns but their number, and nothing that linedge promises of a model holds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np

from lr_runtime.contract.columns import Column
from lr_runtime.contract.contract import Contract, Dtype, Output
from lr_runtime.errors import ModelFileError, OptionError, escaped
from lr_runtime.onnx_file.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class ForeignSession(Session):
    """A session that gives all outputs of a model side by side as `y` (rows, outputs).
    Raises ValueError where ONNX Runtime refuses the model, or it does not take one table of floats and give others.
    """

    is_foreign = True

    def __init__(self, model: bytes, *, threads: int = 1, provider: str = "cpu") -> None:
        super().__init__(model, threads=threads, provider=provider)
        inputs, outputs = self.signature
        if len(inputs) != 1 or inputs[0][1] not in {"float32", "float64"} or inputs[0][2] < 1:
            raise ValueError(f"it takes {_listed(inputs)}, not one input (rows, columns) of floats")
        self._input, dtype, columns = inputs[0]
        self.dtype = cast("Dtype", dtype)
        self.columns = columns
        self.outputs = self._outputs([name for name, _, _ in outputs])

    def _outputs(self, names: list[str]) -> tuple[str, ...]:
        """Return a name for each column of the outputs, whose number a graph need not state, from two rows of zeros."""
        try:
            tables = self._tables(np.zeros((2, self.columns), self.dtype))
        except Exception as error:  # onnxruntime's own exceptions share no base
            raise ValueError(f"it does not take any number of rows ({str(error).splitlines()[0]})") from error
        if any(table.dtype.kind != "f" or table.ndim != 2 or len(table) != 2 for table in tables):
            raise ValueError(f"it gives {_listed(self.signature[1])}, not rows of floats")
        return tuple(
            name if table.shape[1] == 1 else f"{name}_{column + 1}"
            for name, table in zip(names, tables, strict=True)
            for column in range(table.shape[1])
        )

    def _tables(self, x: NDArray[np.floating]) -> list[NDArray[np.generic]]:
        results = map(np.asarray, self._running().run(None, {self._input: x}))
        return [array.reshape(*array.shape[:1], math.prod(array.shape[1:])) for array in results]

    def evaluate(self, x: NDArray[np.floating], results: Sequence[str] = ("y",)) -> list[NDArray[np.generic]]:
        """Evaluate every output for `x` (rows, columns), side by side."""
        return [np.concatenate(self._tables(x), axis=1) for _ in results]


def _listed(values: list[tuple[str, str, int]]) -> str:
    return ", ".join(f"{escaped(name)} ({dtype})" for name, dtype, _ in values)


def open_foreign(content: bytes, *, threads: int = 1, provider: str = "cpu") -> tuple[Session, Contract]:
    """Make a session of any ONNX model, and the contract that it shows: columns x1, x2, ... of any number.
    Raises ModelFileError where ONNX Runtime refuses the model, or it is no table of floats to others.
    """
    try:
        session = ForeignSession(content, threads=threads, provider=provider)
    except OptionError:
        raise
    except ValueError as error:
        raise ModelFileError(f"it cannot be run here: {error}") from error
    contract = Contract(
        columns=tuple(Column(f"x{index + 1}", -np.inf, np.inf) for index in range(session.columns)),
        outputs=tuple(Output(name, None, None) for name in session.outputs),
        rows=0,
        linedge="",
        precision="float32" if session.dtype == "float32" else "float64",
        input_dtype=session.dtype,
    )
    return session, contract

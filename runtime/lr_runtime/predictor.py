"""A model file, ready to predict: every caller (command, files, Python) goes through this one predictor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lr_runtime.errors import (
    ForeignModelError,
    InputError,
    MissingColumnError,
    ModelFileError,
    RowError,
    escaped,
    listed,
)
from lr_runtime.files import sha256
from lr_runtime.model_file import open_model, read_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Prediction:
    """What the model gives: `values` (rows, outputs) in the model's dtype, outputs named by `names`."""

    names: tuple[str, ...]
    values: NDArray[np.floating[Any]]

    def rows(self) -> list[dict[str, float]]:
        """One dict a row, output name to value."""
        return [dict(zip(self.names, map(float, row), strict=True)) for row in self.values]


class Predictor:
    """A verified model in a session. `Predictor.load(path).predict(x)` is all there is to it.

    Attributes:
        contract: what the model takes and gives.
    """

    def __init__(self, model: bytes, *, allow_foreign: bool = False) -> None:
        self._model = model
        self._session, self.contract = open_model(model, allow_foreign=allow_foreign)

    @cached_property
    def sha256(self) -> str:
        """Of the file's bytes, the very bytes that the session was made from."""
        return sha256(self._model)

    @property
    def is_foreign(self) -> bool:
        """Whether something other than linedge wrote the model, so that none of linedge's promises hold."""
        return not self.contract.linedge

    @classmethod
    def load(cls, path: str | Path, *, sha256: str | None = None, allow_foreign: bool = False) -> Predictor:
        """Read a model file, once; the path is not opened again.

        Whatever the bytes of the file are, they cannot run code, open another file, or use more than a bounded time and
        memory, unless `allow_foreign` lets in what ONNX Runtime does with them.

        Args:
            path: the file.
            sha256: the SHA-256 that its bytes must have, in hexadecimal.
            allow_foreign: take a model that linedge did not write, if it gives floats for one input (rows, columns).

        Raises:
            MissingFileError: there is no such file.
            UnusableFileError: it is a directory, a pipe or a device, or is too large.
            DigestError: its bytes have another SHA-256.
            ModelFileError: the file is not a model that linedge wrote; the message says what it is.
        """
        content = read_model(Path(path), sha256)
        try:
            return cls(content, allow_foreign=allow_foreign)
        except ForeignModelError as error:
            raise ModelFileError(f"{path}: {error}") from error
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}. lr-infer reads the models of lr-export --format onnx") from error

    def predict(self, x: ArrayLike | Mapping[str, ArrayLike]) -> Prediction:
        """Predict every row.

        Args:
            x: numbers (rows, columns) in the model's column order, or one sequence of numbers a column by name, in any
                order; columns that the model does not use are ignored.

        Raises:
            InputError: wrong width or not numbers.
            RowError: a value, or the prediction, is not finite in the model's dtype.
            MissingColumnError: a column of the model is not among the names.
        """
        inputs = self._inputs(x)
        values = self._session.run(inputs)
        if not np.isfinite(values).all():
            row, output = np.argwhere(~np.isfinite(values))[0]
            name = self.contract.output_names[output]
            raise RowError(int(row), f"{escaped(name)} is beyond the range of {self.contract.output_dtype} there")
        return Prediction(self.contract.output_names, values)

    def _inputs(self, x: ArrayLike | Mapping[str, ArrayLike]) -> NDArray[np.floating[Any]]:
        wide = _by_name(x, self.contract.column_names) if isinstance(x, Mapping) else _numbers(x, "x")
        columns = self.contract.column_names
        if wide.ndim != 2 or wide.shape[1] != len(columns):
            raise InputError(
                f"x has shape {wide.shape}; the model takes (rows, {len(columns)}), the columns {listed(columns)}"
            )
        with np.errstate(over="ignore"):
            narrow = wide.astype(self.contract.input_dtype)
        if not np.isfinite(narrow).all():
            row, column = np.argwhere(~np.isfinite(narrow))[0]
            value = wide[row, column]
            # A float32 NaN or infinity is the caller's; a finite value that became one is too large for the model.
            what = f"beyond the range of {self.contract.input_dtype}" if np.isfinite(value) else "not a finite number"
            raise RowError(int(row), f"column {escaped(columns[column])}: {float(value)!r} is {what}")
        return narrow


def _by_name(x: Mapping[str, ArrayLike], names: Sequence[str]) -> NDArray[np.float64]:
    missing = [name for name in names if name not in x]
    if missing:
        raise MissingColumnError("the input", missing, [str(name) for name in x])
    columns = [np.atleast_1d(_numbers(x[name], f"column {escaped(name)}")) for name in names]
    lengths = {name: column.shape for name, column in zip(names, columns, strict=True)}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
        raise InputError(f"the columns have different lengths or more than one dimension: {lengths}")
    return np.column_stack(columns)


def _numbers(x: ArrayLike, what: str) -> NDArray[np.float64]:
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise InputError(f"{what}: the rows have different lengths") from error
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what} holds {_kind_of(array)}, not numbers")
    return cast("NDArray[np.float64]", array.astype(np.float64))


def _kind_of(array: NDArray[Any]) -> str:
    return {"U": "text", "S": "bytes", "M": "dates", "m": "time spans", "c": "complex numbers"}.get(
        array.dtype.kind, "objects"
    )

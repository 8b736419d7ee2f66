"""A model file, ready to predict: every caller (command, files, Python) goes through this one predictor."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime.choices import LoadOptions, Unknown
from lr_runtime.errors import ForeignModelError, InputError, ModelFileError, OptionError, escaped
from lr_runtime.onnx_file.check import Source, called, open_model, read_model
from lr_runtime.prediction.coercion import Coercion
from lr_runtime.prediction.fast_row import OneRow
from lr_runtime.prediction.inputs import Given, first_fault, given
from lr_runtime.prediction.result import Prediction
from lr_runtime.system.files import sha256
from lr_runtime.wording import worded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.prediction.explanation import Explanation
    from lr_runtime.prediction.inversion import Inversion

    Faults = dict[int, str]


class Predictor:
    """A verified model in a session: `Predictor.load(path).predict(x)`.

    One predictor serves any number of threads, and works in a process that is forked while they predict. A predictor
    is pickled as the bytes of its file, which are checked again when it is unpickled; a copy has its own session.

    Args:
        model: the bytes of the file; the others as `load` takes them.

    Attributes:
        contract: the inputs and outputs of the model.

    Example:
        >>> from lr_export import export
        >>> from lr_trainer import fit
        >>> table = {"t": [15.0, 20.0, 25.0, 30.0], "y": [1.2, 1.9, 3.1, 3.9]}
        >>> _ = export(fit(table, target="y"), "sensor.onnx")
        >>> predictor = Predictor.load("sensor.onnx")
        >>> predictor.predict([[20.0], [22.5]]).values
        array([[2.06 ],
               [2.525]], dtype=float32)
        >>> predictor.predict({"t": [20.0]}).rows()
        [{'y': 2.059999942779541}]
    """

    def __init__(
        self,
        model: bytes,
        *,
        allow_foreign: bool = False,
        threads: int = 1,
        provider: str = "cpu",
        only_y: bool = False,
        unknown: Unknown = "error",
    ) -> None:
        LoadOptions(None, allow_foreign, threads, provider, only_y, unknown)  # raises OptionError for an invalid value
        if not isinstance(model, bytes):
            raise OptionError(f"a predictor is made of a model's bytes; Predictor.load takes {escaped(repr(model))}")
        self._model = model
        self._loaded = partial(
            type(self).load,
            allow_foreign=allow_foreign,
            threads=threads,
            provider=provider,
            only_y=only_y,
            unknown=unknown,
        )
        self._session, self.contract = open_model(
            model, allow_foreign=allow_foreign, threads=threads, provider=provider
        )
        self._results: tuple[str, ...] = ("y",) if only_y else self.contract.results
        self._names = self.contract.output_names
        self._coerced = Coercion(self.contract, unknown)
        self._one = None if self.is_foreign else OneRow(self._session, self.contract, self._results)

    def __reduce__(self) -> tuple[partial[Predictor], tuple[bytes]]:
        """Pickle and copy as the bytes of the file and the options of `load`."""
        return self._loaded, (self._model,)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the bytes that the session was made from."""
        return sha256(self._model)

    @property
    def is_foreign(self) -> bool:
        """Whether something other than linedge wrote the model, so that none of linedge's promises hold."""
        return self._session.is_foreign

    @classmethod
    def load(
        cls,
        path: Source,
        *,
        sha256: str | None = None,
        allow_foreign: bool = False,
        threads: int = 1,
        provider: str = "cpu",
        only_y: bool = False,
        unknown: Unknown = "error",
    ) -> Predictor:
        """Read a model file, once; a path is not opened again.

        Whatever the bytes of the file are, they cannot run code, open another file, or use more than a bounded time and
        memory; with `allow_foreign`, ONNX Runtime alone decides what a foreign model does.

        Args:
            path: the file; or its bytes, or a file opened in binary mode, which is read from its position on.
            sha256: the SHA-256 that the bytes must have, in hexadecimal.
            allow_foreign: accept a model that linedge did not write, if it gives floats for one input (rows, columns).
            threads: the number of threads for one batch.
            provider: the execution provider, as ONNX Runtime names it.
            only_y: whether to leave intervals and flags out.
            unknown: how to treat an unknown category: as an "error", or as "missing" where its column has a policy.

        Raises:
            MissingFileError: there is no such file.
            UnusableFileError: it is a directory, a pipe or a device, or is too large.
            DigestError: the bytes have another SHA-256.
            ModelFileError: the file is not a model that linedge wrote; the message says what it is.
            OptionError: the provider is not available, or `path` is none of these.
        """
        content = read_model(path, sha256)
        try:
            predictor = cls(
                content,
                allow_foreign=allow_foreign,
                threads=threads,
                provider=provider,
                only_y=only_y,
                unknown=unknown,
            )
        except ForeignModelError as error:
            raise ModelFileError(f"{called(path)}: {error}") from error
        except ModelFileError as error:
            raise ModelFileError(
                f"{called(path)}: {error}. lr-infer reads the models of lr-export --format onnx"
            ) from error
        predictor._loaded = partial(predictor._loaded, sha256=sha256)
        return predictor

    def predict(self, x: object) -> Prediction:
        """Predict every row.

        Args:
            x: rows in any form: numbers (rows, columns) in the model's column order, categories by their
                index; a sequence of rows, categories by their value or index; columns by name, in any order, as a dict
                or a frame of pandas, polars or pyarrow; a sequence of dicts. None and NaN are missing values.

        Raises:
            InputError: wrong width or not numbers.
            RowError: a value is missing where the column's policy has no answer, is not finite, is beyond the model's
                input type, is an integer that this type does not represent exactly, or is an unknown category; or the
                prediction is not finite.
            MissingColumnError: a column of the model is not among the names.
        """
        if self._one is not None and (results := self._one.results(x)) is not None:
            return self._prediction(results)
        prediction, faults = self.predict_each(x)
        if faults:
            raise first_fault(faults)
        return prediction

    def predict_each(self, x: object) -> tuple[Prediction, dict[int, str]]:
        """Return the predictions of all rows, NaN for bad ones, and the fault of each bad row.

        Args:
            x: see `predict`; or a `Given`.

        Raises:
            InputError: `x` has no form of rows.
            MissingColumnError: a column of the model is not among the names.
        """
        rows = self._given(x)
        return self._predicted(rows, *self._coerced(rows))

    def _predicted(self, rows: Given, x: NDArray[np.floating], faults: Faults) -> tuple[Prediction, Faults]:
        results = self._session.evaluate(x, self._results)
        self._check(results, faults)
        said = {row: worded(fault) for row, fault in faults.items()} if faults else faults
        return self._prediction(results, rows.ignored, rows.labels), said

    def explain(self, x: object) -> tuple[Explanation, ...]:
        """Return what each term adds to the prediction of one row, for each output.

        Args:
            x: one row, in any form that `predict` takes.

        Raises:
            InputError: not one row, or the model carries no equation.
            RowError: see `predict`.
        """
        from lr_runtime.prediction.explanation import explained

        values = self.predict(x).values
        if len(values) != 1:
            raise InputError(f"an explanation is of one row, not of {len(values)}")
        (row,) = self._coerced(self._given(x))[0].tolist()
        return explained(self.contract, row, values[0].tolist())

    def invert(
        self, reading: Mapping[str, float] | None = None, *, at: Mapping[str, object] | None = None, **named: float
    ) -> Inversion:
        """Return the value of the one column that is not in `at` at which an output is a reading: `invert(y=7.2)`.

        Args:
            reading: the output's name and the reading, where the name is none of Python's; in place of `named`.
            at: the values of all other columns, by name.
            named: the reading, by the output's name.

        Raises:
            OptionError: it is not one output, or not one numeric column is left.
            InputError: over the training range the model does not rise or fall throughout, or reach the reading.
        """
        from lr_runtime.prediction.inversion import inverted

        return inverted(self.contract, self.predict, named if reading is None else reading, at or {})

    def _given(self, x: object) -> Given:
        return x if isinstance(x, Given) else given(x, self.contract.column_names, self.contract.category_names)

    def _check(self, results: Sequence[NDArray[np.generic]], faults: dict[int, str]) -> None:
        """Add the rows with a result that is not finite to `faults`, and set the results of all bad rows to NaN."""
        for name, result in zip(self._results, results, strict=True):
            bad = ~np.isfinite(result)
            if bad.any() and self.contract.inverse is not None and name != "y":
                bad = np.isnan(result)  # a side without a limit is infinite
            for row, output in np.argwhere(bad).tolist() if bad.any() else ():
                if row not in faults:
                    faults[row] = f"{self._called(name, output)} is beyond the range of {result.dtype} there"
        if rows := list(faults):
            for result in results:
                result[rows] = np.nan if result.dtype.kind == "f" else False

    def _called(self, result: str, output: int) -> str:
        name = self._names[output] if result.startswith("y") else ""
        return escaped(name + result.removeprefix("y"))

    def _prediction(
        self, results: Sequence[NDArray[Any]], ignored: tuple[str, ...] = (), index: Any = None
    ) -> Prediction:
        if len(results) == 1:
            return Prediction(self._names, results[0], None, None, None, None, ignored, index)
        named = dict(zip(self._results, results, strict=True))
        flat = {name: named[name].reshape(-1) for name in ("in_range", "leverage") if name in named}
        return Prediction(
            names=self._names,
            values=named["y"],
            lower=named.get("y_lower"),
            upper=named.get("y_upper"),
            in_range=flat.get("in_range"),
            leverage=flat.get("leverage"),
            ignored=ignored,
            index=index,
        )

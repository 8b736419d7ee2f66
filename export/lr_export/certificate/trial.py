"""The check of engines against the claims: every result, at every probe row, in every batch size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lr_export.bounds.claim import rounded_box
from lr_export.certificate.probes import BATCH_SIZES, probe_rows, refused_rows
from lr_export.exact.dyadic import Dyadic
from lr_runtime.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lr_export.bounds.claim import Claim
    from lr_export.certificate.specification import Blueprint
    from lr_export.formats.backend import Engine, Results
    from lr_export.model.exact import Floats
    from lr_export.program.program import Array, Program, Value
    from lr_runtime.contract.contract import Dtype

_TINY = 2.0**-100
_ROUNDED_UP = 1 + 2.0**-50
"""Covers the three roundings of a distance in float64."""


@dataclass(frozen=True)
class Measured:
    """The errors of one engine on the probe rows.

    Attributes:
        engine: the name and version of the engine.
        worst_error: by result, the largest distance to the exact model in the training box, in output units.
        worst_share: the largest share of the bound at its own row that an error used anywhere, at most 1.
        correctly_rounded: the share of rows whose y are the floating-point numbers nearest to the exact ones.
    """

    engine: str
    worst_error: dict[str, float]
    worst_share: float
    correctly_rounded: float


@dataclass(frozen=True)
class Allowed:
    """The values that a result may have at each row: from `lowest` to `highest`, both of its dtype.

    Attributes:
        lowest: the exact result less its bound, rounded up, (rows, width).
        highest: the exact result plus its bound, rounded down.
        exact: two parts whose sum is the exact result to twice the digits of float64.
        bound: the error bound, rounded up to float64.
        nearest: the exact result rounded to the dtype.
        dtype: the dtype of the result.
    """

    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    exact: tuple[NDArray[np.float64], NDArray[np.float64]]
    bound: NDArray[np.float64]
    nearest: NDArray[np.float64]
    dtype: Dtype

    @staticmethod
    def around(value: Dyadic, bound: Dyadic, dtype: Dtype) -> Allowed:
        """Return the allowed values for exact values and bounds, both (rows, width)."""
        high = value.rounded("float64", "nearest")
        return Allowed(
            lowest=(value - bound).rounded(dtype, "up"),
            highest=(value + bound).rounded(dtype, "down"),
            exact=(high, (value - Dyadic.of(high)).rounded("float64", "nearest")),
            bound=bound.rounded("float64", "up"),
            nearest=high if dtype == "float64" else value.rounded(dtype, "nearest"),
            dtype=dtype,
        )

    @staticmethod
    def of(claim: Claim, x: Floats, dtype: Dtype) -> Allowed:
        """Return the values that a claim allows at rows x (rows, columns).

        Rows with tiny numbers are computed separately: they would lengthen the integers of all others.
        """
        tiny = ((x != 0) & (np.abs(x) < _TINY)).any(axis=1)
        groups = [rows for rows in (np.flatnonzero(~tiny), np.flatnonzero(tiny)) if rows.size]
        parts = [Allowed.around(*claim.at(x[rows]), dtype) for rows in groups]
        order = np.argsort(np.concatenate(groups))

        def joined(take: Callable[[Allowed], NDArray[np.float64]]) -> NDArray[np.float64]:
            return np.concatenate([take(part) for part in parts])[order]

        return Allowed(
            lowest=joined(lambda part: part.lowest),
            highest=joined(lambda part: part.highest),
            exact=(joined(lambda part: part.exact[0]), joined(lambda part: part.exact[1])),
            bound=joined(lambda part: part.bound),
            nearest=joined(lambda part: part.nearest),
            dtype=dtype,
        )

    @property
    def is_finite(self) -> NDArray[np.bool_]:
        """Whether all allowed values of a row are within the range of the dtype, (rows,)."""
        largest = (np.abs(self.exact[0]) + self.bound) * _ROUNDED_UP
        return np.asarray((largest <= np.finfo(self.dtype).max).all(axis=1))

    def where(self, rows: NDArray[np.bool_]) -> Allowed:
        """Return the allowed values of the rows that are True."""
        high, low = self.exact
        return Allowed(
            self.lowest[rows],
            self.highest[rows],
            (high[rows], low[rows]),
            self.bound[rows],
            self.nearest[rows],
            self.dtype,
        )

    def errors(self, got: Array) -> NDArray[np.float64]:
        """Return the distances of `got`, the first rows, to the exact result, rounded up."""
        high, low = (part[: len(got)] for part in self.exact)
        return np.asarray(np.abs((got - high) - low) * _ROUNDED_UP, dtype=np.float64)


@dataclass(frozen=True)
class Trial:
    """The check that every engine has to pass.

    Attributes:
        x: the probe rows.
        inside: whether each of the probe rows lies in the training box.
        allowed: the allowed values of each result.
        refused: invalid rows, at which every floating-point result has to be NaN, and in_range False.
    """

    program: Program
    x: Floats
    inside: NDArray[np.bool_]
    allowed: Mapping[str, Allowed]
    refused: Floats

    @staticmethod
    def of(blueprint: Blueprint) -> Trial:
        """Return the trial of the artefacts of a blueprint."""
        checkpoint, numbers = blueprint.checkpoint, blueprint.numbers
        rows = _rows(blueprint)
        allowed = {
            name: Allowed.of(claim, rows, _rounded_to(blueprint.program.results[name]))
            for name, claim in blueprint.claims.items()
        }
        # Rows that make y nearly 0 may lie far out of the box, where the leverage can exceed the range of its dtype.
        kept = np.all([each.is_finite for name, each in allowed.items() if name != "y"], axis=0) | np.zeros(
            len(rows), bool
        )
        x = rows[kept]
        low, high = rounded_box(checkpoint, numbers)
        return Trial(
            program=blueprint.program,
            x=x,
            inside=np.asarray(np.all(((x >= low) & (x <= high)) | np.isnan(x), axis=1)),
            allowed={name: each.where(kept) for name, each in allowed.items()},
            refused=refused_rows(checkpoint, numbers.input),
        )

    def measure(self, engine: str, run: Engine) -> Measured:
        """Return the errors of an engine.

        Raises:
            CheckFailedError: a result is not as claimed; the message names the first one.
        """
        for size in BATCH_SIZES:
            self.check(engine, run, size)
        results = self.check(engine, run)
        self._check_refused(engine, self._checked_run(engine, run, self.refused))
        errors = {name: self.allowed[name].errors(got) for name, got in results.items()}
        return Measured(
            engine=engine,
            worst_error={name: float(error[self.inside].max(initial=0.0)) for name, error in errors.items()},
            worst_share=max(_largest_share(error, self.allowed[name].bound) for name, error in errors.items()),
            correctly_rounded=float((results["y"] == self.allowed["y"].nearest).all(axis=1).mean()),
        )

    def check(self, engine: str, run: Engine, size: int | None = None) -> Results:
        """Return the results of an engine for the first rows in one batch, all by default.

        Raises:
            CheckFailedError: a result is not within its bound.
        """
        results = self._checked_run(engine, run, self.x[:size])
        for name, got in results.items():
            self._check(engine, name, got)
        return results

    def check_same_bits(self, engines: Mapping[str, Engine]) -> None:
        """Raise CheckFailedError where an engine does not give the bits of the others, as `portable` promises."""
        (first, run), *others = engines.items()
        expected = self._checked_run(first, run, self.x)
        for other, run in others:
            for name, got in self._checked_run(other, run, self.x).items():
                if got.tobytes() != expected[name].tobytes():
                    raise CheckFailedError(f"{other} and {first} give {name} with other bits. Nothing was kept")

    def _checked_run(self, engine: str, run: Engine, x: Floats) -> Results:
        try:
            results = run(x)
        except Exception as error:  # engines' exceptions share no base
            raise CheckFailedError(f"{engine} fails on {len(x)} rows ({str(error)[:200]}). Nothing was kept") from error
        for name, value in self.program.results.items():
            got, shape = results[name], (len(x), value.width)
            if got.shape != shape or got.dtype != value.dtype:
                raise CheckFailedError(f"{engine} gives {name} as {got.dtype} {got.shape}, not {value.dtype} {shape}")
        return results

    def _check(self, engine: str, name: str, got: Array) -> None:
        allowed = self.allowed[name]
        if not np.isfinite(got).all():
            raise CheckFailedError(f"{engine} gives a {name} that is not finite. Try another --precision")
        missed = (got < allowed.lowest[: len(got)]) | (got > allowed.highest[: len(got)])
        if missed.any():
            row, column = np.argwhere(missed)[0]
            raise CheckFailedError(
                f"{engine} is {allowed.errors(got)[row, column]:.3g} from the model's {name} at "
                f"x = {self.x[row].tolist()!r:.200}; the bound there is {allowed.bound[row, column]:.3g}. "
                "Nothing was kept"
            )

    def _check_refused(self, engine: str, results: Results) -> None:
        for name, got in results.items():
            taken = got if got.dtype == np.bool_ else ~np.isnan(got)
            if taken.any():
                row = np.argwhere(taken)[0][0]
                raise CheckFailedError(
                    f"{engine} gives a {name} for x = {self.refused[row].tolist()!r:.200}, which the model does not "
                    "take. Nothing was kept"
                )


def _rows(blueprint: Blueprint) -> Floats:
    """Return the probe rows, and with flags those at the limits of the training ranges."""
    rows = probe_rows(blueprint.checkpoint, blueprint.numbers.input)
    limits = blueprint.uncertainty.limits
    return rows if limits is None else np.concatenate([rows, limits.rows(rows[-1])])


def _rounded_to(value: Value) -> Dtype:
    return "float32" if value.dtype == "float32" else "float64"


def _largest_share(error: NDArray[np.float64], bound: NDArray[np.float64]) -> float:
    used = error > 0
    return float(np.minimum(error[used] / bound[used], 1.0).max(initial=0.0))

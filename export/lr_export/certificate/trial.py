"""The check of engines against the claims: every result, at every probe row, in every batch size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lr_export.bounds.claim import Claims, rounded_box
from lr_export.certificate.probes import BATCH_SIZES, probe_rows, refused_rows, rows_outside
from lr_export.exact.dyadic import Dyadic
from lr_export.model.variables import are_held
from lr_runtime.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lr_export.certificate.specification import Blueprint
    from lr_export.formats.backend import Engine, Results
    from lr_export.model.exact import Floats
    from lr_export.program.program import Array, Program
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


class Allowed(NamedTuple):
    """The values that a result may have at each row, float64 (rows, width): from `lowest` to `highest`.

    Attributes:
        lowest: the exact result less its bound, rounded up to the result's dtype.
        highest: the exact result plus its bound, rounded down to it.
        exact: the exact result, rounded to float64.
        rest: what `exact` has rounded away, rounded.
        bound: the error bound, rounded up.
        nearest: the exact result rounded to the result's dtype.
    """

    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    exact: NDArray[np.float64]
    rest: NDArray[np.float64]
    bound: NDArray[np.float64]
    nearest: NDArray[np.float64]

    @staticmethod
    def around(value: Dyadic, bound: Dyadic, dtype: Dtype) -> Allowed:
        """Return the allowed values for exact values and bounds, both (rows, width)."""
        high = value.rounded("float64", "nearest")
        finite = np.where(np.isfinite(high), high, 0)  # limits of an inverse may be infinite
        return Allowed(
            lowest=(value - bound).rounded(dtype, "up"),
            highest=(value + bound).rounded(dtype, "down"),
            exact=high,
            rest=np.where(np.isfinite(high), (value - Dyadic.of(finite)).rounded("float64", "nearest"), 0),
            bound=bound.rounded("float64", "up"),
            nearest=high if dtype == "float64" else value.rounded(dtype, "nearest"),
        )

    def are_within(self, dtype: Dtype) -> NDArray[np.bool_]:
        """Return whether all allowed values of a row are within the range of the dtype, (rows,)."""
        largest = (np.abs(self.exact) + self.bound) * _ROUNDED_UP
        return np.asarray(((largest <= np.finfo(dtype).max) | np.isinf(self.exact)).all(axis=1))

    def where(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Allowed:
        """Return the allowed values of the rows that are True, or that have these numbers."""
        return Allowed(*(values[rows] for values in self))

    def errors(self, got: Array) -> NDArray[np.float64]:
        """Return the distances of `got`, the first rows, to the exact result, rounded up."""
        exact = self.exact[: len(got)]
        with np.errstate(invalid="ignore"):
            off = np.where(got == exact, 0.0, got - exact)
        return np.asarray(np.abs(off - self.rest[: len(got)]) * _ROUNDED_UP)


@dataclass(frozen=True)
class Trial:
    """The check that every engine has to pass.

    Attributes:
        x: the probe rows.
        inside: whether each of the probe rows lies in the training box.
        allowed: the allowed values of each result.
        refused: invalid rows, at which every floating-point result has to be NaN, and in_range False.
        outside: rows outside the domain of a function, at which it has to be NaN or infinite, and in_range False.
    """

    program: Program
    x: Floats
    inside: NDArray[np.bool_]
    allowed: Mapping[str, Allowed]
    refused: Floats
    outside: Floats

    @staticmethod
    def of(blueprint: Blueprint) -> Trial:
        """Return the trial of the artefacts of a blueprint."""
        checkpoint, numbers = blueprint.checkpoint, blueprint.numbers
        rows, dtypes = _rows(blueprint), _dtypes(blueprint.program)
        allowed = _allowed(blueprint.claims, rows, dtypes)
        # Rows that make y nearly 0 may lie far out of the box, where a result can exceed the range of its dtype.
        kept = np.ones(len(rows), dtype=np.bool_)
        for name in allowed:
            kept &= allowed[name].are_within(dtypes[name])
        x = rows[kept]
        low, high = rounded_box(checkpoint, numbers)
        return Trial(
            program=blueprint.program,
            x=x,
            inside=np.asarray(np.all(((x >= low) & (x <= high)) | np.isnan(x), axis=1)),
            allowed={name: each.where(kept) for name, each in allowed.items()},
            refused=refused_rows(checkpoint, numbers.input),
            outside=rows_outside(checkpoint, numbers.input),
        )

    def measure(self, engine: str, run: Engine) -> Measured:
        """Return the errors of an engine.
        Raises CheckFailedError where a result is not as claimed; the message names the first one.
        """
        for size in BATCH_SIZES:
            self.check(engine, run, size)
        results = self.check(engine, run)
        self._check_refused(engine, run, self.refused, np.isnan)
        self._check_refused(engine, run, self.outside, lambda got: ~np.isfinite(got))
        errors = {name: self.allowed[name].errors(got) for name, got in results.items()}
        return Measured(
            engine=engine,
            worst_error={name: float(error[self.inside].max(initial=0.0)) for name, error in errors.items()},
            worst_share=max(_largest_share(error, self.allowed[name].bound) for name, error in errors.items()),
            correctly_rounded=float((results["y"] == self.allowed["y"].nearest).all(axis=1).mean()),
        )

    def check(self, engine: str, run: Engine, size: int | None = None) -> Results:
        """Return the results of an engine for the first rows in one batch, all by default.
        Raises CheckFailedError where a result is not within its bound.
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
        if not (np.isfinite(got) | (got == allowed.exact[: len(got)])).all():
            raise CheckFailedError(f"{engine} gives a {name} that is not finite. Try another --precision")
        missed = (got < allowed.lowest[: len(got)]) | (got > allowed.highest[: len(got)])
        if missed.any():
            row, column = np.argwhere(missed)[0]
            raise CheckFailedError(
                f"{engine} is {allowed.errors(got)[row, column]:.3g} from the model's {name} at "
                f"x = {self.x[row].tolist()!r:.200}; the bound there is {allowed.bound[row, column]:.3g}. "
                "Nothing was kept"
            )

    def _check_refused(self, engine: str, run: Engine, x: Floats, is_refused: Callable[[Array], Array]) -> None:
        for name, got in self._checked_run(engine, run, x).items():
            taken = got if got.dtype == np.bool_ else ~is_refused(got)
            if taken.any():
                row = np.argwhere(taken)[0][0]
                raise CheckFailedError(
                    f"{engine} gives a {name} for x = {x[row].tolist()!r:.200}, which the model does not "
                    "take. Nothing was kept"
                )


def _rows(blueprint: Blueprint) -> Floats:
    """Return the probe rows, and with flags those at the limits of the training ranges."""
    rows, numbers = probe_rows(blueprint.checkpoint, blueprint.numbers.input), blueprint.numbers
    limits = blueprint.uncertainty.limits
    rows = rows if limits is None else np.concatenate([rows, limits.rows(rows[-1])])
    return rows[are_held(blueprint.checkpoint.contract, rows, numbers.compute)]


def _allowed(claims: Claims, x: Floats, dtypes: Mapping[str, Dtype]) -> dict[str, Allowed]:
    """Return what the claims allow for each result at rows x (rows, columns).

    Rows with tiny numbers are computed separately: they would lengthen the integers of all others.
    """
    tiny = ((x != 0) & (np.abs(x) < _TINY)).any(axis=1)
    groups = [rows for rows in (np.flatnonzero(~tiny), np.flatnonzero(tiny)) if rows.size]
    parts, order = [claims.at(x[rows]) for rows in groups], np.argsort(np.concatenate(groups))
    allowed = {}
    for name in claims.bounds:
        each = [Allowed.around(*part[name], dtypes[name]) for part in parts]
        allowed[name] = Allowed(*map(np.concatenate, zip(*each, strict=True))).where(order)
    return allowed


def _dtypes(program: Program) -> dict[str, Dtype]:
    """Return the dtypes that the results are rounded to; in_range is 0 or 1 in any."""
    return {name: "float32" if each.dtype == "float32" else "float64" for name, each in program.results.items()}


def _largest_share(error: NDArray[np.float64], bound: NDArray[np.float64]) -> float:
    used = error > 0
    return float(np.minimum(error[used] / bound[used], 1.0).max(initial=0.0))

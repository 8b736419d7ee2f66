"""The certificate: the bytes as written, held against the checkpoint in exact arithmetic. One miss, and no file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export.arithmetic import Dyadic, rounded_up
from lr_export.bound import input_rounding
from lr_export.formats import FORMATS, eager
from lr_export.probes import BATCH_SIZES, box, probe_rows
from lr_runtime.errors import CheckFailedError
from lr_runtime.files import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lr_export.blueprint import Blueprint
    from lr_export.choices import FormatName
    from lr_export.exact import Floats
    from lr_export.formats import Engine, Opened, Results
    from lr_export.program import Program
    from lr_runtime.contract import Precision


@dataclass(frozen=True)
class Measured:
    """What one engine gave on the probe rows.

    Attributes:
        engine: its name and version.
        worst_error: the largest distance to the exact model in the training box, by result, in output units.
        worst_share: the largest share of the bound at its own row that an error used anywhere, at most 1.
    """

    engine: str
    worst_error: dict[str, float]
    worst_share: float


@dataclass(frozen=True)
class Certificate:
    """What was proven and measured of one artefact.

    Attributes:
        bounds: by result, for each of its columns, the most that the artefact can be from the exact model anywhere in
            the training box.
        input_rounding: per output, the most that rounding the inputs to float32 moves y there; 0 for float64 inputs.
        rows: the number of probe rows.
        sha256: of the file, `size` bytes.
    """

    format: FormatName
    precision: Precision
    bounds: dict[str, tuple[float, ...]]
    input_rounding: tuple[float, ...]
    rows: int
    engines: tuple[Measured, ...]
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def certify(content: bytes, blueprint: Blueprint, format_name: FormatName) -> Certificate:
    """Check the bytes of an artefact against what it is to be.

    Its numbers bit for bit, its contract, and its own engines and eager PyTorch on the probe rows within the bound at
    each row, in every batch size.

    Raises:
        CheckFailedError: the first thing that does not hold.
    """
    try:
        opened = FORMATS[format_name].reopen(content, blueprint.program)
    except Exception as error:  # engines' exceptions share no base, and an artefact they refuse has failed the check
        raise CheckFailedError(f"the file as written does not load ({str(error)[:200]}). Nothing was kept") from error
    _check_content(opened, blueprint)
    expected = _expected(blueprint)
    engines = {**opened.engines, "eager torch": eager(blueprint.program)}
    measured = tuple(_measure(name, run, blueprint.program, expected) for name, run in engines.items())
    return Certificate(
        format=format_name,
        precision=blueprint.contract.precision,
        bounds={name: claim.bound for name, claim in blueprint.claims.items()},
        input_rounding=_input_rounding(blueprint),
        rows=len(expected.x),
        engines=measured,
        size=len(content),
        sha256=sha256(content),
    )


def _input_rounding(blueprint: Blueprint) -> tuple[float, ...]:
    if blueprint.numbers.input != "float32":
        return (0.0,) * len(blueprint.contract.outputs)
    return tuple(map(rounded_up, input_rounding(blueprint.checkpoint, *box(blueprint.checkpoint))))


def _check_content(opened: Opened, blueprint: Blueprint) -> None:
    expected = blueprint.program.constants
    if opened.numbers.keys() != expected.keys():
        raise CheckFailedError(f"the file as written holds {sorted(opened.numbers)}, not {sorted(expected)}")
    for name, array in expected.items():
        found = opened.numbers[name]
        if found.dtype != array.dtype or found.shape != array.shape or found.tobytes() != array.tobytes():
            raise CheckFailedError(f"the {name} in the file as written is not the checkpoint's. Nothing was kept")
    if opened.contract != blueprint.contract.to_json():
        raise CheckFailedError("the contract in the file as written is not the checkpoint's. Nothing was kept")


@dataclass(frozen=True)
class _Expected:
    """The probe rows `x`, whether a row lies `inside` the box, and by result the exact `values` and `bounds`."""

    x: Floats
    inside: NDArray[np.bool_]
    values: Mapping[str, Dyadic]
    bounds: Mapping[str, Dyadic]


def _expected(blueprint: Blueprint) -> _Expected:
    x = probe_rows(blueprint.checkpoint, blueprint.numbers)
    low, high = (corner.astype(blueprint.numbers.input) for corner in box(blueprint.checkpoint))
    inside = np.all(((x >= low) & (x <= high)) | np.isnan(x), axis=1)
    claimed = {name: claim.at(x) for name, claim in blueprint.claims.items()}
    return _Expected(
        x=x,
        inside=np.asarray(inside),
        values={name: value for name, (value, _) in claimed.items()},
        bounds={name: bound for name, (_, bound) in claimed.items()},
    )


def _measure(engine: str, run: Engine, program: Program, expected: _Expected) -> Measured:
    """Run an engine on the probe rows in every batch size; raise CheckFailedError at the first miss."""
    worst_error, worst_share = dict.fromkeys(program.results, 0.0), 0.0
    for size in (*BATCH_SIZES, len(expected.x)):
        results = _checked_run(engine, run, program, expected.x[:size])
        for name, got in results.items():
            error, allowed = abs(Dyadic.of(got) - expected.values[name].first(size)), expected.bounds[name].first(size)
            if not (error <= allowed).all():
                _raise_miss(engine, name, expected.x, error, allowed)
            shares = [e / a for e, a in zip(error.fractions(), allowed.fractions(), strict=True) if e]
            within = error.where(expected.inside[:size]).fractions()
            worst_error[name] = max([worst_error[name], *map(rounded_up, within)])
            worst_share = max([worst_share, *map(float, shares)])
    return Measured(engine, worst_error, worst_share)


def _raise_miss(engine: str, name: str, x: Floats, error: Dyadic, allowed: Dyadic) -> None:
    row, column = np.argwhere(~(error <= allowed))[0]
    raise CheckFailedError(
        f"{engine} is {float(error.fraction((row, column))):.3g} from the model's {name} at "
        f"x = {x[row].tolist()!r:.200}; the bound there is "
        f"{float(allowed.fraction((row, column))):.3g}. Nothing was kept"
    )


def _checked_run(engine: str, run: Engine, program: Program, x: Floats) -> Results:
    try:
        results = run(x)
    except Exception as error:  # engines' exceptions share no base
        raise CheckFailedError(f"{engine} fails on {len(x)} rows ({str(error)[:200]}). Nothing was kept") from error
    for name, value in program.results.items():
        got, shape = results[name], (len(x), value.width)
        if got.shape != shape or got.dtype != value.dtype:
            raise CheckFailedError(f"{engine} gives {name} as {got.dtype} {got.shape}, not {value.dtype} {shape}")
        if not np.isfinite(got).all():
            raise CheckFailedError(f"{engine} gives a {name} that is not finite. Try another --precision")
    return results

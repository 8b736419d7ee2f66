"""The certificate: the bytes as written, held against the checkpoint in exact arithmetic. One miss, and no file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export.arithmetic import Dyadic, rounded_up
from lr_export.bound import ExactModel, forward_error, input_rounding
from lr_export.formats import FORMATS, eager
from lr_export.probes import BATCH_SIZES, box, probe_rows
from lr_runtime.errors import CheckFailedError
from lr_runtime.files import sha256

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_export.choices import FormatName
    from lr_export.formats import Engine, Opened
    from lr_export.numbers import Numbers
    from lr_runtime.checkpoint import Checkpoint
    from lr_runtime.contract import Contract, Precision


@dataclass(frozen=True)
class Measured:
    """What one engine gave on the probe rows.

    Attributes:
        engine: its name and version.
        worst_error: the largest distance to the exact model in the training box, in output units.
        worst_share: the largest share of the bound at its own row that an error used anywhere, at most 1.
    """

    engine: str
    worst_error: float
    worst_share: float


@dataclass(frozen=True)
class Certificate:
    """What was proven and measured of one artefact.

    Attributes:
        bound: per output, the most that the artefact can be from the exact model anywhere in the training box.
        input_rounding: per output, the most that rounding the inputs to float32 moves it there; 0 for float64 inputs.
        rows: the number of probe rows.
        sha256: of the file, `size` bytes.
    """

    format: FormatName
    precision: Precision
    bound: tuple[float, ...]
    input_rounding: tuple[float, ...]
    rows: int
    engines: tuple[Measured, ...]
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def box_bound(checkpoint: Checkpoint, numbers: Numbers) -> tuple[float, ...]:
    """Return, per output, the closed-form worst case of the bound over the training box, rounded up.

    Raises:
        CheckFailedError: an output, or a sum on the way to it, may be beyond the range of its dtype there.
    """
    low, high = (Dyadic.of(corner.astype(numbers.io)) for corner in box(checkpoint))
    y, magnitude = ExactModel.of(checkpoint).largest(low, high)
    bound = forward_error(numbers, y, magnitude)
    for largest, dtype in ((magnitude + bound, numbers.compute), (y + bound, numbers.io)):
        if not (largest <= Dyadic.of(np.asarray(np.finfo(dtype).max))).all():
            raise CheckFailedError(
                f"the output is beyond the range of {dtype} within the training ranges. Try another --precision"
            )
    return tuple(rounded_up(value) for value in bound.fractions())


def certify(
    content: bytes, checkpoint: Checkpoint, numbers: Numbers, contract: Contract, format_name: FormatName
) -> Certificate:
    """Check the bytes of an artefact against the checkpoint.

    Its numbers bit for bit, its contract, and its own engines and eager PyTorch on the probe rows within the bound at
    each row, in every batch size.

    Raises:
        CheckFailedError: the first thing that does not hold.
    """
    try:
        opened = FORMATS[format_name].reopen(content)
    except Exception as error:  # engines' exceptions share no base, and an artefact they refuse has failed the check
        raise CheckFailedError(f"the file as written does not load ({str(error)[:200]}). Nothing was kept") from error
    _check_content(opened, numbers, contract)
    expected = _expected(checkpoint, numbers)
    engines = {**opened.engines, "eager torch": eager(numbers)}
    measured = tuple(_measure(name, run, expected) for name, run in engines.items())
    low, high = box(checkpoint)
    cost = input_rounding(checkpoint, low, high) if numbers.io == "float32" else [Fraction(0)] * len(contract.outputs)
    return Certificate(
        format=format_name,
        precision=contract.precision,
        bound=box_bound(checkpoint, numbers),
        input_rounding=tuple(map(rounded_up, cost)),
        rows=len(expected.x),
        engines=measured,
        size=len(content),
        sha256=sha256(content),
    )


def _check_content(opened: Opened, numbers: Numbers, contract: Contract) -> None:
    expected = numbers.arrays()
    if opened.numbers.keys() != expected.keys():
        raise CheckFailedError(f"the file as written holds {sorted(opened.numbers)}, not {sorted(expected)}")
    for name, array in expected.items():
        found = opened.numbers[name]
        if found.dtype != array.dtype or found.shape != array.shape or found.tobytes() != array.tobytes():
            raise CheckFailedError(f"the {name} in the file as written is not the checkpoint's. Nothing was kept")
    if opened.contract != contract.to_json():
        raise CheckFailedError("the contract in the file as written is not the checkpoint's. Nothing was kept")


@dataclass(frozen=True)
class _Expected:
    """The probe rows `x`, their exact outputs `y`, the `bound` for each, and whether a row lies `inside` the box."""

    x: NDArray[np.floating[Any]]
    y: Dyadic
    bound: Dyadic
    inside: NDArray[np.bool_]


def _expected(checkpoint: Checkpoint, numbers: Numbers) -> _Expected:
    x = probe_rows(checkpoint, numbers)
    exact, inputs = ExactModel.of(checkpoint), Dyadic.of(x)
    y = exact.outputs(inputs)
    low, high = (corner.astype(numbers.io) for corner in box(checkpoint))
    inside = np.all((x >= low) & (x <= high), axis=1)
    return _Expected(x, y, forward_error(numbers, y, exact.magnitudes(inputs)), np.asarray(inside))


def _measure(name: str, run: Engine, expected: _Expected) -> Measured:
    """Run an engine on the probe rows in every batch size; raise CheckFailedError at the first miss."""
    worst_error, worst_share = 0.0, 0.0
    for size in (*BATCH_SIZES, len(expected.x)):
        got = _checked_run(name, run, expected.x[:size], expected.y.integers.shape[1])
        error, allowed = abs(Dyadic.of(got) - expected.y.first(size)), expected.bound.first(size)
        if not (error <= allowed).all():
            row, output = np.argwhere(~(error <= allowed))[0]
            raise CheckFailedError(
                f"{name} is {float(error.fraction((row, output))):.3g} from the model at "
                f"x = {expected.x[row].tolist()!r:.200}; the bound there is "
                f"{float(allowed.fraction((row, output))):.3g}. Nothing was kept"
            )
        shares = [e / a for e, a in zip(error.fractions(), allowed.fractions(), strict=True) if e]
        within = error.where(expected.inside[:size]).fractions()
        worst_error = max([worst_error, *map(rounded_up, within)])
        worst_share = max([worst_share, *map(float, shares)])
    return Measured(name, worst_error, worst_share)


def _checked_run(name: str, run: Engine, x: NDArray[np.floating[Any]], outputs: int) -> NDArray[np.floating[Any]]:
    try:
        got = run(x)
    except Exception as error:  # engines' exceptions share no base
        raise CheckFailedError(f"{name} fails on {len(x)} rows ({str(error)[:200]}). Nothing was kept") from error
    if got.shape != (len(x), outputs) or got.dtype != x.dtype:
        raise CheckFailedError(f"{name} gives {got.dtype} {got.shape} in place of {x.dtype} {(len(x), outputs)}")
    if not np.isfinite(got).all():
        raise CheckFailedError(f"{name} gives a number that is not finite. Try another --precision")
    return got

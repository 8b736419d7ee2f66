"""What an engine keeps of a precision, measured on every model against exact arithmetic and against ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tests.engines.models import cases
from tests.export.oracle import bounds_before_rounding, distance_to_tie, nearest, outputs
from tests.export.straight_line import same_bits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lr_export.certificate.trial import Allowed
    from lr_export.formats.backend import Engine as Run
    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Precision
    from lr_runtime.contract.formats import FormatName
    from tests.engines.models import Case

Kept = Literal[
    "same bits",
    "same bits but for the ends of intervals",
    "correctly rounded",
    "within the bound",
    "beyond the bound",
    "does not load",
]
BATCHES = (1, 2, 7)


@dataclass(frozen=True)
class Engine:
    """What runs files of ours, and what docs/engines.md says of it.

    Attributes:
        name: of its row.
        format: of the file that it runs.
        keeps: of each precision that it is given, what the row says.
        open: from a file and its program, what evaluates x; raises where the engine does not load it.
        version: as it says it itself.
        absent: why it cannot be run on this machine; empty where it can.
        batches: whether it takes several rows at a time.
    """

    name: str
    format: FormatName
    keeps: Mapping[Precision, Kept]
    open: Callable[[bytes, Program], Run]
    version: Callable[[], str]
    absent: str = ""
    batches: bool = False


@dataclass(frozen=True)
class Seen:
    """What an engine gave of one model.

    Attributes:
        failure: what it said when it did not load or run; empty where it did.
        worst: for each number, its largest distance to the exact one, as a multiple of the stated bound there.
        in_range: whether it is right at every row.
        refused: whether every row that the model does not take gave no number.
        other_bits: the results whose bits are not those of ONNX Runtime.
        correct: the share of rows whose y are the floating-point numbers nearest to the exact ones.
        undecided: whether, where they are not, a midpoint of float32 is nearer than float64 can tell.
    """

    failure: str = ""
    worst: Mapping[str, float] = field(default_factory=dict)
    in_range: bool = True
    refused: bool = False
    other_bits: tuple[str, ...] = ()
    correct: float = 0.0
    undecided: bool = False

    def keeps(self, kept: Kept) -> bool:
        """Whether this is as a cell of the table says."""
        in_bound = not self.failure and self.refused and self.in_range and max(self.worst.values()) <= 1
        match kept:
            case "same bits":
                return in_bound and not self.other_bits
            case "same bits but for the ends of intervals":
                return in_bound and {"y_lower", "y_upper"}.issuperset(self.other_bits)
            case "correctly rounded":
                return in_bound and self.undecided
            case "within the bound":
                return in_bound
            case "beyond the bound":
                return not self.failure and not in_bound
            case "does not load":
                return bool(self.failure)


def measure(engine: Engine, precision: Precision) -> dict[str, Seen]:
    """Return what an engine gives of every model at a precision."""
    return {name: _seen(engine, case) for name, case in cases(engine.format, precision).items()}


def _seen(engine: Engine, case: Case) -> Seen:
    try:
        run = engine.open(case.content(engine.format), case.blueprint.program)
        given = run(case.x)
        parts = [run(case.x[:size]) for size in BATCHES if engine.batches]
    except Exception as error:  # engines' exceptions share no base
        return Seen(failure=f"{type(error).__name__}: {error}"[:300])
    rows, taken = len(case.trial.x), len(case.trial.x) + len(case.trial.refused)
    batches = [{name: values[:rows] for name, values in each.items()} for each in (given, *parts)]
    exact = dict(case.trial.allowed)
    in_range = exact.pop("in_range", None)
    return Seen(
        worst={name: max(_multiple(allowed, each[name]) for each in batches) for name, allowed in exact.items()},
        in_range=in_range is None or all(_right(in_range, each["in_range"]) for each in batches),
        refused=all(_no_number(result[rows:taken]) for result in given.values()),
        other_bits=tuple(name for name, wanted in case.expected.items() if not same_bits(given[name], wanted)),
        correct=float((given["y"][:rows] == case.trial.allowed["y"].nearest).all(axis=1).mean()),
        undecided=_undecided(case, given["y"][:rows]),
    )


def _multiple(allowed: Allowed, got: NDArray[Any]) -> float:
    """Return the largest distance of the first rows as a multiple of the bound."""
    errors, bound = allowed.errors(got), allowed.bound[: len(got)]
    # Errors are rounded up, so one at its bound may look larger; what is allowed decides.
    inside = (got >= allowed.lowest[: len(got)]) & (got <= allowed.highest[: len(got)])
    with np.errstate(divide="ignore"):
        multiples = np.divide(errors, bound, out=np.zeros_like(errors), where=errors > 0)
    multiples = np.where(inside, np.minimum(multiples, 1), multiples)
    return float(np.where(np.isfinite(got), multiples, np.inf).max(initial=0.0))


def _right(allowed: Allowed, got: NDArray[Any]) -> bool:
    return np.array_equal(got, allowed.nearest[: len(got)])


def _no_number(values: NDArray[Any]) -> bool:
    return not (values if values.dtype == np.bool_ else ~np.isnan(values)).any()


def _undecided(case: Case, got: NDArray[Any]) -> bool:
    """Whether wherever y is not the nearest float32, the exact one is within the float64 bound of a midpoint."""
    checkpoint, numbers = case.blueprint.checkpoint, case.blueprint.numbers
    missed = np.flatnonzero((got != case.trial.allowed["y"].nearest).any(axis=1))
    if not missed.size or numbers.output == numbers.compute or len(missed) > len(got) / 4:
        return not missed.size
    x = case.trial.x[missed]
    exact, margins = outputs(checkpoint, x).ravel(), bounds_before_rounding(checkpoint, numbers, x).ravel()
    return all(
        value == nearest(y, "float32") or distance_to_tie(y, nearest(y, "float32")) <= margin
        for y, margin, value in zip(exact, margins, got[missed].ravel(), strict=True)
    )

"""What a model takes and gives: written as JSON inside every artefact, read back with the standard library.

One contract travels with the model through every stage: the trainer writes it into the checkpoint, the export stage
adds the precision and the golden rows and puts it into the artefact, the runtime holds callers to it. It says nothing
of time, place or person, so that equal models have equal bytes.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

from lr_runtime.errors import ModelFileError

CONTRACT_VERSION = 1
METADATA_KEY = "linedge"
"""Where the JSON stands: ONNX `metadata_props`, TorchScript `_extra_files`, the safetensors header."""

Kind = Literal["number", "category"]
Missing = Literal["error", "mean", "indicator"]
Precision = Literal["exact", "float32", "float64"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

INPUT_DTYPES: dict[Precision, Literal["float32", "float64"]] = {
    "exact": "float32",
    "float32": "float32",
    "float64": "float64",
}
"""The dtype of `x` and `y` at each precision; `exact` computes in float64 between them."""


@dataclass(frozen=True)
class Column:
    """An input column: its name, and the range [minimum, maximum] of its training rows, in `unit` if known.

    A category enters the model as its index in `categories`. `missing` says what a missing value does: an error, or the
    training rows' mean in its place, with or without an indicator of its own.
    """

    name: str
    minimum: float
    maximum: float
    unit: str | None = None
    kind: Kind = "number"
    missing: Missing = "error"
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Output:
    """An output: its name, and how well the model fits it.

    `r2` is the share of the variance explained, `residual_sd` the residual standard deviation in the output's unit;
    None where the rows do not determine it (no variance, no degrees of freedom left).
    """

    name: str
    r2: float | None
    residual_sd: float | None
    unit: str | None = None


@dataclass(frozen=True)
class GoldenRow:
    """A synthetic input row and the correctly rounded exact outputs for it, in the artefact's dtype."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Contract:
    """Columns in the order that `x` holds them, outputs in the order of `y`, the training rows and the precision.

    `bound` is, per output, the largest distance in the output's unit between the artefact and the exact model anywhere
    in the box of the training ranges; None in a checkpoint, which is the exact model.
    """

    columns: tuple[Column, ...]
    outputs: tuple[Output, ...]
    rows: int
    linedge: str
    precision: Precision = "float64"
    bound: tuple[float, ...] | None = None
    golden_rows: tuple[GoldenRow, ...] = ()

    @property
    def input_dtype(self) -> Literal["float32", "float64"]:
        """The dtype of `x` and `y`."""
        return INPUT_DTYPES[self.precision]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the input columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        return tuple(output.name for output in self.outputs)

    def to_json(self) -> str:
        """Compact JSON; the same contract gives the same text. Floats keep every bit (`repr`)."""
        fields = {"contract": CONTRACT_VERSION, **asdict(self)}
        return json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Contract:
        """Read what `to_json` wrote.

        Raises:
            ModelFileError: the text is not a contract, or one of a version that this linedge does not know.
        """
        try:
            fields = json.loads(text)
            version = fields.pop("contract")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelFileError("its linedge metadata is damaged. Export the model again") from error
        if version != CONTRACT_VERSION:
            raise ModelFileError(
                f"its contract has version {version!r}, this linedge reads {CONTRACT_VERSION}. "
                "Run: pip install -U linedge"
            )
        try:
            return _contract(fields)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ModelFileError(f"its linedge metadata is damaged ({error}). Export the model again") from error


def _contract(fields: dict[str, Any]) -> Contract:
    bound = fields["bound"]
    contract = Contract(
        columns=tuple(_column(**column) for column in fields["columns"]),
        outputs=tuple(_output(**output) for output in fields["outputs"]),
        rows=_whole(fields["rows"]),
        linedge=_text(fields["linedge"]),
        precision=cast("Precision", _one_of(PRECISIONS, fields["precision"])),
        bound=None if bound is None else _numbers(bound),
        golden_rows=tuple(GoldenRow(_numbers(row["x"]), _numbers(row["y"])) for row in fields["golden_rows"]),
    )
    if not contract.columns or not contract.outputs:
        raise ValueError("it names no columns or no outputs")
    if len(set(contract.column_names)) < len(contract.columns):
        raise ValueError("it names a column twice")
    if len(set(contract.output_names)) < len(contract.outputs):
        raise ValueError("it names an output twice")
    if contract.bound is not None and len(contract.bound) != len(contract.outputs):
        raise ValueError("its bound does not match its outputs")
    if any((len(row.x), len(row.y)) != (len(contract.columns), len(contract.outputs)) for row in contract.golden_rows):
        raise ValueError("a golden row does not match its columns")
    return contract


def _column(
    *,
    name: object,
    minimum: object,
    maximum: object,
    unit: object,
    kind: object,
    missing: object,
    categories: list[object],
) -> Column:
    return Column(
        name=_text(name),
        minimum=_number(minimum),
        maximum=_number(maximum),
        unit=None if unit is None else _text(unit),
        kind=cast("Kind", _one_of(get_args(Kind), kind)),
        missing=cast("Missing", _one_of(get_args(Missing), missing)),
        categories=tuple(map(_text, categories)),
    )


def _output(*, name: object, r2: object, residual_sd: object, unit: object) -> Output:
    return Output(
        name=_text(name),
        r2=None if r2 is None else _number(r2),
        residual_sd=None if residual_sd is None else _number(residual_sd),
        unit=None if unit is None else _text(unit),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not text")
    value.encode()  # half a surrogate pair, which JSON can spell and no output can hold, is a ValueError here
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r:.40} is not a finite number")
    return float(value)


def _numbers(values: list[object]) -> tuple[float, ...]:
    return tuple(_number(value) for value in values)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r:.40} is not a whole number")
    return value


def _one_of(allowed: tuple[str, ...], value: object) -> str:
    if value not in allowed:
        raise ValueError(f"{value!r:.40} is none of {', '.join(allowed)}")
    return str(value)

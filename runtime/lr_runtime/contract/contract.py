"""What a model takes and gives: written as JSON inside every artefact, read back with the standard library.

One contract travels with the model through every stage: the trainer writes it into the checkpoint, the export stage
adds the precision and the golden rows and puts it into the artefact, the runtime checks its input against it. No time,
place or person is in it, so that equal models have equal bytes.

Its records are named tuples: Python takes 0.6 ms to define a frozen dataclass, and a device waits for each of them.
Fields at their defaults are not written, because a device would read them at every start.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast, get_args

from lr_runtime.contract.columns import KINDS, MISSING, Column
from lr_runtime.contract.derived import Derived
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.term import Term, read_term
from lr_runtime.errors import ModelFileError, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.instants import Clock
    from lr_runtime.system.text import Json

CONTRACT_VERSION = 1
METADATA_KEY = "linedge"
"""The key of the JSON in ONNX `metadata_props`, TorchScript `_extra_files` and the safetensors header."""

Precision = Literal["exact", "float32", "float64", "portable"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
Dtype = Literal["float32", "float64"]
Result = Literal["y", "y_lower", "y_upper", "in_range", "leverage"]
RESULTS: tuple[Result, ...] = get_args(Result)
NotRun = Literal["not run"]
TargetFunction = Literal["log", "sqrt", "reciprocal"]

OUTPUT_DTYPES: dict[Precision, Dtype] = {each: "float64" if each == "float64" else "float32" for each in PRECISIONS}
"""The dtype of the results at each precision; `exact` computes in float64 and rounds the results."""
EQUAL_BITS: tuple[Precision, ...] = ("exact", "portable")
"""The precisions at which every engine gives the golden outputs themselves, and the same bits however it optimises."""


class Output(NamedTuple):
    """An output: its name, and the quality of its fit.

    `r2` is the share of the variance explained, `residual_sd` the residual standard deviation in the output's unit;
    None for a figure that the rows do not determine (no variance, no degrees of freedom left). Of an output with a
    `function`, log, sqrt or reciprocal, that is what was fitted, and both figures are of it.

    Example:
        >>> Output("ozone", r2=0.98, residual_sd=1.5, unit="ppb").residual_sd
        1.5
    """

    name: str
    r2: float | None
    residual_sd: float | None
    unit: str | None = None
    function: TargetFunction | None = None

    @property
    def correction(self) -> float | None:
        """What a mean adds to what was fitted of a log, or to the square of a root; None where that is not known.

        With s the residual standard deviation s^2 / 2 and s^2: see `lr_export.model.response`.
        """
        share = {None: 0.0, "log": 0.5, "sqrt": 1.0}.get(self.function)
        if not share:
            return share
        return None if self.residual_sd is None else self.residual_sd * self.residual_sd * share


class GoldenRow(NamedTuple):
    """A synthetic input row, None for a missing value, and its outputs.

    The outputs are the exact ones, correctly rounded; at the precision `portable`, those of every engine, bit for bit.

    Example:
        >>> GoldenRow(x=(1.5, None), y=(2.25,)).y
        (2.25,)
    """

    x: tuple[float | None, ...]
    y: tuple[float, ...]


class Equation(NamedTuple):
    """The model's own numbers, as a checkpoint holds them: y = bias + weight @ terms.

    Attributes:
        terms: the columns of the design matrix; see `lr_runtime.contract.terms`.
        weight: (outputs, terms).
        bias: (outputs,).
        origin: (variables,), of the input columns and of the derived ones behind them.
        scale: (variables,), powers of two.
        fill: (variables,), the value in place of a missing one.
    """

    terms: tuple[Term, ...]
    weight: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    origin: tuple[float, ...]
    scale: tuple[float, ...]
    fill: tuple[float, ...]


class Contract(NamedTuple):
    """Columns in the order that `x` holds them, outputs in the order of `y`, the training rows and the precision.

    `rows` is None for a model that linedge did not fit; `derived` are functions of columns. Those attributes below are
    what an artefact adds to a checkpoint's contract.

    Attributes:
        input_dtype: the dtype of `x`.
        results: the results of the artefact for `x`, in order: `y`, `y_lower` and `y_upper` are (rows, outputs),
            `in_range` (bool) and `leverage` (rows, 1).
        interval_level: the level of the prediction interval from `y_lower` to `y_upper`, between 0 and 1.
        bound: per output, the largest distance in the output's unit between the artefact and the exact model anywhere
            in the box of the training ranges; None in a checkpoint, which is the exact model.
        input_rounding: per output, the most that rounding every input in that box to `input_dtype` moves the exact
            model, in the output's unit; None in a checkpoint.
        equation: the exact model itself; None in a checkpoint, whose tensors it is.
        eager: `not run` where the artefact was verified without eager PyTorch (`lr-export --without-eager`).
        is_mean: whether outputs that were fitted as a function of them are means (`lr-export --mean`), not medians.
        inverse: of a file that takes a reading, its column, back to a column, its output (`lr-export --inverse`), the
            values that other columns are held at; `y_lower` and `y_upper` are Fieller's limits and may be infinite.
        distributions: of each column's training rows, with the fill for a missing number, the mean and the standard
            deviation, or the shares of its categories; empty where no term tells them (`lr-export --drift`).

    Example:
        >>> from lr_runtime import Column, Output
        >>> contract = Contract((Column("x", 1.0, 3.0),), (Output("y", 1.0, 0.0),), rows=3, linedge="0.1.0")
        >>> Contract.from_json(contract.to_json()) == contract
        True
        >>> contract.column_names, contract.output_dtype
        (('x',), 'float64')
    """

    columns: tuple[Column, ...]
    outputs: tuple[Output, ...]
    rows: int | None
    linedge: str
    precision: Precision = "float64"
    input_dtype: Dtype = "float64"
    results: tuple[Result, ...] = ("y",)
    interval_level: float | None = None
    bound: tuple[float, ...] | None = None
    input_rounding: tuple[float, ...] | None = None
    equation: Equation | None = None
    golden_rows: tuple[GoldenRow, ...] = ()
    eager: NotRun | None = None
    derived: tuple[Derived, ...] = ()
    is_mean: bool = False
    inverse: tuple[str, ...] | None = None
    distributions: tuple[tuple[float, ...], ...] = ()

    @property
    def output_dtype(self) -> Dtype:
        """The dtype of `y`, `y_lower`, `y_upper` and `leverage`."""
        return OUTPUT_DTYPES[self.precision]

    @property
    def variables(self) -> tuple[Column, ...]:
        """The variables that terms are made of: the input columns, and behind them those derived from one."""
        return (*self.columns, *(each.variable(self.columns) for each in self.derived))

    @property
    def category_names(self) -> tuple[str, ...]:
        """The names of the columns of categories, in order."""
        return tuple(column.name for column in self.columns if column.categories)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the input columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        return tuple(output.name for output in self.outputs)

    def fields(self) -> dict[str, Json]:
        """Return every field as JSON values."""
        return cast("dict[str, Json]", _as_json(self, whole=True))

    def to_json(self) -> str:
        """Return compact JSON; equal contracts give equal text, and floats keep every bit (`repr`)."""
        fields = {"contract": CONTRACT_VERSION, **_as_json(self, whole=False)}
        if self.equation is not None:
            usual = _as_json(_usual(len(self.variables)), whole=False)
            # Compared as text, in which -0.0 differs from 0.0.
            for name in [name for name, value in usual.items() if repr(value) == repr(fields["equation"][name])]:
                del fields["equation"][name]
        return json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Contract:
        """Read the JSON of `to_json`, or JSON with every field.

        Raises:
            ModelFileError: the text is not a contract, or one of a version that this linedge does not know.
        """
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelFileError("its linedge metadata is damaged. Export the model again") from error
        return Contract.from_fields(fields)

    @staticmethod
    def from_fields(fields: Mapping[str, object]) -> Contract:
        """Return the contract of `from_json` from its JSON value.

        Raises:
            ModelFileError: see `from_json`.
        """
        try:
            version = fields["contract"]
            fields = {name: value for name, value in fields.items() if name != "contract"}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelFileError("its linedge metadata is damaged. Export the model again") from error
        if version != CONTRACT_VERSION:
            raise ModelFileError(
                f"its contract has version {version!r:.40}, this linedge reads {CONTRACT_VERSION}. "
                "Upgrade linedge: pip install -U linedge"
            )
        try:
            return _contract(fields)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise ModelFileError(
                f"its linedge metadata is damaged ({escaped(str(error), 120)}). Export the model again"
            ) from error


def _as_json(value: Any, *, whole: bool) -> Any:
    """Return the JSON value of a field: objects for the records above, arrays for other tuples."""
    if isinstance(value, Term):
        return value.fields() if whole else value.to_json()
    if not hasattr(value, "_asdict"):
        return [_as_json(each, whole=whole) for each in value] if isinstance(value, tuple) else value
    usual = {} if whole else value._field_defaults
    fields = value._asdict().items()
    return {name: _as_json(field, whole=whole) for name, field in fields if name not in usual or field != usual[name]}


def _usual(variables: int) -> Equation:
    """Return the fields that most equations share: a term for each variable, as it came."""
    zeros = (0.0,) * variables
    return Equation(tuple(map(Power, range(variables))), (), (), origin=zeros, scale=(1.0,) * variables, fill=zeros)


def _contract(fields: Mapping[str, Any]) -> Contract:
    fields = {**Contract._field_defaults, **fields}
    bound, level, equation = fields["bound"], fields["interval_level"], fields["equation"]
    moved = fields["input_rounding"]
    columns = _columns(fields["columns"])
    derived = tuple(Derived(**each) for each in fields["derived"])
    for each in derived:
        each.check(columns)
    variables = (*columns, *(each.variable(columns) for each in derived))
    contract = Contract(
        columns=columns,
        outputs=tuple(_output(**output) for output in fields["outputs"]),
        rows=None if fields["rows"] is None else _whole(fields["rows"]),
        linedge=_text(fields["linedge"]),
        precision=cast("Precision", _one_of(PRECISIONS, fields["precision"])),
        input_dtype=cast("Dtype", _one_of(get_args(Dtype), fields["input_dtype"])),
        results=tuple(cast("Result", _one_of(RESULTS, result)) for result in fields["results"]),
        interval_level=None if level is None else _number(level),
        bound=None if bound is None else _numbers(bound),
        input_rounding=None if moved is None else _numbers(moved),
        equation=None if equation is None else _equation(equation, variables),
        golden_rows=tuple(_golden_row(row) for row in fields["golden_rows"]),
        eager=None if fields["eager"] is None else cast("NotRun", _one_of(get_args(NotRun), fields["eager"])),
        derived=derived,
        is_mean=fields["is_mean"] is True,
        inverse=None if fields["inverse"] is None else _texts(fields["inverse"]),
        distributions=_distributions(fields["distributions"], columns),
    )
    _check_consistent(contract)
    return contract


def _check_consistent(contract: Contract) -> None:
    if not (contract.columns and contract.outputs and contract.linedge.strip()):
        raise ValueError("it names no columns, no outputs or not the linedge that wrote it")
    if len({variable.name for variable in contract.variables}) < len(contract.variables):
        raise ValueError("it names a column twice")
    if len(set(contract.output_names)) < len(contract.outputs):
        raise ValueError("it names an output twice")
    of_outputs = [each for each in (contract.bound, contract.input_rounding) if each is not None]
    if any(len(each) != len(contract.outputs) for each in of_outputs):
        raise ValueError("its bound does not match its outputs")
    if any((len(row.x), len(row.y)) != (len(contract.columns), len(contract.outputs)) for row in contract.golden_rows):
        raise ValueError("a golden row does not match its columns")
    if contract.results[:1] != ("y",) or len(set(contract.results)) < len(contract.results):
        raise ValueError("its results do not begin with y, or name one twice")
    has_bounds = "y_lower" in contract.results
    if has_bounds != ("y_upper" in contract.results) or has_bounds != (contract.interval_level is not None):
        raise ValueError("its interval has no level, or one end only")
    if contract.interval_level is not None and not 0 < contract.interval_level < 1:
        raise ValueError("its interval's level is not between 0 and 1")
    if contract.equation is not None:
        _check_equation(contract.equation, len(contract.variables), len(contract.outputs))


def _check_equation(equation: Equation, variables: int, outputs: int) -> None:
    widths = {len(row) for row in equation.weight}
    lengths = {len(values) for values in (equation.origin, equation.scale, equation.fill)}
    if (len(equation.weight), len(equation.bias)) != (outputs, outputs) or widths != {len(equation.terms)}:
        raise ValueError("its equation does not match its outputs")
    if lengths != {variables}:
        raise ValueError("its equation does not match its columns")
    if any(math.frexp(scale)[0] != 0.5 for scale in equation.scale):
        raise ValueError("its equation has a scale that is no positive power of two")


def _equation(fields: dict[str, Any], variables: tuple[Column, ...]) -> Equation:
    usual, terms = _usual(len(variables)), fields.get("terms")
    return Equation(
        terms=usual.terms if terms is None else tuple(read_term(term, variables) for term in terms),
        weight=tuple(_numbers(row) for row in fields["weight"]),
        bias=_numbers(fields["bias"]),
        origin=_numbers(fields.get("origin", usual.origin)),
        scale=_numbers(fields.get("scale", usual.scale)),
        fill=_numbers(fields.get("fill", usual.fill)),
    )


def _golden_row(fields: dict[str, Any]) -> GoldenRow:
    x, y = fields["x"], _numbers(fields["y"])
    return GoldenRow(tuple(None if value is None else _number(value) for value in x) if None in x else _numbers(x), y)


def _distributions(listed: list[Any], columns: tuple[Column, ...]) -> tuple[tuple[float, ...], ...]:
    found, lengths = tuple(map(_numbers, listed)), [len(column.categories) or 2 for column in columns]
    if found and [len(each) or length for each, length in zip(found, lengths, strict=True)] != lengths:
        raise ValueError("its distributions do not match its columns")
    return found


def _columns(listed: list[dict[str, Any]]) -> tuple[Column, ...]:
    """Read all columns, field by field: one by one they take three times as long."""
    columns = tuple(Column(**fields) for fields in listed)
    names, minimums, maximums, units, kinds, missing, categories, times = zip(*columns, strict=True)
    if not (set(kinds) <= set(KINDS) and set(missing) <= set(MISSING)):
        raise ValueError("a column is of a kind or has a policy that is none")
    _texts(names)
    _texts([unit for unit in units if unit is not None])
    ranges = _numbers(minimums), _numbers(maximums)
    if set(map(type, minimums + maximums)) == {float} and set(map(type, categories)) == {tuple} and not any(times):
        return columns  # as they were written, at the default without categories
    texts = [_texts(each) for each in categories]
    return tuple(map(Column, names, *ranges, units, kinds, missing, texts, map(_clock, times)))


def _clock(fields: dict[str, Any] | None) -> Clock | None:
    if fields is None:
        return None
    from lr_runtime.instants import Clock

    return Clock.named(Clock(**fields).words)


def _output(*, name: object, r2: object, residual_sd: object, unit: object = None, function: object = None) -> Output:
    return Output(
        name=_text(name),
        r2=None if r2 is None else _number(r2),
        residual_sd=None if residual_sd is None else _number(residual_sd),
        unit=None if unit is None else _text(unit),
        function=None if function is None else cast("TargetFunction", _one_of(get_args(TargetFunction), function)),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not text")
    value.encode()  # half a surrogate pair, which JSON can spell and no output can hold, is a ValueError here
    return value


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    if set(map(type, values)) == {str}:
        "".join(cast("Sequence[str]", values)).encode()
        return cast("tuple[str, ...]", tuple(values))  # nearly always; one by one takes three times as long
    return tuple(map(_text, values))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r:.40} is not a finite number")
    return float(value)


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    if set(map(type, values)) == {float} and all(map(math.isfinite, values)):
        return tuple(values)  # nearly always; one by one takes ten times as long
    return tuple(_number(value) for value in values)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r:.40} is not a whole number")
    return value


def _one_of(allowed: tuple[str, ...], value: object) -> str:
    if value not in allowed:
        raise ValueError(f"{value!r:.40} is none of {', '.join(allowed)}")
    return str(value)

"""What an artefact gives beside y: within its bounds, in every engine; in_range exactly; and planted faults in each."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_export import export
from lr_export.bounds.leverage import ExactLeverage
from lr_export.certificate.probes import probe_rows, refused_rows
from lr_export.certificate.specification import Blueprint
from lr_export.choices import that_have
from lr_export.exact.box import box
from lr_export.formats.onnx import onnx_bytes
from lr_export.formats.registry import BACKENDS
from lr_export.formats.torch_module import eager
from lr_export.model.exact import ExactModel
from lr_export.model.in_range import Limits
from lr_export.model.layout import Layout
from lr_runtime import Predictor
from lr_runtime.contract.contract import PRECISIONS
from lr_runtime.contract.leverage import Leverage
from lr_runtime.errors import CheckFailedError
from lr_runtime.onnx_file.session import Session
from lr_trainer import fit
from tests.conftest import checkpoint_of
from tests.export.exact.test_interval import table
from tests.export.oracle import as_array, fractions, halves, leverages, outputs
from tests.export.present import param, runs
from tests.export.straight_line import evaluated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Contract, Precision
    from lr_runtime.contract.formats import FormatName
    from lr_trainer import Checkpoint
    from tests.export.oracle import Floats

ALL: tuple[str, ...] = ("y_lower", "y_upper", "in_range", "leverage")


def with_gaps() -> dict[str, Any]:
    columns = table()
    columns["b"] = np.where(np.arange(60) % 7 == 0, np.nan, columns["b"])
    return {**columns, "site": np.array(["north", "south", "west"])[columns["site"]]}


def far() -> dict[str, Any]:
    columns = table()
    return {"t": 1.7e9 + 1200 * (columns["a"] - 20), "b": columns["b"], "y": columns["y"]}


def only(*names: str) -> dict[str, Any]:
    return {name: table()[name] for name in names}


CHECKPOINTS: dict[str, Callable[[], Checkpoint]] = {
    "one column": lambda: fit(only("a", "y"), target="y"),
    "two targets": lambda: fit(only("a", "b", "y", "z"), target=["y", "z"]),
    "no intercept": lambda: fit(only("a", "b", "y"), target="y", intercept=False),
    "powers": lambda: fit(only("a", "b", "y"), target="y", degree=3),
    "a category alone": lambda: fit(only("site", "y"), target="y", category=["site"]),
    "a far column": lambda: fit(far(), target="y"),
    "nothing but a constant": lambda: fit({"a": np.full(9, 3.0), "y": np.arange(9.0)}, target="y"),
    "a left-out column": lambda: fit({**only("a", "y"), "c": table()["a"] * 2}, target="y", drop_collinear=True),
    "filled": lambda: fit(with_gaps(), features=["a", "b"], target="y", missing="mean", degree=2),
    "everything": lambda: fit(
        with_gaps(), features=["a", "b", "site"], target=["y", "z"], missing="indicator", weight="w", degree=2
    ),
    "conformal": lambda: fit({k: table(400)[k] for k in "aby"}, target="y", l2=0.1, interval=0.9),
}


@cache
def fitted(case: str) -> Checkpoint:
    return CHECKPOINTS[case]()


@pytest.fixture(params=CHECKPOINTS)
def trained(request: pytest.FixtureRequest) -> Checkpoint:
    return fitted(request.param)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_result_passes_the_gate_and_the_predictor(
    trained: Checkpoint, precision: Precision, tmp_path: Path
) -> None:
    certificate = export(trained, tmp_path / "m.onnx", precision=precision, interval=0.9, flags=True)
    results = ALL if trained.leverage is not None else ALL[:3]
    contract = Predictor.load(tmp_path / "m.onnx").contract
    assert contract.results == ("y", *results)
    assert contract.interval_level == 0.9
    assert list(certificate.bounds) == ["y", *results]
    assert certificate.bounds["in_range"] == (0.0,)
    for measured in certificate.engines:
        for name, bound in certificate.bounds.items():
            assert measured.worst_error[name] <= max(bound)


OTHERS: tuple[FormatName, ...] = ("c", "js")


@pytest.mark.parametrize("format_name", [param(name) for name in OTHERS])
@pytest.mark.parametrize("case", ["everything", "two targets", "conformal"])
def test_c_and_javascript_give_them_too(case: str, format_name: FormatName, tmp_path: Path) -> None:
    for precision in ("exact", "portable"):
        found = export(fitted(case), tmp_path / "m", format=format_name, precision=precision, interval=0.9)
        assert found.not_run is None


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_claims_are_those_of_plain_fractions_and_decimals(trained: Checkpoint, precision: Precision) -> None:
    if trained.leverage is None:
        return
    blueprint = Blueprint.of(trained, precision, interval=0.95, flags=True)
    x = probe_rows(trained, blueprint.numbers.input)[::40]
    y, h = outputs(trained, x), leverages(trained, x)
    interval = blueprint.uncertainty.interval
    assert interval is not None
    half = halves(trained, interval.width, x)
    inside = in_range(trained, x, blueprint.numbers.input)
    expected = {"y_lower": y - half, "y_upper": y + half, "leverage": h, "in_range": inside}
    for name, wanted in expected.items():
        value, bound = (as_array(part) for part in blueprint.claims.at(x)[name])
        assert value.shape == wanted.shape
        assert (abs(value - wanted) <= abs(wanted) / 10**55).all()
        assert (bound >= 0).all()


def in_range(checkpoint: Checkpoint, x: Floats, dtype: str) -> Any:
    """Return what in_range is, by the training ranges themselves: no number of the dtype lies between these and x."""
    found = []
    for row in x.tolist():
        fits = []
        for column, value in zip(checkpoint.contract.columns, row, strict=True):
            if np.isnan(value):
                fits.append(column.missing != "error")
            elif column.kind == "category":
                fits.append(value in range(len(column.categories)))
            else:
                low, high = (np.array(end).astype(dtype) for end in (column.minimum, column.maximum))
                below = np.nextafter(low, np.array(-np.inf, dtype)) if float(low) > column.minimum else low
                above = np.nextafter(high, np.array(np.inf, dtype)) if float(high) < column.maximum else high
                fits.append(below <= value <= above)
        found.append([Fraction(all(fits))])
    return np.array(found, dtype=object)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", [case for case in CHECKPOINTS if case != "conformal"])
def test_no_row_in_the_box_has_a_larger_bound_or_leverage(case: str, precision: Precision) -> None:
    checkpoint = fitted(case)
    blueprint = Blueprint.of(checkpoint, precision, interval=0.95, flags=True)
    numbers, held = blueprint.numbers, blueprint.uncertainty.leverage
    assert checkpoint.leverage is not None
    assert held is not None
    low, high = (corner.astype(numbers.input) for corner in box(checkpoint.contract))
    x = probe_rows(checkpoint, numbers.input)
    x = x[np.all(((x >= low) & (x <= high)) | np.isnan(x), axis=1)]
    for name, bounds in blueprint.claims.bounds.items():
        _, bound = blueprint.claims.at(x)[name]
        worst = np.array([Fraction(value) for value in bounds], dtype=object)
        assert (as_array(bound) <= worst).all()
    exact = ExactLeverage.of(checkpoint, checkpoint.leverage, numbers, held)
    over, at = exact.over(low, high), exact.at(ExactModel.of(checkpoint).design(x))
    for name in ("h", "h_error", "root", "moved"):
        assert (as_array(getattr(at, name)) <= as_array(getattr(over, name))).all()


@pytest.mark.parametrize("scale", [1.0, 2.0**-60])
@pytest.mark.parametrize("precision", ["float32", "portable"])
def test_a_subnormal_fill_under_a_large_factor_stays_within_the_bound(
    precision: Precision, scale: float, tmp_path: Path
) -> None:
    # float32 holds the fill to three digits, and the factor, over the scale, makes that the error of the leverage.
    plain = checkpoint_of([[1.0]], 0.0, low=-1e-30, high=1e-30)
    column = plain.contract.columns[0]._replace(missing="mean")
    checkpoint = replace(
        plain,
        contract=plain.contract._replace(columns=(column,)),
        scale=np.array([scale]),
        fill=np.array([1.1e-42]),
        leverage=Leverage(np.zeros(()), np.zeros(1), np.array([[1e30 * scale]]), np.zeros(1)),
    )
    certificate = export(checkpoint, tmp_path / "m.onnx", precision=precision, flags=True)
    x = np.full((1, 1), np.nan, np.float32)
    (got,) = Session((tmp_path / "m.onnx").read_bytes()).evaluate(x, ["leverage"])
    error = abs(fractions(got.astype(np.float64)) - leverages(checkpoint, x))[0, 0]
    assert 0 < error <= Fraction(certificate.bounds["leverage"][0])


def test_rows_and_batches_agree_and_y_is_that_of_the_file_without(trained: Checkpoint) -> None:
    plain, more = Blueprint.of(trained), Blueprint.of(trained, interval=0.9, flags=True)
    x = probe_rows(trained, plain.numbers.input)[:300]
    short, long = (Session(onnx_bytes(each.program, each.contract)) for each in (plain, more))
    names = more.contract.results
    batch = long.evaluate(x, names)
    assert (long.run(x) == short.run(x)).all()
    assert (batch[0] == short.run(x)).all()
    for place, row in enumerate(x[:20]):
        for whole, alone in zip(batch, long.evaluate(row[None, :], names), strict=True):
            assert (whole[place] == alone[0]).all()
    assert plain.contract.results == ("y",)
    assert plain.contract.interval_level is None


def test_in_portable_every_engine_gives_the_same_bits() -> None:
    blueprint = Blueprint.of(fitted("everything"), "portable", interval=0.95, flags=True)
    x = probe_rows(blueprint.checkpoint, "float32")
    expected = evaluated(blueprint.program, x)
    for format_name in filter(runs, that_have("portable")):
        opened = BACKENDS[format_name].reopen(
            BACKENDS[format_name].build(blueprint.program, blueprint.contract), blueprint.program
        )
        assert opened.engines
        for run in (*opened.engines.values(), eager(blueprint.program)):
            for name, got in run(x).items():
                assert got.tobytes() == expected[name].tobytes(), (format_name, name)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=6, unique=True),
    st.sampled_from(["float32", "float64"]),
)
def test_every_training_row_is_in_range_and_the_next_number_beyond_is_not(values: list[float], dtype: Any) -> None:
    checkpoint = checkpoint_of([[1.0]], 0.0, low=min(values), high=max(values))
    limits = Limits.of(checkpoint, Layout.of(checkpoint), dtype)
    with np.errstate(under="ignore"):
        rows = np.array(values).astype(dtype)[:, None]
    assert limits.hold(rows).all()
    ends = limits.rows(rows[0])
    assert limits.hold(ends)[:, 0].tolist() == [True, False, True, False]
    low, high = ends[[0, 2], 0].tolist()
    # Outward, and by no more than one step.
    assert Fraction(low) <= Fraction(min(values))
    assert Fraction(high) >= Fraction(max(values))
    assert float(np.nextafter(ends[0, 0], ends.dtype.type(np.inf))) > min(values)
    assert float(np.nextafter(ends[2, 0], ends.dtype.type(-np.inf))) < max(values)


def test_what_the_model_does_not_take_is_not_in_range() -> None:
    blueprint = Blueprint.of(fitted("everything"), flags=True)
    session = Session(onnx_bytes(blueprint.program, blueprint.contract))
    refused = refused_rows(blueprint.checkpoint, blueprint.numbers.input)
    assert len(refused) >= 4
    infinite = probe_rows(blueprint.checkpoint, blueprint.numbers.input)[:2].copy()
    infinite[:, 0] = [np.inf, -np.inf]
    for rows in (refused, infinite):
        (found,) = session.evaluate(rows, ["in_range"])
        assert not found.any()


def test_limits_beyond_the_largest_number_end_there() -> None:
    largest = float(np.finfo(np.float32).max)
    checkpoint = checkpoint_of([[1.0]], 0.0, low=-largest * (1 + 1e-9), high=largest * (1 + 1e-9))
    limits = Limits.of(checkpoint, Layout.of(checkpoint), "float32")
    assert limits.high.tolist() == [largest]
    assert limits.low.tolist() == [-largest]
    assert len(limits.rows(np.zeros(1, np.float32))) == 2


CHECKED = "everything"
PRECISE: Precision = "exact"


def constant(name: str, change: Callable[[Floats], Floats]) -> Callable[[Program], Program]:
    """Return what changes a constant of a program."""

    def plant(program: Program) -> Program:
        def operand(part: Any) -> Any:
            return replace(part, array=change(part.array)) if getattr(part, "name", "") == name else part

        steps = tuple(replace(step, operands=tuple(map(operand, step.operands))) for step in program.steps)
        assert any(step != old for step, old in zip(steps, program.steps, strict=True))
        return replace(program, steps=steps)

    return plant


def one_ulp(values: Floats) -> Floats:
    changed = values.copy()
    changed.flat[-1] = np.nextafter(changed.flat[-1], changed.dtype.type(np.inf))
    return changed


def operation(old: str, new: str, which: int = -1) -> Callable[[Program], Program]:
    """Return what puts one operation in place of another, at one of the steps that have it."""

    def plant(program: Program) -> Program:
        steps = list(program.steps)
        place = [index for index, step in enumerate(steps) if step.operation == old][which]
        steps[place] = replace(steps[place], operation=new)  # type: ignore[arg-type]
        return replace(program, steps=tuple(steps))

    return plant


def without(old: str, which: int = -1) -> Callable[[Program], Program]:
    """Return what leaves out one step of this kind: its first operand takes its place."""

    def plant(program: Program) -> Program:
        gone = [step for step in program.steps if step.operation == old][which]
        instead = gone.operands[0]
        steps = tuple(
            replace(step, operands=tuple(instead if part == gone.result else part for part in step.operands))
            for step in program.steps
            if step is not gone
        )
        return replace(program, steps=steps)

    return plant


def swapped(program: Program) -> Program:
    results = dict(program.results)
    results["y_lower"], results["y_upper"] = results["y_upper"], results["y_lower"]
    return replace(program, results=results)


FAULTS: dict[str, Callable[[Program], Program]] = {
    "the last bit of the factor": constant("factor", one_ulp),
    "the last bit of the shift": constant("shift", one_ulp),
    "the last bit of a width": constant("square", one_ulp),
    "the last bit of one over the weights": constant("constant", one_ulp),
    "a limit one step out": constant("high", one_ulp),
    "swapped columns of the factor": constant("factor", lambda array: array[:, ::-1].copy()),
    "no root": without("sqrt", 0),
    "no root of a margin": without("sqrt", -1),
    "no square": without("multiply", -2),
    "plus where minus was": operation("subtract", "add"),
    "no count of the checks": without("sum", -1),
    "the ends swapped": swapped,
}
FEW = ("the last bit of the factor", "a limit one step out", "no root", "the ends swapped")


@pytest.mark.parametrize(
    ("format_name", "fault"),
    [*(param("onnx", fault) for fault in FAULTS), *(param(name, fault) for name, fault in product(OTHERS, FEW))],
)
def test_a_planted_fault_is_caught(
    fault: str, format_name: FormatName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = BACKENDS[format_name]

    def build(program: Program, contract: Contract, **options: Any) -> bytes:
        return honest.build(FAULTS[fault](program), contract, **options)

    monkeypatch.setitem(BACKENDS, format_name, replace(honest, build=build))
    with pytest.raises(CheckFailedError):
        export(fitted(CHECKED), tmp_path / "m", format=format_name, interval=0.95, flags=True)
    assert list(tmp_path.iterdir()) == []


WRONG: dict[str, Callable[[dict[str, Any]], None]] = {
    "a leverage one ulp beyond its bound": lambda got: got.update(leverage=got["leverage"] * np.float32(1 + 2**-22)),
    "in_range of one row": lambda got: got.update(in_range=np.vstack([~got["in_range"][:1], got["in_range"][1:]])),
    "everything in range": lambda got: got.update(in_range=np.ones_like(got["in_range"])),
    "nothing in range": lambda got: got.update(in_range=np.zeros_like(got["in_range"])),
    "in_range as a number": lambda got: got.update(in_range=got["in_range"].astype(np.float32)),
    "an end too short": lambda got: got.update(y_lower=got["y_lower"] * np.float32(1 - 2**-20)),
    "the interval a hair too wide": lambda got: got.update(
        y_upper=np.nextafter(np.nextafter(got["y_upper"], 9e9), 9e9)
    ),
    "an end that is no number": lambda got: got.update(y_upper=got["y_upper"] * np.float32(np.nan)),
}


@pytest.mark.parametrize("fault", WRONG)
def test_an_engine_that_is_wrong_beside_y_is_caught(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = BACKENDS["onnx"]

    def reopen(content: bytes, program: Program) -> Any:
        opened = honest.reopen(content, program)
        name = next(iter(opened.engines))

        def run(x: Floats) -> Any:
            got = dict(opened.engines[name](x))
            if len(x):
                WRONG[fault](got)
            return got

        return replace(opened, engines={**opened.engines, name: run})

    monkeypatch.setitem(BACKENDS, "onnx", replace(honest, reopen=reopen))
    with pytest.raises(CheckFailedError, match="onnxruntime"), np.errstate(invalid="ignore"):
        export(fitted(CHECKED), tmp_path / "m", interval=0.95, flags=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("unit", "precision"), [(1e-22, "portable"), (1e17, "portable"), (1e25, "float32")])
def test_a_width_whose_square_is_beyond_the_dtype_comes_after_the_root(
    unit: float, precision: Precision, tmp_path: Path
) -> None:
    columns = only("a", "y")
    checkpoint = fit({**columns, "y": columns["y"] * unit}, target="y")
    assert "square" not in Blueprint.of(checkpoint, precision, interval=0.95).program.constants
    export(checkpoint, tmp_path / "m.onnx", precision=precision, interval=0.95)


def test_a_width_beyond_the_dtype_is_refused_in_one_line() -> None:
    checkpoint = fit(only("a", "y"), target="y")
    outputs = (checkpoint.contract.outputs[0]._replace(residual_sd=1e-40),)
    checkpoint = replace(checkpoint, contract=checkpoint.contract._replace(outputs=outputs))
    with pytest.raises(
        CheckFailedError, match=r"the width of the interval .* is beyond the range of float32. Try (another )?precision"
    ):
        Blueprint.of(checkpoint, "portable", interval=0.95)


def size_without_metadata(blueprint: Blueprint) -> int:
    model = onnx.load_model_from_string(onnx_bytes(blueprint.program, blueprint.contract))
    del model.metadata_props[:]
    return len(model.SerializeToString())


def three_columns() -> Checkpoint:
    random = np.random.default_rng(1)
    x = random.normal(size=(3, 100))
    y = x.sum(axis=0) + random.normal(size=100)
    return fit({"a": x[0], "b": x[1], "c": x[2], "y": y}, target="y")


def test_three_columns_take_few_bytes() -> None:
    checkpoint = three_columns()
    assert size_without_metadata(Blueprint.of(checkpoint)) <= 200
    assert size_without_metadata(Blueprint.of(checkpoint, interval=0.95, flags=True)) <= 900

"""Powers, categories and missing values inside the artefact: every engine gives the exact model, or NaN."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch

from lr_export import export
from lr_export.bounds.forward import ForwardError
from lr_export.certificate.probes import probe_rows, refused_rows
from lr_export.errors import UnsupportedModelError
from lr_export.exact.box import box
from lr_export.formats.onnx import read_checked
from lr_export.formats.registry import BACKENDS
from lr_export.formats.torch_module import eager
from lr_export.model.build import program_of
from lr_export.model.exact import ExactModel
from lr_export.model.numbers import numbers_at
from lr_runtime.contract.contract import OUTPUT_DTYPES, PRECISIONS, Contract
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.power import Power
from tests.conftest import EXPANDED, checkpoint_of
from tests.export.oracle import as_array, bounds, fractions, interpreted, magnitudes, outputs, some_rows, terms

if TYPE_CHECKING:
    from lr_export.formats.backend import Engine
    from lr_runtime.contract.contract import Precision
    from lr_runtime.contract.terms.term import Term
    from tests.export.oracle import Exact

all_expanded = pytest.mark.parametrize("name", EXPANDED)
all_precisions = pytest.mark.parametrize("precision", PRECISIONS)


@cache
def exported(name: str, precision: Precision, opset: int | None = None) -> bytes:
    with TemporaryDirectory() as folder:
        target = Path(folder, "model.onnx")
        export(EXPANDED[name](), target, precision=precision, input_dtype=OUTPUT_DTYPES[precision], opset=opset)
        return target.read_bytes()


def engines_of(name: str, precision: Precision) -> dict[str, Engine]:
    program = program_of(numbers_at(EXPANDED[name](), precision))
    opened = BACKENDS["onnx"].reopen(exported(name, precision), program)
    numpy: Engine = lambda x: interpreted(program, x)  # noqa: E731 - one of several engines
    return {**opened.engines, "eager": eager(program), "numpy": numpy}


@all_precisions
@all_expanded
def test_every_engine_is_within_the_bound_of_the_exact_model(name: str, precision: Precision) -> None:
    checkpoint = EXPANDED[name]()
    numbers = numbers_at(checkpoint, precision)
    x = some_rows(checkpoint, 150, numbers.input)
    exact, bound = outputs(checkpoint, x), bounds(checkpoint, numbers, x)
    for engine, run in engines_of(name, precision).items():
        assert (abs(fractions(run(x)["y"]) - exact) <= bound).all(), engine


@all_expanded
def test_the_model_of_the_trainer_is_the_same(name: str) -> None:
    checkpoint = EXPANDED[name]()
    x = some_rows(checkpoint, 150, "float64")
    with torch.no_grad():
        y = checkpoint.model()(torch.from_numpy(x)).numpy()
    # It divides by scales and raises to powers in its own way: a few roundings more.
    bound = bounds(checkpoint, numbers_at(checkpoint, "float64"), x)
    assert (abs(fractions(y) - outputs(checkpoint, x)) <= 2 * bound).all()


@all_precisions
@all_expanded
def test_what_the_model_does_not_take_gives_nan_and_spares_the_other_rows(name: str, precision: Precision) -> None:
    checkpoint = EXPANDED[name]()
    dtype = numbers_at(checkpoint, precision).input
    refused, taken = refused_rows(checkpoint, dtype), some_rows(checkpoint, 20, dtype)
    for engine, run in engines_of(name, precision).items():
        y = run(np.concatenate([refused, taken]))["y"]
        assert np.isnan(y[: len(refused)]).all(), engine
        assert np.isfinite(y[len(refused) :]).all(), engine


@all_expanded
def test_every_column_is_refused_something_unless_it_may_be_missing(name: str) -> None:
    checkpoint = EXPANDED[name]()
    columns = checkpoint.contract.columns
    rows = refused_rows(checkpoint, "float32")
    values: list[set[str]] = [set() for _ in columns]
    for row in rows:
        strange = [place for place, column in enumerate(columns) if not _takes(column, row[place])]
        assert len(strange) == 1
        values[strange[0]].add(str(row[strange[0]]))
    for column, seen in zip(columns, values, strict=True):
        levels = len(column.categories)
        of_category = {"-1.0", "0.5", f"{levels - 0.5}", f"{float(levels)}"} if column.kind == "category" else set()
        assert seen == of_category | ({"nan"} if column.missing == "error" else set())


def _takes(column: object, value: float) -> bool:
    from lr_runtime import Column

    assert isinstance(column, Column)
    if np.isnan(value):
        return column.missing != "error"
    return column.kind == "number" or value in range(len(column.categories))


@all_expanded
def test_probe_rows_have_every_category_and_missing_values(name: str) -> None:
    checkpoint = EXPANDED[name]()
    rows = probe_rows(checkpoint, "float32")
    for place, column in enumerate(checkpoint.contract.columns):
        assert np.isnan(rows[:, place]).any() == (column.missing != "error")
        if column.kind == "category":
            given = rows[:, place][~np.isnan(rows[:, place])]
            assert set(given) == set(range(len(column.categories)))


@all_expanded
def test_the_rows_that_minimise_and_maximise_each_output_are_among_the_probes(name: str) -> None:
    checkpoint = EXPANDED[name]()
    low, high = box(checkpoint.contract)
    columns = checkpoint.contract.columns
    values = [
        [
            *(range(len(c.categories)) if c.kind == "category" else np.linspace(c.minimum, c.maximum, 9)),
            *[np.nan] * (c.missing != "error"),
        ]
        for c in columns
    ]
    random = np.random.default_rng(3)
    x = np.array([[float(random.choice(options)) for options in values] for _ in range(300)])
    probes = probe_rows(checkpoint, "float64")
    inside = probes[(((probes >= low) & (probes <= high)) | np.isnan(probes)).all(axis=1)]
    y, of_probes = outputs(checkpoint, x), outputs(checkpoint, inside)
    assert (y.max(axis=0) <= of_probes.max(axis=0)).all()
    assert (y.min(axis=0) >= of_probes.min(axis=0)).all()


@all_expanded
def test_the_largest_over_the_box_is_at_no_corner_exceeded_and_without_powers_reached(name: str) -> None:
    checkpoint = EXPANDED[name]()
    exact, (low, high) = ExactModel.of(checkpoint), box(checkpoint.contract)
    ends = [
        [
            *(range(len(c.categories)) if c.kind == "category" else (c.minimum, c.maximum)),
            *[np.nan] * (c.missing != "error"),
        ]
        for c in checkpoint.contract.columns
    ]
    corners = np.array(list(product(*ends)), dtype=np.float64)
    sums, largest = magnitudes(checkpoint, corners).max(axis=0), abs(outputs(checkpoint, corners)).max(axis=0)
    assert (as_array(exact.largest_sum(abs(exact.coefficients), low, high)) == sums).all()
    found = as_array(exact.largest_output(low, high))
    if name in {"categories", "missing values", "a category alone", "a category alone that may be missing"}:
        assert (found == largest).all()
    else:
        assert (largest <= found).all()
        assert (found <= sums).all()


@all_precisions
@all_expanded
def test_the_bound_over_the_box_is_that_of_its_worst_row(name: str, precision: Precision) -> None:
    checkpoint = EXPANDED[name]()
    numbers = numbers_at(checkpoint, precision)
    low, high = (end.astype(numbers.input) for end in box(checkpoint.contract))
    x = probe_rows(checkpoint, numbers.input)
    x = x[(((x >= low) & (x <= high)) | np.isnan(x)).all(axis=1)][:400]
    of_box, worst = as_array(ForwardError.of(checkpoint, numbers).over(low, high)), bounds(checkpoint, numbers, x)
    assert (worst <= of_box).all()
    # The largest |y| and the largest error of what is added up may stand at different rows.
    assert (of_box <= 2 * worst.max(axis=0)).all()


@all_precisions
@all_expanded
def test_no_order_of_evaluation_leaves_the_bound_nor_stays_far_from_it(name: str, precision: Precision) -> None:
    checkpoint = EXPANDED[name]()
    numbers = numbers_at(checkpoint, precision)
    program, random = program_of(numbers), np.random.default_rng(1)
    x = some_rows(checkpoint, 150, numbers.input)
    errors = abs(fractions(interpreted(program, x, random)["y"]) - outputs(checkpoint, x))
    bound = bounds(checkpoint, numbers, x)
    assert (errors <= bound).all()
    assert (100 * errors >= bound).any()


@all_precisions
@all_expanded
def test_the_bound_is_the_formula_of_its_docstring(name: str, precision: Precision) -> None:
    checkpoint = EXPANDED[name]()
    numbers = numbers_at(checkpoint, precision)
    x = some_rows(checkpoint, 20, numbers.input)
    digits, smallest = {"float32": (24, -149), "float64": (53, -1074)}[numbers.compute]
    unit, eta, n = Fraction(1, 2**digits), Fraction(2) ** smallest, len(checkpoint.terms)
    rounded = int(numbers.compute == "float32")
    factor = int(
        checkpoint.origin.any() or any(c.missing != "error" for c in checkpoint.contract.columns if c.kind == "number")
    )
    powers = [term.power if isinstance(term, Power) else 0 for term in checkpoint.terms]

    def gamma(k: int) -> Fraction:
        return k * unit / (1 - k * unit)

    gammas = np.array([gamma(rounded + n + p + p * factor) for p in powers], dtype=object)
    weight: Exact = abs(fractions(checkpoint.weight))
    bias: Exact = abs(fractions(checkpoint.bias))
    design: Exact = abs(terms(checkpoint, x))
    sizes: Exact = abs(outputs(checkpoint, x))
    inside = max(powers) > 1 or any(c.missing != "error" for c in checkpoint.contract.columns if c.kind == "number")
    # Of the artefact's weights, which have the scales folded in where there are no powers.
    scale = fractions(checkpoint.scale) if max(powers) <= 1 else fractions(np.ones(len(checkpoint.scale)))
    held = weight / np.array([scale[term.columns[0]] for term in checkpoint.terms], dtype=object)
    underflow = n + 2 * (held @ np.array(powers, dtype=object)) * inside
    expected: Exact = (design * gammas) @ weight.T + bias * gamma(rounded + n) + underflow * eta
    if precision == "exact":
        expected = expected + (sizes + expected) * Fraction(1, 2**24) + Fraction(1, 2**150)
    found = bounds(checkpoint, numbers, x)
    assert (found >= expected).all()
    assert (found <= expected * (1 + Fraction(1, 2**50))).all()


@pytest.mark.parametrize("scale", [1.0, 2.0**60, 2.0**-60])
def test_the_bound_covers_powers_that_underflow(scale: float) -> None:
    checkpoint = checkpoint_of([[1.0, 2.0**100]], 0.0, scale=scale)
    column = checkpoint.contract.columns[0]
    checkpoint = replace(
        checkpoint,
        contract=checkpoint.contract._replace(columns=(column,)),
        terms=(Power(0), Power(0, 2)),
        origin=np.zeros(1),
        scale=np.array([scale]),
        fill=np.zeros(1),
    )
    numbers = numbers_at(checkpoint, "float32")
    x = (np.random.default_rng(2).uniform(0.5, 1, size=(50, 1)) * 2.0**-80 * scale).astype(np.float32)
    errors = abs(fractions(interpreted(program_of(numbers), x)["y"]) - outputs(checkpoint, x))
    assert (errors <= bounds(checkpoint, numbers, x)).all()
    # The square is lost whole, which no relative error accounts for.
    assert (errors > magnitudes(checkpoint, x) / 2**24 * 10).any()


def test_the_bound_covers_a_fill_that_underflows() -> None:
    fill = 2.0**-149 * 1.5
    checkpoint = checkpoint_of([[2.0**100]], 0.0)
    column = checkpoint.contract.columns[0]._replace(missing="mean")
    contract = checkpoint.contract._replace(columns=(column,))
    checkpoint = replace(checkpoint, contract=contract, fill=np.array([fill]))
    numbers = numbers_at(checkpoint, "float32")
    x = np.array([[np.nan]], dtype=np.float32)
    (error,) = abs(fractions(interpreted(program_of(numbers), x)["y"]) - outputs(checkpoint, x)).ravel()
    (bound,) = bounds(checkpoint, numbers, x).ravel()
    assert Fraction(fill) * 2**100 / 2**3 < error <= bound


@pytest.mark.parametrize("opset", [13, 17, 18, 21, onnx.defs.onnx_opset_version()])
@all_precisions
@all_expanded
def test_every_opset_passes_the_checker_and_gives_the_same_bits(name: str, precision: Precision, opset: int) -> None:
    content = exported(name, precision, opset)
    model, _, contract = read_checked(content)  # full_check and strict shape inference
    assert model.opset_import[0].version == opset
    assert model.ir_version == onnx.helper.find_min_ir_version_for(model.opset_import)
    assert {node.domain for node in model.graph.node} == {""}
    program = program_of(numbers_at(EXPANDED[name](), precision))
    x = some_rows(EXPANDED[name](), 50, Contract.from_json(contract).input_dtype)
    runs = [BACKENDS["onnx"].reopen(each, program).engines for each in (content, exported(name, precision))]
    newest, oldest = (next(iter(engines.values()))(x)["y"] for engines in runs)
    assert newest.tobytes() == oldest.tobytes()


@all_expanded
def test_no_number_in_the_file_is_nan_or_infinite(name: str) -> None:
    model, _, _ = read_checked(exported(name, "exact"))
    for tensor in model.graph.initializer:
        assert np.isfinite(onnx.numpy_helper.to_array(tensor)).all(), tensor.name


STRANGE: dict[str, tuple[Term, ...]] = {
    "a term twice": (Power(0), Power(0)),
    "the number of a category": (Level(0, 1), Power(0)),
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
def test_terms_that_no_artefact_can_hold_are_named(strange: tuple[Term, ...], tmp_path: Path) -> None:
    plain = strange[0] == strange[1]
    checkpoint = checkpoint_of([[1.0, 2.0]], 0.0) if plain else EXPANDED["a category alone"]()
    with pytest.raises(UnsupportedModelError, match='"x1"' if plain else '"site"'):
        export(replace(checkpoint, terms=strange), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []

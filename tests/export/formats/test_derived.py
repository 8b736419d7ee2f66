"""Derived variables and products inside artefacts: exact values, bounds that no row leaves, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_export import export
from lr_export.bounds.forward import ForwardError, input_rounding
from lr_export.certificate.probes import probe_rows, rows_outside
from lr_export.certificate.specification import Blueprint
from lr_export.errors import UnsupportedModelError
from lr_export.exact.box import box
from lr_export.formats.registry import BACKENDS
from lr_export.model.build import program_of
from lr_export.model.exact import ExactModel
from lr_export.model.numbers import numbers_at
from lr_export.model.variables import are_held
from lr_export.program.evaluation import evaluated
from lr_runtime import Column, Contract, Output, Predictor
from lr_runtime.contract.contract import PRECISIONS
from lr_runtime.contract.derived import DOMAINS, Derived
from lr_runtime.contract.leverage import Leverage
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.product import Product
from lr_runtime.errors import CheckFailedError, RowError
from lr_trainer import Checkpoint
from tests.export.adversarial import Expected, search
from tests.export.oracle import as_array, bounds, fractions, interpreted, outputs, terms
from tests.export.random_terms import random_model, some_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lr_runtime.contract.contract import Precision, TargetFunction
    from lr_runtime.contract.formats import FormatName
    from lr_runtime.contract.terms.term import Term

seeds = st.integers(0, 2**20)
precisions = st.sampled_from(PRECISIONS)
NEARLY = 1 + Fraction(1, 2**100)


def model_of(
    columns: Sequence[Column], derived: Sequence[Derived], kept: Sequence[Term], weight: Sequence[float]
) -> Checkpoint:
    """Return a model with one output, the bias 0.5, and no origins or scales."""
    contract = Contract(tuple(columns), (Output("y", 0.5, 1.0),), 10, "0.1.0", derived=tuple(derived))
    count = len(contract.variables)
    ones, none = np.ones(count), np.zeros(count)
    return Checkpoint(contract, np.array([weight]), np.array([0.5]), none, ones, none, tuple(kept))


@cache
def mixed() -> Checkpoint:
    """Return a model of every function of one column each, and of a product of each kind of factor."""
    columns = (
        Column("r", 1.0, 100.0),
        Column("t", -2.0, 3.0, missing="indicator"),
        Column("site", 0.0, 1.0, kind="category", categories=("a", "b")),
    )
    derived = [Derived(0, "log"), Derived(1, "hinge", 0.1), Derived(0, "reciprocal"), Derived(1, "exp")]
    derived += [Derived(0, "sqrt"), Derived(0, "log1p")]
    powers = [Power(3), Power(3, 2), Power(3, 3), *(Power(place) for place in range(4, 9))]
    products = [Product([Power(3), Power(7)]), Product([Power(5, 2), Level(2, 1)])]
    products += [Product([Power(0), MissingIndicator(1)]), Product([Power(1), Power(3), Level(2, 0)])]
    return model_of(columns, derived, [*powers, *products, MissingIndicator(1)], np.linspace(-2, 3, 13).tolist())


@settings(deadline=None, max_examples=6)
@given(seed=seeds)
def test_the_exact_model_is_that_of_the_checkpoint(seed: int) -> None:
    checkpoint = random_model(seed)
    x, exact = some_rows(checkpoint, 10, "float64", np.random.default_rng(seed)), ExactModel.of(checkpoint)
    design, expected = exact.design(x), outputs(checkpoint, x)
    sizes = abs(terms(checkpoint, x)) @ abs(fractions(checkpoint.weight)).T + 1
    # Functions have 190 bits; where an origin is taken away, those of the function itself are left of a term.
    assert (abs(as_array(exact.outputs(design)) - expected) <= sizes * Fraction(1, 2**100)).all()


@settings(deadline=None, max_examples=6)
@given(seed=seeds, precision=precisions)
def test_over_the_box_every_size_is_that_of_no_row_or_larger(seed: int, precision: Precision) -> None:
    checkpoint = random_model(seed)
    numbers = numbers_at(checkpoint, precision)
    low, high = (end.astype(numbers.input) for end in box(checkpoint.contract))
    x = some_rows(checkpoint, 30, numbers.input, np.random.default_rng(seed))
    error = ForwardError.of(checkpoint, numbers)
    assert (bounds(checkpoint, numbers, x).max(axis=0) <= as_array(error.over(low, high))).all()
    assert (abs(outputs(checkpoint, x)).max(axis=0) <= as_array(error.exact.largest_output(low, high)) * NEARLY).all()


@settings(deadline=None, max_examples=6)
@given(seed=seeds)
def test_rounding_the_inputs_costs_no_more_than_stated(seed: int) -> None:
    checkpoint = random_model(seed)
    x = some_rows(checkpoint, 30, "float64", np.random.default_rng(seed))
    moved = abs(outputs(checkpoint, x) - outputs(checkpoint, x.astype(np.float32)))
    assert (moved <= [cost * NEARLY for cost in input_rounding(checkpoint, *box(checkpoint.contract))]).all()


@pytest.mark.parametrize(("seed", "formats"), [(2, ["onnx"]), (3, ["c", "js"]), (5, ["torchscript"])])
def test_no_row_that_a_search_finds_leaves_the_bound(seed: int, formats: list[FormatName]) -> None:
    shares = [
        search(random_model(seed), precision, formats if precision in ("exact", "portable") else [], seed, rounds=4)
        for precision in PRECISIONS
        if (precision, formats) != ("portable", ["torchscript"])
    ]
    largest = max(each.y for each in shares if each is not None)
    assert 0.01 < largest <= 1
    assert max(each.leverage for each in shares if each is not None) <= 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_outside_the_domain_no_engine_gives_a_number(precision: Precision, tmp_path: Path) -> None:
    checkpoint = mixed()
    export(checkpoint, tmp_path / "model.onnx", precision=precision, flags=True)
    blueprint = Blueprint.of(checkpoint, precision, flags=True)
    x = rows_outside(checkpoint, blueprint.numbers.input)
    assert len(x) >= len(DOMAINS)
    opened = BACKENDS["onnx"].reopen((tmp_path / "model.onnx").read_bytes(), blueprint.program)
    for run in opened.engines.values():
        results = run(x)
        assert not np.isfinite(results["y"]).any()
        assert not results["in_range"].any()


@pytest.mark.parametrize("target", ["log", "sqrt", "reciprocal"])
def test_nor_does_the_inverse_of_a_targets_function_make_one_of_an_infinity(
    target: TargetFunction, tmp_path: Path
) -> None:
    checkpoint = model_of([Column("r", 1.0, 2.0)], [Derived(0, "reciprocal")], [Power(1)], [-0.25])
    outputs_of = (Output("y", 0.5, 1.0, function=target),)
    checkpoint = replace(checkpoint, contract=checkpoint.contract._replace(outputs=outputs_of))
    export(checkpoint, tmp_path / "model.onnx", precision="portable", flags=True)
    with pytest.raises(RowError, match=r"0\.0 is outside the domain"):
        Predictor.load(tmp_path / "model.onnx").predict([[0.0]])


def test_probe_rows_have_roots_of_a_column_with_functions() -> None:
    checkpoint = model_of([Column("r", 1.0, 9.0)], [Derived(0, "log")], [Power(1)], [-1.0])
    x = probe_rows(checkpoint, "float64")
    y = outputs(checkpoint, x[are_held(checkpoint.contract, x, "float64")])
    assert abs(y).min() < 1e-15


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_bounds_cover_what_an_origin_leaves_of_a_rounded_function(precision: Precision) -> None:
    checkpoint = model_of([Column("r", 1000.0, 1001.0)], [Derived(0, "log")], [Power(1)], [1.0])
    one, none = np.ones(1), np.zeros(1)
    near = np.array([0.0, float(np.float32(np.log(1000.5)))])
    leverage = Leverage(np.array(0.0), none, one[:, None], none)
    blueprint = Blueprint.of(replace(checkpoint, bias=none, origin=near, leverage=leverage), precision, flags=True)
    x = some_rows(checkpoint, 200, precision, np.random.default_rng(1))
    # Nothing but the function rounds numbers of the size of log r: y is a thousandth of that.
    found = Expected.of(blueprint, x).shares(evaluated(blueprint.program, x))
    assert 0.05 < found.y <= 1
    assert 0.05 < found.leverage <= 1


def test_the_bound_covers_products_that_underflow_and_are_enlarged() -> None:
    small, large = Column("a", 2.0**-75, 2.0**-74), Column("c", 2.0**60, 2.0**70)
    columns = [small, small._replace(name="b"), large]
    checkpoint = model_of(columns, [], [Product([Power(0), Power(1), Power(2)])], [2.0**90])
    numbers = numbers_at(checkpoint, "float32")
    x = some_rows(checkpoint, 50, "float32", np.random.default_rng(1))
    errors = abs(fractions(interpreted(program_of(numbers), x)["y"]) - outputs(checkpoint, x))
    assert (errors <= bounds(checkpoint, numbers, x)).all()
    # Half of 2^-149 is lost, and enlarged by 2^70 and the weight: to more than the roundings of a product are.
    assert errors.max() > 2.0**-149 * 2.0**70 * 2.0**90 / 4


@pytest.mark.parametrize(
    ("column", "derived", "precision", "why"),
    [
        (
            Column("r", 1e-60, 1.0),
            Derived(0, "log"),
            "exact",
            "inputs are float64: rounding them to float32 would",
        ),
        (Column("r", 1e-60, 1.0), Derived(0, "log"), "float32", r"makes 0.0 of 1e-60, where .log\(r\)"),
        (Column("r", 1.0, 100.0), Derived(0, "exp"), "float32", "is beyond the range of float32 in tra"),
        (Column("r", 1.0, 1000.0), Derived(0, "exp"), "exact", "is beyond the range of float64 in training, at 1000.0"),
    ],
)
def test_a_range_that_a_dtype_does_not_hold_is_refused_or_takes_float64(
    column: Column, derived: Derived, precision: Precision, why: str, tmp_path: Path
) -> None:
    checkpoint = model_of([column], [derived], [Power(1)], [1.0])
    if not why.startswith("inputs"):
        with pytest.raises(CheckFailedError, match=why):
            export(checkpoint, tmp_path / "model.onnx", precision=precision)
        assert list(tmp_path.iterdir()) == []
        return
    remark = export(checkpoint, tmp_path / "model.onnx", precision=precision).remark
    assert remark is not None
    assert why in remark


def test_a_product_of_what_is_not_there_is_named(tmp_path: Path) -> None:
    columns = [Column("a", 0.0, 1.0), Column("b", 0.0, 1.0)]
    checkpoint = model_of(columns, [], [Product([Power(0), MissingIndicator(1)])], [1.0])
    with pytest.raises(UnsupportedModelError, match='"a:b missing"'):
        export(checkpoint, tmp_path / "model.onnx")


@pytest.mark.parametrize("way", ["a matrix", "names", "rows"])
def test_a_value_outside_a_domain_is_a_fault_of_its_row(way: str, tmp_path: Path) -> None:
    export(mixed(), tmp_path / "model.onnx")
    predictor = Predictor.load(tmp_path / "model.onnx")
    good, bad = [2.0, 1.0, "a"], [-3.5, 1.0, "b"]
    x = {
        "a matrix": np.array([[2.0, 1.0, 0.0], [-3.5, 1.0, 1.0]]),
        "names": {"r": [2.0, -3.5], "t": [1.0, 1.0], "site": ["a", "b"]},
        "rows": [good, bad],
    }[way]
    with pytest.raises(RowError, match=r'column "r": -3.5 is outside the domain of "log\(r\)". Give a number above 0'):
        predictor.predict(x)
    prediction, faults = predictor.predict_each(x)
    assert [*faults] == [1]
    assert np.isfinite(prediction.values[0]).all()
    assert np.isnan(prediction.values[1]).all()


@pytest.mark.parametrize(("function", "value"), [("log", 0.0), ("sqrt", -1.0), ("log1p", -1.0), ("reciprocal", 0.0)])
def test_one_row_alone_says_it_too(function: str, value: float, tmp_path: Path) -> None:
    derived = Derived(0, function)  # type: ignore[arg-type]
    export(model_of([Column("r", 1.0, 2.0)], [derived], [Power(1)], [1.0]), tmp_path / "model.onnx")
    predictor = Predictor.load(tmp_path / "model.onnx")
    with pytest.raises(RowError, match=f"{value} is outside the domain of .*{DOMAINS[derived.function].words}"):
        predictor.predict([[value]])
    with pytest.raises(RowError, match=r"1e-50, 0.0 in float32, is outside" if function == "log" else "outside"):
        predictor.predict([[1e-50 if function == "log" else value]])


def test_an_explanation_adds_up_over_variables(tmp_path: Path) -> None:
    export(mixed(), tmp_path / "model.onnx")
    predictor = Predictor.load(tmp_path / "model.onnx")
    for row in ([4.0, 1.5, "b"], [4.0, None, "a"]):
        (explained,) = predictor.explain([row])
        assert [share.term for share in explained.shares][:2] == ["log(r)", "log(r)^2"]
        assert explained.shares[0].value == np.log(4.0)
        assert explained.total == pytest.approx(explained.prediction, rel=1e-6)


def test_a_model_beyond_the_limits_of_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lr_runtime.onnx_file.operators.MAX_CELLS", 100)
    with pytest.raises(CheckFailedError, match=r"does not load .*its graph takes over 100 values"):
        export(mixed(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "comment"), [("c", "//"), ("js", "//")])
def test_source_code_says_where_a_column_is_defined(name: FormatName, comment: str, tmp_path: Path) -> None:
    export(mixed(), tmp_path / "model", format=name, unverified=True)
    text = (tmp_path / "model").read_text()
    assert f'{comment}   x[0]  "r"  1 to 100; above 0; other than 0; 0 or more; above -1\n' in text
    assert f'{comment}   x[1]  "t"  -2 to 3; NaN where it is missing\n' in text

"""What an imported pipeline of scikit-learn is called, which columns it has, and what stands for a missing value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_export import export, from_sklearn
from lr_export.bounds.input_dtype import Inputs
from lr_export.errors import UnsupportedModelError
from lr_runtime import Predictor
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_trainer.sklearn import LinearModelRegressor
from tests.export.importing.exact_sklearn import check, given
from tests.optional import optional

if TYPE_CHECKING:
    from pathlib import Path

    from lr_runtime.contract.checkpoint import Checkpoint
    from tests.export.importing.exact_sklearn import Table

compose, decomposition, impute = map(optional, ["sklearn.compose", "sklearn.decomposition", "sklearn.impute"])
linear, pipeline, prep = map(optional, ["sklearn.linear_model", "sklearn.pipeline", "sklearn.preprocessing"])
multi = optional("sklearn.multioutput")
make = pipeline.make_pipeline

RANDOM = np.random.default_rng(21)
NUMBERS = RANDOM.normal(3, 2, size=(24, 2))
Y = NUMBERS @ [2.0, -1.0] + RANDOM.normal(size=24)
TABLE: Table = {
    "a": [None if row % 5 == 0 else value for row, value in enumerate(NUMBERS[:, 0].tolist())],
    "b": NUMBERS[:, 1].tolist(),
    "level": [2, 7, 9] * 8,
    "word": ["x", "y"] * 12,
}


def by_columns(*parts: Any, table: Table = TABLE) -> Any:
    """Return a model of steps, each for some columns, with the rest dropped."""
    named = [(str(place), step, columns) for place, (step, columns) in enumerate(parts)]
    return make(compose.ColumnTransformer(named), linear.LinearRegression()).fit(given(table), Y)


def imported(model: Any, table: Table = TABLE) -> Checkpoint:
    checkpoint = from_sklearn(model, X=given(table))
    check(model, checkpoint, table, range(0, 24, 5))
    return checkpoint


def test_columns_and_outputs_without_names_are_numbered() -> None:
    both = from_sklearn(linear.Ridge().fit(NUMBERS, np.column_stack([Y, -Y])), X=NUMBERS).contract
    assert (both.column_names, both.output_names) == (("x1", "x2"), ("y1", "y2"))
    one = from_sklearn(linear.Ridge().fit(NUMBERS[:, :1], Y), X=NUMBERS[:, :1].tolist(), target="flow").contract
    assert (one.column_names, one.output_names) == (("x",), ("flow",))
    assert one.rows is None


def test_columns_that_the_model_drops_are_not_asked_for() -> None:
    model = by_columns((prep.StandardScaler(), ["b"]))
    checkpoint = from_sklearn(model, ranges={"a": (0.0, 1.0), "b": (-3.0, 9.0)})
    assert checkpoint.contract.column_names == ("b",)
    assert checkpoint.report.imported is not None
    assert checkpoint.report.imported.model == "scikit-learn Pipeline(ColumnTransformer, LinearRegression)"


def test_a_scaler_that_saw_raw_columns_tells_their_range_and_the_caller_goes_before_it() -> None:
    model = make(prep.MinMaxScaler(), linear.Ridge()).fit(NUMBERS, Y)
    ends = [(column.minimum, column.maximum) for column in from_sklearn(model).contract.columns]
    assert ends == list(zip(NUMBERS.min(axis=0), NUMBERS.max(axis=0), strict=True))
    wider = from_sklearn(model, ranges={"x2": (-50.0, 50.0)}).contract.columns
    assert [(each.minimum, each.maximum) for each in wider] == [ends[0], (-50.0, 50.0)]


def test_a_filled_column_takes_missing_values_and_needs_no_term_for_it() -> None:
    checkpoint = imported(by_columns((make(impute.SimpleImputer(), prep.StandardScaler()), ["a"])))
    assert checkpoint.terms == (Power(0),)
    assert checkpoint.contract.columns[0].missing == "mean"
    known = [value for value in TABLE["a"] if value is not None]
    assert checkpoint.fill.tolist() == pytest.approx([np.mean(known)])


@pytest.mark.parametrize(
    "parts",
    [
        [(make(impute.SimpleImputer(add_indicator=True), prep.RobustScaler()), ["a"])],
        [(make(prep.StandardScaler(), impute.SimpleImputer(strategy="constant", fill_value=3.0)), ["a"]),
         (make(impute.SimpleImputer(), prep.PolynomialFeatures(3)), ["a"])],
        [(make(impute.SimpleImputer()), ["a"]), (impute.SimpleImputer(strategy="constant", fill_value=-999.0), ["a"])],
        [(make(impute.SimpleImputer(), prep.PolynomialFeatures(2)), ["a"]), (impute.MissingIndicator(), ["a"])],
        [(impute.MissingIndicator(), ["a"])],
    ],
    ids=["an indicator", "filled after scaling, too", "two fills", "an indicator beside powers", "it alone"],
)  # fmt: skip
def test_whatever_depends_on_missing_values_is_exact(parts: list[Any], tmp_path: Path) -> None:
    model = by_columns(*parts)
    checkpoint = from_sklearn(model, X=given(TABLE))
    assert MissingIndicator(0) in checkpoint.terms
    export(checkpoint, tmp_path / "m.onnx", precision="float64", without_eager=True)
    found = Predictor.load(tmp_path / "m.onnx").predict({"a": TABLE["a"]}).values.ravel()
    assert found == pytest.approx(model.predict(given(TABLE)), rel=1e-9)


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize(("keeps", "columns"), [(False, ("b",)), (True, ("none", "b"))])
def test_a_column_without_any_value_is_left_out_or_filled(keeps: bool, columns: tuple[str, ...]) -> None:
    table: Table = {"none": [np.nan] * 24, "b": TABLE["b"]}
    model = make(impute.SimpleImputer(keep_empty_features=keeps), linear.LinearRegression()).fit(given(table), Y)
    assert from_sklearn(model, ranges={"none": (0.0, 1.0), "b": (-5.0, 9.0)}).contract.column_names == columns


def test_a_branch_that_does_not_fill_a_column_takes_no_missing_values() -> None:
    whole = {**TABLE, "a": NUMBERS[:, 0].tolist()}
    model = by_columns((impute.SimpleImputer(), ["a"]), (prep.StandardScaler(), ["a", "b"]), table=whole)
    assert [column.missing for column in imported(model, whole).contract.columns] == ["error", "error"]


def test_a_column_may_be_a_category_and_a_number() -> None:
    checkpoint = imported(by_columns((prep.OneHotEncoder(drop="first"), ["level"]), ("passthrough", ["level", "b"])))
    assert [column.categories for column in checkpoint.contract.columns] == [(), ("2", "7", "9")]


def test_codes_may_be_encoded_again() -> None:
    encoded = make(prep.OrdinalEncoder(), prep.OneHotEncoder(), prep.StandardScaler(with_mean=False))
    assert imported(by_columns((encoded, ["word", "level"]))).contract.column_names == ("level", "word")


def test_products_of_levels_of_one_category_are_no_products_of_columns() -> None:
    imported(by_columns((make(prep.OneHotEncoder(), prep.PolynomialFeatures(2)), ["word"])))


def test_single_precision_stays_the_numbers_that_it_is() -> None:
    rows = NUMBERS.astype(np.float32)
    model = linear.Ridge().fit(rows, Y.astype(np.float32))
    assert model.coef_.dtype == np.float32
    assert from_sklearn(model, X=rows).weight.tolist() == [model.coef_.astype(float).tolist()]


@pytest.mark.parametrize(
    "step",
    [decomposition.PCA(2), decomposition.TruncatedSVD(1)],
    ids=["PCA", "TruncatedSVD"],
)
def test_components_are_an_exact_map(step: Any) -> None:
    table = {"a": NUMBERS[:, 0].tolist(), "b": TABLE["b"]}
    imported(make(prep.StandardScaler(), step, linear.Ridge()).fit(given(table), Y), table)


def test_an_estimator_of_ours_is_its_checkpoint() -> None:
    own = LinearModelRegressor().fit(NUMBERS, Y)
    assert from_sklearn(own) is own.checkpoint_
    with pytest.raises(UnsupportedModelError, match=r"LinearModelRegressor is no step.*alone"):
        from_sklearn(make(prep.StandardScaler(), LinearModelRegressor()).fit(NUMBERS, Y), X=NUMBERS)


def test_a_model_of_timestamps_takes_them_in_float64() -> None:
    times = 1.7e9 + np.arange(24.0)[:, None] * 3600.5
    model = make(prep.StandardScaler(), linear.LinearRegression()).fit(times, Y)
    chosen = Inputs.of(from_sklearn(model, X=times), "exact", "auto")
    assert chosen.dtype == "float64"
    assert "while it spans" in str(chosen.remark)
    assert Inputs.of(from_sklearn(linear.Ridge().fit(NUMBERS, Y), X=NUMBERS), "exact", "auto").dtype == "float32"


@pytest.mark.parametrize(("func", "inverse"), [(np.log, np.exp), (np.sqrt, np.square), (np.reciprocal, np.reciprocal)])
def test_functions_of_columns_and_of_the_target_are_imported(func: Any, inverse: Any, tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    x = chance.uniform(1, 5, (40, 2))
    steps = compose.ColumnTransformer([("f", prep.FunctionTransformer(func), [0]), ("rest", "passthrough", [1])])
    inner = pipeline.make_pipeline(steps, prep.PolynomialFeatures(2), linear.LinearRegression())
    model = compose.TransformedTargetRegressor(inner, func=func, inverse_func=inverse)
    eta = 3 + func(x[:, 0]) * 0.3 + 0.1 * x[:, 1] + chance.normal(0, 0.01, 40)
    model.fit(x, inverse(eta))
    checkpoint = from_sklearn(model, X=x)
    assert checkpoint.contract.outputs[0].function == {np.log: "log", np.sqrt: "sqrt"}.get(func, "reciprocal")
    export(checkpoint, tmp_path / "m.onnx", precision="float64", without_eager=True)
    got = Predictor.load(tmp_path / "m.onnx").predict(x).values[:, 0]
    assert got == pytest.approx(model.predict(x), rel=1e-12)


def test_each_target_of_several_models_has_its_own_function() -> None:
    x = RANDOM.uniform(1, 2, (20, 2))
    y = np.exp(x @ [[0.2, 0.1], [0.3, -0.2]])
    log = compose.TransformedTargetRegressor(linear.Ridge(), func=np.log, inverse_func=np.exp)
    model = multi.MultiOutputRegressor(log).fit(x, y)
    model.estimators_.append(linear.Ridge().fit(x, y[:, 0]))
    assert [each.function for each in from_sklearn(model, X=x).contract.outputs] == ["log", "log", None]


@pytest.mark.parametrize("transformer", [None, "scaler"])
def test_a_function_of_a_target_is_the_last_step_of_it(transformer: str | None) -> None:
    x = RANDOM.uniform(1, 2, (20, 2))
    log = {"func": np.log, "inverse_func": np.exp}
    inner = compose.TransformedTargetRegressor(linear.Ridge(), **log)
    outer = {"transformer": prep.MinMaxScaler((1, 2))} if transformer else log
    model = compose.TransformedTargetRegressor(inner, **outer).fit(x, np.exp(np.exp(0.2 * x[:, 0])))
    with pytest.raises(UnsupportedModelError, match=r"transformed once more.*one function of a target"):
        from_sklearn(model, X=x)


@pytest.mark.parametrize(("inverse", "ends"), [(np.reciprocal, (-9.0, 9.0)), (np.exp, (-1e9, 1e9))])
def test_predictions_that_float64_does_not_hold_are_not_compared(inverse: Any, ends: tuple[float, float]) -> None:
    x = np.linspace(1.0, 2.0, 20)[:, None]
    func = np.log if inverse is np.exp else inverse
    model = compose.TransformedTargetRegressor(linear.LinearRegression(), func=func, inverse_func=inverse)
    model.fit(x, inverse(2 * x[:, 0]))
    assert from_sklearn(model, ranges={"x": ends}).contract.outputs[0].function is not None


def test_a_function_of_what_was_computed_is_refused() -> None:
    x = np.random.default_rng(0).uniform(1, 2, (20, 2))
    model = pipeline.make_pipeline(prep.MinMaxScaler((1, 2)), prep.FunctionTransformer(np.log), linear.Ridge())
    with pytest.raises(UnsupportedModelError, match="the log of what was computed"):
        from_sklearn(model.fit(x, x[:, 0]))


def test_a_function_of_a_function_is_refused() -> None:
    x = np.random.default_rng(0).uniform(1, 2, (20, 2))
    model = make(prep.FunctionTransformer(np.exp), prep.FunctionTransformer(np.log), linear.Ridge()).fit(x, x[:, 0])
    with pytest.raises(UnsupportedModelError, match=r"takes the log of what was computed of .exp\(x1\)"):
        from_sklearn(model, X=x)

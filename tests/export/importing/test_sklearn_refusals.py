"""What from_sklearn does not take, said in one line; and that a wrong fold of what it takes is found."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_export import from_sklearn
from lr_export.errors import UnsupportedModelError
from lr_export.importing import scikit_learn
from lr_runtime.errors import CheckFailedError, LinedgeError, OptionError
from tests.optional import optional

if TYPE_CHECKING:
    from collections.abc import Callable

compose, decomposition, impute = map(optional, ["sklearn.compose", "sklearn.decomposition", "sklearn.impute"])
linear, pipeline, prep = map(optional, ["sklearn.linear_model", "sklearn.pipeline", "sklearn.preprocessing"])
pandas, svm = optional("pandas"), optional("sklearn.svm")
make = pipeline.make_pipeline

RANDOM = np.random.default_rng(8)
X = RANDOM.normal(3, 2, size=(24, 2))
Y = X @ [2.0, -1.0] + 5
WORDS = ["north", "south"] * 12
GAPS = ["north", None, "south"] * 8
RANGES = {"x1": (-5.0, 9.0), "x2": (-5.0, 9.0)}


def on_numbers(*steps: Any) -> Any:
    return make(*steps).fit(X, Y)


def on_column(cells: list[Any], *steps: Any) -> Any:
    frame = pandas.DataFrame({"site": cells, "load": X[:, 0]})
    return make(compose.ColumnTransformer([("site", make(*steps), ["site"])]), linear.Ridge()).fit(frame, Y)


class OwnScaler(prep.StandardScaler if isinstance(prep.StandardScaler, type) else object):  # type: ignore[misc]
    """A scaler that may compute anything."""


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no model": (lambda: "model.pkl", "str is no step.*LinearRegression"),
    "a classifier": (lambda: linear.LogisticRegression().fit(X, Y > 5), "LogisticRegression is no step"),
    "no linear model": (lambda: svm.SVR().fit(X, Y), "SVR is no step.*nearest.*LinearSVR"),
    "a log link": (lambda: linear.PoissonRegressor().fit(X, abs(Y)), "PoissonRegressor is no step.*Ridge"),
    "a transformer": (lambda: on_numbers(prep.StandardScaler()), "StandardScaler is no step.*LinearRegression"),
    "unfitted": (linear.Ridge, "Ridge is not fitted. Call its fit first$"),
    "an unfitted pipeline": (lambda: make(prep.StandardScaler(), linear.Ridge()), "Pipeline is not fitted"),
    "a half fitted pipeline": (lambda: make(prep.StandardScaler().fit(X), linear.Ridge()), "Ridge is not fitted"),
    "a curve": (lambda: on_numbers(prep.PowerTransformer(), linear.Ridge()), "PowerTransformer.*StandardScaler"),
    "a subclass": (lambda: on_numbers(OwnScaler(), linear.Ridge()), "OwnScaler.*nearest.*StandardScaler"),
    "clipping": (lambda: on_numbers(prep.MinMaxScaler(clip=True), linear.Ridge()), "has clip=True.*clip=False"),
    "code": (lambda: on_numbers(prep.FunctionTransformer(np.sin), linear.Ridge()), "FunctionTransformer has func"),
    "code of the target": (
        lambda: compose.TransformedTargetRegressor(linear.Ridge(), func=np.sin, inverse_func=np.sin).fit(X, Y / 99),
        "inverse_func=<ufunc 'sin'>.*func=np.log with inverse_func=np.exp",
    ),
    "another missing value": (lambda: on_numbers(impute.SimpleImputer(missing_values=-1), linear.Ridge()), "=-1.*=nan"),
    "infrequent categories": (
        lambda: on_column(["a"] * 20 + ["b"] * 2 + ["c"] * 2, prep.OneHotEncoder(min_frequency=5)),
        "OneHotEncoder has min_frequency=5.*min_frequency=None",
    ),
    "a missing category": (lambda: on_column(GAPS, prep.OneHotEncoder()), '"site" stands for missing.*SimpleImputer'),
    "an encoder of what was computed": (
        lambda: on_column([1.0, 2.0] * 12, prep.StandardScaler(), prep.OneHotEncoder()),
        'encoder.*computed of "site".*the column itself',
    ),
    "scores": (lambda: on_numbers(decomposition.PCA(1, whiten=True), linear.Ridge()), "PCA has whiten=True"),
    "an encoder of a constant": (
        lambda: on_numbers(impute.MissingIndicator(features="all"), prep.OneHotEncoder(), linear.Ridge()),
        "an encoder takes what an earlier step computed",
    ),
    "text that is computed with": (
        lambda: make(
            compose.ColumnTransformer([("a", prep.OneHotEncoder(), ["site"]), ("b", "passthrough", ["site"])]),
            linear.Ridge(),
        ).fit(pandas.DataFrame({"site": ["1", "2"] * 12}), Y),
        '"site" is text',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("made", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_folded_is_named_with_the_nearest_that_can(made: Callable[[], Any], said: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = made()
    with pytest.raises(UnsupportedModelError, match=said) as caught:
        from_sklearn(model, ranges=RANGES)
    assert "\n" not in str(caught.value)


def test_a_number_that_is_not_finite_is_refused() -> None:
    model = linear.Ridge().fit(X, Y)
    model.coef_ = np.array([1.0, np.inf])
    with pytest.raises(UnsupportedModelError, match="not finite"):
        from_sklearn(model, ranges=RANGES)


WRONG_CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "no ranges": ({}, 'range of "x1", "x2".*ranges.*X'),
    "one range": ({"ranges": {"x1": (0, 1)}}, 'range of "x2"'),
    "a stranger": ({"ranges": {**RANGES, "z": (0, 1)}}, 'names "z"'),
    "upside down": ({"ranges": {**RANGES, "x1": (1, 0)}}, "lower one first"),
    "one number": ({"ranges": {**RANGES, "x1": 5}}, "lower one first, not 5"),
    "a text": ({"ranges": {**RANGES, "x1": "09"}}, "lower one first, not 09"),
    "beyond float64": ({"ranges": {**RANGES, "x1": (0, 10**400)}}, "lower one first"),
    "not by name": ({"ranges": [(0, 1), (0, 1)]}, "ranges by name, .* not list"),
    "of a number": ({"ranges": {**RANGES, 3: (0, 1)}}, 'names "3"'),
    "an output called as a column": ({"ranges": RANGES, "target": "x2"}, 'output "x2" .*another target'),
    "rows without values": ({"X": np.full((3, 2), np.nan)}, "no value"),
    "rows of another width": ({"X": X[:, :1]}, r"shape \(24, 1\)"),
    "rows without a column": ({"X": {"x1": [1.0]}}, 'no column "x2"'),
    "two names for one output": (
        {"ranges": RANGES, "target": ["a", "b"]},
        'target takes 1 different names here, not "a", "b"',
    ),
}


@pytest.mark.parametrize(("options", "said"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_what_is_wrong_with_a_call_is_said_in_the_words_of_python(options: dict[str, Any], said: str) -> None:
    with pytest.raises(LinedgeError, match=said) as caught:
        from_sklearn(linear.Ridge().fit(X, Y), **options)
    assert not re.search(r"\n| --\w", str(caught.value))


def test_two_columns_of_one_name_are_refused() -> None:
    model = linear.Ridge().fit(pandas.DataFrame(X, columns=["e\u0301", "\u00e9"]), Y)
    with pytest.raises(OptionError, match="different"):
        from_sklearn(model, X=X)


def _swapped(name: str) -> Any:
    """Return the row of a step that reverses the order of what the step makes."""
    row = scikit_learn.TRANSFORMERS[name]
    return lambda step, features, told: row(step, features, told)[::-1]


def _as_the_other(step: Any, features: Any, told: Any) -> Any:
    return scikit_learn._scaled(step, features, told, is_inverse=True)


MUTANTS: dict[str, tuple[str, Any, Callable[[], Any]]] = {
    "a product for a quotient": ("StandardScaler", _as_the_other, prep.StandardScaler),
    "columns swapped": ("StandardScaler", _swapped("StandardScaler"), prep.StandardScaler),
    "axes swapped": ("PCA", _swapped("PCA"), decomposition.PCA),
    "no scaling": ("RobustScaler", lambda step, features, told: features, prep.RobustScaler),
    "levels swapped": ("OneHotEncoder", _swapped("OneHotEncoder"), prep.OneHotEncoder),
    "powers swapped": ("PolynomialFeatures", _swapped("PolynomialFeatures"), lambda: prep.PolynomialFeatures(3)),
    "nothing filled": (
        "SimpleImputer",
        lambda step, features, told: [scikit_learn._filled(each, 0.5, told) for each in features],
        impute.SimpleImputer,
    ),
}


@pytest.mark.parametrize(("name", "row", "step"), MUTANTS.values(), ids=MUTANTS)
def test_a_wrong_fold_is_found(
    name: str, row: Any, step: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, few_probes: None
) -> None:
    rows = {"OneHotEncoder": np.floor(X[:, :1] % 3), "PolynomialFeatures": X[:, :1]}.get(name, X)
    model = make(step(), linear.LinearRegression()).fit(rows, Y + np.sin(9 * Y))
    from_sklearn(model, X=rows)
    monkeypatch.setitem(scikit_learn.TRANSFORMERS, name, row)
    with pytest.raises(CheckFailedError, match=r"predicts .* at .* and .* follows"):
        from_sklearn(model, X=rows)


def test_a_model_that_does_not_predict_by_its_coefficients_is_found() -> None:
    model, other = linear.Ridge().fit(X, Y), linear.Ridge().fit(X, Y)
    other.coef_ = other.coef_ * (1 + 1e-12)
    model.predict = other.predict
    with pytest.raises(CheckFailedError, match="Nothing was imported"):
        from_sklearn(model, ranges=RANGES)

"""The estimator where its users have it: frames, pipelines, searches, pickles, and the way to a verified file."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lr_export import export
from lr_runtime import Predictor
from lr_runtime.errors import FitError, InputError, OptionError, TableError
from lr_trainer import fit
from lr_trainer.sklearn import LinearModelRegressor
from tests.absent import Without

if TYPE_CHECKING:
    from pathlib import Path


def test_masked_values_are_missing() -> None:
    x, y = np.random.default_rng(5).normal(size=(2, 50, 2))
    masked = np.arange(50) % 9 == 0
    hidden = np.ma.masked_array(x, mask=masked[:, None] & [True, False])
    left = LinearModelRegressor(missing="drop").fit(hidden, y)
    np.testing.assert_allclose(left.coef_, LinearRegression().fit(x[~masked], y[~masked]).coef_)
    left = LinearModelRegressor(missing_target="drop").fit(x, np.ma.masked_array(y[:, 0], mask=masked))
    np.testing.assert_allclose(left.coef_, LinearRegression().fit(x[~masked], y[~masked, 0]).coef_)
    with pytest.raises(ValueError, match="NaN"):
        left.predict(hidden)
    with pytest.raises(ValueError, match="NaN"):
        left.fit(x, y, sample_weight=np.ma.masked_array(np.ones(50), mask=masked))


def frame(rows: int = 80, seed: int = 3) -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(seed)
    site = random.choice(["inner", "outer", "roof"], size=rows)
    x = pd.DataFrame(
        {
            "temp": random.normal(20, 5, size=rows),
            "site": pd.Categorical(site),
            "fans": pd.array(random.integers(0, 4, size=rows), dtype="Int64"),
            "is_on": random.random(rows) < 0.5,
        },
        index=pd.RangeIndex(100, 100 + rows),
    )
    y = 2 * x["temp"] + (x["site"] == "roof") - x["fans"].astype(float) + x["is_on"] + random.normal(size=rows)
    return x, y.rename("ozone")


FRAMES: dict[str, Any] = {
    "pandas": lambda x: x,
    "pyarrow": lambda x: pa.Table.from_pandas(x, preserve_index=False),
    "text": lambda x: x.assign(site=x["site"].astype(str)),
    "an array of objects": lambda x: x.to_numpy(dtype=object),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_categories_and_nullable_types_of_frames_are_fitted_as_they_are(kind: str) -> None:
    x, y = frame()
    given = FRAMES[kind](x)
    model = LinearModelRegressor().fit(given, y)
    names = ["x1", "x2", "x3", "x4"] if kind == "an array of objects" else list(x)
    assert model.term_names_.tolist() == [names[0], f"{names[1]}=outer", f"{names[1]}=roof", *names[2:]]
    assert (model.checkpoint_.contract.column_names, model.n_features_in_) == (tuple(names), 4)
    assert model.checkpoint_.contract.output_names == ("ozone",)
    if kind != "an array of objects":
        assert model.feature_names_in_.tolist() == names
    dummies = pd.get_dummies(x, drop_first=True).astype(float)
    theirs = LinearRegression().fit(dummies, y)
    assert np.allclose(model.predict(given), theirs.predict(dummies), rtol=1e-9)
    assert model.score(given, y) == pytest.approx(theirs.score(dummies, y))


def test_a_number_may_be_a_category_of_an_array() -> None:
    x = np.array([[3.0, 1.0], [5.0, 2.0], [3.0, 4.0], [5.0, 3.0], [7.0, 6.0], [7.0, 5.0]])
    model = LinearModelRegressor(category=["x1"]).fit(x, [1.0, 2.0, 4.0, 3.0, 1.0, 7.0])
    assert model.term_names_.tolist() == ["x1=5.0", "x1=7.0", "x2"]
    assert model.predict([[7.0, 5.0]]) == pytest.approx(model.intercept_ + model.coef_ @ [0, 1, 5.0])
    with pytest.raises(InputError, match=r'category "4.0" is unknown'):
        model.predict([[4.0, 5.0]])


@pytest.mark.parametrize("policy", ["mean", "indicator"])
def test_missing_values_have_the_policy_of_a_fit(policy: str) -> None:
    x, y = frame()
    x.loc[[103, 117], "temp"] = np.nan
    x.loc[[104], "fans"] = pd.NA
    with pytest.raises(TableError, match=r'row 4, column "temp": the value is missing'):
        LinearModelRegressor().fit(x, y)
    model = LinearModelRegressor(missing=policy).fit(x, y)  # type: ignore[arg-type]
    assert ("temp missing" in model.term_names_) == (policy == "indicator")
    assert np.isfinite(model.predict(x)).all()
    numbers = x[["temp", "fans"]].to_numpy(dtype=float, na_value=np.nan)
    assert np.isfinite(LinearModelRegressor(missing=policy).fit(numbers, y).predict(numbers)).all()  # type: ignore[arg-type]
    y[105] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN"):
        LinearModelRegressor(missing=policy).fit(x, y)  # type: ignore[arg-type]
    assert LinearModelRegressor(missing="drop", missing_target="drop").fit(x, y).checkpoint_.contract.rows == 76


def test_names_that_are_taken_are_made_others() -> None:
    x, y = frame()
    x = x.rename(columns={"temp": "y", "fans": "sample_weight"})
    model = LinearModelRegressor().fit(x, y.to_numpy(), np.ones(len(y)))
    assert model.checkpoint_.contract.output_names == ("y_",)
    assert model.checkpoint_.report.rows.weight == "sample_weight_"
    numbers = np.random.default_rng(0).normal(size=(len(y), 2))
    assert LinearModelRegressor().fit(numbers, y.rename("x2")).checkpoint_.contract.output_names == ("x2_",)
    assert LinearModelRegressor().fit(numbers, y.rename("x")).checkpoint_.contract.column_names == ("x1", "x2")
    # scikit-learn refuses these itself from version 1.9 on.
    with pytest.raises(ValueError, match=r"['\"]a['\"]"):
        LinearModelRegressor().fit(pd.DataFrame(np.eye(4)[:, :2], columns=["a", "a"]), y[:4])


def test_columns_of_a_frame_are_held_to_their_names_and_their_order() -> None:
    x, y = frame()
    model = LinearModelRegressor().fit(x, y)
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        model.predict(x[x.columns[::-1]])
    with pytest.warns(UserWarning, match="valid feature names"), pytest.raises(ValueError, match="3 features"):
        model.predict(x.to_numpy(dtype=object)[:, :3])
    with pytest.raises(NotFittedError):
        LinearModelRegressor().predict(x)


def test_it_works_in_pipelines_searches_and_transformers() -> None:
    x, y = frame()
    encoded = make_pipeline(
        ColumnTransformer(
            [
                ("site", OneHotEncoder(drop="first", sparse_output=False), ["site"]),
                ("temp", StandardScaler(), ["temp"]),
            ],
            remainder="passthrough",
        ),
        LinearModelRegressor(),
    ).set_output(transform="pandas")
    plain = LinearModelRegressor().fit(x, y)
    assert np.allclose(encoded.fit(x, y).predict(x), plain.predict(x), rtol=1e-9)
    assert "temp__temp" in encoded[-1].feature_names_in_
    passed = ColumnTransformer([("temp", StandardScaler(), ["temp"])], remainder="passthrough")
    assert np.allclose(make_pipeline(passed, LinearModelRegressor()).fit(x, y).predict(x), plain.predict(x), rtol=1e-9)
    logged = TransformedTargetRegressor(LinearModelRegressor(), func=np.log, inverse_func=np.exp).fit(x, y + 100)
    assert logged.regressor_.checkpoint_.contract.rows == 80
    assert cross_val_score(encoded, x, y, cv=4, error_score="raise").min() > 0.9


def test_a_search_over_a_penalty_keeps_the_best_fit() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(30, 8))
    y = x[:, 0] + 2 * random.normal(size=30)
    search = GridSearchCV(LinearModelRegressor(), {"l2": [0.0, *np.logspace(-3, 1, 5)]}, cv=5, error_score="raise").fit(
        x, y
    )
    best = fit({"x": x, "y": y}, target="y", l2=search.best_params_["l2"])
    assert search.best_params_["l2"] > 0
    assert search.best_estimator_.checkpoint_.to_bytes() == best.to_bytes()


def test_it_is_pickled_as_the_bytes_of_its_checkpoint() -> None:
    x, y = frame()
    model = LinearModelRegressor(missing="indicator", descent=None).fit(x, y)
    content = pickle.dumps(model)
    assert model.checkpoint_.to_bytes() in content
    for other in (pickle.loads(content), copy.deepcopy(model)):  # noqa: S301 - our own, just written
        assert np.array_equal(other.predict(x), model.predict(x))
        assert other.checkpoint_.to_bytes() == model.checkpoint_.to_bytes()
        assert other.get_params() == model.get_params()
    assert not hasattr(clone(model), "checkpoint_")


@pytest.mark.parametrize("kind", ["categories", "numbers"])
def test_an_export_takes_it_as_it_is(kind: str, tmp_path: Path) -> None:
    x, y = frame()
    x["temp"] = x["temp"].astype(np.float32)  # which the file holds exactly
    x = x if kind == "categories" else x[["temp", "is_on"]].to_numpy(dtype=float)
    model = LinearModelRegressor().fit(x, np.column_stack([y, -y]))
    certificate = export(model, tmp_path / "model.onnx", interval=0.9)
    found = Predictor.load(tmp_path / "model.onnx").predict(x)
    ours = model.predict(x, return_interval=True, level=0.9)
    for each, result in zip(ours, ("y", "y_lower", "y_upper"), strict=True):
        values = {"y": found.values, "y_lower": found.lower, "y_upper": found.upper}[result]
        assert (np.abs(values - each) <= certificate.bounds[result]).all()


def test_what_has_no_checkpoint_is_not_exported(tmp_path: Path) -> None:
    x, y = frame()
    pipeline = make_pipeline(StandardScaler(), LinearModelRegressor()).fit(x[["temp"]], y)
    model: Any
    for model in (pipeline, LinearModelRegressor(), 3):
        with pytest.raises(
            OptionError, match=f"has a checkpoint_, not a {type(model).__name__}. The steps of a Pipeline"
        ):
            export(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_rows_that_leave_coefficients_free_are_refused_unless_a_way_out_is_asked_for() -> None:
    x, y = frame()
    numbers = np.column_stack([x["temp"], 2 * x["temp"] + 1, x["is_on"]])
    with pytest.raises(FitError, match=r"collinear: .* or use drop_collinear, l2 or minimum_norm"):
        LinearModelRegressor().fit(numbers, y)
    with pytest.raises(FitError, match="3 rows do not determine 4 coefficients"):
        LinearModelRegressor().fit(numbers[:3], y[:3])
    smallest = LinearModelRegressor(minimum_norm=True).fit(StandardScaler().fit_transform(numbers), y)
    theirs = LinearRegression().fit(StandardScaler().fit_transform(numbers), y)
    assert np.allclose(smallest.coef_, theirs.coef_, rtol=1e-9)


def test_scikit_learn_is_imported_when_it_is_asked_for_and_missed_in_one_line(tmp_path: Path) -> None:
    (blocker := tmp_path / "blocker").mkdir()
    done = Without(tmp_path, blocker, "sklearn").python(
        "import lr_trainer; print(lr_trainer.fit); import lr_trainer.sklearn"
    )
    assert done.stdout.startswith("<function fit")
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith(
        "MissingExtraError: the package 'sklearn' is not installed. Run: pip install 'linedge[sklearn]'"
    )

"""Every linear regressor of scikit-learn behind several chains of steps, against the exact pipeline."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_export import from_sklearn
from tests.export.importing.exact_sklearn import check, given
from tests.optional import optional

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.export.importing.exact_sklearn import Table

pytest.importorskip("pandas")
sk = optional("sklearn")
compose, cross, decomposition = map(
    optional, ["sklearn.compose", "sklearn.cross_decomposition", "sklearn.decomposition"]
)
impute, linear, pipeline = map(optional, ["sklearn.impute", "sklearn.linear_model", "sklearn.pipeline"])
multi, prep, selection = map(optional, ["sklearn.multioutput", "sklearn.preprocessing", "sklearn.feature_selection"])
search, svm = map(optional, ["sklearn.model_selection", "sklearn.svm"])
make = pipeline.make_pipeline


def table_of(rows: int = 40) -> Table:
    random = np.random.default_rng(3)
    table: Table = {
        "time": (1.7e9 + 3600 * random.normal(size=rows)).tolist(),
        "temp": random.normal(20, 5, rows).tolist(),
        "load": random.normal(0, 1e-3, rows).tolist(),
        "site": random.choice(["north", "south", "west"], rows).tolist(),
        "mode": random.integers(1, 4, rows).tolist(),
        "on": (random.uniform(size=rows) < 0.5).tolist(),
    }
    for row in range(0, rows, 6):
        table["temp"][row] = None
    return table


TABLE = table_of()
NUMBERS = {name: TABLE[name] for name in ("time", "load")}
Y = np.array([
    2 * (t or 18.0) + 500 * u + 3 * (s == "north") + m + (w - 1.7e9) / 1e4
    for t, u, s, m, w in zip(TABLE["temp"], TABLE["load"], TABLE["site"], TABLE["mode"], TABLE["time"], strict=True)
])  # fmt: skip
Y = Y + 0.1 * np.random.default_rng(4).normal(size=len(Y))
BOTH = np.column_stack([Y, 3 - Y / 2 + np.random.default_rng(5).normal(size=len(Y))])

ONE: dict[str, Callable[[], Any]] = {
    "LinearRegression": linear.LinearRegression,
    "LinearRegression without intercept": lambda: linear.LinearRegression(fit_intercept=False),
    "Ridge": linear.Ridge,
    "RidgeCV": linear.RidgeCV,
    "Lasso": lambda: linear.Lasso(alpha=0.3),
    "LassoCV": lambda: linear.LassoCV(cv=3, alphas=5),
    "ElasticNet": linear.ElasticNet,
    "ElasticNetCV": lambda: linear.ElasticNetCV(cv=3, alphas=5),
    "Lars": linear.Lars,
    "LarsCV": lambda: linear.LarsCV(cv=3),
    "LassoLars": lambda: linear.LassoLars(alpha=0.01),
    "LassoLarsCV": lambda: linear.LassoLarsCV(cv=3),
    "LassoLarsIC": lambda: linear.LassoLarsIC(noise_variance=1.0),
    "OrthogonalMatchingPursuit": linear.OrthogonalMatchingPursuit,
    "OrthogonalMatchingPursuitCV": lambda: linear.OrthogonalMatchingPursuitCV(cv=3),
    "BayesianRidge": linear.BayesianRidge,
    "ARDRegression": linear.ARDRegression,
    "HuberRegressor": linear.HuberRegressor,
    "QuantileRegressor": lambda: linear.QuantileRegressor(alpha=0.01),
    "RANSACRegressor": lambda: linear.RANSACRegressor(random_state=0),
    "TheilSenRegressor": lambda: linear.TheilSenRegressor(random_state=0, max_subpopulation=50),
    "SGDRegressor": lambda: linear.SGDRegressor(random_state=0),
    "SGDRegressor with few weights": lambda: linear.SGDRegressor(penalty="l1", random_state=0),
    "LinearSVR": lambda: svm.LinearSVR(random_state=0),
    "PLSRegression": lambda: cross.PLSRegression(n_components=1),
    "Ridge of a selection": lambda: make(selection.RFE(linear.Ridge(), n_features_to_select=1), linear.Ridge()),
    "GridSearchCV": lambda: search.GridSearchCV(linear.Ridge(), {"alpha": [0.1, 1.0]}, cv=2),
    "TransformedTargetRegressor": lambda: compose.TransformedTargetRegressor(linear.Ridge()),
    "TransformedTargetRegressor with StandardScaler": lambda: compose.TransformedTargetRegressor(
        linear.Ridge(), transformer=prep.StandardScaler()
    ),
    "TransformedTargetRegressor with MinMaxScaler": lambda: compose.TransformedTargetRegressor(
        make(linear.Ridge()), transformer=prep.MinMaxScaler((-1, 1))
    ),
}
SEVERAL: dict[str, Callable[[], Any]] = {
    "LinearRegression": linear.LinearRegression,
    "Ridge": linear.Ridge,
    "Lars": linear.Lars,
    "MultiTaskLasso": lambda: linear.MultiTaskLasso(alpha=0.1),
    "MultiTaskLassoCV": lambda: linear.MultiTaskLassoCV(cv=3, alphas=5),
    "MultiTaskElasticNet": lambda: linear.MultiTaskElasticNet(alpha=0.1),
    "MultiTaskElasticNetCV": lambda: linear.MultiTaskElasticNetCV(cv=3, alphas=5),
    "PLSRegression": lambda: cross.PLSRegression(n_components=2),
    "CCA": lambda: cross.CCA(n_components=1),
    "MultiOutputRegressor": lambda: multi.MultiOutputRegressor(linear.HuberRegressor()),
    "MultiOutputRegressor of pipelines": lambda: multi.MultiOutputRegressor(
        make(prep.StandardScaler(), linear.BayesianRidge())
    ),
    "TransformedTargetRegressor": lambda: compose.TransformedTargetRegressor(
        linear.Ridge(), transformer=prep.RobustScaler()
    ),
}


def full_chain() -> Any:
    return compose.ColumnTransformer(
        [
            ("numbers", make(impute.SimpleImputer(add_indicator=True), prep.StandardScaler()), ["time", "temp"]),
            ("filled", make(impute.SimpleImputer(strategy="median"), prep.PolynomialFeatures(2)), [1]),
            ("site", prep.OneHotEncoder(drop="first"), slice("site", "site")),
            ("mode", prep.OneHotEncoder(handle_unknown="ignore", sparse_output=False), [False] * 4 + [True, False]),
            ("on", prep.OrdinalEncoder(), ["on"]),
        ],
        remainder="drop",
    )


CHAINS: dict[str, tuple[Table, Callable[[], list[Any]]]] = {
    "numbers scaled": (NUMBERS, lambda: [prep.StandardScaler()]),
    "numbers in a range": (NUMBERS, lambda: [prep.MinMaxScaler((-1, 2))]),
    "categories, missing values, powers": (TABLE, lambda: [full_chain(), prep.MaxAbsScaler()]),
}


def fitted(model: Any, rows: Any, y: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a fit of 40 rows says of its convergence
        return model.fit(rows, y)


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("chain", CHAINS)
def test_a_regressor_is_imported(name: str, chain: str, few_probes: None) -> None:
    table, steps = CHAINS[chain]
    model = fitted(make(*steps(), ONE[name]()), given(table), Y)
    check(model, from_sklearn(model, X=given(table)), table, range(1, 40, 7))


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("chain", CHAINS)
def test_a_regressor_of_several_outputs_is_imported(name: str, chain: str, few_probes: None) -> None:
    table, steps = CHAINS[chain]
    model = fitted(make(*steps(), SEVERAL[name]()), given(table), BOTH)
    checkpoint = from_sklearn(model, X=given(table), target=["power", "rest"])
    assert checkpoint.contract.output_names == ("power", "rest")
    check(model, checkpoint, table, range(2, 40, 11))

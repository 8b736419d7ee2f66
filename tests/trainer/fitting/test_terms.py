"""Fits of functions of columns and of products, held against statsmodels on a design matrix made by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import statsmodels.api as sm
from mpmath import mp
from numpy.testing import assert_allclose

from lr_runtime.contract.derived import Derived
from lr_runtime.errors import FitError, OptionError, TableError
from lr_runtime.tables import TableOptions
from lr_trainer import Checkpoint, Descent, fit, merge, update
from tests.conftest import one_line
from tests.trainer.exact_solution import digits_of_fit, exact_solutions, on_grid

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trainer.test_train_command import Runner

ROWS = 60
RANDOM = np.random.default_rng(11)
R, A, B = RANDOM.uniform(0.5, 90.0, ROWS), RANDOM.normal(25.0, 9.0, ROWS), RANDOM.normal(-3.0, 1.0, ROWS)
S = np.array(["north", "east", "west"])[np.arange(ROWS) % 3]
Y = 3.0 - np.log(R) + 0.2 * A + B + 0.1 * A * B + np.where(S == "west", B, 0.0) + RANDOM.normal(0.0, 0.3, ROWS)
TABLE: dict[str, Any] = {"r": R, "a": A, "b": B, "s": S, "y": Y}
TERMS: dict[str, Any] = {"transforms": {"r": "log", "a": "linear,hinge:25"}, "interact": ["a:b", "b:s", "log(r):a:s"]}
NORTH, WEST, LOG = S == "north", S == "west", np.log(R)
DESIGN = {
    "intercept": np.ones(ROWS),
    "log(r)": LOG,
    "a": A,
    "hinge(a, 25)": np.maximum(A - 25.0, 0.0),
    "b": B,
    "s=north": NORTH,
    "s=west": WEST,
    "a:b": A * B,
    "b:s=north": B * NORTH,
    "b:s=west": B * WEST,
    "a:s=east:log(r)": A * (S == "east") * LOG,
    "a:s=north:log(r)": A * NORTH * LOG,
    "a:s=west:log(r)": A * WEST * LOG,
}


def assert_is_of(found: Checkpoint, design: dict[str, Any], y: Any = Y) -> None:
    """Assert that a fit has the coefficients and errors of statsmodels on this design matrix."""
    expected, rows = sm.OLS(y, np.column_stack([*design.values()])).fit(), found.fit["coefficients"]
    assert [row["term"] for row in rows] == list(design)
    assert_allclose([row["estimate"] for row in rows], expected.params, rtol=1e-9)
    assert_allclose([row["standard_error"] for row in rows], expected.bse, rtol=1e-9)
    assert_allclose(found.fit["r2"], expected.rsquared, rtol=1e-9)


def test_functions_and_products_are_those_of_a_design_matrix_made_by_hand() -> None:
    found = fit(TABLE, target="y", **TERMS)
    assert_is_of(found, DESIGN)
    assert found.contract.column_names == ("r", "a", "b", "s")
    assert found.contract.derived == (Derived(0, "log"), Derived(1, "hinge", 25.0))
    assert (found.contract.columns[0].minimum, found.contract.columns[0].maximum) == (R.min(), R.max())


def test_powers_are_of_functions_too() -> None:
    found = fit({"r": R, "b": B, "y": Y}, target="y", transforms={"r": "log"}, degree=2, interact=["log(r):b"])
    design = {"intercept": R * 0 + 1, "log(r)": LOG, "log(r)^2": LOG**2, "b": B, "b^2": B * B, "b:log(r)": B * LOG}
    assert_is_of(found, design)


@pytest.mark.parametrize("function", ["log", "log1p", "exp", "sqrt", "reciprocal", "hinge:30"])
def test_each_function_is_that_of_numpy(function: str) -> None:
    expected = {
        "log": np.log(R),
        "log1p": np.log1p(R),
        "exp": np.exp(R),
        "sqrt": np.sqrt(R),
        "reciprocal": 1.0 / R,
        "hinge:30": np.maximum(R - 30.0, 0.0),
    }[function]
    found = fit({"r": R, "y": Y}, target="y", transforms={"r": function})
    slope = np.cov(expected, Y)[0, 1] / expected.var(ddof=1)
    assert found.report.coefficients[1].estimate == pytest.approx(slope, rel=1e-9)


def test_coefficients_of_products_have_the_digits_that_are_stated() -> None:
    a, b, y = np.round(A) + 4096.0, np.round(B * 8) / 8, on_grid(Y[:, None].copy())  # the products are exact
    found = fit({"a": a, "b": b, "y": y[:, 0]}, target="y", transforms={"a": "linear,hinge:4121"}, interact=["a:b"])
    (exact,) = exact_solutions(np.column_stack([a, np.maximum(a - 4121.0, 0.0), b, a * b]), y)
    stated = min(row.digits or 15.9 for row in found.report.coefficients)
    assert 9 < stated <= (digits_of_fit(found, exact).coefficients or 0.0)


@pytest.mark.parametrize("reach", [1.0, 1e-3, 1e-6])
def test_digits_of_functions_are_digits_of_their_exact_values(reach: float) -> None:
    r = 1000.0 + reach * np.linspace(0.0, 1.0, 40) ** 2
    y = np.sin(np.arange(40.0)) + 10.0 * np.linspace(0.0, 1.0, 40)
    found = fit({"r": r, "y": y}, target="y", transforms={"r": "log"}, degree=2)
    with mp.workdps(60):
        logs = [mp.log(mp.mpf(each)) for each in r.tolist()]
        x, targets = mp.matrix([[1, each, each**2] for each in logs]), mp.matrix(y.tolist())
        exact = mp.lu_solve(x.T * x, x.T * targets)
        errors = [abs(row.estimate - each) for row, each in zip(found.report.coefficients, exact, strict=True)]
    for row, each, error in zip(found.report.coefficients, exact, errors, strict=True):
        stated = row.digits or 0.0
        assert stated < 15
        assert error <= 10.0**-stated * max(abs(each), row.stderror or 0.0)


@pytest.mark.parametrize("missing", ["mean", "indicator"])
def test_a_missing_value_is_missing_in_its_function(missing: Any) -> None:
    gaps = np.where(np.arange(ROWS) % 7 == 0, np.nan, R)
    found = fit(
        {"r": gaps, "b": B, "y": Y}, target="y", transforms={"r": "log"}, interact=["log(r):b"], missing=missing
    )
    filled = np.where(np.isnan(gaps), np.nanmean(np.log(gaps)), np.log(gaps))
    design = {"intercept": B * 0 + 1, "log(r)": filled, "r missing": np.isnan(gaps), "b": B, "b:log(r)": B * filled}
    assert_is_of(found, {name: each for name, each in design.items() if missing == "indicator" or name != "r missing"})


def test_a_value_outside_a_domain_is_a_bad_row() -> None:
    table = TABLE | {"r": np.where(np.arange(ROWS) == 4, -2.5, R)}
    message = 'the table row 5, column "r": the value is -2.5, and log takes numbers above 0'
    with pytest.raises(TableError, match=message):
        fit(table, target="y", **TERMS)
    lines: list[str] = []
    found = fit(table, target="y", **TERMS, options=TableOptions(skips=True), warn=lines.append)
    assert lines == [f"skipped: {message}"]
    assert_is_of(found, {name: np.delete(each, 4) for name, each in DESIGN.items()}, np.delete(Y, 4))
    with pytest.raises(TableError, match="exp of it is beyond float64"):
        fit({"a": [1.0, 800.0, 2.0, 3.0], "y": Y[:4]}, target="y", transforms={"a": "exp"})
    with pytest.raises(FitError, match=r'"b" has values on both sides of 0'):
        fit({"b": [-1.0, 3.0, 2.0, 1.0], "y": Y[:4]}, target="y", transforms={"b": "reciprocal"})


def test_further_rows_join_a_fit_of_functions_and_products() -> None:
    terms: dict[str, Any] = {"transforms": {"r": "log,sqrt"}, "interact": ["log(r):s"]}
    first, second = ({name: each[part] for name, each in TABLE.items()} for part in (slice(0, 33), slice(33, None)))
    whole, start = fit(TABLE, target="y", **terms), fit(first, target="y", **terms)
    joined = update(start, second)
    assert joined.contract == whole.contract._replace(outputs=joined.contract.outputs)
    for row, expected in zip(joined.report.coefficients, whole.report.coefficients, strict=True):
        assert row.term == expected.term
        assert row.estimate == pytest.approx(expected.estimate, rel=1e-8)
    with pytest.raises(TableError, match="log takes numbers above 0"):
        update(start, second | {"r": -second["r"]})
    with pytest.raises(FitError, match=r'the categories of "s" differ, and it is in a product'):
        update(start, second | {"s": np.where(second["s"] == "west", "south", second["s"])})
    with pytest.raises(FitError, match=r"the functions are \['log\(r\)', 'sqrt\(r\)'\] in the first, \[\] here"):
        merge(start, fit(second, target="y"))
    plain: dict[str, Any] = {"transforms": {"r": "log"}}
    merged = merge(fit(first, target="y", **plain), fit(second, target="y", **plain))
    at_once = [row.estimate for row in fit(TABLE, target="y", **plain).report.coefficients]
    assert [row.estimate for row in merged.report.coefficients] == pytest.approx(at_once, rel=1e-9)


def test_columns_that_say_nothing_are_left_out_of_products() -> None:
    found = fit({"a": A, "k": A * 0 + 0.1, "y": Y}, target="y", interact=["a:k"])
    assert found.report.constant == ("k", "a:k")
    with pytest.raises(FitError, match=r'collinear: "hinge\(a, -999\)" = 1 \* "a"'):
        fit({"a": A, "y": Y}, target="y", transforms={"a": "linear,hinge:-999"})
    found = fit({"a": A, "y": Y}, target="y", transforms={"a": "linear,hinge:-999"}, drop_collinear=True)
    assert found.report.collinear == ("hinge(a, -999)",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transforms": {"r": "logg"}}, 'transforms="r" takes linear .* or hinge:KNOT, not "logg"'),
        ({"transforms": {"r": "hinge:inf"}}, 'not "hinge:inf"'),
        ({"transforms": {"r": "log:2"}}, 'not "log:2"'),
        ({"transforms": {"r": "log,log"}}, 'takes a function twice: "log,log"'),
        ({"transforms": {"s": "log"}}, '"s" is a category, and functions are of numbers'),
        ({"transforms": {"q": "log"}}, '"q" is n'),
        ({"interact": ["a:temp"]}, '"temp" is none of the terms "r", "a", "b", "s"'),
        ({"interact": ["Log(r):a"], "transforms": {"r": "log"}}, r'is none of .*Did you mean "log\(r\)"'),
        ({"interact": ["a:a"]}, "no product of two or more different columns"),
        ({"interact": ["a"]}, "no product of two or more different columns"),
    ],
)
def test_what_terms_cannot_be_made_of_is_said(options: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        fit(TABLE, target="y", **options)


def test_names_with_colons_and_names_of_functions() -> None:
    table = {"a:b": A, "c": B, "log(c)": R, "y": Y}
    assert fit(table, target="y", interact=["a:b:c"]).report.coefficients[-1].term == "a:b:c"
    with pytest.raises(OptionError, match=r'"log\(c\)" is a function and a column of the table'):
        fit(table | {"c": R}, target="y", transforms={"c": "log"})


def test_a_descent_ends_where_the_exact_solution_is() -> None:
    exact, found = (fit(TABLE, target="y", **TERMS, descent=way) for way in (None, Descent(optimizer="lbfgs")))
    assert found.contract.derived == exact.contract.derived
    assert_allclose(found.weight, exact.weight, rtol=1e-6)


def test_torch_and_scikit_learn_take_the_input_columns() -> None:
    import torch

    from lr_trainer.sklearn import LinearModelRegressor

    x = np.column_stack([R, A, B])
    terms: dict[str, Any] = {"transforms": {"x1": "log", "x2": "linear,hinge:25"}, "interact": ["x2:x3"]}
    model = LinearModelRegressor(**terms).fit(x, Y)
    fitted = sm.OLS(
        Y, np.column_stack([DESIGN[name] for name in ("intercept", "log(r)", "a", "hinge(a, 25)", "b", "a:b")])
    )
    assert_allclose(model.predict(x), fitted.fit().fittedvalues, rtol=1e-9)
    eager = model.checkpoint_.model()
    assert_allclose(eager(torch.tensor(x)).detach().numpy()[:, 0], model.predict(x), rtol=1e-12)
    assert not torch.isfinite(eager(torch.tensor([[0.0, 1.0, 1.0], [-1.0, 1.0, 1.0]]))).any()


def test_the_command_fits_terms(run: Runner, tmp_path: Path) -> None:
    lines = [",".join(map(str, row)) for row in zip(*(each.tolist() for each in TABLE.values()), strict=True)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(TABLE), *lines]))
    asked = ["--transform", "r=log", "--transform", "a=linear,hinge:25", "--interact", "a:b", "--interact", "b:s"]
    done = run("lr-train", "t.csv", "--target", "y", *asked, "--interact", "log(r):a:s", "--json")
    assert [each["term"] for each in json.loads(done.stdout)["coefficients"]] == list(DESIGN)
    assert_is_of(Checkpoint.load(tmp_path / "model.safetensors"), DESIGN)
    for odd in ("r=lg", "q=log"):
        assert "--transform" in one_line(run("lr-train", "t.csv", "--target", "y", "--transform", odd), 2)

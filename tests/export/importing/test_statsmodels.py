"""Fits of statsmodels against their design in fractions, on rows that the import did not see."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula
import statsmodels.formula.api as smf
from scipy.special import stdtrit

from lr_export import export, from_statsmodels
from lr_export.errors import UnsupportedModelError
from lr_export.importing import folding
from lr_runtime import Predictor
from lr_runtime.contract.interval import interval_of
from lr_runtime.errors import OptionError
from tests.export.importing.exact_rows import function, gamma, predicted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lr_runtime.contract.checkpoint import Checkpoint

    Row = Mapping[str, Any]
    Design = Callable[[Row], Sequence[Fraction | bool | int]]

SITES = ("north", "south", "west")
ROWS = 60


@pytest.fixture(autouse=True)
def few_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "_MOST_PROBED", 300)


def readings(seed: int = 0) -> pd.DataFrame:
    """Rows with an index in no order, and one without a value."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "temp": random.normal(20, 4, ROWS),
            "rh": random.uniform(20, 90, ROWS),
            "a b": random.normal(size=ROWS),
            "site": random.choice(SITES, ROWS),
            "year": random.integers(2019, 2022, ROWS),
            "wet": random.random(ROWS) > 0.5,
            "weight": random.uniform(0.5, 2, ROWS),
        },
        index=random.permutation(ROWS) + 100,
    )
    frame["y"] = frame.temp * 1.5 - 0.1 * frame.rh + (frame.site == "west") + random.standard_t(4, ROWS)
    frame.iloc[7, 0] = np.nan
    frame.iloc[8, 0] = 1e6
    frame.iloc[8, frame.columns.get_loc("y")] = np.nan  # a range that is none of the training rows
    return frame


def x(row: Row, name: str = "temp") -> Fraction:
    return Fraction(float(row[name]))


def levels(row: Row, name: str, values: tuple[object, ...]) -> list[bool]:
    return [row[name] == value for value in values]


# As patsy orders the columns: categories first.
def of_site(row: Row, value: Fraction) -> list[Fraction]:
    return [level * value for level in levels(row, "site", SITES[1:])]


def log(row: Row) -> Fraction:
    return function("log", float(row["rh"]))


def root(row: Row) -> Fraction:
    return function("sqrt", float(row["rh"]))


FORMULAS: dict[str, Design] = {
    "y ~ temp": lambda row: [1, x(row)],
    "y ~ temp + rh": lambda row: [1, x(row), x(row, "rh")],
    "y ~ 0 + temp": lambda row: [x(row)],
    "y ~ temp + I(temp**2)": lambda row: [1, x(row), x(row) ** 2],
    "y ~ rh + np.power(rh, 3)": lambda row: [1, x(row, "rh"), x(row, "rh") ** 3],
    "y ~ I((temp - 32) / 1.8)": lambda row: [1, (x(row) - 32) / Fraction(1.8)],
    "y ~ I(2 * temp - rh)": lambda row: [1, 2 * x(row) - x(row, "rh")],
    "y ~ I(-temp) + C(year)": lambda row: [1, *levels(row, "year", (2020, 2021)), -x(row)],
    "y ~ site + temp": lambda row: [1, *levels(row, "site", SITES[1:]), x(row)],
    "y ~ 0 + site + temp": lambda row: [*levels(row, "site", SITES), x(row)],
    "y ~ C(site, levels=['west', 'north', 'south'])": lambda row: [1, *levels(row, "site", ("north", "south"))],
}
PATSY_ALONE: dict[str, Design] = {
    "y ~ wet + temp": lambda row: [1, row["wet"], x(row)],
    "y ~ Q('a b')": lambda row: [1, x(row, "a b")],
    "y ~ C(site, Treatment('south'))": lambda row: [1, *levels(row, "site", ("north", "west"))],
    "y ~ C(site, Sum)": lambda row: [1, *((row["site"] == each) - (row["site"] == "west") for each in SITES[:2])],
    "y ~ C(year) + year": lambda row: [1, *levels(row, "year", (2020, 2021)), x(row, "year")],
    "y ~ temp:I(temp**2)": lambda row: [1, x(row) ** 3],
    "y ~ temp * rh": lambda row: [1, x(row), x(row, "rh"), x(row) * x(row, "rh")],
    "y ~ I(temp * rh**2)": lambda row: [1, x(row) * x(row, "rh") ** 2],
    "y ~ site * temp": lambda row: [1, *levels(row, "site", SITES[1:]), x(row), *of_site(row, x(row))],
    "y ~ np.log(rh) + I(np.log(rh)**3)": lambda row: [1, log(row), log(row) ** 3],
    "y ~ temp + I(2 / rh) + np.sqrt(rh):temp": lambda row: [1, x(row), 2 / x(row, "rh"), x(row) * root(row)],
}
FITS: dict[str, Callable[[str, pd.DataFrame], Any]] = {
    "OLS": lambda formula, frame: smf.ols(formula, frame).fit(),
    "WLS": lambda formula, frame: smf.wls(formula, frame, weights=frame.weight).fit(),
    "GLS": lambda formula, frame: smf.gls(formula, frame.dropna()).fit(),
    "GLSAR": lambda formula, frame: smf.glsar(formula, frame, rho=1).iterative_fit(2),
    "RLM": lambda formula, frame: smf.rlm(formula, frame).fit(),
    "QuantReg": lambda formula, frame: smf.quantreg(formula, frame).fit(0.3),
}


def check(checkpoint: Checkpoint, results: Any, design: Design, rows: pd.DataFrame) -> None:
    """Hold checkpoint and `predict` against the coefficients times the design, in fractions."""
    params = list(map(Fraction, np.asarray(results.params).tolist()))
    for (_, row), computed in zip(rows.iterrows(), np.asarray(results.predict(rows)).tolist(), strict=True):
        parts = [weight * value for weight, value in zip(params, design(row), strict=True)]
        given = [
            float(column.categories.index(str(row[column.name])) if column.categories else row[column.name])
            for column in checkpoint.contract.columns
        ]
        (mine,), size = predicted(checkpoint, given), sum(map(abs, parts))
        assert abs(mine - sum(parts)) <= gamma(8, folding.DOUBLE) * size
        assert abs(Fraction(computed) - mine) <= gamma(2 * len(parts) + 10, folding.DOUBLE) * size


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_fit_is_its_design_in_fractions_within_the_rounding_of_its_own_arithmetic(kind: str, formula: str) -> None:
    results = FITS[kind](formula, readings())
    check(from_statsmodels(results), results, FORMULAS[formula], readings(1).dropna().iloc[:6])


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
@pytest.mark.parametrize("formula", PATSY_ALONE)
def test_formulas_of_patsy(formula: str) -> None:
    results = smf.ols(formula, readings()).fit()
    check(from_statsmodels(results), results, PATSY_ALONE[formula], readings(1).dropna().iloc[:6])


def test_a_formula_of_formulaic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statsmodels.formula.options, "_formula_engine", "formulaic")
    results = smf.ols("y ~ temp", readings()).fit()
    with pytest.raises(UnsupportedModelError, match=r"formulaic.*'patsy'"):
        from_statsmodels(results)


ARRAYS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "OLS": lambda y, exog, w: sm.OLS(y, exog).fit(),
    "WLS": lambda y, exog, w: sm.WLS(y, exog, weights=w).fit(),
    "GLS": lambda y, exog, w: sm.GLS(y, exog, sigma=w).fit(),
    "RLM": lambda y, exog, w: sm.RLM(y, exog, M=sm.robust.norms.TukeyBiweight()).fit(),
    "QuantReg": lambda y, exog, w: sm.QuantReg(y, exog).fit(0.5),
    "a penalty": lambda y, exog, w: sm.OLS(y, exog).fit_regularized(alpha=0.1),
}


@pytest.mark.parametrize("constant", ["first", "last", "none", "a column of one value"])
@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_and_frames_without_a_formula(kind: str, constant: str) -> None:
    frame = readings().dropna()
    exog = frame[["temp", "rh"]]
    if constant in {"first", "last"}:
        exog = sm.add_constant(exog, prepend=constant == "first")
    if constant == "a column of one value":
        exog = exog.assign(height=2.5)
    results = ARRAYS[kind](frame.y, exog, frame.weight)
    checkpoint = from_statsmodels(results, target="ozone")
    assert checkpoint.contract.column_names == tuple(name for name in exog.columns if name != "const")
    assert checkpoint.contract.rows == (None if kind == "a penalty" else len(frame))
    params = dict(zip(exog.columns, np.asarray(results.params).tolist(), strict=True))
    for row in exog.iloc[:10].to_dict("records"):
        parts = [Fraction(params[name]) * Fraction(value) for name, value in row.items()]
        (mine,) = predicted(checkpoint, [row[name] for name in checkpoint.contract.column_names])
        assert abs(mine - sum(parts)) <= gamma(8, folding.DOUBLE) * sum(map(abs, parts))


INTERVALS = [*FORMULAS, "y ~ C(site, Sum) + temp", "y ~ I(temp**2)", "y ~ 1 + I(temp + rh)"]


@pytest.mark.parametrize("kind", ["OLS", "WLS"])
@pytest.mark.parametrize("formula", INTERVALS)
def test_the_interval_is_that_of_statsmodels(kind: str, formula: str) -> None:
    results = FITS[kind](formula, readings())
    checkpoint, rows = from_statsmodels(results), readings(1).dropna()
    assert checkpoint.leverage is not None
    x = [
        np.array([column.categories.index(str(cell)) if column.categories else cell for cell in rows[column.name]])
        for column in checkpoint.contract.columns
    ]
    x += [np.array([float(function(each.function, v)) for v in x[each.column]]) for each in checkpoint.contract.derived]
    u = [(raw - origin) / scale for raw, origin, scale in zip(x, checkpoint.origin, checkpoint.scale, strict=True)]
    terms = np.column_stack([np.asarray(term.value(x, u), dtype=np.float64) for term in checkpoint.terms])
    half = interval_of(checkpoint, 0.9, stdtrit).half(terms)[:, 0]
    expected = results.get_prediction(rows).summary_frame(alpha=0.1)
    assert half == pytest.approx((expected.obs_ci_upper - expected.obs_ci_lower).to_numpy() / 2, rel=1e-8)


@pytest.mark.parametrize("kind", ["OLS", "WLS"])
def test_the_interval_reaches_the_file(tmp_path: Path, kind: str) -> None:
    results = FITS[kind]("y ~ C(site, Sum) + I(temp**2)", readings())
    export(from_statsmodels(results), tmp_path / "m.onnx", interval=0.9, precision="float64", without_eager=True)
    rows = readings(1).dropna()
    got = Predictor.load(tmp_path / "m.onnx").predict(rows[["site", "temp"]])
    expected = results.get_prediction(rows).summary_frame(alpha=0.1)
    for found, said in ((got.lower, expected.obs_ci_lower), (got.upper, expected.obs_ci_upper)):
        assert found is not None
        assert found[:, 0] == pytest.approx(said.to_numpy(), rel=1e-9)


def test_figures_ranges_and_coefficients_are_those_of_the_fit() -> None:
    frame = readings()
    results = smf.ols("y ~ temp + site", frame).fit()
    checkpoint = from_statsmodels(results, ranges={"temp": (0.0, 99.0)})
    kept, report = frame.dropna(), checkpoint.report
    plain = from_statsmodels(results).contract.columns[0]
    assert (plain.minimum, plain.maximum) == (kept.temp.min(), kept.temp.max())
    assert checkpoint.contract.columns[0][1:3] == (0.0, 99.0)
    (output,) = checkpoint.contract.outputs
    assert (output.name, output.r2) == ("y", results.rsquared)
    assert output.residual_sd == pytest.approx(np.sqrt(results.scale), rel=1e-15)
    assert (checkpoint.contract.rows, report.df_resid) == (58, results.df_resid)
    assert [each.term for each in report.coefficients] == list(results.params.index)
    for name, column in (("estimate", "params"), ("stderror", "bse"), ("t", "tvalues"), ("p", "pvalues")):
        assert [getattr(each, name) for each in report.coefficients] == getattr(results, column).tolist()
    assert [[each.lower, each.upper] for each in report.coefficients] == results.conf_int().to_numpy().tolist()
    assert from_statsmodels(smf.rlm("y ~ temp", frame).fit()).contract.outputs[0][1:3] == (None, None)


WITHOUT_INTERVAL: dict[str, tuple[Callable[[pd.DataFrame], Any], str]] = {
    "GLS": (lambda frame: smf.gls("y ~ temp", frame).fit(), "statsmodels GLS, which gives none"),
    "RLM": (lambda frame: smf.rlm("y ~ temp", frame).fit(), "statsmodels RLM, which gives none"),
    "QuantReg": (lambda frame: smf.quantreg("y ~ temp", frame).fit(), "statsmodels QuantReg, which gives none"),
    "HC3": (lambda frame: smf.ols("y ~ temp", frame).fit(cov_type="HC3"), "with the covariance HC3"),
    "normal": (lambda frame: smf.ols("y ~ temp", frame).fit(use_t=False), "with normal intervals"),
    "penalty": (
        lambda frame: smf.ols("y ~ temp", frame).fit_regularized(alpha=0.1),
        "the covariance of a penalty",
    ),
    "collinear": (lambda frame: smf.ols("y ~ temp + I(2 * temp)", frame).fit(), "of collinear columns"),
}


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
@pytest.mark.parametrize("name", WITHOUT_INTERVAL)
def test_without_an_interval_of_its_own_the_export_of_one_says_why(tmp_path: Path, name: str) -> None:
    make, said = WITHOUT_INTERVAL[name]
    checkpoint = from_statsmodels(make(readings().dropna()))
    assert checkpoint.leverage is None
    with pytest.raises(UnsupportedModelError, match=said):
        export(checkpoint, tmp_path / "m.onnx", interval=0.9)


REFUSED = {
    "y ~ np.log(temp + rh)": r'the log of what was computed of "temp", "rh"',
    "y ~ np.sin(temp)": r'"np.sin\(temp\)" is neither a column of the data nor code',
    "y ~ I(temp / rh)": r'"temp / rh" is neither a column of the data nor code',
    "y ~ I(temp ** 0.5)": r'"temp \*\* 0.5" is neither a column of the data nor code',
    "y ~ I(2 ** temp)": "is neither a column of the data nor code",
    "y ~ I(temp > 20)": "is neither a column",
    "y ~ I(temp - offset)": '"offset" is neither a column',
    "y ~ bs(temp, df=4)": "is neither a column of the data nor code",
}


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
@pytest.mark.parametrize("formula", REFUSED)
def test_a_term_that_cannot_be_folded_is_named(formula: str) -> None:
    offset = 3.0  # noqa: F841 - the formula's
    with pytest.raises(UnsupportedModelError, match=REFUSED[formula]) as found:
        from_statsmodels(smf.ols(formula, readings().dropna()).fit())
    assert "Columns can be" in str(found.value)


def test_other_models_and_no_results_are_refused() -> None:
    frame = readings().dropna()
    for given, said in (
        (smf.glm("y ~ temp", frame).fit(), "statsmodels GLM is no linear model"),
        (smf.logit("wet ~ temp", frame.assign(wet=frame.wet * 1)).fit(disp=0), "statsmodels Logit is no linear"),
        (smf.ols("y ~ temp", frame), "expected the results of a fit"),
        (3, "expected the results of a fit"),
    ):
        with pytest.raises(UnsupportedModelError, match=said):
            from_statsmodels(given)


def test_an_accent_may_be_a_letter_of_its_own_in_the_name_of_a_column() -> None:
    frame = readings().dropna().rename(columns={"temp": "e\u0301te"})
    made = smf.ols("y ~ Q('e\u0301te')", frame).fit(), sm.OLS(frame.y, frame[["e\u0301te"]]).fit()
    assert [from_statsmodels(each).contract.column_names for each in made] == [("\u00e9te",)] * 2


@pytest.mark.filterwarnings("ignore:Using dict:DeprecationWarning")
def test_a_formula_on_a_dictionary_comes_in_as_on_a_frame() -> None:
    frame = readings().dropna()
    of_frame, of_dictionary = (
        from_statsmodels(smf.ols("y ~ temp", each).fit())
        for each in (frame, {"y": frame.y.to_numpy(), "temp": frame.temp.to_numpy()})
    )
    assert of_dictionary.contract == of_frame.contract


def test_the_output_has_one_name_that_no_column_has() -> None:
    results = smf.ols("y ~ temp", readings().dropna()).fit()
    assert from_statsmodels(results, target=["ozone"]).contract.output_names == ("ozone",)
    for target, said in ((["a", "b"], "target takes 1 different names"), ("temp", "called as a column")):
        with pytest.raises(OptionError, match=said):
            from_statsmodels(results, target=target)


def test_results_whose_data_were_removed_keep_their_coefficients() -> None:
    frame = readings().dropna()
    results = sm.OLS(frame.y.to_numpy(), sm.add_constant(frame[["temp"]].to_numpy())).fit()
    whole = from_statsmodels(results, ranges={"x1": (0.0, 50.0)})
    results.remove_data()
    with pytest.raises(ValueError, match=r'does not tell the training range of "x1".*ranges'):
        from_statsmodels(results)
    bare = from_statsmodels(results, ranges={"x1": (0.0, 50.0)})
    assert (bare.weight.tolist(), bare.bias.tolist()) == (whole.weight.tolist(), whole.bias.tolist())
    assert (bare.contract.rows, bare.leverage) == (None, None)

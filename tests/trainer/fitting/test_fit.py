"""From a table to a checkpoint: what is fitted, what is kept, and that the same rows give the same bytes."""

from __future__ import annotations

import gzip
import json
import os
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import safetensors.numpy
import statsmodels.api as sm
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from lr_runtime.errors import FitError, LinedgeError, MissingColumnError, OptionError, TableError
from lr_trainer import Checkpoint, fit, merge, update
from tests.conftest import DATA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NORRIS = DATA / "nist" / "norris.csv"


def write_csv(path: Path, table: pa.Table) -> None:
    rows = zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True)
    lines = [",".join(table.column_names), *(",".join(map(repr, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def write_gzip(path: Path, table: pa.Table) -> None:
    write_csv(path, table)
    path.write_bytes(gzip.compress(path.read_bytes()))


def write_json(path: Path, table: pa.Table) -> None:
    path.write_text("\n".join(json.dumps(row) for row in table.to_pylist()))


def write_arrow(path: Path, table: pa.Table) -> None:
    with pyarrow.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)


def write_stream(path: Path, table: pa.Table) -> None:
    with pyarrow.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=777)


WRITERS: dict[str, Callable[[Path, pa.Table], None]] = {
    "a.csv": write_csv,
    "a.csv.gz": write_gzip,
    "a.jsonl": write_json,
    "a.parquet": lambda path, table: pyarrow.parquet.write_table(table, path, row_group_size=5000),
    "a.arrow": write_arrow,
    "stream.arrow": write_stream,
}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    random = np.random.default_rng(11)
    x = random.normal(size=(40_000, 3)) + 2
    y = x @ np.array([1.0, -2.0, 0.5]) + random.normal(size=40_000)
    return pa.table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y})


def sample(rows: int = 400, seed: int = 0) -> dict[str, Any]:
    """Noisy rows with two numbers, a category and weights."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {"a": random.normal(size=rows), "b": random.normal(size=rows) + 3}
    columns["site"] = np.array(["red", "green", "blue"])[random.integers(0, 3, rows)]
    columns["w"] = random.uniform(0.5, 2, rows)
    noise = random.normal(size=rows) / np.sqrt(columns["w"])
    columns["y"] = 1 + columns["a"] - 2 * columns["b"] + (columns["site"] == "red") * 3 + noise
    return columns


def design_of(columns: dict[str, Any]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    one = np.ones(len(columns["a"]))
    green, red = columns["site"] == "green", columns["site"] == "red"
    return np.column_stack([one, columns["a"], columns["b"], green, red]).astype(float)


def test_every_format_gives_the_same_bytes(tmp_path: Path, table: pa.Table) -> None:
    contents = set()
    for name, write in WRITERS.items():
        write(tmp_path / name, table)
        contents.add(fit(tmp_path / name, target="y").to_bytes())
    contents.add(fit({name: table[name].to_numpy() for name in table.column_names}, target="y").to_bytes())
    x = np.column_stack([table[name].to_numpy() for name in "abc"])
    in_place = fit({"x": x, "y": table["y"].to_numpy()}, target="y")
    assert len(contents) == 1
    assert in_place.weight.tobytes() == fit(tmp_path / "a.csv", target="y").weight.tobytes()


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    x, contents = random.normal(size=(9000, 300)), set()
    y = x @ np.ones(300) + random.normal(size=9000)
    for threads in (1, 2, 5):
        monkeypatch.setattr(os, "cpu_count", lambda threads=threads: threads)
        with threadpool_limits(threads):
            contents.add(fit({"x": x, "y": y}, target="y").to_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize("weight", ["w", None])
def test_every_figure_equals_statsmodels(weight: str | None) -> None:
    columns = sample()
    report = fit(columns, target="y", weight=weight, ignore=[] if weight else ["w"]).fit
    expected = sm.WLS(columns["y"], design_of(columns), weights=columns["w"] if weight else 1.0).fit()
    found = report["coefficients"]
    assert [row["term"] for row in found] == ["intercept", "a", "b", "site=green", "site=red"]
    oracle = {
        "estimate": expected.params,
        "standard_error": expected.bse,
        "t": expected.tvalues,
        "p": expected.pvalues,
        "lower": expected.conf_int()[:, 0],
        "upper": expected.conf_int()[:, 1],
    }
    for key, values in oracle.items():
        np.testing.assert_allclose([row[key] for row in found], values, rtol=1e-9, err_msg=key)
    figures = {
        "r2": expected.rsquared,
        "adjusted_r2": expected.rsquared_adj,
        "residual_sd": np.sqrt(expected.scale),
        "f": expected.fvalue,
        "f_p": expected.f_pvalue,
        "log_likelihood": expected.llf,
        "aic": expected.aic,
        "bic": expected.bic,
        "degrees_of_freedom": expected.df_resid,
    }
    for key, value in figures.items():
        np.testing.assert_allclose(report[key], value, rtol=1e-9, err_msg=key)


def test_without_intercept_r2_is_about_zero() -> None:
    columns = sample()
    report = fit(columns, target="y", features=["a", "b"], intercept=False).fit
    expected = sm.OLS(columns["y"], np.column_stack([columns["a"], columns["b"]])).fit()
    np.testing.assert_allclose(report["r2"], expected.rsquared, rtol=1e-12)
    np.testing.assert_allclose(report["f"], expected.fvalue, rtol=1e-9)
    np.testing.assert_allclose(report["aic"], expected.aic, rtol=1e-12)
    assert [row["term"] for row in report["coefficients"]] == ["a", "b"]


def test_powers_are_those_of_the_raw_columns() -> None:
    random = np.random.default_rng(3)
    x = random.uniform(10, 20, size=200)
    y = 4 - 2 * x + 0.3 * x**2 + random.normal(size=200)
    checkpoint = fit({"x": x, "y": y}, target="y", degree=2)
    expected = sm.OLS(y, np.column_stack([np.ones(200), x, x**2])).fit()
    found = checkpoint.fit["coefficients"]
    assert [row["term"] for row in found] == ["intercept", "x", "x^2"]
    np.testing.assert_allclose([row["estimate"] for row in found], expected.params, rtol=1e-8)
    np.testing.assert_allclose([row["standard_error"] for row in found], expected.bse, rtol=1e-8)
    with torch.no_grad():
        predicted = checkpoint.model()(torch.from_numpy(x[:, None])).numpy()[:, 0]
    np.testing.assert_allclose(predicted, expected.fittedvalues, rtol=1e-11)
    np.testing.assert_allclose(
        (checkpoint.contract.columns[0].minimum, checkpoint.contract.columns[0].maximum), (x.min(), x.max())
    )


def with_gaps(columns: dict[str, Any]) -> dict[str, Any]:
    holes = columns["a"].copy()
    holes[::7] = np.nan
    return {**columns, "a": holes}


def test_missing_values_follow_their_policy() -> None:
    columns = with_gaps(sample())
    known = ~np.isnan(columns["a"])
    dropped = fit(columns, target="y", features=["a", "b"], missing="drop")
    kept = {name: values[known] for name, values in columns.items()}
    assert dropped.weight.tobytes() == fit(kept, target="y", features=["a", "b"]).weight.tobytes()
    assert (dropped.fit["rows_read"], dropped.fit["rows_dropped"]) == (400, 400 - known.sum())
    mean = columns["a"][known].mean()
    filled = np.where(known, columns["a"], mean)
    for policy, extra in (("mean", []), ("indicator", [~known])):
        found = fit(columns, target="y", features=["a", "b"], missing=policy)  # type: ignore[arg-type]
        order = [np.ones(400), filled, *extra, columns["b"]]
        expected = sm.OLS(columns["y"], np.column_stack(order).astype(float)).fit()
        np.testing.assert_allclose([row["estimate"] for row in found.fit["coefficients"]], expected.params, rtol=1e-9)
        assert found.contract.columns[0].missing == policy
        with torch.no_grad():
            predicted = found.model()(torch.tensor([[torch.nan, 3.0]])).item()
        at = [1.0, mean, *([1.0] if extra else []), 3.0]
        np.testing.assert_allclose(predicted, expected.params @ at, rtol=1e-9)


@pytest.mark.parametrize("level", ["a", "z"], ids=["before the others", "behind them"])
def test_a_row_that_is_dropped_gives_no_level(level: str) -> None:
    rng = np.random.default_rng(7)
    site, x, y = np.array(["p", "q"], dtype=object)[rng.integers(0, 2, 60)], rng.normal(size=60), rng.normal(size=60)
    expected = fit({"x": np.delete(x, 9), "s": np.delete(site, 9), "y": np.delete(y, 9)}, target="y")
    site[9], x[9] = level, np.nan
    found = fit({"x": x, "s": site, "y": y}, target="y", missing="drop")
    assert found.contract.columns[1].categories == ("p", "q")
    np.testing.assert_array_equal(found.weight, expected.weight)


def test_identifiers_are_no_category() -> None:
    names = np.array([f"id {number}" for number in range(5000)])
    with pytest.raises(FitError, match=r'"s" has over 4,096 different texts.*: ignore'):
        fit({"s": names, "x": np.arange(5000.0), "y": np.arange(5000.0)}, target="y")


def test_a_category_of_one_value_alone_predicts_nothing() -> None:
    with pytest.raises(FitError, match='the category "s" has the same value in every row'):
        fit({"s": np.array(["a"] * 5), "y": np.arange(5.0)}, target="y")


@pytest.mark.parametrize("size", [1e200, 1e-168, 1e-300])
@pytest.mark.parametrize("column", ["x", "y"])
def test_values_whose_squares_float64_cannot_hold_are_refused(column: str, size: float) -> None:
    columns = {"x": np.arange(9.0) + 1, "z": np.arange(9.0) ** 2, "y": np.sqrt(np.arange(9.0) + 1)}
    columns[column] = columns[column] * size
    with pytest.raises(FitError, match=f'values of the column "{column}" reach .* does not hold their squares'):
        fit(columns, target="y")


def test_a_category_out_of_range_is_not_the_reference_level() -> None:
    model = fit(sample(), target="y", ignore=["w"]).model()
    with torch.no_grad():
        outside = model(torch.tensor([[0.0, 0.0, code] for code in (3.0, -1.0, 0.5, torch.nan)]))
        inside = model(torch.tensor([[0.0, 0.0, code] for code in (0.0, 1.0, 2.0)]))
    assert outside.isnan().all()
    assert inside.isfinite().all()


def test_several_targets_are_one_model() -> None:
    columns = sample()
    columns["z"] = columns["y"] * 2 + columns["a"]
    both = fit(columns, target=["y", "z"], features=["a", "b"])
    alone = fit(columns, target="z", features=["a", "b"])
    np.testing.assert_allclose(both.weight[1], alone.weight[0], rtol=1e-12)
    assert both.fit["r2"][1] == pytest.approx(alone.fit["r2"])
    assert both.contract.output_names == ("y", "z")


def test_a_column_far_from_zero_gets_an_origin() -> None:
    random = np.random.default_rng(2)
    time, humidity = 1.7e9 + random.uniform(-3600, 3600, 300), random.normal(size=300)
    y = 1e-3 * (time - 1.7e9) + 2 * humidity + random.normal(size=300)
    checkpoint = fit({"t": time, "h": humidity, "y": y}, target="y")
    centred = np.column_stack([time - 1.7e9, humidity, np.ones(300)])
    slopes = np.linalg.lstsq(centred, y, rcond=None)[0][:2]
    np.testing.assert_allclose(checkpoint.weight[0], slopes, rtol=1e-10)
    assert checkpoint.origin[0] == np.float32(checkpoint.origin[0])
    assert abs(checkpoint.origin[0] - 1.7e9) < 3600
    assert checkpoint.origin[1] == 0
    raw = Fraction(checkpoint.bias[0]) - Fraction(checkpoint.weight[0, 0]) * Fraction(checkpoint.origin[0])
    assert abs(Fraction(checkpoint.fit["coefficients"][0]["estimate"]) / raw - 1) < Fraction(1, 10**12)


def test_scales_far_apart_are_fitted_alike() -> None:
    random = np.random.default_rng(8)
    a, b = random.normal(size=(2, 100))
    y = a - b + random.normal(size=100)
    plain = fit({"a": a, "b": b, "y": y}, target="y").weight[0]
    scaled = fit({"a": np.ldexp(a, -100), "b": np.ldexp(b, 100), "y": y}, target="y").weight[0]
    assert (scaled == np.ldexp(plain, [100, -100])).all()


def test_half_a_million_float32_rows() -> None:
    random = np.random.default_rng(4)
    x = random.normal(size=(500_000, 2)).astype(np.float32) * 1e-3 + np.float32(5)
    y = x.astype(np.float64) @ [2.0, -3.0] + 1 + 1e-4 * random.normal(size=500_000)
    found = fit({"a": x[:, 0], "b": x[:, 1], "y": y}, target="y").weight[0]
    centred = x.astype(np.float64) - 5
    expected = np.linalg.lstsq(np.column_stack([centred, np.ones(len(x))]), y, rcond=None)[0][:2]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_constant_column_is_kept_in_the_contract_and_recorded() -> None:
    columns = sample()
    checkpoint = fit({**columns, "k": np.full(400, 3.5)}, target="y", features=["a", "k"])
    assert checkpoint.fit["constant"] == ["k"]
    assert checkpoint.weight[0, 1] == 0
    assert checkpoint.contract.column_names == ("a", "k")


def test_a_saved_checkpoint_loads_equal(tmp_path: Path) -> None:
    for checkpoint in (fit(NORRIS, target="y"), fit(with_gaps(sample()), target="y", degree=2, missing="indicator")):
        checkpoint.save(tmp_path / "m.safetensors")
        again = Checkpoint.load(tmp_path / "m.safetensors")
        assert again.to_bytes() == checkpoint.to_bytes() == (tmp_path / "m.safetensors").read_bytes()
        assert again.summary() == checkpoint.summary()
        assert again.terms == checkpoint.terms
        assert set(safetensors.numpy.load(checkpoint.to_bytes())) == set(checkpoint.tensors())


def test_no_row_of_the_table_is_in_the_checkpoint(tmp_path: Path, table: pa.Table) -> None:
    write_csv(tmp_path / "a.csv", table)
    content = fit(tmp_path / "a.csv", target="y").to_bytes()
    inner = [value for name in "abc" for value in np.sort(table[name].to_numpy())[1:-1][::997]]
    assert not any(np.float64(value).tobytes() in content or repr(float(value)).encode() in content for value in inner)


def test_the_summary_says_what_was_fitted() -> None:
    text = fit(NORRIS, target="y").summary()
    for said in ("36 rows", "intercept", "standard error", "R2", "residual standard deviation", "condition number"):
        assert said in text


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no target": ({"target": None}, OptionError, 'target="NAME"; the table has "y", "x"'),
    "target not there": ({"target": "z"}, MissingColumnError, 'no column "z"; it has: "y", "x"'),
    "feature not there": ({"target": "y", "features": ["q"]}, MissingColumnError, 'no column "q"'),
    "weight not there": ({"target": "y", "weight": "q"}, MissingColumnError, 'no column "q"'),
    "target as feature": ({"target": "y", "features": ["x", "y"]}, OptionError, 'target "y" is among the features'),
    "feature twice": ({"target": "y", "features": ["x", "x"]}, OptionError, "stands twice"),
    "no features": ({"target": "y", "features": []}, OptionError, "no column beside the target"),
    "all ignored": ({"target": "y", "ignore": ["x"]}, OptionError, "no column beside the target"),
    "two ways out": ({"target": "y", "drop_collinear": True, "l2": 1.0}, OptionError, "Choose one"),
    "auto beside a penalty": ({"target": "y", "penalty": "auto", "l1": 1.0}, OptionError, 'penalty="auto"'),
    "a ratio of nothing": ({"target": "y", "l1_ratio": 0.5}, OptionError, "l1_ratio"),
    "degree 0": ({"target": "y", "degree": 0}, OptionError, "degree takes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_columns_that_cannot_be_fitted_are_refused(case: str) -> None:
    arguments, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        fit(NORRIS, **arguments)


UNUSABLE: dict[str, tuple[str, type[Exception], str]] = {
    "no rows": ("x,y\n", TableError, "has no rows"),
    "a missing value": ("x,y\n1,2\n3,\n", TableError, 'line 3, column "y": the value is missing'),
    "an infinite value": ("x,y\n1,2\ninf,3\n", TableError, 'line 3, column "x": "inf" is not a finite number'),
    "text": ("x,y\n1,2\n2,3\noops,3\n", TableError, 'line 4, column "x": "oops" is not a number'),
    "one row": ("x,y\n1,2\n", FitError, "1 row does not determine 2 coefficients"),
    "identical columns": ("a,b,y\n1,1,2\n2,2,3\n3,3,1\n4,4,4\n", FitError, '"b" = 1 \\* "a"'),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_rows_that_cannot_be_fitted_are_refused(case: str, tmp_path: Path) -> None:
    text, error, message = UNUSABLE[case]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(error, match=message):
        fit(tmp_path / "t.csv", target="y")


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_weights_must_be_positive(value: float) -> None:
    columns = sample()
    columns["w"][7] = value
    with pytest.raises(LinedgeError, match="weights are positive"):
        fit(columns, target="y", weight="w")


@pytest.mark.parametrize("degree", [1, 2])
def test_without_an_intercept_a_far_column_keeps_its_own_zero(degree: int) -> None:
    random = np.random.default_rng(3)
    x = 5000 + random.normal(size=200)
    y = sum(x**power / 3.0**power for power in range(1, degree + 1)) + random.normal(size=200)
    checkpoint = fit({"x": x, "y": y}, target="y", intercept=False, degree=degree)
    powers = np.column_stack([(x / 5000) ** power for power in range(1, degree + 1)])
    expected = np.linalg.lstsq(powers, y, rcond=None)[0] / 5000.0 ** np.arange(1, degree + 1)
    np.testing.assert_allclose([row["estimate"] for row in checkpoint.fit["coefficients"]], expected, rtol=1e-9)
    assert checkpoint.origin.tolist() == [0.0]
    predicted = checkpoint.model()(torch.from_numpy(x[:, None])).detach().numpy()[:, 0]
    np.testing.assert_allclose(predicted, powers @ (expected * 5000.0 ** np.arange(1, degree + 1)), rtol=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=8, unique=True), st.sampled_from(["error", "mean"]))
def test_the_ranges_are_those_of_the_rows_to_the_last_bit_also_with_powers(xs: list[float], missing: Any) -> None:
    assume(max(xs) - min(xs) > 1.0)
    x = np.array(xs)
    if missing == "mean":
        x = np.append(x, np.nan)
    try:
        checkpoint = fit({"x": x, "y": np.arange(float(len(x)))}, target="y", degree=2, missing=missing)
    except FitError:  # powers of points that nearly coincide
        assume(False)
    column = checkpoint.contract.columns[0]
    assert (column.minimum, column.maximum) == (min(xs), max(xs))


def test_the_ranges_take_in_the_rows_held_out_for_an_interval() -> None:
    x = np.arange(200.0)
    checkpoint = fit({"x": x, "y": 2 * x}, target="y", l2=0.1, interval=0.9)
    assert (checkpoint.contract.columns[0].minimum, checkpoint.contract.columns[0].maximum) == (0.0, 199.0)


def test_units_go_into_the_contract_and_stay_there() -> None:
    columns = {"x": np.arange(9.0), "y": np.arange(9.0) ** 2, "z": np.arange(9.0) ** 3}
    found = fit(columns, target=["y", "z"], units={"x": "ppb", "z": "degC"})
    more = update(found, {name: values + 9 for name, values in columns.items()})
    for checkpoint in (found, more, merge(found, more), Checkpoint.from_bytes(more.to_bytes())):
        assert [column.unit for column in checkpoint.contract.columns] == ["ppb"]
        assert [output.unit for output in checkpoint.contract.outputs] == [None, "degC"]
    with pytest.raises(OptionError, match='units="q" is none'):
        fit(columns, target="y", units={"q": "m"})


def test_many_columns_keep_eight_digits_in_float64() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=(900, 300))
    y = x @ random.normal(size=300) + 0.05 * random.normal(size=900)
    found = fit({"x": x, "y": y}, target="y")
    assert found.fit["passes"] == 1
    design = np.column_stack([np.ones(900), x])
    weight, squares, *_ = np.linalg.lstsq(design, y)
    np.testing.assert_allclose(found.weight[0], weight[1:], rtol=1e-9)
    sd = np.sqrt(squares[0] / (900 - 301))
    np.testing.assert_allclose(found.fit["residual_sd"], sd, rtol=1e-8)
    errors = sd * np.linalg.norm(np.linalg.pinv(design), axis=1)[1:]
    reported = [row["standard_error"] for row in found.fit["coefficients"][1:]]
    np.testing.assert_allclose(reported, errors, rtol=1e-8)

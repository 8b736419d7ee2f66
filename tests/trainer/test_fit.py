"""From a table to a checkpoint: what is fitted, what is kept, and that the same rows give the same bytes."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import safetensors.numpy
import torch

from lr_runtime.errors import FitError, MissingColumnError, OptionError, TableError
from lr_trainer import Checkpoint, fit
from tests.conftest import DATA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CERTIFIED: dict[str, Any] = json.loads((DATA / "nist" / "certified.json").read_text())
NORRIS = DATA / "nist" / "norris.csv"


def digits(found: float, exact: str) -> float:
    """NIST's log relative error: the number of correct digits."""
    error = abs(Fraction(found) - Fraction(exact)) / abs(Fraction(exact))
    return 16.0 if error == 0 else float(-np.log10(float(error)))


def test_norris_has_its_certified_values() -> None:
    exact = CERTIFIED["Norris"]["exact"]
    report = fit(NORRIS, target="y").fit
    for coefficient, estimate, error in zip(report["coefficients"], exact["estimates"], exact["sds"], strict=True):
        assert digits(coefficient["estimate"], estimate) > 12
        assert digits(coefficient["standard_error"], error) > 9
    assert digits(report["r2"], exact["r_squared"]) > 13
    assert digits(report["residual_sd"], exact["residual_sd"]) > 9
    assert (report["rows"], report["degrees_of_freedom"], report["passes"]) == (36, 34, 1)


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


def test_every_format_gives_the_same_bytes(tmp_path: Path, table: pa.Table) -> None:
    contents = set()
    for name, write in WRITERS.items():
        write(tmp_path / name, table)
        contents.add(fit(tmp_path / name, target="y").to_bytes())
    assert len(contents) == 1


def test_the_order_of_features_is_the_callers(tmp_path: Path, table: pa.Table) -> None:
    write_csv(tmp_path / "a.csv", table)
    checkpoint = fit(tmp_path / "a.csv", target="y", features=["c", "a"])
    x = np.column_stack([table["c"], table["a"], np.ones(table.num_rows)])
    expected, *_ = np.linalg.lstsq(x, table["y"].to_numpy(), rcond=None)
    assert checkpoint.contract.column_names == ("c", "a")
    np.testing.assert_allclose([*checkpoint.weight[0], *checkpoint.bias], expected, rtol=1e-10)


def test_a_column_far_from_zero_gets_an_origin(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    time, humidity = 1.7e9 + random.uniform(-3600, 3600, 300), random.normal(size=300)
    y = 1e-3 * (time - 1.7e9) + 2 * humidity + random.normal(size=300)
    write_csv(tmp_path / "t.csv", pa.table({"t": time, "h": humidity, "y": y}))
    checkpoint = fit(tmp_path / "t.csv", target="y")
    centred = np.column_stack([time - 1.7e9, humidity, np.ones(300)])
    slopes = np.linalg.lstsq(centred, y, rcond=None)[0][:2]
    np.testing.assert_allclose(checkpoint.weight[0], slopes, rtol=1e-10)
    assert checkpoint.origin[0] == np.float32(checkpoint.origin[0])
    assert abs(checkpoint.origin[0] - 1.7e9) < 3600
    assert checkpoint.origin[1] == 0
    # The intercept on the raw column is the model's own, rounded once.
    raw = Fraction(checkpoint.bias[0]) - sum(
        Fraction(w) * Fraction(o) for w, o in zip(checkpoint.weight[0], checkpoint.origin, strict=True)
    )
    assert abs(Fraction(checkpoint.fit["coefficients"][0]["estimate"]) / raw - 1) < Fraction(1, 10**12)


def test_a_constant_column_is_kept_in_the_contract_and_recorded(tmp_path: Path, table: pa.Table) -> None:
    write_csv(tmp_path / "a.csv", table.append_column("k", pa.array(np.full(table.num_rows, 3.5))))
    checkpoint = fit(tmp_path / "a.csv", target="y")
    assert checkpoint.fit["dropped"] == ["k"]
    assert checkpoint.weight[0, 3] == 0
    assert checkpoint.contract.column_names == ("a", "b", "c", "k")


def test_the_eager_model_predicts_the_rows(tmp_path: Path, table: pa.Table) -> None:
    write_csv(tmp_path / "a.csv", table)
    checkpoint = fit(tmp_path / "a.csv", target="y")
    x = np.column_stack([table[name] for name in "abc"])
    with torch.no_grad():
        predicted = checkpoint.model()(torch.from_numpy(x)).numpy()
    residuals = table["y"].to_numpy() - predicted[:, 0]
    np.testing.assert_allclose(np.sqrt((residuals**2).sum() / (len(x) - 4)), checkpoint.fit["residual_sd"], rtol=1e-10)


def test_a_saved_checkpoint_loads_equal(tmp_path: Path) -> None:
    checkpoint = fit(NORRIS, target="y")
    checkpoint.save(tmp_path / "m.safetensors")
    again = Checkpoint.load(tmp_path / "m.safetensors")
    assert again.to_bytes() == checkpoint.to_bytes() == (tmp_path / "m.safetensors").read_bytes()
    assert again.summary() == checkpoint.summary()
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
    "no target": ({"target": None}, OptionError, '--target NAME; the table has "y", "x"'),
    "target not there": ({"target": "z"}, MissingColumnError, 'no column "z"; it has: "y", "x"'),
    "feature not there": ({"target": "y", "features": ["q"]}, MissingColumnError, 'no column "q"'),
    "target as feature": ({"target": "y", "features": ["x", "y"]}, OptionError, 'target "y" is among the features'),
    "feature twice": ({"target": "y", "features": ["x", "x"]}, OptionError, "stands twice"),
    "no features": ({"target": "y", "features": []}, OptionError, "no column beside the target"),
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
    "identical columns": ("a,b,y\n1,1,2\n2,2,3\n3,3,1\n4,4,4\n", FitError, '"a", "b"'),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_rows_that_cannot_be_fitted_are_refused(case: str, tmp_path: Path) -> None:
    text, error, message = UNUSABLE[case]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(error, match=message):
        fit(tmp_path / "t.csv", target="y")

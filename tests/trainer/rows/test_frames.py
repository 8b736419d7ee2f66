"""Fits from frames: whatever has the columns, the same rows give the same checkpoint."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from lr_runtime.errors import TableError
from lr_trainer import fit, look, update
from lr_trainer.rows import sources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RANDOM = np.random.default_rng(16)
ROWS = 2000
X = RANDOM.normal(size=(ROWS, 3))
SITES = RANDOM.choice(["north", "south", "east"], size=ROWS)
Y = X @ [2.0, -1.0, 0.5] + (SITES == "south") + RANDOM.normal(size=ROWS) / 10
COLUMNS: dict[str, Any] = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "site": SITES.astype(object), "y": Y}
PANDAS, POLARS, ARROW = pd.DataFrame(COLUMNS), pl.DataFrame(COLUMNS), pa.table(COLUMNS)
LEVELS = ["west", "south", "north", "east"]

FRAMES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: PANDAS,
    "pandas, object text": lambda: PANDAS.astype({"site": object}),
    "pandas, categorical": lambda: PANDAS.astype({"site": pd.CategoricalDtype(LEVELS)}),
    "pandas, nullable": lambda: PANDAS.astype({"a": "Float64", "b": "float64[pyarrow]", "site": "string[python]"}),
    "pandas, an index": lambda: PANDAS.set_index(pd.date_range("2026", periods=ROWS, name="time")),
    "pandas, rows out of order": lambda: PANDAS.iloc[::-1].iloc[::-1],
    "polars": lambda: POLARS,
    "polars, categorical": lambda: POLARS.with_columns(pl.col("site").cast(pl.Categorical)),
    "polars, enum": lambda: POLARS.with_columns(pl.col("site").cast(pl.Enum(LEVELS))),
    "polars, in chunks": lambda: pl.concat([POLARS[:7], POLARS[7:1200], POLARS[1200:]], rechunk=False),
    "polars, lazy": lambda: POLARS.lazy().with_columns(pl.col("a") * 1),
    "a table of pyarrow": lambda: ARROW,
    "a record batch": lambda: ARROW.to_batches()[0],
    "a reader": lambda: ARROW.to_reader(700),
    "batches that come once": lambda: iter(ARROW.to_batches(700)),
    "frames that come once": lambda: (POLARS[start : start + 700] for start in range(0, ROWS, 700)),
    "frames of pandas that come once": lambda: (PANDAS[start : start + 700] for start in range(0, ROWS, 700)),
}


@pytest.mark.parametrize("missing", ["error", "indicator"])
@pytest.mark.parametrize("form", FRAMES)
def test_a_frame_gives_the_checkpoint_of_its_columns(form: str, missing: Any) -> None:
    expected = fit(COLUMNS, target="y", missing=missing)
    assert fit(FRAMES[form](), target="y", missing=missing).to_bytes() == expected.to_bytes()


@pytest.mark.parametrize("form", ["pandas", "polars", "a reader", "polars, lazy"])
def test_a_frame_is_looked_at_and_updates_as_its_columns_do(form: str) -> None:
    assert look(FRAMES[form]()) == look(COLUMNS)
    first = fit(COLUMNS, target="y")
    assert update(first, FRAMES[form]()).to_bytes() == update(first, COLUMNS).to_bytes()


NAMES = ["x1", "x2", "x3"]
PAIRS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "arrays": lambda: (X, Y),
    "arrays, y a column": lambda: (X, Y[:, None]),
    "lists": lambda: (X.tolist(), Y.tolist()),
    "tensors": lambda: (torch.from_numpy(X), torch.from_numpy(Y).requires_grad_()),
    "an array and a series": lambda: (X, pd.Series(Y)),
    "an array and a series of polars": lambda: (X, pl.Series(Y)),
    "an array and an array of pyarrow": lambda: (X, pa.array(Y)),
    "pandas": lambda: (pd.DataFrame(X, columns=NAMES), pd.Series(Y, name="y")),
    "pandas and a frame": lambda: (pd.DataFrame(X, columns=NAMES), pd.DataFrame({"y": Y})),
    "pandas and an array": lambda: (pd.DataFrame(X, columns=NAMES), Y),
    "nullable pandas": lambda: (pd.DataFrame(X, columns=NAMES).convert_dtypes(), pd.Series(Y, dtype="Float64")),
    "polars": lambda: (pl.DataFrame(X, schema=NAMES), pl.Series("y", Y)),
    "polars and an array": lambda: (pl.DataFrame(X, schema=NAMES), Y),
    "pyarrow": lambda: (pa.table(list(X.T), NAMES), pa.chunked_array([Y[:99], Y[99:]])),
    "columns by name": lambda: (dict(zip(NAMES, X.T, strict=True)), {"y": Y}),
}


@pytest.mark.parametrize("form", PAIRS)
def test_x_and_y_give_the_checkpoint_of_their_columns(form: str) -> None:
    expected = fit({"x": X, "y": Y}, target="y")
    assert fit(*PAIRS[form]()).to_bytes() == expected.to_bytes()
    assert update(expected, *PAIRS[form]()).contract.rows == 2 * ROWS


def test_columns_are_called_as_the_frame_or_series_calls_them() -> None:
    both = np.stack([Y, Y**2], axis=1)
    assert fit(X[:, :1], Y).contract.column_names == fit(X[:, 0], Y).contract.column_names == ("x",)
    assert fit(X, both).contract.output_names == ("y1", "y2")
    found = fit(POLARS[["c", "site"]], pd.DataFrame(both, columns=["one", "two"])).contract
    assert (found.column_names, found.output_names) == (("c", "site"), ("one", "two"))
    assert fit(X, pl.Series("ozone", Y)).contract.output_names == ("ozone",)


def test_a_stream_that_is_empty_the_second_time_is_no_table_of_no_rows() -> None:
    class Twice:
        def __init__(self) -> None:
            self.passes = 0

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            self.passes += 1
            return (ARROW if self.passes % 2 else ARROW[: ROWS // 2]).__arrow_c_stream__(requested_schema)

    with pytest.raises(TableError, match=r"rows came in one pass, .* in the next"):
        fit(Twice(), target="y", missing="mean")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("asked", [{}, {"missing": "mean"}, {"degree": 2}, {"interval": 0.9, "l2": 0.1}])
def test_tensors_of_a_device_are_read_where_they_are(
    dtype: torch.dtype, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = torch.from_numpy(X).to(dtype), torch.from_numpy(Y).to(dtype)
    expected = fit(x.double().numpy(), y.double().numpy(), **asked)
    monkeypatch.setattr(sources, "_is_on_device", torch.is_tensor)
    for given in ((x, y), (x, y.numpy())):
        np.testing.assert_allclose(fit(*given, **asked).weight, expected.weight, rtol=1e-12)
    alone = fit(x[:, 0], y, **asked)
    assert alone.contract.column_names == ("x",)
    assert alone.fit["passes"] == fit(x[:, 0].double().numpy(), y.double().numpy(), **asked).fit["passes"]


INDEXED = PANDAS.set_index(["a", pd.Index(np.arange(ROWS)[::-1] % 7, name="day")])


def test_an_index_of_pandas_is_no_feature_unless_it_is_asked_for() -> None:
    assert fit(INDEXED, target="y").contract.column_names == ("b", "c", "site")
    assert fit(INDEXED.drop(columns="site"), target="y").contract.column_names == ("b", "c")
    assert fit(INDEXED, target="y", features=["day", "a"]).contract.column_names == ("day", "a")
    assert fit(INDEXED[["b", "y"]], target="y", features=["a"]).weight == fit(PANDAS, target="y", features=["a"]).weight
    assert fit(INDEXED[["b"]], INDEXED["y"]).contract.column_names == ("b",)


def test_levels_are_those_of_the_rows_and_names_whatever_their_type() -> None:
    codes = RANDOM.choice([1.0, 2.5, 10.0], size=ROWS)
    expected = fit({"code": [str(code) for code in codes], "y": Y}, target="y", category=["code"])
    frame = pd.DataFrame({"code": pd.Categorical(codes, [10.0, 2.5, 1.0, 7.0]), "y": Y})
    assert fit(frame, target="y").contract.columns == expected.contract.columns
    for given in (frame.astype({"code": float}), pl.DataFrame({"code": codes, "y": Y}), {"code": codes, "y": Y}):
        assert fit(given, target="y", category=["code"]).to_bytes() == expected.to_bytes()


FILES: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "Parquet": lambda frame, path: frame.to_parquet(path),
    "Arrow": lambda frame, path: pl.from_pandas(frame).write_ipc(path),
    "CSV": lambda frame, path: frame.to_csv(path, index=False),
    "JSON lines": lambda frame, path: frame.to_json(path, orient="records", lines=True),
}


@pytest.mark.parametrize("form", FILES)
def test_a_category_of_truth_values_or_numbers_is_spelled_alike_in_files_and_frames(form: str, tmp_path: Path) -> None:
    values: dict[str, list[Any]] = {
        "on": [True, False, True, True],
        "gain": [1.0, 2.5, 0.25, 1e22],
        "port": [1, 2, 3, 3],
    }
    frame = pd.DataFrame({name: each * 5 for name, each in values.items()} | {"y": RANDOM.normal(size=20)})
    FILES[form](frame, tmp_path / "table")
    for source in (tmp_path / "table", frame, pl.from_pandas(frame)):
        columns = fit(source, target="y", category=list(values), drop_collinear=True).contract.columns
        assert [set(column.categories) for column in columns] == [set(map(str, each)) for each in values.values()]


def test_missing_values_of_every_type_are_missing() -> None:
    holes = np.arange(ROWS) % 50 == 0
    expected = fit({**COLUMNS, "a": np.where(holes, np.nan, X[:, 0])}, target="y", missing="indicator").to_bytes()
    nullable = PANDAS.assign(a=PANDAS["a"].astype("Float64").mask(holes))
    polars = POLARS.with_columns(a=pl.when(pl.Series(holes)).then(None).otherwise("a"))
    frame: Any
    for frame in (nullable, polars, polars.to_arrow(), polars.lazy(), nullable.astype({"a": object})):
        assert fit(frame, target="y", missing="indicator").to_bytes() == expected


def test_no_package_of_frames_is_imported_for_another_ones() -> None:
    program = """if True:
        import sys, numpy as np, polars as pl
        from lr_trainer import fit
        y = np.arange(30.0) % 7
        fit({"a": ["p", "q", None] * 10, "y": y}, target="y", missing="indicator")
        fit(pl.DataFrame({"a": ["p", "q", "r"] * 10}), y)
        assert "pandas" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", program], check=True)

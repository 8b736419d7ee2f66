"""A table with ids, categories, missing values, bad rows and types that are none of the model's; its predictions by
lr-infer in one process, which every engine is held against.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from lr_export import export
from lr_runtime import Predictor
from lr_trainer import fit
from tests.conftest import SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 1_000
BAD = {137: 'column "site": the category "nowhere" is unknown', 801: 'column "reading": inf is not a finite number'}


class Scored(NamedTuple):
    """A table, a model, and the predictions that one process makes of it.

    Attributes:
        model: the model.
        path: the model's file.
        table: the table.
        expected: its rows with those of lr-infer, in order, by what a bad row does.
    """

    model: Predictor
    path: Path
    table: pa.Table
    expected: dict[str, list[dict[str, Any]]]


def rows() -> pa.Table:
    """Return the table: an id, features of many types, one of them with missing values, the target, a note."""
    random = np.random.default_rng(19)
    count = random.integers(0, 50, ROWS)
    price = pa.array(np.round(random.normal(10, 2, ROWS), 2)).cast(pa.decimal128(6, 2))
    site = random.choice(["north", "south", "west"], ROWS).astype(object)
    site[137] = "nowhere"
    reading = random.normal(size=ROWS)
    target = (
        0.3 * count - 0.7 * np.where(np.isfinite(reading), reading, 0) + (site == "south") + random.normal(0, 0.1, ROWS)
    )
    reading[801] = np.inf
    day = np.datetime64("2026-01-01", "us") + random.integers(0, 10**12, ROWS).astype("m8[us]")
    return pa.table(
        {
            "id": np.arange(ROWS),
            "count": pa.array(count, pa.int32()),
            "price": price,
            "day": pa.array(day, pa.timestamp("us", "UTC")),
            "site": pa.array(site, pa.string()),
            "reading": pa.array(reading, mask=(random.random(ROWS) < 0.1) & np.isfinite(reading)),
            "target": target,
            "note": pa.array([f"no. {each}" for each in range(ROWS)]),
        }
    )


def scored(folder: Path) -> Scored:
    """Fit, export and predict in one process."""
    table, path = rows(), folder / "model.onnx"
    good = table.filter(pa.array([each not in BAD for each in range(ROWS)]))
    checkpoint = fit(
        good,
        target="target",
        features=["count", "price", "day", "site", "reading"],
        missing="mean",
        time={"day": "days"},
    )
    export(checkpoint, path, interval=0.95, flags=True, without_eager=True)
    pyarrow.parquet.write_table(table, folder / "rows.parquet")
    expected = {}
    for on_error in ("null", "skip"):
        output = folder / f"{on_error}.parquet"
        given = [path, folder / "rows.parquet", "-o", output, "--keep", "all", "--on-error", on_error]
        subprocess.run([SCRIPTS / "lr-infer", *map(str, given)], check=True, capture_output=True)
        expected[on_error] = pyarrow.parquet.read_table(output).to_pylist()
    return Scored(Predictor.load(path), path, table, expected)

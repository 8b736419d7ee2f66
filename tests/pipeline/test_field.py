"""What strangers' data broke in version 0.1.0, one input of each kind, and what a user gets.

The tables were made by y = 2 a + b (a text in the first or the second cell) or y = 2 + 1.5 a - b / 2, with a little
noise. The kinds behind them, with other values, are held beside the code that they concern.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from lr_export import export
from lr_runtime import Predictor
from lr_runtime.errors import LinedgeError
from lr_runtime.tables import TableOptions
from lr_trainer import Checkpoint, fit, merge
from lr_trainer.cli import main as lr_train
from tests.conftest import DATA

if TYPE_CHECKING:
    from pathlib import Path

FIELD = DATA / "field"
SKIPS = TableOptions(skips=True)


def law(checkpoint: Checkpoint) -> dict[str, float]:
    """Return the weights by the names of their terms."""
    contract = checkpoint.contract
    names = [term.name(contract.columns) for term in checkpoint.terms]
    return dict(zip(names, checkpoint.weight[0].tolist(), strict=True))


READ: dict[str, tuple[str, TableOptions, dict[str, Any], int]] = {
    "a row of units, skipped": ("units_row.csv", SKIPS, {}, 500),
    "an unnamed column": ("trailing_delimiter.csv", TableOptions(), {}, 30),
    "sep=": ("sep_line.csv", TableOptions(), {}, 30),
    "columns aligned with blanks": ("aligned.dat", TableOptions(delimiter="whitespace"), {}, 30),
    "objects in cells, by their paths": ("nested.jsonl", TableOptions(), {"features": ["s.a", "s.b"]}, 30),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # what is skipped or passed over is said
@pytest.mark.parametrize("case", READ)
def test_read_with_the_law_that_made_it(case: str) -> None:
    name, options, asked, rows = READ[case]
    found = fit(FIELD / name, target="y", options=options, **asked)
    weights = law(found)
    assert found.contract.rows == rows
    assert list(weights) == asked.get("features", ["a", "b"])
    assert list(weights.values()) == pytest.approx([1.5, -0.5], abs=0.02)


REFUSED: dict[str, tuple[str, list[str]]] = {
    "text in the first cell": (
        "first_cell_text.csv",
        ["line 2", 'column "a"', '"x" is not a number', "40 are numbers"],
    ),
    "text in the second": ("second_cell_text.csv", ["line 3", 'column "a"', '"x" is not a number', "40 are numbers"]),
    "a row of units": ("units_row.csv", ["line 2", '"V"', "row of units", "--on-error skip"]),
    "percent": ("percent.csv", ["line 2", 'column "b"', '"26%"', "a percentage", "30 of the first 30 cells", "sed"]),
    "Fortran's exponents": ("fortran_exponent.csv", ["line 2", 'column "a"', "exponent", "30 of the first 30", "sed"]),
    "aligned with blanks": ("aligned.dat", ["line 1", "--delimiter whitespace"]),
    "objects in cells": ("nested.jsonl", ["line 1", 'column "s"', "is an object", "s.a"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_way_out(case: str, tmp_path: Path) -> None:
    name, said = REFUSED[case]
    done = CliRunner().invoke(lr_train, [str(FIELD / name), "--target", "y", "-o", str(tmp_path / "m.safetensors")])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert [words for words in said if words not in line] == []
    assert not list(tmp_path.iterdir())


def test_a_folder_of_partitions_has_their_column() -> None:
    found = fit(FIELD / "hive", target="y")
    site = next(column for column in found.contract.columns if column.name == "site")
    assert site.categories == ("n", "s")
    assert list(law(found).values())[:2] == pytest.approx([1.5, -0.5], abs=0.02)


def test_microseconds_are_no_constant() -> None:
    found = fit(FIELD / "microseconds.csv", target="y")
    assert law(found)["t"] == pytest.approx(0.5, rel=1e-3)
    assert found.contract.outputs[0].r2 == pytest.approx(0.99995, abs=5e-5)


@pytest.mark.parametrize("precision", ["exact", "float64"])
def test_a_tiny_target_has_its_interval(precision: Any, tmp_path: Path) -> None:
    # In float32 arithmetic, 1e-22 squared is 0: `float32` and `portable` refuse it, with the reason.
    found = fit(FIELD / "tiny_target.csv", target="y")
    export(found, tmp_path / "m.onnx", precision=precision, interval=0.95, flags=True)
    x = np.array([[0.5], [1.0]])
    prediction = Predictor.load(tmp_path / "m.onnx").predict(x)
    assert prediction.lower is not None
    assert prediction.upper is not None
    halves = (prediction.upper - prediction.lower) / 2
    assert prediction.values.ravel() == pytest.approx((found.bias + x @ found.weight.T).ravel(), rel=1e-6)
    assert (halves > 1e-23).all()
    assert (halves < 1e-22).all()


X = np.random.default_rng(8).normal(size=(1000, 3))
PERFECT: dict[str, dict[str, Any]] = {
    "y = 0.1 x": {"x": np.arange(1.0, 21.0), "y": 0.1 * np.arange(1.0, 21.0)},
    "y = X @ [1, 2, 3]": {"x": X, "y": X @ [1.0, 2.0, 3.0]},
}


@pytest.mark.parametrize("case", PERFECT)
def test_a_perfect_fit_has_no_standard_errors(case: str, tmp_path: Path) -> None:
    found = fit(PERFECT[case], target="y")
    assert [row["standard_error"] for row in found.fit["coefficients"]] == [None] * len(found.fit["coefficients"])
    assert sum("rounding" in line for line in found.fit["cautions"]) == 1
    with pytest.raises(LinedgeError, match="residual"):
        export(found, tmp_path / "m.onnx", interval=0.95)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [1e-5, 1e-7, 1e-9])
def test_a_tiny_r2_is_that_of_the_explained_sum(size: float) -> None:
    x = np.tile([-1.0, 1.0], 50)
    y = size * x + np.repeat([-1.0, 1.0], 50)  # orthogonal to x
    found = fit({"x": x, "y": y}, target="y").contract.outputs[0].r2
    assert found == pytest.approx(size**2 / (1 + size**2), rel=1e-6)


def test_parts_with_other_levels_are_one_table() -> None:
    random = np.random.default_rng(4)
    parts = [{"x": random.normal(size=40), "site": random.choice(list(levels), 40)} for levels in ("ns", "se")]
    effects = {"n": 0.0, "s": 1.0, "e": -2.0}
    for part in parts:
        noise = random.normal(size=40) / 10
        part["y"] = 2 * part["x"] + np.array([effects[site] for site in part["site"]]) + noise
    joined = merge(*(fit(part, target="y") for part in parts))
    whole = fit({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, target="y")
    assert joined.contract.columns == whole.contract.columns
    np.testing.assert_allclose(joined.weight, whole.weight, rtol=1e-9)


def test_a_dry_run_counts_the_bad_cells() -> None:
    done = CliRunner().invoke(lr_train, [str(FIELD / "units_row.csv"), "--dry-run", "--json"])
    assert done.exit_code == 0
    columns = json.loads(done.stdout)["columns"]
    assert [column["kind"] for column in columns] == ["number"] * 3
    assert [column["bad"] for column in columns] == [1, 1, 1]


def test_gross_outliers_are_said() -> None:
    random = np.random.default_rng(2)
    x = random.normal(10, 1, 5000)
    x[::625] *= 100
    found = fit({"x": x, "y": random.normal(size=5000)}, target="y")
    assert any('"x"' in line and "interquartile" in line for line in found.fit["cautions"])

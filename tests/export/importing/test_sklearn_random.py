"""Random pipelines against the exact ones, and a sample of them through a file."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_export import export, from_sklearn
from lr_runtime import Predictor
from tests.export.importing.exact_sklearn import cell_of, check, encoded, given, predict
from tests.export.importing.random_pipelines import ROWS, Case, Draw

if TYPE_CHECKING:
    from pathlib import Path

    from tests.export.importing.exact_sklearn import Table

RANDOM = [seed for seed in range(51) if seed != 25]
"""Pipeline 25 leaves one column, and TruncatedSVD takes two or more."""
EXPORTED = range(0, 50, 10)


def case(seed: int) -> Case:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a fit says of constant columns
        return Draw(seed).case()


@pytest.mark.parametrize("seed", RANDOM)
def test_a_random_pipeline_is_imported(seed: int, few_probes: None) -> None:
    table, model, as_array = case(seed)
    check(model, from_sklearn(model, X=given(table, as_array=as_array)), table, range(0, ROWS, 4))


@pytest.mark.parametrize("seed", EXPORTED)
def test_it_is_exported_and_predicts_what_its_source_does(seed: int, tmp_path: Path, few_probes: None) -> None:
    table, model, as_array = case(seed)
    checkpoint = from_sklearn(model, X=given(table, as_array=as_array))
    certificate = export(checkpoint, tmp_path / "m.onnx", precision="float64", without_eager=True)
    columns, numbered = checkpoint.contract.columns, [f"x{place + 1}" for place in range(len(table))]
    known = dict(zip(numbered if as_array else table, table.values(), strict=True))
    rows = np.array([[encoded(column, cell) for cell in known[column.name]] for column in columns]).T
    found = Predictor.load(tmp_path / "m.onnx").predict(rows).values
    own = np.asarray(model.predict(given(table, as_array=as_array))).reshape(ROWS, -1)
    both = np.array(certificate.bounds["y"]) + np.array(bounds(model, table))
    assert (abs(found - own) <= both).all()


def bounds(model: Any, table: Table) -> list[list[float]]:
    """Return how far the source's own predictions may be from the exact ones, and a little for what is rounded here."""
    cells = [[cell_of(values[row]) for values in table.values()] for row in range(ROWS)]
    return [
        [1.01 * float(each.error) + 2**-50 * abs(float(each.value)) for each in predict(model, row)] for row in cells
    ]

"""What an earlier version wrote is read by this one: the same predictions and bytes, fits to go on from."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from lr_export import export
from lr_runtime import Contract, Predictor
from lr_runtime.contract.contract import CONTRACT_VERSION, METADATA_KEY
from lr_runtime.errors import ModelFileError
from lr_runtime.inspection.artefact import Artefact
from lr_trainer import Checkpoint, merge
from tests.conftest import DATA
from tests.export.present import runs
from tests.golden.writing import ROWS, artefacts_of, blueprint_of, options_of, results_of

if TYPE_CHECKING:
    from pathlib import Path

    from lr_runtime.contract.contract import Precision
    from lr_runtime.contract.formats import FormatName

FOLDERS = sorted(DATA.glob("golden-*"))
CASES = [
    pytest.param(
        folder,
        name,
        format_name,
        precision,
        file,
        id=f"{folder.name.removeprefix('golden-')}-{file}",
        marks=pytest.mark.skipif(not runs(format_name), reason=f"nothing runs {format_name}"),
    )
    for folder in FOLDERS
    for name in sorted(path.stem for path in folder.glob("*.safetensors"))
    for format_name, precision, file in artefacts_of(name)
    if (folder / file).exists()
]
in_every_artefact = pytest.mark.parametrize(("folder", "name", "format_name", "precision", "file"), CASES)
TOLERANCES = {"exact": 0.0, "portable": 0.0, "float32": 1e-5, "float64": 1e-12}
"""Relative; in the last two precisions an engine chooses the order of its sums by processor."""


@cache
def read(path: Path) -> Any:
    return json.loads(path.read_text())


def rows(folder: Path, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(read(folder / "rows.json")[name], dtype=np.float64)


def test_every_file_of_every_version_is_tested() -> None:
    tested = {case.values[4] for case in CASES} | {f"{case.values[1]}.safetensors" for case in CASES}
    there = {path.name for folder in FOLDERS for path in folder.iterdir() if path.suffix != ".json"}
    assert FOLDERS
    assert tested == there


@in_every_artefact
def test_it_gives_what_it_gave(
    folder: Path, name: str, format_name: FormatName, precision: Precision, file: str
) -> None:
    blueprint = blueprint_of(Checkpoint.load(folder / f"{name}.safetensors"), name, format_name, precision)
    results = results_of((folder / file).read_bytes(), blueprint, format_name, rows(folder, name))
    then = read(folder / "predictions.json")[file]
    assert list(results) == list(then)
    for result, values in results.items():
        np.testing.assert_allclose(values, then[result], rtol=TOLERANCES[precision], atol=0.0, err_msg=result)


@in_every_artefact
def test_its_contract_is_that_of_its_checkpoint(
    folder: Path, name: str, format_name: FormatName, precision: Precision, file: str
) -> None:
    checkpoint = Checkpoint.load(folder / f"{name}.safetensors")
    contract = Artefact.load(folder / file).contract
    assert contract.columns == checkpoint.contract.columns
    assert contract.precision == precision
    assert contract.equation is not None
    assert np.array_equal(np.array(contract.equation.weight), checkpoint.weight)


@pytest.mark.parametrize(
    ("folder", "name", "precision", "file"),
    [pytest.param(*(c.values[i] for i in (0, 1, 3, 4)), id=c.id) for c in CASES if c.values[2] == "onnx"],
)
def test_the_predictor_runs_it_and_its_bytes_stay(
    folder: Path, name: str, precision: Precision, file: str, tmp_path: Path
) -> None:
    predictor, x = Predictor.load(folder / file), rows(folder, name)
    then = read(folder / "predictions.json")[file]["y"]
    np.testing.assert_allclose(predictor.predict(x).values, then, rtol=TOLERANCES[precision], atol=0.0)
    assert len(x) == ROWS
    export(folder / f"{name}.safetensors", tmp_path / file, precision=precision, **options_of(name, "onnx"))
    assert (tmp_path / file).read_bytes() == (folder / file).read_bytes()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("name", ["every-term", "far-from-zero", "weighted"])
def test_its_fits_can_be_joined(folder: Path, name: str) -> None:
    checkpoint = Checkpoint.load(folder / f"{name}.safetensors")
    joined = merge(checkpoint, checkpoint)
    assert joined.contract.rows == 2 * (checkpoint.contract.rows or 0) > 0
    np.testing.assert_allclose(joined.weight, checkpoint.weight, rtol=1e-9, atol=1e-9)


def test_a_newer_version_is_refused_with_what_to_do() -> None:
    text = Artefact.load(FOLDERS[0] / "lesson-exact.onnx").contract.to_json()
    fields = cast("dict[str, Any]", json.loads(text))
    fields["contract"] = CONTRACT_VERSION + 1
    with pytest.raises(ModelFileError, match="Upgrade linedge"):
        Contract.from_json(json.dumps(fields))
    assert METADATA_KEY == "linedge"  # where every version looks for it

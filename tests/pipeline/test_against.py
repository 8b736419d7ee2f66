"""lr-inspect --against as a user runs it: a calibration beside the one that it replaces."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

from lr_export import export
from lr_runtime import Column, Contract, Output
from lr_runtime.commands.inspect import main as lr_inspect
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.power import Power
from lr_trainer import Checkpoint
from tests.conftest import checkpoint_of, one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from tests.conftest import Run

    Inspect = Callable[..., Result]

OLD = Checkpoint(
    contract=Contract(
        columns=(
            Column("t", 0.0, 40.0, "degC"),
            Column("site", 0.0, 2.0, kind="category", categories=("north", "south bank", "east")),
        ),
        outputs=(Output("ozone", 0.5, 1.0, "ppb"), Output("gone", 0.5, 1.0)),
        rows=10,
        linedge="0.1.0",
    ),
    weight=np.array([[1.0, 0.25, 2.0, 3.0], [1.0, 0.0, 0.0, 0.0]]),
    bias=np.array([0.5, 0.0]),
    origin=np.array([16.0, 0.0]),
    scale=np.array([4.0, 1.0]),
    fill=np.zeros(2),
    terms=(Power(0), Power(0, 2), Level(1, 1), Level(1, 2)),
)
# y = 0.5 + u + u^2 / 4 + 2.5 [south bank], where only the level's weight and the range of t differ.
NEW = Checkpoint(
    contract=OLD.contract._replace(
        columns=(
            Column("site", 0.0, 1.0, kind="category", categories=("south bank", "north")),
            Column("t", -8.0, 40.0, "K"),
        ),
        outputs=(Output("ozone", 0.5, 1.0, "ppb"),),
    ),
    weight=np.array([[1.0, 0.25, 2.5]]),
    bias=np.array([0.5]),
    origin=np.array([0.0, 16.0]),
    scale=np.array([1.0, 4.0]),
    fill=np.zeros(2),
    terms=(Power(1), Power(1, 2), Level(0, 0)),
)


@pytest.fixture
def inspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inspect:
    """Run lr-inspect beside `old.onnx` and `new.safetensors`, in this process."""
    monkeypatch.chdir(tmp_path)
    export(OLD, tmp_path / "old.onnx")
    NEW.save(tmp_path / "new.safetensors")
    return lambda *arguments: CliRunner().invoke(lr_inspect, list(map(str, arguments)))


def test_a_calibration_beside_the_one_that_it_replaces(inspect: Inspect, run: Callable[..., Run]) -> None:
    done = inspect("old.onnx", "--against", "new.safetensors")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == ["--- old.onnx", "+++ new.safetensors"]
    for changed in (
        "-t number 0 to 40 degC",
        "+t number -8 to 40 K",
        '-site category 0 = north, 1 = "south bank", 2 = east',
        '+site category 0 = "south bank", 1 = north',
        "-gone R2 0.5 residual standard deviation 1",
    ):
        assert changed in lines
    assert any(line.startswith("-certificate: ozone within ") for line in lines)
    told = lines[lines.index("largest difference anywhere in the training ranges of either file") + 1 :]
    assert told[0] == "  ozone: 0.5"
    old, new = (line.rpartition(": ") for line in told[1:])
    assert len(told) == 3
    row = shlex.split(old[0])[1:]
    assert dict(word.split("=") for word in row) == dict(word.split("=") for word in shlex.split(new[0])[1:])
    predicted = run("lr-infer", "old.onnx", *row).stdout.split()[0].rstrip(",")
    assert f"{float(predicted):g} ppb" == old[2]
    assert float(new[2].split()[0]) - float(old[2].split()[0]) == 0.5


def test_json_has_both_files_and_the_row(inspect: Inspect) -> None:
    found = json.loads(inspect("old.onnx", "--against", "new.safetensors", "--json").stdout)
    assert [each["kind"] for each in found["files"]] == ["onnx", "checkpoint"]
    assert found["changed_columns"] == ["t", "site"]
    (most,) = found["differences"].values()
    assert (most["found"], most["bound"], most["row"]["site"]) == (0.5, 0.5, "south bank")
    assert most["values"][1] - most["values"][0] == 0.5


def test_above_the_tolerance_is_code_3_after_the_report(inspect: Inspect, run: Callable[..., Run]) -> None:
    assert inspect("old.onnx", "--against", "new.safetensors", "--tolerance", "0.5").exit_code == 0
    done = run("lr-inspect", "old.onnx", "--against", "new.safetensors", "--tolerance", "0.4999")
    assert done.stdout.splitlines()[-3] == "  ozone: 0.5"
    assert one_line(done, 3) == ('lr-inspect: the largest difference of "ozone" is 0.5; --tolerance allows 0.4999')


def _with(
    columns: tuple[Column, ...] = OLD.contract.columns, outputs: tuple[Output, ...] = OLD.contract.outputs
) -> Checkpoint:
    return replace(OLD, contract=OLD.contract._replace(columns=columns, outputs=outputs))


OTHERS: dict[str, tuple[Checkpoint, str]] = {
    "no output of the same name": (
        _with(outputs=(Output("a", 0.5, 1.0), Output("b", 0.5, 1.0))),
        "no output, or no column",
    ),
    "no column of the same name": (
        _with(columns=tuple(column._replace(name=f"my {column.name}") for column in OLD.contract.columns)),
        "no output, or no column",
    ),
    "no category in common": (
        _with(columns=(OLD.contract.columns[0], OLD.contract.columns[1]._replace(categories=("a", "b", "c")))),
        'no value of the column "site" in common',
    ),
    "a number for a category": (
        replace(
            _with(columns=(OLD.contract.columns[0], Column("site", 0.0, 2.0))),
            terms=(Power(0), Power(0, 2), Power(1), Power(1, 2)),
        ),
        'no value of the column "site" in common',
    ),
    "numbers beyond float64": (
        replace(OLD, weight=np.full((2, 4), 1e308), origin=np.array([-1e9, 0.0])),
        "beyond the range of float64",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_models_that_are_not_comparable_are_one_line(case: str, inspect: Inspect, tmp_path: Path) -> None:
    other, said = OTHERS[case]
    other.save(tmp_path / "other.safetensors")
    done = inspect("old.onnx", "--against", "other.safetensors", "--json")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr


def test_a_column_that_one_model_has_moves_that_model_alone(inspect: Inspect, tmp_path: Path) -> None:
    checkpoint_of([[1.0]], 0.0).save(tmp_path / "one.safetensors")
    checkpoint_of([[1.0, 3.0]], 0.0, low=[-1.0, 0.0], high=[1.0, 2.0]).save(tmp_path / "two.safetensors")
    lines = inspect("one.safetensors", "--against", "two.safetensors").stdout.splitlines()
    assert "+x2 number 0 to 2" in lines
    assert lines[-3] == "  y: 6"
    assert lines[-2].startswith("    one.safetensors x1=")
    assert "x2" not in lines[-2]
    assert "x2=2: " in lines[-1]


def test_equal_models_are_said_to_be_equal(inspect: Inspect) -> None:
    done = inspect("new.safetensors", "--against", "new.safetensors", "--tolerance", "0")
    assert (done.exit_code, done.stdout) == (0, "the models are equal as exact numbers\n")


@pytest.mark.parametrize(
    "options",
    [
        ("--tolerance", "1"),
        ("--against", "new.safetensors", "--self-test"),
        ("--against", "new.safetensors", "-o", "new.safetensors"),
    ],
)
def test_options_that_do_not_go_together(options: tuple[str, ...], inspect: Inspect, tmp_path: Path) -> None:
    before = (tmp_path / "new.safetensors").read_bytes()
    done = inspect("old.onnx", *options)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert (tmp_path / "new.safetensors").read_bytes() == before

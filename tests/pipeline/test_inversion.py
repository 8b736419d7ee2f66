"""Readings taken back to a column without a file for it: by bracketing on the predictor."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

import lr_trainer
from lr_export import export
from lr_runtime import Predictor
from lr_runtime.commands.infer import main
from lr_runtime.errors import InputError, OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

    from lr_runtime.contract.contract import Precision


def model(
    folder: Path,
    table: dict[str, ArrayLike],
    *,
    degree: int = 1,
    precision: Precision = "exact",
    interval: float | None = None,
    inverse: str | None = None,
) -> Predictor:
    made = lr_trainer.fit(table, target="y", degree=degree)
    path = folder / "model.onnx"
    export(made, path, precision=precision, interval=interval, inverse=inverse, without_eager=True)
    return Predictor.load(path)


def sensor(slope: float, bend: float = 0.0) -> dict[str, ArrayLike]:
    x = np.linspace(-3, 5, 40)
    return {"x": x, "y": 2 + slope * x + bend * x**2 + 0.01 * np.sin(9 * x)}


@pytest.mark.parametrize("precision", ["exact", "float64", "portable"])
@pytest.mark.parametrize("slope", [0.7, -0.7])
def test_the_next_numbers_below_and_above_enclose_the_reading(
    tmp_path: Path, slope: float, precision: Precision
) -> None:
    predictor = model(tmp_path, sensor(slope, -0.02 * slope), degree=3, precision=precision)
    for y in (0.3, 1.9, 2.0, 3.777):
        x = predictor.invert(y=y).x
        dtype = np.dtype(predictor.contract.input_dtype)
        below, above = (np.nextafter(np.array(x, dtype), np.array(end, dtype)) for end in (-np.inf, np.inf))
        values = predictor.predict([[float(below)], [float(above)]]).values[:, 0]
        assert min(values) <= y <= max(values)
        assert abs(values[1] - values[0]) <= 8 * np.spacing(np.array(4, values.dtype))


@pytest.mark.parametrize("slope", [0.7, -0.7])
def test_limits_are_those_of_an_inverse_file(tmp_path: Path, slope: float) -> None:
    found = model(tmp_path, sensor(slope), precision="float64", interval=0.9).invert({"y": 1.25})
    (row,) = model(tmp_path, sensor(slope), precision="float64", interval=0.9, inverse="x").predict([[1.25]]).rows()
    wanted = (row["x"], row["x_lower"], row["x_upper"])
    assert (found.x, found.lower, found.upper) == pytest.approx(wanted, rel=1e-13)


def test_a_limit_beyond_the_training_range_is_infinite(tmp_path: Path) -> None:
    predictor = model(tmp_path, sensor(0.7), interval=0.9)
    lowest, highest = predictor.predict([[-3.0], [5.0]]).values[:, 0].tolist()
    assert predictor.invert(y=lowest).lower == -math.inf
    assert predictor.invert(y=highest).upper == math.inf


def test_other_columns_are_held_at_values(tmp_path: Path) -> None:
    x, site = np.linspace(1, 9, 30), ["north", "south", "east"] * 10
    y = 3 * x + [{"north": 0.0, "south": 5.0, "east": 7.0}[each] for each in site] + 0.01 * np.cos(7 * x)
    made = lr_trainer.fit({"x": x, "site": site, "y": y}, target="y")
    export(made, tmp_path / "m.onnx", precision="float64", without_eager=True)
    predictor = Predictor.load(tmp_path / "m.onnx")
    found = predictor.invert(y=20.0, at={"site": "south"})
    assert found.x == pytest.approx(5.0, abs=0.02)
    assert predictor.predict({"x": [found.x], "site": ["south"]}).values[0, 0] == pytest.approx(20.0, rel=1e-14)
    said = CliRunner().invoke(main, [str(tmp_path / "m.onnx"), "site=south", "--invert", "y=20"]).output
    assert float(said) == found.x
    twice = CliRunner().invoke(main, [str(tmp_path / "m.onnx"), "site=east", "site=south", "--invert", "y=20"])
    assert (twice.exit_code, twice.stderr) == (2, "lr-infer: a column stands twice; give each one value\n")
    export(made, tmp_path / "i.onnx", precision="float64", inverse="x", at={"site": "south"}, without_eager=True)
    assert Predictor.load(tmp_path / "i.onnx").predict([[20.0]]).values[0, 0] == pytest.approx(found.x, rel=1e-14)


@pytest.mark.parametrize(
    ("reading", "at", "error", "words"),
    [
        ({"y": 99.0}, {}, InputError, 'over the training range of "x" "y" goes from '),
        ({"z": 1.0}, {}, OptionError, 'a reading of one output of "y"'),
        ({"y": 1.0}, {"q": 1}, OptionError, 'no column "q"'),
        ({"y": 1.0}, {"x": 1}, OptionError, "left is none"),
        ({"y": "1"}, {}, OptionError, 'the reading of "y" takes one finite number, not "1"'),
        ({"y": math.nan}, {}, OptionError, "one finite number, not nan"),
        ({"y": np.zeros(1)}, {}, OptionError, "invert takes one number or text for each name"),
        (7.2, {}, OptionError, "invert takes one number or text for each name"),
        ({"y": 1.0}, {"h": [1, 2]}, OptionError, "at takes one number or text for each name"),
        ({"y": 1.0}, {1: 2.0}, OptionError, "at takes one number or text for each name"),
    ],
)
def test_what_cannot_be_inverted_is_one_line(
    tmp_path: Path, reading: dict[str, float], at: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        model(tmp_path, sensor(0.7)).invert(reading, at=at)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_turns_has_no_inverse(tmp_path: Path) -> None:
    predictor = model(tmp_path, sensor(0.1, 1.0), degree=2)
    with pytest.raises(InputError, match="does not rise or fall throughout"):
        predictor.invert(y=3.0)


def test_the_command_answers_in_text_and_in_json(tmp_path: Path) -> None:
    predictor, path = model(tmp_path, sensor(0.7), interval=0.9), str(tmp_path / "model.onnx")
    found = predictor.invert(y=2.5)
    said = CliRunner().invoke(main, [path, "--invert", "y=2.5"])
    assert [*map(float, said.output.split("\t"))] == [found.x, found.lower, found.upper]
    lowest = predictor.predict([[-3.0]]).values[0, 0]
    said = CliRunner().invoke(main, [path, "--invert", f"y={lowest}", "--json"])
    assert json.loads(said.output)["inverse"]["x_lower"] is None
    wrong = (
        ["--invert", "y"],
        ["--invert", "y=a"],
        ["--invert", "y=2", "--explain"],
        ["--invert", "y=2.5", "--decimal", ","],
    )
    for words in (*wrong, ["3", "--invert", "y=2"]):
        said = CliRunner().invoke(main, [path, *words])
        assert (said.exit_code, said.output.count("\n")) == (2, 1)


@pytest.mark.parametrize("precision", ["float32", "exact"])
def test_every_value_of_the_range_is_found_its_ends_too(tmp_path: Path, precision: Precision) -> None:
    predictor = model(tmp_path, sensor(1.0, -0.02), degree=3, precision=precision)
    x = np.linspace(-3, 5, 41)
    for given, y in zip(x, predictor.predict(x[:, None]).values[:, 0].tolist(), strict=True):
        assert predictor.invert(y=y).x == pytest.approx(given, abs=1e-5)

"""lr-import as a user runs it: typed coefficients, JSON, safetensors, and what is none of these."""

from __future__ import annotations

import json
import math
import pickle
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.torch
import torch
from click.testing import CliRunner
from torch import nn

import lr_export.cli
import lr_trainer.cli
from lr_export import export
from lr_export.import_cli import main
from lr_runtime import Predictor
from lr_runtime.contract.checkpoint import Checkpoint
from tests.conftest import ROOT, one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import ArrayLike

    from tests.conftest import Run

    Runner = Callable[..., Run]

LINE = ("--coef", "temp=1.25", "--coef", "rh=-0.3", "--intercept", "4", "--range", "temp=-20:60", "--range", "rh=0:100")

TABLE: dict[str, ArrayLike] = {"site": list("ABCABC"), "x": [1, 2, 3, 4, 5, 7], "y": [2.0, 3.0, 7.0, 4.0, 9.0, 8.0]}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def imported(*arguments: object) -> str:
    """Return what the command printed; it has written model.safetensors."""
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def refused(*arguments: object, code: int = 1) -> str:
    """Return the one line with which the command ended, and nothing was written."""
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == code, done.output
    assert done.output.count("\n") == 1
    assert "Traceback" not in done.output
    return str(done.output)


def written(content: object, name: str = "model.json") -> str:
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    with open(name, "wb") as file:  # noqa: PTH123 - in the folder of the test
        file.write(text if isinstance(text, bytes) else text.encode())
    return name


def model() -> Checkpoint:
    from pathlib import Path

    return Checkpoint.load(Path("model.safetensors"))


def test_typed_coefficients_go_all_the_way_to_a_prediction(run: Runner, tmp_path: Path) -> None:
    done = run("lr-import", *LINE, "--unit", "temp=C", "--unit", "ozone=ppb", "--target", "ozone")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "ozone = 4 + 1.25 temp - 0.3 rh"
    assert done.stderr == "wrote model.safetensors. Next: lr-export model.safetensors\n"
    assert run("lr-export", "--without-eager", "--precision", "float64", "--quiet").returncode == 0
    assert float(run("lr-infer", "model.onnx", "rh=50", "temp=10").stdout) == pytest.approx(1.5, rel=1e-15)
    said = run("lr-inspect", "model.onnx").stdout
    assert "temp  number  -20 to 60 C" in said
    assert "\n  ozone  in ppb\n" in said
    inspected = run("lr-inspect", "model.safetensors").stdout
    assert "from a model that it did not fit\n" in inspected
    assert "\n  ozone  in ppb\n" in inspected
    assert "not determined" not in inspected
    before = (tmp_path / "model.safetensors").read_bytes()
    assert "two finite numbers" in one_line(run("lr-import", *LINE[:-4], "--range", "temp=1"), 2)
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_a_typed_term_may_be_of_a_level(here: Path) -> None:
    levels = ("--coef", "site=A=1", "--coef", "site=B=2", "--coef", "site=B:x=3", "--levels", "site=A,B")
    imported(*levels, "--intercept", "0", "--range", "x=0:1")
    found = Predictor.load(_onnx(model())).predict({"site": ["A", "B", "B"], "x": [1.0, 0.0, 1.0]})
    assert found.values[:, 0].tolist() == [1.0, 2.0, 5.0]


def test_a_decimal_is_the_float64_nearest_to_it(here: Path) -> None:
    imported("--coef", "x=0.1", "--intercept", "1e-3", "--range", "x=-1e5:.5", "--quiet")
    assert (model().weight.tolist(), model().bias.tolist()) == ([[0.1]], [0.001])
    assert model().contract.columns[0][1:3] == (-1e5, 0.5)


def test_json_of_lr_train_gives_the_fit_again(here: Path) -> None:
    fit = lr_trainer.fit(TABLE, target="y")
    imported(written(dict(fit.fit)), "--levels", "site=A,B,C", "--json")
    rows = {"site": ["A", "B", "C"], "x": [1.0, 2.0, 3.0]}
    mine, own = (Predictor.load(_onnx(each)).predict(rows) for each in (model(), fit))
    assert np.allclose(mine.values, own.values, rtol=1e-12)


def _onnx(checkpoint: Checkpoint) -> str:
    export(checkpoint, "some.onnx", precision="float64", without_eager=True)
    return "some.onnx"


@pytest.mark.parametrize("function", ["log", "sqrt", "reciprocal"])
def test_json_of_a_function_of_a_target_predicts_the_target(here: Path, function: str) -> None:
    numbers = {"x": TABLE["x"], "y": TABLE["y"]}
    fit = lr_trainer.fit(numbers, target="y", transforms={"y": function})
    imported(written(dict(fit.fit)))
    found = model()
    assert found.contract.outputs[0].function == function
    np.testing.assert_allclose(found.weight / found.scale, fit.weight / fit.scale, rtol=1e-12)
    assert "none of ours" in refused(written({**fit.fit, "functions": {"y": "sin"}}))


def test_rows_of_broom_with_factors_powers_and_ranges_of_a_table(here: Path) -> None:
    rows = [
        {"term": "(Intercept)", "estimate": 1, "std.error": 0.5},
        {"term": "siteB", "estimate": 2.5},
        {"term": "I(x^2)", "estimate": 0.5},
        {"term": "`a b`", "estimate": -1},
        {"term": "x:siteB", "estimate": 2},
    ]
    written("x,a b,site\n1,0,A\n3,,B\nNA,5,A\n", "rows.csv")
    said = json.loads(imported(written(rows), "--levels", "site=A,B", "--ranges-from", "rows.csv", "--json"))
    assert said["ranges"] == {"x": [1.0, 3.0], "a b": [0.0, 5.0]}
    assert said["columns"] == ["site", "x", "a b"]
    got = Predictor.load(_onnx(model())).predict({"site": ["A", "B"], "x": [2.0, 3.0], "a b": [1.0, 0.0]}).values
    assert got.tolist() == [[2.0], [14.0]]


def test_functions_of_columns_as_r_and_lr_train_write_them(here: Path) -> None:
    rows = [("(Intercept)", 1.0), ("log(x)", 2.0), ("I(log(x)^3)", 0.5), ("I(1/z)", 3.0), ("(1/z)^2", 1.0)]
    rows += [("hinge(z, 2.5):x", 4.0), ("sqrt(`a b`)", -1.0)]
    table = {"coefficients": [{"term": name, "estimate": value} for name, value in rows]}
    ranges = ("--range", "x=1:9", "--range", "z=1:4", "--range", "a b=0:9")
    imported(written(table), *ranges)
    x, z, ab = 3.0, 3.5, 4.0
    wanted = 1 + 2 * math.log(x) + 0.5 * math.log(x) ** 3 + 3 / z + 1 / z**2 + 4 * (z - 2.5) * x - math.sqrt(ab)
    got = Predictor.load(_onnx(model())).predict({"x": [x], "z": [z], "a b": [ab]}).values.item()
    assert got == pytest.approx(wanted, rel=1e-14)


def test_a_fit_of_functions_and_products_comes_back_from_its_json(here: Path) -> None:
    chance = np.random.default_rng(4)
    rows = {"r": chance.uniform(1, 9, 30), "t": chance.uniform(-5, 5, 30)}
    rows["y"] = np.exp(0.3 * np.log(rows["r"]) + 0.1 * rows["t"] * np.log(rows["r"]) + chance.normal(0, 0.01, 30))
    options = {"transforms": {"r": "log", "y": "log"}, "interact": ["log(r):t"]}
    fit = lr_trainer.fit(rows, target="y", **options)  # type: ignore[arg-type]
    imported(written(dict(fit.fit)))
    mine, own = (Predictor.load(_onnx(each)).predict(rows).values for each in (model(), fit))
    assert np.allclose(mine, own, rtol=1e-11)


def test_several_outputs_and_a_model_without_an_intercept(here: Path) -> None:
    rows = [{"response": name, "term": "x", "estimate": value} for name, value in (("u", 1.5), ("v", -2))]
    table = {"coefficients": rows, "ranges": {"x": [0, 1], "other": [0, 1]}, "intercept": False}
    imported(written(table), "--target", "a,b")
    assert model().weight.tolist() == [[1.5], [-2.0]]
    assert model().contract.output_names == ("a", "b")


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_a_state_dict_in_safetensors(here: Path, kind: torch.dtype) -> None:
    layer = nn.Linear(2, 3).to(kind)
    safetensors.torch.save_file(nn.ModuleDict({"net": layer}).state_dict(), "layer.safetensors")
    said = imported("layer.safetensors", "--columns", "a,b", "--range", "a=0:1", "--range", "b=0:1")
    computed = "float64" if kind == torch.float64 else "float32"
    assert f"held against torch.nn.functional.linear in {computed} of a PyTorch state dict on " in said
    assert model().weight.tolist() == layer.weight.double().tolist()


def of(term: str) -> list[dict[str, object]]:
    return [{"term": "(Intercept)", "estimate": 1}, {"term": term, "estimate": 1}]


HOSTILE: dict[str, tuple[object, str]] = {
    "a key twice": ('{"coefficients": [], "coefficients": []}', "a key stands twice"),
    "not JSON": ('[{"term": "x"', "not JSON"),
    "NaN": ('[{"term": "(Intercept)", "estimate": NaN}]', "no estimate that is a finite number"),
    "too large": ('[{"term": "(Intercept)", "estimate": 1e400}]', "no estimate that is a finite number"),
    "a huge integer": ('[{"term": "(Intercept)", "estimate": 1' + "0" * 400 + "}]", "expected a list of rows"),
    "more digits than Python reads": ('[{"term": "x", "estimate": 1' + "0" * 5000 + "}]", "not JSON"),
    "deep": ("[" * 100_000, "not JSON"),
    "deep objects": ('{"a":' * 100_000, "not JSON"),
    "R's NA": ([{"term": "(Intercept)", "estimate": 1}, {"term": "x", "estimate": "NA"}], "the term x has no estimate"),
    "aliased": ([{"term": "(Intercept)", "estimate": 1}, {"term": "x"}], "the term x has no estimate"),
    "true": ([{"term": "x", "estimate": True}], "the term x has no estimate"),
    "no term": ([{"estimate": 1}], "expected a list of rows"),
    "numbers": ([1, 2], "expected a list of rows"),
    "an object alone": ({"temp": 1.25}, "expected a list of rows"),
    "no rows": ([], "depends on no column"),
    "no intercept": ([{"term": "x", "estimate": 1}], "--intercept 0"),
    "two intercepts": (
        [{"term": name, "estimate": 1} for name in ("(Intercept)", "const")],
        "more than one intercept. Leave",
    ),
    "an indicator": (of("rh missing"), 'the term "rh missing" cannot be folded'),
    "a level of no levels": (of("site=B"), "levels are given, --levels site=A,B"),
    "a term twice": ([{"term": "x", "estimate": 1}] * 2, "the term x stands twice"),
    "a product of a function": (of("x:sin(z)"), 'the term "sin(z)"'),
    "a function": (of("sin(x)"), 'the term "sin(x)"'),
    "a sum of powers": (of("I(x^2 + z^2)"), 'the term "I(x^2 + z^2)"'),
    "a power of a function": (of("I(sin(x)^2)"), 'the term "I(sin(x)^2)"'),
    "a category as a number": (
        {"coefficients": of("site"), "levels": {"site": ["A", "B"]}},
        'the term "site" cannot be folded',
    ),
    "levels in one text": ({"coefficients": [], "levels": {"site": "AB"}}, "no list of different values"),
    "a level twice": ({"coefficients": [], "levels": {"site": ["A", "A"]}}, "no list of different values"),
    "levels of no term": (
        {"coefficients": [{"term": "(Intercept)", "estimate": 1}], "levels": {"site": ["A", "B"]}},
        "depends on no column",
    ),
    "a constant": ([{"term": "(Intercept)", "estimate": 1}], "depends on no column"),
    "a target in a list, as R boxes it": ({"coefficients": of("x"), "target": ["ozone"]}, "the target ['ozone'] is no"),
    "a range of three": ({"coefficients": [], "ranges": {"x": [1, 2, 3]}}, "expected a list of rows"),
    "no ranges": (
        [{"term": "(Intercept)", "estimate": 1}, {"term": "siteB", "estimate": 1}],
        'does not tell the training range of "siteB"',
    ),
    "not UTF-8": (b'[{"term": "\xff"}]', "not JSON"),
    "empty": ("", "expected safetensors, or JSON"),
    "a table": ("a,b\n1,2\n", "expected safetensors, or JSON"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_json_is_one_line(here: Path, name: str) -> None:
    content, said = HOSTILE[name]
    line = refused(written(content), code=2 if name == "no ranges" else 1)
    assert said in line
    assert not (here / "model.safetensors").exists()


@pytest.mark.parametrize("ends", [[1, float("inf")], "15", ["1", "5"], [1, None], [0, 10**400]], ids=str)
def test_what_is_no_range_in_json_is_refused(here: Path, ends: object) -> None:
    table = {"coefficients": [{"term": "x", "estimate": 1}], "intercept": False, "ranges": {"x": ends}}
    assert "two finite numbers" in refused(written(table), code=2)


def test_levels_are_typed_with_blanks_as_other_lists_are(here: Path) -> None:
    imported("--coef", "siteB=1", "--intercept", "0", "--levels", "site=A, B")
    assert model().contract.columns[0].categories == ("A", "B")


WEIGHTS: dict[str, tuple[dict[str, torch.Tensor], str]] = {
    "an activation may stand between": (
        nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).state_dict(),
        "what stands between",
    ),
    "shapes": ({"weight": torch.ones(1, 2), "bias": torch.ones(2)}, "a Linear of weight (1, 2) and bias (2,)"),
    "a vector": ({"weight": torch.ones(2)}, "a Linear of weight (2,)"),
    "none": ({}, "not that of one Linear"),
    "no weight": ({"bias": torch.ones(1)}, "is not that of one Linear"),
    "a norm": ({"weight": torch.ones(2), "running_var": torch.ones(2)}, "is not that of one Linear"),
    "integers": ({"weight": torch.ones(1, 2, dtype=torch.int64)}, "holds I64"),
    "not finite": ({"weight": torch.full((1, 2), float("nan"))}, "not finite"),
    "a checkpoint": ({"origin": torch.ones(1)}, "a checkpoint of linedge already"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_bad_weights_are_one_line(here: Path, name: str) -> None:
    tensors, said = WEIGHTS[name]
    safetensors.torch.save_file(tensors, "weights.safetensors")
    assert said in refused("weights.safetensors")


def test_safetensors_cut_off_anywhere_are_one_line(here: Path) -> None:
    content = safetensors.torch.save({"weight": torch.ones(1, 2)})
    for end in range(1, len(content), 3):
        assert refused(written(content[:end], "cut.safetensors")).startswith("lr-import: cut.safetensors: ")


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("code in a pickle ran",))


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.pt", "model.pth", "model"])
def test_no_pickle_is_read(here: Path, name: str) -> None:
    if name.endswith("pt"):
        torch.save(nn.Linear(1, 1).state_dict(), name)
    else:
        written(pickle.dumps(Trap()), name)
    line = refused(name)
    assert "no command reads one. In Python: lr_export.from_" in line


def test_options_that_do_not_go_together(here: Path) -> None:
    file = written([{"term": "x", "estimate": 1}])
    for arguments, said in (
        ((), "expected a FILE"),
        ((file, *LINE), "expected a FILE"),
        ((file, "--columns", "a"), "--columns"),
        ((*LINE, "--unit", "dew=C"), '--unit "dew"'),
        ((*LINE, "--range", "dew=0:1"), '--range names "dew"'),
        ((*LINE[:-4], "--ranges-from", written("temp,rh\n,NA\n", "empty.csv")), 'the training range of "temp", "rh"'),
        ((*LINE[:-4], "--range", "temp=5:1"), "the lower one first"),
        ((*LINE[:-4], "--range", "temp=5"), "two finite numbers"),
        ((*LINE, "--range", "temp=0:9"), '--range names "temp" twice'),
        ((*LINE, "--unit", "temp=C", "--unit", "temp=K"), '--unit names "temp" twice'),
        ((*LINE, "--target", "temp"), 'the output "temp" is called as a column is'),
        ((*LINE, "--coef", "dew=inf"), "a finite number"),
        ((*LINE, "--coef", "dew"), "--coef takes TERM=NUMBER"),
        ((*LINE, "--target", "a,b"), "--target takes"),
    ):
        assert said in refused(*arguments, code=2)


def test_what_needs_moments_says_that_there_are_none(here: Path) -> None:
    imported(*LINE)
    imported(*LINE, "-o", "b.safetensors")
    table = written("temp,rh,y\n1,2,3\n", "rows.csv")
    for command, arguments in (
        (lr_trainer.cli.main, (table, "--update", "b.safetensors")),
        (lr_trainer.cli.main, ("--merge", "model.safetensors", "b.safetensors")),
        (lr_export.cli.main, ("--interval", "0.9", "--without-eager")),
    ):
        done = CliRunner().invoke(command, arguments)
        assert (done.exit_code, done.output.count("\n")) == (1, 1)
        assert "it comes from" in done.output or "the checkpoint comes from typed coefficients" in done.output


RECIPE = "```r\n"
R = shutil.which("Rscript")


def _recipe(folder: Path, before: str = "", *, of: str = "lm(") -> subprocess.CompletedProcess[str]:
    """Run what docs/importing.md says to do in R, after a line of one's own, on another fit."""
    recipe = (ROOT / "docs" / "importing.md").read_text().partition(RECIPE)[2].partition("```")[0]
    lines = before + "\n" + recipe.replace("lm(", of)
    return subprocess.run([R or "", "-e", lines], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.skipif(R is None, reason="R is not installed here")
@pytest.mark.parametrize(
    ("before", "of"),
    [("options(contrasts = c('contr.sum', 'contr.poly'))", "lm("), ("", "lm(offset = Sepal.Width, "), ("", "glm(")],
    ids=["contrasts", "offset", "link"],
)
def test_the_recipe_for_r_stops_where_coefficients_do_not_tell_the_model(here: Path, before: str, of: str) -> None:
    assert "is not TRUE" in _recipe(here, before, of=of).stderr.replace("are not all", "is not")
    assert not (here / "model.json").exists()


@pytest.mark.skipif(R is None, reason="R is not installed here")
def test_the_recipe_for_r_predicts_as_r_does(run: Runner, tmp_path: Path) -> None:
    said = _recipe(tmp_path).stdout
    assert run("lr-import", "model.json").returncode == 0
    assert run("lr-export", "--precision", "float64", "--without-eager", "--quiet").returncode == 0
    row = ("Petal.Length=4.5", "Petal.Width=1.25", "Species=virginica")
    assert float(run("lr-infer", "model.onnx", *row).stdout) == pytest.approx(float(said), rel=1e-14)

"""The same mistakes from Python and at a command: each message names what its reader can change."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

import lr_export.cli
import lr_runtime.commands.infer
import lr_trainer.cli
from lr_export import export
from lr_runtime import LinedgeError, Predictor, predict_batches
from lr_runtime.tables import TableOptions
from lr_runtime.wording import of_a_command, worded
from lr_trainer import Descent, fit, lesson
from tests.conftest import DATA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lr_runtime.commands.console import Command
    from lr_trainer import Checkpoint

GOLDEN = DATA / "golden.onnx"


def table() -> dict[str, Any]:
    a = np.arange(20.0)
    return {"a": a, "b": a * a, "y": 3 * a + 1 + np.sin(a)}


def fitted(**options: Any) -> Checkpoint:
    return fit(**{"source": table(), "target": "y", **options})


def columns(**more: object) -> dict[str, Any]:
    return {**table(), **more}


def written(text: str) -> Callable[[Path], Any]:
    def call(folder: Path) -> Any:
        (folder / "w.csv").write_text(text)
        return fit(folder / "w.csv", target="y")

    return call


def few() -> dict[str, Any]:
    return {name: values[:2] for name, values in table().items()}


def gap() -> dict[str, Any]:
    return columns(a=np.where(table()["a"] > 3, table()["a"], np.nan))


TRAIN, EXPORT, INFER = lr_trainer.cli.main, lr_export.cli.main, lr_runtime.commands.infer.main
BY_Y = ("t.csv", "--target", "y")
DESCENT = (*BY_Y, "--solver", "descent")

# What is done from Python, what its message must say; the same by a command, what that must say.
MISTAKES: dict[str, tuple[Callable[[Path], Any], str, tuple[Any, ...], str]] = {
    "no target": (lambda _: fit(table(), target=None), 'target="NAME"', (TRAIN, "t.csv"), "--target NAME"),
    "too few rows": (
        lambda _: fitted(source=few()),
        "with features",
        (TRAIN, "few.csv", "--target", "y"),
        "--features",
    ),
    "dependent columns": (
        lambda _: fitted(source=columns(c=2 * table()["a"])),
        "use drop_collinear, l2 or minimum_norm",
        (TRAIN, "twice.csv", "--target", "y"),
        "use --drop-collinear, --l2 or --minimum-norm",
    ),
    "the target once more": (
        lambda _: fitted(source=columns(c=table()["y"])),
        'ignore=["c"]',
        (TRAIN, "leak.csv", "--target", "y"),
        "--ignore c",
    ),
    "a gap": (lambda _: fitted(source=gap()), 'missing="drop"', (TRAIN, "gap.csv", "--target", "y"), "--missing drop"),
    "two penalties": (
        lambda _: fitted(penalty="auto", l1=1.0),
        'penalty="auto" chooses l1 and l2',
        (TRAIN, *BY_Y, "--penalty", "auto", "--l1", 1),
        "--penalty auto chooses --l1 and --l2",
    ),
    "a ratio of none": (
        lambda _: fitted(l1_ratio=0.5),
        'l1_ratio belongs to penalty="auto"',
        (TRAIN, *BY_Y, "--l1-ratio", 0.5),
        "--l1-ratio belongs to --penalty auto",
    ),
    "two ways out": (
        lambda _: fitted(minimum_norm=True, drop_collinear=True),
        "minimum_norm and drop_collinear",
        (TRAIN, *BY_Y, "--minimum-norm", "--drop-collinear"),
        "--minimum-norm and --drop-collinear",
    ),
    "a unit of nothing": (
        lambda _: fitted(units={"z": "m"}),
        'units="z"',
        (TRAIN, *BY_Y, "--unit", "z=m"),
        '--unit "z"',
    ),
    "a category of nothing": (
        lambda _: fitted(features=["a"], category=["b"]),
        'category=["b"]',
        (TRAIN, *BY_Y, "--features", "a", "--category", "b"),
        '--category "b"',
    ),
    "decimal commas": (
        written("a;y\n1,5;2\n"),
        'TableOptions(delimiter=";")',
        (TRAIN, "semicolons.csv", "--target", "y"),
        "--delimiter ';'",
    ),
    "a decimal comma": (
        written('a,y\n1,2\n"1,5",2\n'),
        'TableOptions(decimal=",")',
        (TRAIN, "comma.csv", "--target", "y"),
        "--decimal ,",
    ),
    "thousands": (
        written("a,y\n1,2\n1 000,2\n"),
        'TableOptions(thousands=" ")',
        (TRAIN, "thousands.csv", "--target", "y"),
        "--thousands ' '",
    ),
    "a mark for nothing": (
        written("a,y\n1,2\nn.d.,2\n"),
        'TableOptions(missing=["n.d."])',
        (TRAIN, "mark.csv", "--target", "y"),
        "--missing-token 'n.d.'",
    ),
    "no names": (written("1,2\n3,4\n"), "TableOptions(header=False)", (TRAIN, "nameless.csv"), "--no-header"),
    "a loss's own option": (
        lambda _: Descent(delta=2.0),
        'delta belongs to loss="huber"',
        (TRAIN, *DESCENT, "--delta", 2),
        "--delta belongs to --loss huber",
    ),
    "another loss's": (
        lambda _: Descent(quantile=0.3, loss="huber"),
        'quantile belongs to loss="quantile"',
        (TRAIN, *BY_Y, "--loss", "huber", "--quantile", 0.3),
        "--quantile belongs to --loss quantile",
    ),
    "momentum without": (
        lambda _: Descent(nesterov=True, optimizer="sgd"),
        "nesterov needs a momentum",
        (TRAIN, *BY_Y, "--optimizer", "sgd", "--nesterov"),
        "--nesterov needs a --momentum",
    ),
    "momentum of another": (
        lambda _: Descent(momentum=0.5, optimizer="adam"),
        'momentum and nesterov belong to optimizer="sgd"',
        (TRAIN, *BY_Y, "--optimizer", "adam", "--momentum", 0.5),
        "--momentum and --nesterov belong to --optimizer sgd",
    ),
    "patience with nothing": (
        lambda _: Descent(patience=3),
        "validation=0.2",
        (TRAIN, *DESCENT, "--patience", 3),
        "--validation 0.2",
    ),
    "batches of all": (
        lambda _: Descent(batch_size=4, optimizer="lbfgs"),
        "Leave batch_size out",
        (TRAIN, *BY_Y, "--optimizer", "lbfgs", "--batch-size", 4),
        "Leave --batch-size out",
    ),
    "a rate of a search": (
        lambda _: Descent(lr=0.1, optimizer="lbfgs"),
        "Leave lr and schedule out",
        (TRAIN, *BY_Y, "--optimizer", "lbfgs", "--lr", 0.1),
        "Leave --lr and --schedule out",
    ),
    "a penalty beside decay": (
        lambda _: fitted(l2=1.0, descent=Descent(optimizer="adamw")),
        'Use optimizer="adam"',
        (TRAIN, *BY_Y, "--l2", 1, "--optimizer", "adamw"),
        "Use --optimizer adam",
    ),
    "what is exact alone": (
        lambda _: fitted(minimum_norm=True, descent=Descent()),
        "minimum_norm belongs to descent=None",
        (TRAIN, *DESCENT, "--minimum-norm"),
        "--minimum-norm belongs to --solver exact",
    ),
    "no row to validate on": (
        lambda _: fitted(descent=Descent(validation=1e-9)),
        "validation holds out",
        (TRAIN, *DESCENT, "--validation", 1e-9),
        "--validation holds out",
    ),
    "a rate too large": (lambda _: lesson(lr=1e9), "smaller lr", (TRAIN, "--lr", 1e9), "smaller --lr"),
    "another model to start from": (
        lambda _: lesson(init=fitted()),
        "init: the lesson's",
        (TRAIN, "--init", "two.safetensors"),
        "--init: the lesson's",
    ),
    "too small a level": (
        lambda _: fitted(l2=1.0, interval=0.99),
        "lower interval",
        (TRAIN, *BY_Y, "--l2", 1, "--interval", 0.99),
        "lower --interval",
    ),
    "no interval": (
        lambda folder: export(fitted(l2=1.0), folder / "o", interval=0.9),
        "lr_trainer.fit(interval=0.9)",
        (EXPORT, "biased.safetensors", "--interval", 0.9),
        "lr-train --interval 0.9",
    ),
    "no level": (
        lambda folder: export(fitted(), folder / "o", interval=3.0),
        "interval takes",
        (EXPORT, "two.safetensors", "--interval", 3),
        "'--interval': expected a level between 0 and 1, such as 0.95, not 3.0",
    ),
    "an old opset": (
        lambda folder: export(fitted(), folder / "o", opset=3),
        "opset takes",
        (EXPORT, "two.safetensors", "--opset", 3),
        "--opset takes",
    ),
    "an opset of C": (
        lambda folder: export(fitted(), folder / "o", format="c", opset=13),
        'opset goes with format="onnx"',
        (EXPORT, "two.safetensors", "--format", "c", "--unverified", "--opset", 13),
        "--opset goes with --format onnx",
    ),
    "a name of nothing": (
        lambda folder: export(fitted(), folder / "o", name=""),
        "name takes a name",
        (EXPORT, "two.safetensors", "--name", ""),
        "--name takes a name",
    ),
    "a folder that is not there": (
        lambda folder: export(fitted(), folder / "none" / "o"),
        "cannot be written",
        (EXPORT, "two.safetensors", "-o", "none/o"),
        "-o FILE",
    ),
    "no model": (
        lambda folder: Predictor.load(folder / "none.onnx"),
        'lr_export.export(format="onnx")',
        (INFER, "none.onnx", 4),
        "lr-export --format onnx",
    ),
    "another's provider": (
        lambda _: Predictor.load(GOLDEN, provider="none"),
        'provider="none"',
        (INFER, GOLDEN, 4, "--provider", "none"),
        '--provider "none"',
    ),
    "an integer too large": (
        lambda _: Predictor.load(GOLDEN).predict([[2**24 + 1]]),
        'lr_export.export(input_dtype="float64")',
        (INFER, GOLDEN, 2**24 + 1),
        "lr-export --input float64",
    ),
}

TABLES = {
    "few.csv": "a,b,y\n0,0,1\n1,1,2\n",
    "semicolons.csv": "a;y\n1,5;2\n",
    "comma.csv": 'a,y\n1,2\n"1,5",2\n',
    "thousands.csv": "a,y\n1,2\n1 000,2\n",
    "mark.csv": "a,y\n1,2\nn.d.,2\n",
    "nameless.csv": "1,2\n3,4\n",
}
OF_PYTHON = re.compile(r"TableOptions|Resume\.|lr_[a-z]+\.|\b[a-z0-9]+_[a-z_0-9]+\b|=\[|=True|=False")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the files that the commands are given."""
    folder = tmp_path_factory.mktemp("workplace")
    arrays = {"t": table(), "twice": columns(c=2 * table()["a"]), "leak": columns(c=table()["y"]), "gap": gap()}
    for name, named in arrays.items():
        rows = zip(*(values.tolist() for values in named.values()), strict=True)
        lines = [",".join("" if value != value else repr(value) for value in row) for row in rows]  # noqa: PLR0124 - NaN
        (folder / f"{name}.csv").write_text("\n".join([",".join(named), *lines, ""]))
    for name, text in TABLES.items():
        (folder / name).write_text(text)
    fitted().save(folder / "two.safetensors")
    fitted(l2=1.0).save(str(folder / "biased.safetensors"))
    return folder


@pytest.mark.parametrize("case", MISTAKES)
def test_an_error_raised_from_python_names_parameters(case: str, tmp_path: Path) -> None:
    call, said, _, _ = MISTAKES[case]
    with pytest.raises(LinedgeError) as caught:
        call(tmp_path)
    assert said in str(caught.value)
    assert not re.search(r"--[a-z]| -o\b", str(caught.value) + repr(caught.value))


@pytest.mark.parametrize("case", MISTAKES)
def test_an_error_of_a_command_names_options(
    case: str, workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, (main, *words), said = MISTAKES[case]
    monkeypatch.chdir(workplace)
    with pytest.raises(SystemExit) as ended:
        cast("Command", main).main(list(map(str, words)), prog_name="command")
    message = capsys.readouterr().err
    assert ended.value.code in {1, 2, 3}
    assert said in message
    assert not OF_PYTHON.search(message)


WRONG_VALUES: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown": (lambda: Predictor.load(GOLDEN, unknown=cast("Any", "guess")), "error, missing"),
    "threads": (lambda: Predictor.load(GOLDEN, threads=0), "1 or more"),
    "provider": (lambda: Predictor.load(GOLDEN, provider=cast("Any", 3)), "text, not 3"),
    "SHA-256": (lambda: Predictor.load(GOLDEN, sha256=cast("Any", 3)), "64 hexadecimal digits"),
    "on_error": (
        lambda: list(predict_batches(Predictor.load(GOLDEN), [], on_error=cast("Any", "ignore"))),
        "stop, skip, null",
    ),
    "missing": (lambda: fitted(missing="zero"), "error, drop, mean, indicator"),
    "penalty": (lambda: fitted(penalty="ridge"), "one of auto"),
    "device": (lambda: fitted(device="gpu"), "cpu, cuda, auto"),
    "degree": (lambda: fitted(degree=1.5), "a whole number"),
    "loss": (lambda: Descent(loss=cast("Any", "l2")), "squared, huber"),
    "optimizer": (lambda: Descent(optimizer=cast("Any", "rmsprop")), "sgd, adam"),
    "schedule": (lambda: Descent(schedule=cast("Any", "step"), batch_size=4), "constant, linear"),
    "seed": (lambda: Descent(seed=-1), "0 or more"),
    "lr": (lambda: lesson(lr=-1.0), "a positive number, not -1"),
    "l1": (lambda: fitted(l1="x"), '0 or a positive number, not "x"'),
    "l2": (lambda: fitted(l2=np.inf), "not inf"),
    "l1_ratio": (lambda: fitted(penalty="auto", l1_ratio=[0.5]), 'from 0 to 1, not "[0.5]"'),
    "features": (lambda: fitted(features="a"), 'a list of names, not "a"'),
    "ignore": (lambda: fitted(ignore=3), "a list of names, not 3"),
    "category": (lambda: fitted(category=["a", 1]), "a list of names, not"),
    "target": (lambda: fitted(target=3), "a name, or a list of names, not 3"),
    "weight": (lambda: fitted(weight=["a"]), "text, not"),
    "units": (lambda: fitted(units={"a": 3}), "pairs of texts, not"),
    "intercept": (lambda: fitted(intercept="no"), 'True or False, not "no"'),
    "a table": (lambda: fit(cast("Any", 3), target="y"), 'or arrays by name, not "3"'),
    "quantile": (lambda: Descent(loss="quantile", quantile=cast("Any", "0.5")), 'between 0 and 1, not "0.5"'),
    "epochs": (lambda: Descent(epochs=cast("Any", 5.0)), "a whole number of 0 or more, not 5"),
    "nesterov": (lambda: Descent(nesterov=cast("Any", "yes")), 'True or False, not "yes"'),
    "init": (lambda: Descent(init=cast("Any", "m.safetensors")), "a checkpoint, which a command loads"),
    "opset": (lambda: export(fitted(), "o", opset=cast("Any", "13")), "a whole number"),
    "flags": (lambda: export(fitted(), "o", flags=cast("Any", "x")), "True or False"),
    "only_y": (lambda: Predictor.load(GOLDEN, only_y=cast("Any", "x")), "True or False"),
    "renames": (lambda: TableOptions(renames=cast("Any", ("new", "old"))), "pairs of texts"),
    "header": (lambda: TableOptions(header=cast("Any", "no")), "True or False"),
    "format": (lambda: export(fitted(), "o", format=cast("Any", "tflite")), "onnx, torchscript"),
    "precision": (lambda: export(fitted(), "o", precision=cast("Any", "half")), "exact, float32"),
    "input_dtype": (lambda: export(fitted(), "o", input_dtype=cast("Any", "float16")), "auto, float32"),
}


@pytest.mark.parametrize("parameter", WRONG_VALUES)
def test_a_value_that_the_commands_would_not_take_is_no_default_from_python(parameter: str) -> None:
    call, said = WRONG_VALUES[parameter]
    with pytest.raises(LinedgeError) as caught:
        call()
    assert parameter in str(caught.value)
    assert said in str(caught.value)
    assert "--" not in str(caught.value)


def test_a_warning_names_parameters_too() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fitted(source={**table(), "id": np.arange(20) + 2**60})
    (line,) = [str(one.message) for one in said if "2^53" in str(one.message)]
    assert "ignore" in line
    assert "--" not in line


def test_faults_of_single_rows_name_parameters_and_what_came_stays(tmp_path: Path) -> None:
    _, faults = Predictor.load(GOLDEN).predict_each([[1.0], [2**24 + 1]])
    assert list(faults) == [1]
    assert "--" not in faults[1]
    with pytest.raises(LinedgeError) as caught:
        fitted(target="--lr 3")
    assert '"--lr 3"' in str(caught.value)
    with of_a_command():
        assert worded("a --lr 3") == "a --lr 3"
    assert worded("a --lr 3") == "a lr=3"


def test_the_options_that_messages_propose_do_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text('a;y\n1,5;2\n2,5;3\n"1 000,25";4\n')
    options = eval('TableOptions(delimiter=";", decimal=",", thousands=" ")', {"TableOptions": TableOptions})  # noqa: S307
    assert fit(tmp_path / "w.csv", target="y", options=options).contract.rows == 3

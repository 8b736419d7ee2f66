"""Options once: what `--help` says of a default is what the code does, and Python has the same parameters."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import onnx
import pytest

import lr_export.cli
import lr_export.import_cli
import lr_runtime.commands.infer
import lr_runtime.commands.inspect
import lr_runtime.commands.serve
import lr_trainer.cli
from lr_export import export, from_torch
from lr_export.choices import ExportOptions
from lr_export.import_cli import ImportOptions
from lr_runtime import Predictor, predict_batches
from lr_runtime.choices import LoadOptions
from lr_runtime.options import options_in
from lr_runtime.prediction.jobs import scored
from lr_runtime.serving.options import Limits, ListenOptions
from lr_runtime.tables import TableOptions
from lr_runtime.wording import worded
from lr_trainer import Descent, fit, lesson
from lr_trainer.choices import FitOptions, LessonOptions
from lr_trainer.descent import options as descent_options
from lr_trainer.descent.resume import Resume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

COMMANDS: dict[str, click.Command] = {
    "lr-train": lr_trainer.cli.main,
    "lr-export": lr_export.cli.main,
    "lr-import": lr_export.import_cli.main,
    "lr-infer": lr_runtime.commands.infer.main,
    "lr-inspect": lr_runtime.commands.inspect.main,
    "lr-serve": lr_runtime.commands.serve.main,
}
RECORDS: dict[str, tuple[type, ...]] = {
    "lr-train": (FitOptions, Descent, TableOptions),
    "lr-export": (ExportOptions,),
    "lr-import": (ImportOptions, TableOptions),
    "lr-infer": (LoadOptions, TableOptions),
    "lr-inspect": (),
    "lr-serve": (ListenOptions, Limits, LoadOptions),
}
FUNCTIONS: dict[type, tuple[Callable[..., Any], set[str]]] = {
    FitOptions: (fit, {"source", "y", "options", "advance", "warn", "descent", "memory", "report", "saved", "workers"}),
    LessonOptions: (lesson, {"device", "report"}),
    ExportOptions: (export, {"checkpoint", "target", "format", "together"}),
    LoadOptions: (Predictor.load, {"path"}),
}
"""The function that each record belongs to, and its parameters that no option of the record is."""

OTHERS: dict[str, tuple[Callable[..., Any], str]] = {
    "--update": (lr_trainer.update, "checkpoint"),
    "--merge": (lr_trainer.merge, "others"),
    "--min-rows": (lr_trainer.merge, "min_rows"),
    "lr-train --on-error": (TableOptions, "skips"),
    "lr-infer --on-error": (predict_batches, "on_error"),
    "--dry-run": (lr_trainer.look, "source"),
    "--solver": (fit, "descent"),
    "--checkpoint-every": (Resume, "every"),
    "--resume": (Resume, "goes_on"),
    "--format": (export, "format"),
    "--explain": (Predictor.explain, "x"),
    "--invert": (Predictor.invert, "reading"),
    "--ranges-from": (from_torch, "X"),
    "--jobs": (scored, "jobs"),
}
"""Options of no record, and the parameters that they are from Python."""

OF_COMMANDS_ALONE = {
    *("--json", "--quiet", "--config", "--version", "--output"),  # what a command writes, and where it reads options
    "--manifest",  # of files, which whoever has the checkpoints knows
    *("--log", "--certificate"),  # `report` is called with each epoch, and what `export` returns has a `to_json`
    *("--keep", "--partition-by", "--follow", "--to"),  # whoever has the batches has their columns, and writes them
    *("--self-test", "--against", "--tolerance"),  # of files, by `lr_runtime.inspection`, which is not public
}


def typed(name: str) -> dict[str, click.Option]:
    return {each.opts[-1]: each for each in COMMANDS[name].params if isinstance(each, click.Option)}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_a_parameter_or_makes_sense_in_a_command_alone(name: str) -> None:
    of_records = {each.typed for record in RECORDS[name] for each in options_in(record)}
    for option in typed(name):
        if option in of_records or option in OF_COMMANDS_ALONE:
            continue
        function, parameter = OTHERS.get(option) or OTHERS[f"{name} {option}"]
        assert parameter in inspect.signature(function).parameters


@pytest.mark.parametrize("record", FUNCTIONS, ids=lambda record: record.__name__)
def test_a_function_has_the_parameters_of_its_record_with_the_same_defaults(record: type) -> None:
    function, others = FUNCTIONS[record]
    parameters = dict(inspect.signature(function).parameters)
    for each in options_in(record):
        default = parameters.pop(each.name).default
        required = default is inspect.Parameter.empty  # to be named from Python, if only as None
        assert (None if required else default) == each.default
    assert set(parameters) == others


def defaults(option: click.Option) -> str | None:
    """Return what the help of an option says is its default."""
    with click.Context(click.Command("command")) as context:
        _, said = option.get_help_record(context) or ("", "")
    found = re.findall(r"\[default: ([^\]]*)\]", said.replace("\n", " "))
    assert len(found) <= 1
    return found[0] if found else None


def table() -> dict[str, Any]:
    x = np.arange(12.0)
    return {"x": x, "y": x + np.sin(x)}


def graph_of(folder: Path) -> Any:
    export(fit(table(), target="y"), folder / "m.onnx")
    return onnx.load(folder / "m.onnx")


def default_of(function: Callable[..., Any], parameter: str) -> Any:
    return inspect.signature(function).parameters[parameter].default


SAID: dict[str, Callable[[Path], Sequence[object]]] = {
    "--epochs": lambda _: [Descent().most_epochs, Descent(batch_size=1).most_epochs, default_of(lesson, "epochs")],
    "--optimizer": lambda _: [Descent().stepper, Descent(batch_size=1).stepper, default_of(lesson, "optimizer")],
    "--lr": lambda _: [
        fit(table(), target="y", descent=Descent(optimizer="adam", epochs=0)).fit["lr"],
        default_of(lesson, "lr"),
    ],
    "--delta": lambda _: [descent_options.HUBER],
    "--quantile": lambda _: [fit(table(), target="y", descent=Descent(loss="quantile")).fit["quantile"]],
    "--patience": lambda _: [descent_options.PATIENCE],
    "--l1-ratio": lambda _: [
        fit(table(), target="y", penalty="auto").fit["penalty"]["l1"][0]  # of ridge
    ],
    "--checkpoint-every": lambda _: [30],
    "--opset": lambda folder: [graph_of(folder).opset_import[0].version],
    "--name": lambda folder: [graph_of(folder).graph.name],
    "lr-train --output": lambda _: ["model.safetensors"],
    "lr-import --output": lambda _: ["model.safetensors"],
    "lr-train --on-error": lambda _: ["stop"],
    "lr-infer --on-error": lambda _: [default_of(predict_batches, "on_error")],
    "--jobs": lambda _: [default_of(scored, "jobs")],
    "--format": lambda _: [default_of(export, "format")],
}
"""Defaults that are not those of a record's field: what they come to, of which the help names each."""

WORDS_ALONE = {"--features", "--batch-size", "--encoding", "--sheet", "--from", "--solver", "--to"}
"""Options whose help says in words what happens without them."""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_default_that_a_help_names_is_that_of_the_code(name: str, tmp_path: Path) -> None:
    of_records = {each.typed: each for record in RECORDS[name] for each in options_in(record)}
    for option, parameter in typed(name).items():
        said = defaults(parameter)
        plain = of_records[option].default if option in of_records else None
        if isinstance(plain, str | int | float) and not isinstance(plain, bool):
            assert said == (f"{plain:g}" if isinstance(plain, float) else str(plain))
            continue
        if said is None or option in WORDS_ALONE:
            assert not re.search(r"[0-9]", said or "") or option == "--encoding"
            continue
        expected = (SAID.get(option) or SAID[f"{name} {option}"])(tmp_path)
        numbers = [float(number) for number in re.findall(r"(?<![\w-])[0-9]+(?:\.[0-9]+)?", said)]
        assert numbers == [each for each in expected if isinstance(each, int | float)]
        assert all(each in said for each in expected if isinstance(each, str))


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_names_a_default_in_another_way(name: str) -> None:
    for parameter in typed(name).values():
        assert not re.search(r"\([^)]*\b[0-9.]+\)|[Dd]efault(?!: )", parameter.help or ""), parameter.opts


@pytest.mark.parametrize("record", [*FUNCTIONS, Descent, TableOptions], ids=lambda record: record.__name__)
def test_a_message_calls_an_option_what_python_calls_it(record: type) -> None:
    home = "TableOptions." if record is TableOptions else ""
    for each in options_in(record):
        assert worded(each.typed).replace("(", ".").startswith(f"{home}{each.name}")

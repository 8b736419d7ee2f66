"""Writes this version's golden files: checkpoints of every kind of fit, each as every artefact that it can become.

    python -m tests.golden.writing

makes tests/data/golden-VERSION, once: a version that was given to users is never written again. Beside the files stand
`rows.json`, the values that they predict from, and `predictions.json`, the results of every artefact as float64.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export import export
from lr_export.certificate.specification import Blueprint
from lr_export.choices import that_have
from lr_export.formats.registry import BACKENDS
from lr_runtime import __version__
from lr_runtime.contract.contract import PRECISIONS
from lr_runtime.contract.formats import EXPORT_FORMATS
from lr_trainer import Descent, fit, lesson
from tests.conftest import DATA
from tests.export.source_code import c_driver, js_driver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lr_export.formats.backend import Engine
    from lr_runtime.contract.contract import Contract, Precision
    from lr_runtime.contract.formats import FormatName
    from lr_trainer import Checkpoint

ROWS = 12


def _columns(random: np.random.Generator, size: int = 80) -> dict[str, Any]:
    temp, rh = random.normal(21.0, 4.0, size), random.uniform(0.2, 0.9, size)
    site = random.choice(["north", "south", "east"], size)
    y = 1.5 + 0.25 * temp - 3.0 * rh + np.where(site == "south", 0.7, 0.0) + random.normal(0, 0.3, size)
    return {"temp": temp, "rh": rh, "site": site, "y": y}


def _every_term() -> Checkpoint:
    columns = _columns(np.random.default_rng(10))
    columns["z"] = np.exp(columns["rh"])
    columns["temp"][::9] = np.nan
    columns["site"] = np.where(np.arange(80) % 11 == 0, "", columns["site"])
    units = {"temp": "degC", "y": "ppb"}
    return fit(columns, target=["y", "z"], degree=2, missing="indicator", units=units)


def _far_from_zero() -> Checkpoint:
    columns = _columns(np.random.default_rng(11))
    columns["t"] = 1.7e9 + np.random.default_rng(12).uniform(-3600, 3600, 80)
    columns["y"] += 1e-3 * (columns["t"] - 1.7e9)
    return fit(columns, target="y", ignore=["site"])


def _ridge() -> Checkpoint:
    columns = _columns(np.random.default_rng(13), 200)
    return fit(columns, target="y", l2=0.5, l1=0.01, interval=0.9)


def _huber() -> Checkpoint:
    columns = _columns(np.random.default_rng(14))
    return fit(columns, target="y", missing="mean", descent=Descent(loss="huber"))


def _weighted() -> Checkpoint:
    columns = _columns(np.random.default_rng(15))
    columns["w"] = np.random.default_rng(16).uniform(0.5, 2.0, 80)
    return fit(columns, target="y", weight="w", intercept=False, ignore=["site"])


CHECKPOINTS: dict[str, Callable[[], Checkpoint]] = {
    "lesson": lambda: lesson()[0],
    "every-term": _every_term,
    "far-from-zero": _far_from_zero,
    "ridge": _ridge,
    "huber": _huber,
    "weighted": _weighted,
}
_IN_EVERY_FORMAT = {"lesson", "every-term"}
_LEVELS: dict[str, float | None] = {"lesson": None, "huber": None, "ridge": 0.9}


def rows_of(contract: Contract) -> NDArray[np.float64]:
    """Return rows (ROWS, columns) inside and beside the training ranges; a category as its index, NaN where missing."""
    random, drawn = np.random.default_rng(17), []
    for column in contract.columns:
        width = column.maximum - column.minimum
        values = random.uniform(column.minimum - width / 8, column.maximum + width / 8, ROWS)
        if column.categories:
            values = np.floor(random.uniform(0, len(column.categories), ROWS))
        missing = (random.uniform(size=ROWS) < 0.2) & (column.missing != "error")
        drawn.append(np.where(missing, np.nan, values))
    return np.column_stack(drawn)


def options_of(name: str, format_name: FormatName) -> dict[str, Any]:
    """Return what `export` is asked for, for one of the checkpoints in a format."""
    can = "y_lower" in EXPORT_FORMATS[format_name].results and _LEVELS.get(name, 0.95) is not None
    return {"interval": _LEVELS.get(name, 0.95), "flags": True} if can else {}


def artefacts_of(name: str) -> list[tuple[FormatName, Precision, str]]:
    """Return the format, the precision and the file name of each artefact of a checkpoint."""
    # A page from disk holds the scripts of its release, beside the module that the format js writes.
    formats = [each for each in EXPORT_FORMATS if each != "html"] if name in _IN_EVERY_FORMAT else ["onnx"]
    return [
        (each, precision, f"{name}-{precision}{EXPORT_FORMATS[each].suffix}")
        for precision in PRECISIONS
        for each in that_have(precision)
        if each in formats
    ]


def results_of(content: bytes, blueprint: Blueprint, format_name: FormatName, x: NDArray[Any]) -> Mapping[str, Any]:
    """Return what an artefact gives for rows, by its own engine, as JSON values."""
    engine = _engine(content, blueprint, format_name)
    results = engine(x.astype(blueprint.numbers.input))
    return {name: values.astype(np.float64).tolist() for name, values in results.items()}


def _engine(content: bytes, blueprint: Blueprint, format_name: FormatName) -> Engine:
    """Return what runs an artefact; source code of a version without a self-test gets one that finds nothing wrong."""
    tool = EXPORT_FORMATS[format_name].tool
    if tool is None:
        return next(iter(BACKENDS[format_name].reopen(content, blueprint.program).engines.values()))
    if format_name == "c":
        added = b"" if b"self_test(" in content else b"static inline int linedge_self_test(void) { return 0; }\n"
        return c_driver(content + added, blueprint.program)
    added = b"" if b"selfTest(" in content else b"export function selfTest() { return 0; }\n"
    return js_driver(content + added, blueprint.program)


def blueprint_of(checkpoint: Checkpoint, name: str, format_name: FormatName, precision: Precision) -> Blueprint:
    """Return what an artefact is to be."""
    options = options_of(name, format_name)
    return Blueprint.of(checkpoint, precision, interval=options.get("interval"), flags=options.get("flags", False))


def write(folder: Path) -> None:
    """Write all of it."""
    rows, predictions = {}, {}
    for name, make in CHECKPOINTS.items():
        checkpoint = make()
        checkpoint.save(folder / f"{name}.safetensors")
        x = rows_of(checkpoint.contract)
        rows[name] = [[None if np.isnan(value) else value for value in row] for row in x.tolist()]
        for format_name, precision, file in artefacts_of(name):
            export(checkpoint, folder / file, format=format_name, precision=precision, **options_of(name, format_name))
            blueprint = blueprint_of(checkpoint, name, format_name, precision)
            predictions[file] = results_of((folder / file).read_bytes(), blueprint, format_name, x)
    (folder / "rows.json").write_text(json.dumps(rows) + "\n")
    (folder / "predictions.json").write_text(json.dumps(predictions) + "\n")


if __name__ == "__main__":
    target = DATA / f"golden-{__version__}"
    if target.exists():
        raise SystemExit(f"{target} is there already: what users have does not change")
    with tempfile.TemporaryDirectory() as made:
        write(Path(made))
        shutil.copytree(made, target)

"""The models that every engine is held against, built once a process, and what is known of their results exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export.certificate.specification import Blueprint
from lr_export.certificate.trial import Trial
from lr_export.choices import check_pair
from lr_export.formats.onnx import onnx_bytes
from lr_export.formats.registry import BACKENDS
from lr_runtime.errors import OptionError
from lr_runtime.onnx_file.session import Session
from lr_trainer import fit
from tests.conftest import CHECKPOINTS, EXPANDED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lr_export.formats.backend import Results
    from lr_export.model.exact import Floats
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Precision
    from lr_runtime.contract.formats import FormatName


def _far() -> dict[str, Any]:
    random = np.random.default_rng(31)
    t, k = random.uniform(1.7e9, 1.7e9 + 86400, 80), random.normal(273.15, 0.01, 80)
    return {"t": t, "k": k, "y": 4e-4 * (t - 1.7e9) - 30 * (k - 273.15) + random.normal(size=80)}


def _curved() -> dict[str, Any]:
    random = np.random.default_rng(5)
    columns = {name: random.normal(20.0, 3.0, 60) for name in ("a", "b", "y")}
    return {**columns, "site": random.choice(["p", "q", "r"], 60)}


def _gaps() -> dict[str, Any]:
    columns = _curved()
    columns["b"][::7] = np.nan
    return {**columns, "z": 1e6 + 1e3 * columns["a"] + np.random.default_rng(6).normal(size=60)}


MODELS: dict[str, Callable[[], Checkpoint]] = {
    "plain columns": CHECKPOINTS["ten columns"],
    "two outputs": CHECKPOINTS["two outputs"],
    "terms that cancel": CHECKPOINTS["cancelling"],
    "a category that may be missing": EXPANDED["a category alone that may be missing"],
    "powers, categories, missing values": EXPANDED["the same with two outputs"],
    "origins far from 0, interval and flags": lambda: fit(_far(), target="y"),
    "powers, interval and flags": lambda: fit(_curved(), target="y", degree=2),
    "missing values, two targets, interval and flags": lambda: fit(
        _gaps(), target=["y", "z"], features=["a", "b", "site"], missing="indicator"
    ),
}


@dataclass(frozen=True)
class Case:
    """A model at a precision.

    Attributes:
        blueprint: what its files are to be.
        trial: rows with exact results and their bounds, and rows that the model refuses.
        x: all that an engine is given: the rows of the trial, its refused ones, and the golden rows.
        expected: what the ONNX Runtime that is installed gives there.
    """

    blueprint: Blueprint
    trial: Trial
    x: Floats
    expected: Results

    def content(self, format_name: FormatName) -> bytes:
        """Return its file in a format."""
        return BACKENDS[format_name].build(self.blueprint.program, self.blueprint.contract)


def cases(format_name: FormatName, precision: Precision) -> Mapping[str, Case]:
    """Return every model at a precision, with all results that a format can give of it."""
    return {name: _case(name, precision, _gives(format_name)) for name in MODELS}


def _gives(format_name: FormatName) -> bool:
    try:
        check_pair(format_name, "exact", ("y_lower",))
    except OptionError:
        return False
    return True


@cache
def _checkpoint(name: str) -> Checkpoint:
    return MODELS[name]()


@cache
def _case(name: str, precision: Precision, more: bool) -> Case:
    checkpoint = _checkpoint(name)
    level = 0.95 if more and checkpoint.leverage is not None else None
    blueprint = Blueprint.of(checkpoint, precision, interval=level, flags=level is not None)
    trial, dtype = Trial.of(blueprint), blueprint.numbers.input
    golden: NDArray[Any] = np.array([row.x for row in blueprint.contract.golden_rows], dtype=dtype)
    x = np.concatenate([trial.x, trial.refused, golden.reshape(-1, trial.x.shape[1])])
    names = list(blueprint.program.results)
    given = Session(onnx_bytes(blueprint.program, blueprint.contract)).evaluate(x, names)
    return Case(blueprint, trial, x, dict(zip(names, given, strict=True)))

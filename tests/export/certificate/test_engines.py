"""Engines that are wrong, at one row or by one step beyond the bound, and models that do not fit a precision."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_export import export
from lr_export.certificate.probes import probe_rows
from lr_export.choices import that_have
from lr_export.formats import torch_module
from lr_export.formats.registry import BACKENDS
from lr_export.model.numbers import numbers_at
from lr_runtime.errors import CheckFailedError
from tests.conftest import checkpoint_of
from tests.export.certificate.test_certificate import plant
from tests.export.formats.test_formats import CHECKPOINT
from tests.export.oracle import bounds, outputs
from tests.export.present import param

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lr_export.formats.backend import Engine, Opened, Results
    from lr_export.program.program import Program
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.formats import FormatName
    from tests.export.oracle import Floats

    Run = Callable[[Floats], Floats]


def _raises(_: Run, __: Floats) -> Floats:
    raise RuntimeError("out of luck")


def _only(size: int, fault: Callable[[Floats], Floats]) -> Callable[[Run, Floats], Floats]:
    return lambda run, x: fault(run(x)) if len(x) == size else run(x)


ENGINES: dict[str, Callable[[Run, Floats], Floats]] = {
    "flat": lambda run, x: run(x).ravel(),
    "one row too many": lambda run, x: np.vstack([run(x), np.zeros((1, 1), dtype=x.dtype)]),
    "one row where there is none": _only(0, lambda _: np.zeros((1, 1), dtype=np.float32)),
    "float64": lambda run, x: run(x).astype(np.float64),
    "not a number": lambda run, x: run(x) * np.float32(np.nan),
    "infinite": lambda run, x: run(x) + np.float32(np.inf),
    "raises": _raises,
    "wrong alone": _only(1, lambda y: y + np.float32(1)),
    "wrong in pairs": _only(2, lambda y: y[::-1].copy()),
    "wrong in batches of 7": _only(7, lambda y: np.roll(y, 1, axis=0)),
    "wrong in batches of 1000": _only(1000, lambda y: np.roll(y, 1, axis=0)),
    "the same for every row": lambda run, x: np.repeat(run(x[:1]), len(x), axis=0) if len(x) else run(x),
}


def with_fault(engine: Engine, fault: Callable[[Run, Floats], Floats]) -> Engine:
    def run(x: Floats) -> Results:
        return {"y": fault(lambda rows: engine(rows)["y"], x)}

    return run


def plant_engine(monkeypatch: pytest.MonkeyPatch, which: str, fault: Callable[[Run, Floats], Floats]) -> FormatName:
    """Put a faulty engine in place of `which`; returns the format that it belongs to."""
    if which == "eager":
        eager = torch_module.eager
        monkeypatch.setattr(torch_module, "eager", lambda program: with_fault(eager(program), fault))
        return "onnx"
    format_name: FormatName = "torchscript" if which == "torchscript" else "onnx"
    reopen = BACKENDS[format_name].reopen

    def faulty_reopen(content: bytes, program: Program) -> Opened:
        opened = reopen(content, program)
        (name,) = [name for name in opened.engines if name.startswith(which)]
        # ONNX Runtime is wrong in the same way however far it optimises.
        wrong = which == "onnxruntime"
        optimised = {level: with_fault(run, fault) if wrong else run for level, run in opened.optimised.items()}
        engines = {**opened.engines, name: with_fault(opened.engines[name], fault)}
        return replace(opened, engines=engines, optimised=optimised)

    plant(monkeypatch, format_name, reopen=faulty_reopen)
    return format_name


WHICH = ["onnxruntime", "onnx reference", "torchscript", "eager"]


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("fault", ENGINES.values(), ids=ENGINES)
def test_an_engine_that_is_wrong(
    fault: Callable[[Run, Floats], Floats],
    which: str,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    format_name = plant_engine(monkeypatch, which, fault)
    with np.errstate(invalid="ignore"):
        assert refused(format_name).startswith(which)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_called_that(
    value: float, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_engine(monkeypatch, "onnxruntime", lambda _, x: np.full((len(x), 1), value, dtype=x.dtype))
    assert "gives a y that is not finite" in refused("onnx")


def at_the_edge(row: Floats, *, beyond: bool) -> np.float32:
    """Return the largest output that the bound allows at a row, or the next one, which it does not."""
    x = row[None, :]
    limit = outputs(CHECKPOINT, x)[0, 0] + bounds(CHECKPOINT, numbers_at(CHECKPOINT, "exact"), x)[0, 0]
    allowed = np.float32(float(limit))
    while Fraction(float(allowed)) > limit:
        allowed = np.nextafter(allowed, np.float32(-np.inf))
    return np.nextafter(allowed, np.float32(np.inf)) if beyond else allowed


def off_at_one_row(position: int, *, beyond: bool) -> Callable[[Run, Floats], Floats]:
    row = probe_rows(CHECKPOINT, "float32")[position]
    value = at_the_edge(row, beyond=beyond)

    def fault(run: Run, x: Floats) -> Floats:
        y = run(x).copy()
        y[(x == row).all(axis=1)] = value
        return y

    return fault


POSITIONS = {"the first row": 0, "a middle row": 500, "the last row": -1}


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("position", POSITIONS.values(), ids=POSITIONS)
def test_one_output_one_step_beyond_the_bound(
    which: str, position: int, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = refused(plant_engine(monkeypatch, which, off_at_one_row(position, beyond=True)))
    row = probe_rows(CHECKPOINT, "float32")[position]
    assert message.startswith(which)
    assert repr(row.tolist()) in message


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("position", POSITIONS.values(), ids=POSITIONS)
def test_one_output_just_within_the_bound_passes(
    which: str, position: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    format_name = plant_engine(monkeypatch, which, off_at_one_row(position, beyond=False))
    found = export(CHECKPOINT, tmp_path / "model", format=format_name)
    assert max(measured.worst_share for measured in found.engines) <= 1


UNFIT: dict[str, tuple[Checkpoint, dict[str, Any], str]] = {
    "a weight beyond float32": (checkpoint_of([[1e300]], 0.0), {"precision": "float32"}, "--precision exact"),
    "outputs beyond float32": (checkpoint_of([[1e30]], 0.0, high=1e30), {}, "--precision"),
    "outputs beyond float64": (checkpoint_of([[1e300]], 0.0, high=1e300), {"precision": "float64"}, "float64"),
    "sums beyond float64": (
        checkpoint_of([[1e300, -1e300]], 0.0, low=1.5e8, high=1.6e8),
        {"precision": "float64"},
        "float64",
    ),
    "a range beyond float32": (
        checkpoint_of([[1e-300]], 0.0, high=1e300),
        {"input_dtype": "float32"},
        "--precision float64",
    ),
}


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize(
    ("format_name", "case"),
    [
        param(name, case)
        for case, (_, options, _) in UNFIT.items()
        for name in that_have(options.get("precision", "exact"))
    ],
)
def test_a_model_that_does_not_fit_a_precision(format_name: FormatName, case: str, tmp_path: Path) -> None:
    checkpoint, options, advice = UNFIT[case]
    with pytest.raises(CheckFailedError) as caught:
        export(checkpoint, tmp_path / "model", format=format_name, **options)
    assert advice in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_full_range_of_float64_can_be_certified(tmp_path: Path) -> None:
    checkpoint = checkpoint_of([[1e-300, 1.0]], 0.5, low=[-1.7e308, -1.0], high=[1.7e308, 1.0])
    found = export(checkpoint, tmp_path / "model", precision="float64")
    assert found.input_rounding == (0.0,)

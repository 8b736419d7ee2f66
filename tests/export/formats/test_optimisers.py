"""No optimiser changes a file: ONNX Runtime gives the same bits however far it rewrites the graph; planted faults."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from lr_export import export
from lr_export.certificate.specification import Blueprint
from lr_export.formats import onnx as onnx_graph
from lr_export.formats.onnx import onnx_bytes, read_checked
from lr_export.formats.registry import BACKENDS
from lr_export.program.program import Builder, Constant
from lr_runtime import Predictor
from lr_runtime.contract.contract import PRECISIONS
from lr_runtime.errors import CheckFailedError
from lr_runtime.onnx_file.check import check_model
from lr_runtime.onnx_file.session import OPTIMISATIONS, Session
from tests.conftest import ROOT, checkpoint_of
from tests.export.formats.test_source import CONTRACT
from tests.export.oracle import some_rows
from tests.export.scaled import LEVEL, conformal, fitted, in_units_of, of_width, width_of
from tests.export.straight_line import evaluated, same_bits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lr_export.formats.backend import Opened
    from lr_export.program.program import Operation, Program
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Dtype, Precision
    from tests.conftest import Run

NEAR = 1 + 3e-9
"""1 in float32, and not in float64."""


def by_optimisation(content: bytes, program: Program, x: Any) -> dict[str, list[Any]]:
    """Return the results by how far ONNX Runtime optimises the file."""
    return {level: Session(content, optimisation=level).evaluate(x, list(program.results)) for level in OPTIMISATIONS}


def same_everywhere(found: dict[str, list[Any]]) -> bool:
    expected, *others = found.values()
    return all(same_bits(a, b) for other in others for a, b in zip(other, expected, strict=True))


# --- single operations ---

CONSTANTS = [0.0, -0.0, 1e-46, -1e-46, 1e-300, 5e-324, -(2.0**-150), 2.0**-149, 1.0, NEAR, 1 - 3e-9, 1 + 2.0**-23, 2.0]
OPERATIONS: tuple[Operation, ...] = ("add", "subtract", "multiply", "divide")


def single(operation: Operation, constant: float, dtype: Dtype, *, first: bool) -> Program:
    """Return an operation on a constant, between others: what stands first or last in a graph is never dropped."""
    build, held = Builder(1, dtype), Constant("weight", np.array([constant], dtype))
    value = build.add(build.x, build.x)
    operands = (held, value) if first else (value, held)
    made = build._arithmetic(operation, *operands)
    build.result("y", build.add(made, made))
    return build.program()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("first", [False, True])
def test_no_constant_is_dropped(operation: Operation, dtype: Dtype, *, first: bool) -> None:
    random = np.random.default_rng(2)
    values = np.concatenate([random.normal(size=40) * 10.0 ** random.integers(-320, 300, 40), CONSTANTS, [0.1, 0.7]])
    for constant in CONSTANTS:
        if dtype == "float32" and np.float32(constant) != constant:
            continue
        program = single(operation, constant, dtype, first=first)
        with np.errstate(over="ignore", under="ignore"):
            x = values[:, None].astype(dtype)
        content = onnx_bytes(program, CONTRACT)
        (expected,) = evaluated(program, x).values()
        for level, (got,) in by_optimisation(content, program, x).items():
            # Where an exact zero is dropped, a zero keeps its sign.
            assert same_bits(got + 0, expected + 0), (level, constant)
        assert read_checked(content)[1]["weight"].tobytes() == program.constants["weight"].tobytes()


DROPPED: dict[Operation, float] = {"add": 1e-50, "subtract": 1e-50, "multiply": NEAR, "divide": NEAR}


@pytest.mark.parametrize(("operation", "constant"), DROPPED.items())
def test_the_optimiser_does_drop_it_from_a_graph_as_plain_as_can_be(
    operation: Operation, constant: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = single(operation, constant, "float64", first=False)
    x = np.array([[1e-50], [3.0]])
    assert same_everywhere(by_optimisation(onnx_bytes(program, CONTRACT), program, x))
    monkeypatch.setattr(onnx_graph, "_may_be_dropped", lambda _: False)
    found = by_optimisation(onnx_bytes(program, CONTRACT), program, x)
    assert not same_everywhere(found)
    assert same_bits(found["none"][0], evaluated(program, x)["y"])


def test_two_spellings_of_a_constant_that_differ_are_no_file() -> None:
    build, held = Builder(1, "float64"), Constant("bias", np.array([1e-60]))
    build.result("y", build.subtract(build.add(build.x, held), held))
    model = onnx.load_model_from_string(onnx_bytes(build.program(), CONTRACT))
    assert {tensor.name for tensor in model.graph.initializer} == {"b", "b_negative"}
    model.graph.initializer[1].raw_data = np.array([-2e-60]).tobytes()
    with pytest.raises(ValueError, match="two different numbers for the bias"):
        read_checked(model.SerializeToString())


# --- whole models ---

SCALES = (-300, -200, -155, -60, -43, -30, -23, -22, 0, 12, 19, 30, 100, 153, 200, 299)


def held_at_every_level(blueprint: Blueprint, rows: int = 60) -> None:
    content = onnx_bytes(blueprint.program, blueprint.contract)
    check_model(content)  # the runtime lets it in
    x = some_rows(blueprint.checkpoint, rows, blueprint.numbers.input)
    found = by_optimisation(content, blueprint.program, x)
    assert same_everywhere(found), blueprint.contract.precision
    if blueprint.contract.precision == "portable":
        assert all(map(same_bits, found["all"], evaluated(blueprint.program, x).values()))


@pytest.mark.parametrize("kind", [lambda checkpoint: checkpoint, conformal], ids=["least squares", "conformal"])
@pytest.mark.parametrize("scale", SCALES)
def test_targets_at_any_scale_have_intervals_and_flags(
    scale: int, kind: Callable[[Checkpoint], Checkpoint], tmp_path: Path
) -> None:
    checkpoint = kind(in_units_of(fitted(), 10.0**-scale))
    export(checkpoint, tmp_path / "m.onnx", precision="float64", interval=LEVEL, flags=True)
    (column,) = checkpoint.contract.columns
    middle = np.array([[(column.minimum + column.maximum) / 2]])
    ends = Session((tmp_path / "m.onnx").read_bytes()).evaluate(middle, ["y_lower", "y", "y_upper"])
    lower, y, upper = (float(end[0, 0]) for end in ends)
    width = width_of(checkpoint)
    # Wider by the leverage, which is about 1 / 40 there.
    assert y - 1.2 * width < lower < y - 0.99 * width < y + 0.99 * width < upper < y + 1.2 * width
    precisions: tuple[Precision, ...] = ("exact", "float32", "portable")
    for precision in precisions:
        if -37 < scale < 37:
            held_at_every_level(Blueprint.of(checkpoint, precision, interval=LEVEL, flags=True))
        else:
            with pytest.raises(CheckFailedError, match=r"of float32.* Try "):
                Blueprint.of(checkpoint, precision, interval=LEVEL, flags=True)


def test_200_random_models_have_the_same_bits_however_they_are_optimised() -> None:
    random = np.random.default_rng(13)
    precisions: tuple[Precision, ...] = ("exact", "portable", "float64", "float32")
    for seed in range(200):
        checkpoint = fitted(seed, degree=1 + seed % 2)
        if seed % 3 == 0:
            checkpoint = of_width(checkpoint, 1 + random.normal() * 1e-8)
        elif seed % 3 == 1:
            checkpoint = in_units_of(checkpoint, 10.0 ** random.uniform(-22, 28))
        if seed % 7 == 0:
            checkpoint = conformal(checkpoint)
        held_at_every_level(Blueprint.of(checkpoint, precisions[seed % 4], interval=LEVEL, flags=True))


ZERO_OR_ONE = {
    "weight 1": lambda: checkpoint_of([[1.0]], 0.3),
    "weight near 1": lambda: checkpoint_of([[NEAR]], 0.3),
    "weight 0": lambda: checkpoint_of([[0.0]], 0.3),
    "bias 0": lambda: checkpoint_of([[-2.0]], 0.0),
    "bias near 0": lambda: checkpoint_of([[-2e-40]], 1e-46, low=-1e9, high=1e9),
    "bias 1": lambda: checkpoint_of([[2.0]], 1.0),
    "origin near 0": lambda: checkpoint_of([[2e60]], 1.0, origin=1e-60, low=1e-60, high=2e-60),
    "origin 1": lambda: checkpoint_of([[2.0]], 1.0, origin=1.0),
    "limits near 0": lambda: checkpoint_of([[2e60]], 1.0, low=1e-60, high=3e-60),
    "limits 0 and 1": lambda: checkpoint_of([[2.0]], 1.0, low=0.0, high=1.0),
    "scale 1 and another": lambda: checkpoint_of([[2.0, 3.0]], 1.0, scale=[1.0, 2.0]),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", ZERO_OR_ONE)
def test_numbers_that_are_0_or_1_in_float32(case: str, precision: Precision) -> None:
    checkpoint = ZERO_OR_ONE[case]()
    try:
        blueprint = Blueprint.of(checkpoint, precision, "float64" if precision == "exact" else "auto", flags=True)
    except CheckFailedError:
        assert precision in {"float32", "portable"}  # which have no such numbers
        assert "near 0" in case
        return
    held_at_every_level(blueprint)
    content = onnx_bytes(blueprint.program, blueprint.contract)
    limits = blueprint.uncertainty.limits
    assert limits is not None
    low, high = (each.astype(np.float64) for each in (limits.low, limits.high))
    x = np.array([low, high, (low + high) / 2, low - (high - low) / 2, high + (high - low) / 2])
    x = x.astype(blueprint.numbers.input)
    (found,) = Session(content).evaluate(x, ["in_range"])
    assert found[:, 0].tolist() == [True, True, True, False, False]


# --- the gate ---


def test_a_target_near_nothing_is_exported_as_a_user_does(run: Callable[..., Run], tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/data/tiny_target.csv", tmp_path)
    assert run("lr-train", "tiny_target.csv", "--target", "y").returncode == 0
    done = run("lr-export", "--format", "onnx", "--interval", "0.95", "--flags", "--quiet")
    assert done.returncode == 0, done.stderr
    for precision in PRECISIONS:
        target = tmp_path / f"{precision}.onnx"
        export(tmp_path / "model.safetensors", target, precision=precision, interval=0.95, flags=True)
        (found,) = Predictor.load(target).predict([[0.1]]).rows()
        # y = (1 + 2 x) 1e-22 with a standard deviation of 1e-23
        assert 0.9e-22 < found["y_lower"] < 1.1e-22 < found["y"] < 1.3e-22 < found["y_upper"] < 1.6e-22


@pytest.mark.parametrize("width", [1e-30, 1 + 1e-8])
@pytest.mark.parametrize("precision", ["exact", "float64"])
def test_the_gate_finds_a_constant_that_is_dropped(
    width: float, precision: Precision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = of_width(fitted(), width)
    export(checkpoint, tmp_path / "right", precision=precision, interval=LEVEL)
    monkeypatch.setattr(onnx_graph, "_may_be_dropped", lambda _: False)
    with pytest.raises(CheckFailedError, match=r"an optimiser may drop its (Add|Mul) of q"):
        export(checkpoint, tmp_path / "wrong", precision=precision, interval=LEVEL)
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_optimisation_that_changes_results_is_found(
    precision: Precision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = BACKENDS["onnx"]

    def reopen(content: bytes, program: Program) -> Opened:
        opened = honest.reopen(content, program)
        (name, run), *others = opened.optimised.items()
        digits = 1e-6 if precision in {"exact", "portable"} else 1.0
        wrong = {name: lambda x: {key: y * y.dtype.type(1 + digits) for key, y in run(x).items()}}
        return replace(opened, optimised={**wrong, **dict(others)})

    monkeypatch.setitem(BACKENDS, "onnx", replace(honest, reopen=reopen))
    with pytest.raises(CheckFailedError, match="optimisation none"):
        export(fitted(), tmp_path / "m", precision=precision)


def test_the_certificate_names_what_it_compared(tmp_path: Path) -> None:
    levels = export(fitted(), tmp_path / "m.onnx").optimised
    assert [level.rpartition(" ")[2] for level in levels] == ["none", "basic", "extended"]
    assert export(fitted(), tmp_path / "m.pt", format="torchscript").optimised == ()

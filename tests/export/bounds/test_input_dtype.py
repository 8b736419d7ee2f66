"""The dtype of inputs: float32 unless that costs what matters, and what it costs, said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from lr_export import export
from lr_export.bounds.forward import input_rounding
from lr_export.bounds.input_dtype import Inputs
from lr_export.exact.box import box
from lr_runtime import Predictor
from lr_runtime.errors import OptionError
from tests.conftest import EXPANDED, checkpoint_of
from tests.export.oracle import fractions, outputs, some_rows

if TYPE_CHECKING:
    from pathlib import Path

    from lr_export.choices import InputChoice
    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Dtype, Precision
    from tests.export.oracle import Exact


def with_sd(residual_sd: float | None, high: float = 1.0, low: float = -1.0) -> Checkpoint:
    checkpoint = checkpoint_of([[1.0]], 0.0, high=high, low=low)
    outputs_ = tuple(output._replace(residual_sd=residual_sd) for output in checkpoint.contract.outputs)
    return replace(checkpoint, contract=checkpoint.contract._replace(outputs=outputs_))


HALF_ULP = 2.0**-24
"""Of float32 at 1, the end of the range of `with_sd`; its weight is 1."""
CHOSEN: dict[str, tuple[Checkpoint, Dtype]] = {
    "a hundredth of the residual sd": (with_sd(100 * HALF_ULP), "float32"),
    "more than a hundredth": (with_sd(99 * HALF_ULP), "float64"),
    "an exact fit": (with_sd(0.0), "float64"),
    "no residual at all": (with_sd(None), "float32"),
    "no residual, and less than 1e5 roundings of range": (with_sd(None, low=1 - 9e4 * HALF_ULP), "float64"),
    "no residual, and more than 1e5 roundings of range": (with_sd(None, low=1 - 1.1e5 * HALF_ULP), "float32"),
    "no residual, and no range": (with_sd(None, low=1.0), "float64"),
    "a descent's small residuals": (replace(with_sd(None), fit={"rmse": 99 * HALF_ULP}), "float64"),
    "a descent's large residuals": (replace(with_sd(None), fit={"rmse": 100 * HALF_ULP}), "float32"),
    "integers up to 2^24": (with_sd(1e9, high=2.0**24), "float32"),
    "integers beyond 2^24": (with_sd(1e9, high=2.0**24 + 1), "float64"),
    "fractions beyond 2^24": (with_sd(1e9, high=2.0**24 + 1.5), "float32"),
    "a range beyond float32": (with_sd(1e9, high=1e39), "float64"),
}


@pytest.mark.parametrize(("checkpoint", "chosen"), CHOSEN.values(), ids=CHOSEN)
def test_auto_is_float32_unless_that_costs_what_matters(checkpoint: Checkpoint, chosen: Dtype) -> None:
    inputs = Inputs.of(checkpoint, "exact", "auto")
    assert inputs.dtype == chosen
    assert (inputs.remark is None) == (chosen == "float32")
    if chosen == "float64":
        assert inputs.cost == (0.0,)
        assert "--input float32" in str(inputs.remark)


@pytest.mark.parametrize("precision", ["float32", "portable"])
def test_a_precision_of_float32_alone_says_what_it_costs(precision: Precision) -> None:
    inputs = Inputs.of(with_sd(50 * HALF_ULP), precision, "auto")
    assert (inputs.dtype, inputs.cost, inputs.share) == ("float32", (HALF_ULP,), 0.02)
    assert "up to 0.02 residual standard deviations" in str(inputs.remark)
    assert Inputs.of(with_sd(1.0), precision, "auto").remark is None


def test_what_was_asked_for_is_taken_without_a_remark() -> None:
    asked = Inputs.of(with_sd(HALF_ULP), "exact", "float32")
    assert asked == Inputs("float32", (HALF_ULP,), 1.0)
    assert Inputs.of(with_sd(1.0), "exact", "float64") == Inputs("float64", (0.0,), 0.0)


@pytest.mark.parametrize(
    ("precision", "choice"), [("float64", "float32"), ("float32", "float64"), ("portable", "float64")]
)
def test_a_contradiction_is_wrong_usage(precision: Precision, choice: InputChoice, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"the precision {precision} takes .* inputs, not {choice}"):
        export(with_sd(1.0), tmp_path / "model.onnx", precision=precision, input_dtype=choice)
    assert list(tmp_path.iterdir()) == []


def test_exact_from_float64_has_no_first_cast_and_rounds_once(tmp_path: Path) -> None:
    checkpoint = checkpoint_of([[1 / 3, -0.7]], 0.1)
    found = export(checkpoint, tmp_path / "model.onnx", input_dtype="float64")
    model = onnx.load(tmp_path / "model.onnx")
    assert [node.op_type for node in model.graph.node] == ["Gemm", "Cast"]
    predictor = Predictor.load(tmp_path / "model.onnx")
    assert (predictor.contract.input_dtype, predictor.contract.output_dtype) == ("float64", "float32")
    assert predictor.contract.input_rounding == found.input_rounding == (0.0,)
    x = some_rows(checkpoint, 200, "float64")
    assert predictor.predict(x).values.tolist() == [[np.float32(float(y))] for y in outputs(checkpoint, x).ravel()]


def test_an_infinite_share_is_left_out_of_the_certificate(tmp_path: Path) -> None:
    found = export(with_sd(0.0), tmp_path / "model.onnx", input_dtype="float32")
    assert found.input_rounding == (HALF_ULP,)
    assert found.input_rounding_share is None


@pytest.mark.parametrize("name", EXPANDED)
def test_rounding_the_inputs_of_powers_costs_no_more_than_stated(name: str) -> None:
    checkpoint = EXPANDED[name]()
    low, high = box(checkpoint.contract)
    x = np.clip(some_rows(checkpoint, 300, "float64"), low, high)  # NaN stays NaN
    moved = abs(outputs(checkpoint, x) - outputs(checkpoint, x.astype(np.float32)))
    stated: Exact = np.array(input_rounding(checkpoint, low, high), dtype=object)
    assert (moved <= stated).all()
    if all(column.kind == "category" for column in checkpoint.contract.columns):
        assert stated.tolist() == [0]
    else:
        # Not far from it: the worst row has every value half an ulp off, at the end of its range.
        assert (fractions(np.array(moved.max(axis=0), dtype=np.float64)) * 50 >= stated).all()

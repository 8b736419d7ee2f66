"""ONNX models that linedge did not write: refused, or run where that is asked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_runtime import Predictor
from lr_runtime.errors import (
    ModelFileError,
)
from lr_runtime.onnx_file.kinds import foreign_producer
from tests.conftest import one_line
from tests.optional import optional
from tests.runtime.hostile import GOOD, assign, changed, external
from tests.runtime.onnx_file.test_check import GOLDEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import onnx
    import torch
    from onnx import TensorProto, helper, numpy_helper

    from tests.conftest import Run
    from tests.runtime.conftest import Model

    Models = Callable[[str], Model]
    Runner = Callable[..., Run]
else:
    onnx, helper, numpy_helper = (optional(name) for name in ("onnx", "onnx.helper", "onnx.numpy_helper"))
    TensorProto, torch = onnx.TensorProto, optional("torch")


TensorType = int


def elsewhere(
    nodes: list[onnx.NodeProto],
    given: list[onnx.ValueInfoProto],
    results: list[onnx.ValueInfoProto],
    **arrays: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> bytes:
    graph = helper.make_graph(
        nodes, "other", given, results, [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    model.producer_name, model.producer_version = "skl2onnx", "1.20"
    return bytes(model.SerializeToString())


def table(name: str, columns: int | str | None, kind: TensorType = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [None, columns])


WEIGHT = np.array([[2, 0.5], [-1, 4]], np.float32)
X = [[1.0, 3.0], [0.0, -2.0], [5.0, 5.0]]
EXPECTED = np.array(X, np.float32) @ WEIGHT


def linear(**changes: list[onnx.ValueInfoProto]) -> bytes:
    """A model as scikit-learn's converter writes one: other names, an operator beside ours."""
    nodes = [helper.make_node("MatMul", ["float_input", "w"], ["m"]), helper.make_node("Neg", ["m"], ["n"])]
    nodes += [helper.make_node("Neg", ["n"], ["variable"])]
    given, results = changes.get("given", [table("float_input", 2)]), changes.get("results", [table("variable", 2)])
    return elsewhere(nodes, given, results, w=WEIGHT)


@pytest.fixture
def foreign(tmp_path: Path) -> Callable[[bytes], Path]:
    """Put the bytes of a model into a file."""

    def put(content: bytes) -> Path:
        (tmp_path / "m.onnx").write_bytes(content)
        return tmp_path / "m.onnx"

    return put


def test_a_foreign_model_is_refused_with_what_made_it_and_what_to_do(
    run: Runner, foreign: Callable[[bytes], Path]
) -> None:
    line = one_line(run("lr-infer", foreign(linear()), "1", "3"), 1)
    assert 'an ONNX model that linedge did not write (made by "skl2onnx 1.20")' in line
    assert '"float_input" has not the shape (rows, columns) with a name for rows' in line
    assert "--allow-foreign" in line


def test_a_foreign_model_of_our_operators_has_no_contract(foreign: Callable[[bytes], Path]) -> None:
    model = onnx.load_model_from_string(GOOD)
    del model.metadata_props[:]
    model.producer_name = ""
    path = foreign(model.SerializeToString())
    with pytest.raises(ModelFileError, match=r"does not say by what\): it carries no contract"):
        Predictor.load(path)
    assert Predictor.load(path, allow_foreign=True).predict([[4.0]]).values == Predictor(GOOD).predict([[4.0]]).values


def test_a_foreign_model_runs_if_asked_and_one_line_says_so(run: Runner, foreign: Callable[[bytes], Path]) -> None:
    path = foreign(linear())
    done = run("lr-infer", path, "1", "3", "--allow-foreign")
    assert done.returncode == 0
    assert done.stdout == "\t".join(repr(float(value)) for value in EXPECTED[0]) + "\n"
    assert done.stderr.count("\n") == 1
    assert "is not of linedge" in done.stderr
    assert run("lr-infer", path, "1", "3", "--allow-foreign", "--quiet").stderr == ""


def test_a_model_of_linedge_is_no_foreign_one(run: Runner) -> None:
    done = run("lr-infer", GOLDEN, "4", "--allow-foreign")
    assert (done.returncode, done.stderr) == (0, "")
    assert not Predictor(GOOD, allow_foreign=True).is_foreign


def test_a_foreign_contract_is_plain_numbers(foreign: Callable[[bytes], Path]) -> None:
    predictor = Predictor.load(foreign(linear()), allow_foreign=True)
    assert predictor.is_foreign
    assert predictor.contract.column_names == ("x1", "x2")
    assert predictor.contract.output_names == ("variable_1", "variable_2")
    assert predictor.predict(X).values.tolist() == EXPECTED.tolist()
    assert predictor.predict({"x2": [3.0], "x1": [1.0]}).values.tolist() == EXPECTED[:1].tolist()
    assert predictor.predict(np.empty((0, 2))).values.shape == (0, 2)


SHAPES: dict[str, list[onnx.ValueInfoProto]] = {
    "a symbolic width": [table("variable", "n")],
    "an unknown width": [table("variable", None)],
    "no shape": [helper.make_tensor_value_info("variable", TensorProto.FLOAT, None)],
    "two outputs": [table("variable", 2), table("m", 2)],
}


@pytest.mark.parametrize("case", SHAPES)
def test_foreign_outputs_stand_side_by_side(case: str) -> None:
    predictor = Predictor(linear(results=SHAPES[case]), allow_foreign=True)
    times = len(SHAPES[case])
    assert predictor.predict(X).values.tolist() == np.tile(EXPECTED, times).tolist()
    assert len(set(predictor.contract.output_names)) == 2 * times


def test_a_foreign_output_may_be_a_row_of_numbers() -> None:
    nodes = [helper.make_node("ReduceMin", ["x"], ["y"], axes=[1], keepdims=0)]
    given = [table("x", 2, TensorProto.DOUBLE)]
    results = [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None])]
    predictor = Predictor(elsewhere(nodes, given, results), allow_foreign=True)
    assert predictor.contract.output_dtype == predictor.contract.input_dtype == "float64"
    assert predictor.predict(X).values.tolist() == np.min(X, axis=1, keepdims=True).tolist()


UNFIT: dict[str, tuple[Callable[[], bytes], str]] = {
    "two inputs": (
        partial(
            elsewhere, [helper.make_node("Add", ["a", "b"], ["y"])], [table("a", 1), table("b", 1)], [table("y", 1)]
        ),
        "not one input",
    ),
    "an input of integers": (
        partial(
            elsewhere,
            [helper.make_node("Neg", ["x"], ["y"])],
            [table("x", 1, TensorProto.INT64)],
            [table("y", 1, TensorProto.INT64)],
        ),
        "not one input",
    ),
    "an input of unknown width": (lambda: linear(given=[table("float_input", None)]), "not one input"),
    "one row alone": (
        lambda: linear(given=[helper.make_tensor_value_info("float_input", TensorProto.FLOAT, [1, 2])]),
        "does not take any number of rows",
    ),
    "integers out": (
        partial(
            elsewhere,
            [helper.make_node("Cast", ["x"], ["y"], to=7)],
            [table("x", 1)],
            [table("y", 1, TensorProto.INT64)],
        ),
        "not rows of floats",
    ),
    "one number for all rows": (
        partial(
            elsewhere,
            [helper.make_node("ReduceMin", ["x"], ["y"])],
            [table("x", 1)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
        ),
        "not rows of floats",
    ),
    "what ONNX Runtime refuses": (lambda: changed(assign("graph.node.0.domain", "mine")), "a domain of its own"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_foreign_model_that_is_no_table_to_numbers_is_refused(
    case: str, run: Runner, foreign: Callable[[bytes], Path]
) -> None:
    make, said = UNFIT[case]
    assert said in one_line(run("lr-infer", foreign(make()), "1", "1", "--allow-foreign"), 1)


def test_what_carries_our_contract_is_never_foreign() -> None:
    """A file of linedge that was tampered with does not get in by the other door."""
    with pytest.raises(ModelFileError, match="external data") as caught:
        Predictor(changed(external("/etc/passwd")), allow_foreign=True)
    assert "--allow-foreign" not in str(caught.value)
    assert foreign_producer(GOOD) is None


@pytest.mark.parametrize("kept", range(0, 60, 7))
def test_a_producer_is_read_from_any_bytes(kept: int) -> None:
    content = linear()
    assert foreign_producer(content) == "skl2onnx 1.20"
    assert foreign_producer(content[:kept]) in {"", "skl2onnx", "skl2onnx 1.20", *("skl2onnx"[:n] for n in range(9))}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the old exporter, which takes no seconds
def test_a_model_of_torch_is_named_and_runs(tmp_path: Path) -> None:
    layer, path = torch.nn.Linear(2, 1), tmp_path / "m.onnx"
    torch.onnx.export(layer, (torch.ones(1, 2),), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}})
    with pytest.raises(ModelFileError, match=r'made by "pytorch 2\.'):
        Predictor.load(path)
    values = Predictor.load(path, allow_foreign=True).predict(X).values
    np.testing.assert_allclose(values, layer(torch.tensor(X)).detach().numpy(), rtol=1e-6, atol=1e-6)

"""What comes back: the outputs that are asked for, ids, metadata that are true, health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_runtime import __version__
from tests.serving.protocol.client import Tensor, Wanted, infer, request_of

if TYPE_CHECKING:
    from lr_runtime.serving.models import Models
    from tests.serving.protocol.client import Ask

AIR = [
    Tensor("flow", "FP64", (2,), [2.0, 3.5]),
    Tensor("site", "BYTES", (2, 1), ["north", "süd"]),
    Tensor("when", "BYTES", (2,), ["2024-01-01", "2024-01-03T12:00:00.5+02:00"]),
]
MODELS = ["air", "doubles", "every term", "inverse", "sole", "ten"]


def test_outputs_come_as_they_are_asked_for(loaded: Models, ask: Ask) -> None:
    values = {each.name: [*each.values] for each in AIR}
    prediction = loaded.named("air").predictor.predict(values)
    wanted = [Wanted("leverage", is_raw=False), Wanted("y"), Wanted("in_range"), Wanted("y_upper", is_raw=False)]
    answer = infer(ask, "air", AIR, wanted, identity="é\n7")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert [*answer.head] == ["model_name", "model_version", "id", "outputs"]
    assert answer.head["id"] == "é\n7"
    found = answer.tensors
    assert [(each.name, each.is_raw, each.shape) for each in found.values()] == [
        ("leverage", False, (2, 1)),
        ("y", True, (2, 2)),
        ("in_range", True, (2, 1)),
        ("y_upper", False, (2, 2)),
    ]
    assert prediction.leverage is not None
    assert prediction.in_range is not None
    assert [*found["leverage"].values] == prediction.leverage.tolist()
    assert [*found["y"].values] == prediction.values.ravel().tolist()
    assert [*found["in_range"].values] == prediction.in_range.tolist()


def test_a_request_says_how_all_outputs_come_and_one_output_may_differ(ask: Ask) -> None:
    for said in (True, False):
        answer = infer(ask, "air", AIR, [Wanted("y", not said), Wanted("leverage", said)], binary_data_output=said)
        assert [each.is_raw for each in answer.tensors.values()] == [not said, said]
        plain = infer(ask, "air", AIR, binary_data_output=said)
        assert {each.is_raw for each in plain.tensors.values()} == {said}
        assert ("inference-header-content-length" in plain.headers) is said
        assert "id" not in plain.head


def test_the_header_counts_the_bytes_of_json(ask: Ask) -> None:
    answer = infer(ask, "air", AIR, identity="süß")
    length = int(answer.headers["inference-header-content-length"])
    assert answer.body[length - 2 : length] == b"]}"
    assert len(answer.body) - length == 3 * 2 * 2 * 4 + 2 + 2 * 4  # three of two outputs, a byte a row, leverage


@pytest.mark.parametrize("model", MODELS)
def test_metadata_are_true(loaded: Models, ask: Ask, model: str) -> None:
    said: dict[str, Any] = ask("GET", f"/v2/models/{model}", {}, b"").head
    served = loaded.named(model)
    assert (said["name"], said["versions"], said["platform"]) == (model, [served.version], "onnx_onnxv1")
    kinds = {each["name"]: each["datatype"] for each in said["inputs"]}
    if model == "air":
        assert kinds == {"when": "BYTES", "site": "BYTES", "flow": "FP64"}
    texts = {"when": "2024-01-02", "site": "süd" if model == "air" else "q", "d": "v"}
    inputs = []
    for each in said["inputs"]:
        assert each["shape"][0] == -1
        shape = (2, *each["shape"][1:])
        value = texts[each["name"]] if each["datatype"] == "BYTES" else served.contract.columns[0].minimum
        inputs.append(Tensor(each["name"], each["datatype"], shape, [value] * int(np.prod(shape))))
    tensors = infer(ask, model, inputs).tensors.values()
    assert [(each.name, each.datatype, [-1, *each.shape[1:]]) for each in tensors] == [
        (each["name"], each["datatype"], each["shape"]) for each in said["outputs"]
    ]
    assert [each.name for each in tensors] == [*served.contract.results]
    version = ask("GET", f"/v2/models/{model}/versions/{served.version}", {}, b"")
    assert version.head == said


def test_an_infinite_limit_is_text_in_json_and_a_number_in_raw_bytes(loaded: Models, ask: Ask) -> None:
    served = loaded.named("inverse")
    name, low = served.contract.column_names[0], served.contract.columns[0].minimum
    rows = (low - np.linspace(0, 0.4, 50)).tolist()
    expected = served.predictor.predict([[row] for row in rows]).upper
    assert expected is not None
    assert 0 < np.isinf(expected).sum() < 50
    tensor = [Tensor(name, "FP64", (50,), rows)]
    in_json, raw = (
        infer(ask, "inverse", tensor, [Wanted("y_upper", is_raw)]).tensors["y_upper"].values for is_raw in (False, True)
    )
    assert {value for value in in_json if isinstance(value, str)} == {"Infinity"}
    assert np.array(in_json, "f4").tobytes() == np.array(raw, "f4").tobytes() == expected.tobytes()


def test_rows_and_those_out_of_range_are_counted(loaded: Models) -> None:
    from lr_runtime.serving.http import Request
    from lr_runtime.serving.options import Limits
    from lr_runtime.serving.protocol.handlers import infer as handler

    when, site = ["2024-01-01", "2024-01-02", "2024-01-03"], ["north", "süd", "süd"]
    far = [Tensor("flow", "FP64", (3,), [2.0, 99.0, 3.0]), Tensor("when", "BYTES", (3,), when)]
    far.append(Tensor("site", "BYTES", (3,), site))
    for model, inputs, counts in (("air", far, (3, 1)), ("sole", [Tensor("x", "FP32", (3,), [0, 0, 1e6])], (3, 1))):
        body, headers = request_of(inputs)
        given = {name.lower(): value for name, value in headers.items()}
        tally = loaded.named(model).tally
        before = tally.rows, tally.out_of_range
        for extra in ({}, {"x-trial": "page"}):  # what a person tries is no reading
            handler(Request({**given, **extra}, body, "", {"name": model}, Limits()), loaded)
        assert (tally.rows - before[0], tally.out_of_range - before[1]) == counts


def test_health_and_server(ask: Ask) -> None:
    def got(path: str) -> object:
        return ask("GET", path, {}, b"").head

    about = {"name": "lr-serve", "version": __version__, "extensions": ["binary_tensor_data"]}
    assert got("/v2") == got("/v2/") == about
    assert got("/v2/health/live") == {"live": True}
    assert got("/v2/health/ready") == {"live": True, "ready": True}
    assert got("/v2/models/every%20term/ready") == {"name": "every term", "ready": True}


@pytest.mark.parametrize("path", ["", "/ready", "/infer"])
@pytest.mark.parametrize("of", ["nope", "ten/versions/1"])
def test_another_model_or_version_is_not_there(ask: Ask, path: str, of: str) -> None:
    body, _ = request_of([Tensor("x", "FP32", (1, 10), [0.0] * 10, is_raw=False)])
    answer = ask("POST" if path == "/infer" else "GET", f"/v2/models/{of}{path}", {}, body)
    assert answer.status == 404
    assert answer.error

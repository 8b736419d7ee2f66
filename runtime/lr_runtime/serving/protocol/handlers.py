"""The endpoints of the protocol: health, metadata, inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_runtime import __version__
from lr_runtime.serving.formats import check_keys
from lr_runtime.serving.http import JSON, HttpError, Request, Response, decoded, encoded
from lr_runtime.serving.protocol.inference import InferenceRequest
from lr_runtime.serving.protocol.inputs import PACKED, arrays_of, parted, rows_of
from lr_runtime.serving.protocol.outputs import BINARY, response_to, results_of
from lr_runtime.serving.protocol.tensors import NAMES
from lr_runtime.serving.routes import Route

if TYPE_CHECKING:
    from lr_runtime.contract.contract import Contract
    from lr_runtime.serving.models import Models, Served
    from lr_runtime.serving.routes import Handler


def server(_: Request, __: Models) -> Response:
    """Answer what the server is."""
    return Response(encoded({"name": "lr-serve", "version": __version__, "extensions": ["binary_tensor_data"]}))


def live(_: Request, __: Models) -> Response:
    """Answer that the process runs."""
    return Response(encoded({"live": True}))


def ready(_: Request, __: Models) -> Response:
    """Answer that requests are taken: the protocol's text calls that `live` here, too, its clients read `ready`."""
    return Response(encoded({"live": True, "ready": True}))


def model(request: Request, models: Models) -> Response:
    """Answer what a model takes and gives; its outputs are those of a prediction of no rows."""
    served = _named(request, models)
    results = results_of(served.predictor.predict([])).items()
    outputs = [_tensor(name, NAMES[values.dtype], *values.shape[1:]) for name, values in results]
    who = {"name": served.name, "versions": [served.version], "platform": "onnx_onnxv1"}
    return Response(encoded({**who, "inputs": _inputs(served.contract), "outputs": outputs}))


def model_ready(request: Request, models: Models) -> Response:
    """Answer that a model takes requests."""
    return Response(encoded({"name": _named(request, models).name, "ready": True}))


def infer(request: Request, models: Models) -> Response:
    """Answer with the results of a model."""
    if request.content_type not in {"", JSON, BINARY, "application/x-www-form-urlencoded"}:  # the last is of curl -d
        raise HttpError(415, f"the body is to be {JSON}, or {BINARY} with raw tensors behind the JSON")
    served = _named(request, models)
    names = served.contract.column_names
    head, raw = parted(request, len(names))
    asked: InferenceRequest = decoded(head, InferenceRequest)
    check_keys(head, asked.keys())
    rows = rows_of(arrays_of(asked.inputs, raw, request.limits.max_rows), names)
    return response_to(asked, served, served.asked_by(request).predict(rows))


def _named(request: Request, models: Models) -> Served:
    return models.named(request.path["name"], request.path.get("version"))


def _inputs(contract: Contract) -> list[dict[str, object]]:
    """Return one input where all columns are numbers, else one for each column: categories and instants are text."""
    number = NAMES[np.dtype(contract.input_dtype)]
    texts = [column.kind == "category" or column.time is not None for column in contract.columns]
    if not any(texts):
        return [_tensor(PACKED, number, len(texts))]
    named = zip(contract.column_names, texts, strict=True)
    return [_tensor(name, "BYTES" if is_text else number) for name, is_text in named]


def _tensor(name: str, datatype: str, *columns: int) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": [-1, *columns]}


def _of_model(path: str, handler: Handler, summary: str) -> list[Route]:
    return [Route("GET", way + path, handler, summary) for way in _WAYS]


_WAYS = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
_TAKES, _GIVES = {JSON: InferenceRequest, BINARY: None}, {JSON: dict, BINARY: None}


ROUTES = [
    *(Route("POST", f"{way}/infer", infer, "Predict", takes=_TAKES, gives=_GIVES) for way in _WAYS),
    *_of_model("/ready", model_ready, "Whether a model takes requests"),
    *_of_model("", model, "What a model takes and gives"),
    Route("GET", "/v2", server, "What the server is"),
    Route("GET", "/v2/", server, "What the server is, where the protocol's YAML has it"),
    Route("GET", "/v2/health/live", live, "Whether the process runs"),
    Route("GET", "/v2/health/ready", ready, "Whether requests are taken"),
]

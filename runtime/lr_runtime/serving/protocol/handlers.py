"""The endpoints of the protocol: health, metadata, inference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lr_runtime import __version__
from lr_runtime.serving.http import HttpError, Request, Response, decoded, encoded
from lr_runtime.serving.routes import Route

if TYPE_CHECKING:
    from lr_runtime.serving.models import Models

PLATFORM = "onnx_onnxv1"
EXTENSIONS = ("binary_tensor_data",)


def server(_: Request, __: Models) -> Response:
    """Answer what the server is."""
    return Response(encoded({"name": "lr-serve", "version": __version__, "extensions": EXTENSIONS}))


def live(_: Request, __: Models) -> Response:
    """Answer that the process runs."""
    return Response(encoded({"live": True}))


def ready(_: Request, __: Models) -> Response:
    """Answer that requests are taken."""
    return Response(encoded({"ready": True}))


def model(request: Request, models: Models) -> Response:
    """Answer what a model takes and gives."""
    served = models.named(request.path["name"], request.path.get("version"))
    contract = served.contract
    kind = {"float32": "FP32", "float64": "FP64"}
    inputs = [{"name": "x", "datatype": kind[contract.input_dtype], "shape": [-1, len(contract.columns)]}]
    outputs = [{"name": "y", "datatype": kind[contract.output_dtype], "shape": [-1, len(contract.outputs)]}]
    said = {"name": served.name, "versions": [served.version], "platform": PLATFORM}
    return Response(encoded({**said, "inputs": inputs, "outputs": outputs}))


def model_ready(request: Request, models: Models) -> Response:
    """Answer that a model takes requests."""
    served = models.named(request.path["name"], request.path.get("version"))
    return Response(encoded({"name": served.name, "ready": True}))


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class _Inference(msgspec.Struct):
    inputs: list[_Tensor]
    id: str | None = None


def infer(request: Request, models: Models) -> Response:
    """Answer with the results of a model."""
    served = models.named(request.path["name"], request.path.get("version"))
    asked: _Inference = decoded(request.body, _Inference)
    tensor = asked.inputs[0]
    try:
        x = np.array(tensor.data, dtype=np.float64).reshape(tensor.shape)
    except ValueError as error:
        raise HttpError(400, f"input {tensor.name}: its data do not have its shape") from error
    y = served.predictor.predict(x).values
    output = {"name": "y", "datatype": "FP32", "shape": y.shape, "data": y.ravel().tolist()}
    return Response(encoded({"model_name": served.name, "id": asked.id, "outputs": [output]}), rows=len(y))


def _of_model(path: str, handler: Any, summary: str, method: str = "GET") -> list[Route]:
    ways = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
    return [Route(method, way + path, handler, summary) for way in ways]


ROUTES = [
    *_of_model("/infer", infer, "Predict", "POST"),
    *_of_model("/ready", model_ready, "Whether a model takes requests"),
    *_of_model("", model, "What a model takes and gives"),
    Route("GET", "/v2", server, "What the server is"),
    Route("GET", "/v2/health/live", live, "Whether the process runs"),
    Route("GET", "/v2/health/ready", ready, "Whether requests are taken"),
]

"""How each server is asked: rows as the body of a request, and the numbers of its answer."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from http.client import HTTPMessage

    from numpy.typing import NDArray

JSON = {"Content-Type": "application/json"}
LENGTH = "Inference-Header-Content-Length"


class Way(NamedTuple):
    """An endpoint.

    Attributes:
        title: what the table calls it.
        asked: the body and the headers of rows.
        read: the numbers of an answer, from its headers and its body.
        is_exact: whether the numbers are the same bits as those of the file; else they come from another fit.
    """

    title: str
    path: str
    asked: Callable[[NDArray[Any]], tuple[bytes, Mapping[str, str]]]
    read: Callable[[HTTPMessage, bytes], Any]
    is_exact: bool = True

    def fault(self, port: int, x: NDArray[Any], y: NDArray[Any]) -> str | None:
        """Return why the answer is not the model's: no answer, a refusal, other numbers. None of a right one."""
        body, headers = self.asked(x)
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", self.path, body, dict(headers))
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            return repr(error)
        finally:
            connection.close()
        if answer.status != 200:
            return f"{answer.status} {content[:200].decode()}"
        found = np.asarray(self.read(answer.headers, content), dtype=np.float64).ravel()
        is_right = np.array_equal(found, y) if self.is_exact else np.allclose(found, y, rtol=1e-6)
        return None if is_right else f"{found[:3]} are other numbers than {y[:3]}"


def _rows(x: NDArray[Any]) -> tuple[bytes, dict[str, str]]:
    return json.dumps(x.tolist()).encode(), JSON


def _record(x: NDArray[Any]) -> tuple[bytes, dict[str, str]]:
    return json.dumps({"rows": x.tolist()}).encode(), JSON


def _tensor(x: NDArray[Any]) -> tuple[bytes, dict[str, str]]:
    tensor = {"name": "x", "shape": x.shape, "datatype": "FP32", "data": x.ravel().tolist()}
    return json.dumps({"inputs": [tensor]}).encode(), JSON


def _binary(x: NDArray[Any]) -> tuple[bytes, dict[str, str]]:
    """Return the bytes that tritonclient sends by default."""
    raw = x.astype("<f4").tobytes()
    tensor = {"name": "x", "shape": x.shape, "datatype": "FP32", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return head + raw, {LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}


def _read_rows(_: HTTPMessage, body: bytes) -> object:
    return [row["y"] for row in json.loads(body)["predictions"]]


def _read_predictions(_: HTTPMessage, body: bytes) -> object:
    return json.loads(body)["predictions"]


def _read_tensor(_: HTTPMessage, body: bytes) -> object:
    return json.loads(body)["outputs"][0]["data"]


def _read_binary(headers: HTTPMessage, body: bytes) -> object:
    head = int(headers[LENGTH])
    size = json.loads(body[:head])["outputs"][0]["parameters"]["binary_data_size"]
    return np.frombuffer(body[head : head + size], "<f4")


V2 = "/v2/models/model/infer"
OURS = (
    Way("lr-serve, /predict", "/predict", _rows, _read_rows),
    Way("lr-serve, v2", V2, _tensor, _read_tensor),
    Way("lr-serve, v2 binary", V2, _binary, _read_binary),
)
USUAL = (
    Way("FastAPI, def", "/predict", _record, _read_predictions),
    Way("FastAPI, async def", "/predict-in-the-loop", _record, _read_predictions),
)
MLSERVER = (Way("MLServer, v2", V2, _tensor, _read_tensor, is_exact=False),)

"""From a prediction to the response: its results as tensors, in JSON or as raw bytes behind it."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from lr_runtime.contract.contract import RESULTS
from lr_runtime.errors import escaped, listed
from lr_runtime.serving.http import JSON, HttpError, Response, encoded
from lr_runtime.serving.protocol.inference import Parameters
from lr_runtime.serving.protocol.inputs import HEADER
from lr_runtime.serving.protocol.tensors import NAMES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lr_runtime.prediction.result import Prediction
    from lr_runtime.serving.models import Served
    from lr_runtime.serving.protocol.inference import InferenceRequest

BINARY = "application/octet-stream"  # the type of a body with raw tensors behind its JSON


def results_of(prediction: Prediction) -> dict[str, NDArray[np.generic]]:
    """Return the results that there are, by the names that the contract has for them, each (rows, columns)."""
    given = (prediction.values, prediction.lower, prediction.upper, prediction.in_range, prediction.leverage)
    named = zip(RESULTS, given, strict=True)
    return {name: each if each.ndim == 2 else each[:, None] for name, each in named if each is not None}


def response_to(asked: InferenceRequest, served: Served, prediction: Prediction) -> Response:
    """Return the response, with the outputs that are asked for. Raises HttpError 400 where there is none of a name."""
    results, tensors, raw = results_of(prediction), list[dict[str, object]](), list[bytes]()
    for name, is_raw in _wanted(asked, [*results]).items():
        values = results[name]
        tensors.append({"name": name, "datatype": NAMES[values.dtype], "shape": values.shape})
        if is_raw:
            raw.append(values.tobytes())
            tensors[-1]["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            tensors[-1]["data"] = _in_json(values)
    who = {"model_name": served.name, "model_version": served.version}
    head = encoded({**who, **({} if asked.id is None else {"id": asked.id}), "outputs": tensors})
    headers = ((HEADER, str(len(head))),) if raw else ()
    return Response(b"".join([head, *raw]), BINARY if raw else JSON, 200, headers, len(prediction.values))


def _wanted(asked: InferenceRequest, names: list[str]) -> dict[str, bool]:
    """Return the names of the outputs that are asked for, and whether each is wanted as raw bytes."""
    usual = (asked.parameters or Parameters()).binary_data_output
    if not asked.outputs:
        return dict.fromkeys(names, usual)
    wanted: dict[str, bool] = {}
    for each in asked.outputs:
        how = each.parameters or Parameters()
        if each.name not in names:
            raise HttpError(400, f"the model has no output {escaped(each.name)}; it has {listed(names)}")
        if each.name in wanted:
            raise HttpError(400, f"the output {escaped(each.name)} is asked for twice")
        if how.classification is not None or how.shared_memory_region is not None:
            raise HttpError(400, f"the output {escaped(each.name)}: classification and shared memory are not offered")
        wanted[each.name] = usual if how.binary_data is None else how.binary_data
    return wanted


def _in_json(values: NDArray[np.generic]) -> list[float | str]:
    """Return values in row-major order. An infinite limit is text, as protocol buffers have it in JSON."""
    numbers: list[float] = values.ravel().tolist()
    if isfinite(sum(numbers)):
        return [*numbers]
    return [each if isfinite(each) else f"{'-' if each < 0 else ''}Infinity" for each in numbers]

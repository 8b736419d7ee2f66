"""What KServe's client for REST does with lr-serve: `python -m ... URL`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

AIR = {
    "when": ("BYTES", np.array(["2024-01-01", "2024-01-03T12:00:00+02:00"], object)),
    "site": ("BYTES", np.array(["north", "süd"], object)),
    "flow": ("FP64", np.array([[2.0], [3.5]])),
}


def tensor(name: str, datatype: str, values: np.ndarray[Any, Any], *, is_raw: bool) -> Any:
    """Return an input of KServe's."""
    made = InferInput(name, [*values.shape], datatype)
    made.set_data_from_numpy(values, binary_data=is_raw)
    return made


async def checks(url: str) -> None:
    """Run all checks."""
    client = InferenceRESTClient(RESTConfig(protocol="v2"))

    async def answer(model: str, inputs: list[Any], **options: Any) -> Any:
        return await client.infer(url, InferRequest(model, inputs, **options), model_name=model)

    assert await client.is_server_live(url) is True
    assert await client.is_server_ready(url) is True
    assert await client.is_model_ready(url, "ten") is True
    assert await client.is_model_ready(url, "none") is False
    x = np.random.default_rng(1).uniform(-5, 5, (7, 10))
    found = []
    for is_raw in (True, False):
        for parameters in ({}, {"binary_data_output": True}):
            result = await answer("ten", [tensor("x", "FP64", x, is_raw=is_raw)], parameters=parameters, request_id="r")
            assert result.id == "r"
            found.append(result.outputs[0].as_numpy())
        air = await answer("air", [tensor(name, *each, is_raw=is_raw) for name, each in AIR.items()])
        print(*(f"{each.name}: {each.as_numpy().tolist()}" for each in air.outputs), sep="; ")
    assert all(each.shape == (7, 1) and each.tobytes() == found[0].tobytes() for each in found)
    wanted = [RequestedOutput("leverage"), RequestedOutput("y", {"binary_data": True})]
    inputs = [tensor(name, *each, is_raw=True) for name, each in AIR.items()]
    assert [each.name for each in (await answer("air", inputs, request_outputs=wanted)).outputs] == ["leverage", "y"]
    low = await answer("inverse", [tensor("x", "FP32", np.array([[-9.0]], "f4"), is_raw=False)])
    print("an infinite limit, in JSON:", {each.name: each.data for each in low.outputs})
    numbers, texts = {"a": np.nan, "b": np.nan, "c": 1.0}, {"site": "q", "d": "v"}
    missing = [tensor(name, "FP64", np.array([value]), is_raw=False) for name, value in numbers.items()]
    missing += [tensor(name, "BYTES", np.array([text], object), is_raw=False) for name, text in texts.items()]
    print("NaN, which this client sends as null:", (await answer("every term", missing)).outputs[0].data)
    half = await answer("ten", [tensor("x", "FP16", x.astype("f2"), is_raw=True)])
    print("FP16:", half.outputs[0].as_numpy()[0])
    for model, name, values in (("ten", "x", x[:, :9]), ("ten", "z", x), ("ten", "x", x * np.inf), ("none", "x", x)):
        try:
            await answer(model, [tensor(name, "FP64", values, is_raw=True)])
        except httpx.HTTPStatusError as error:
            print(f"[{error.response.status_code}]", error)
        else:
            raise AssertionError("nothing was raised")
    await client.close()


if __name__ == "__main__":
    asyncio.run(checks(sys.argv[1]))

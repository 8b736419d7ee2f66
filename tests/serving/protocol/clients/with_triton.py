"""What tritonclient does with lr-serve, and whether our client sends its bytes: `python -m ... URL`."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.serving.protocol.client import Tensor, Wanted, over_http, request_of

AIR = {
    "when": np.array(["2024-01-01", "2024-01-03T12:00:00+02:00"], object),
    "site": np.array(["north", "süd"], object),
    "flow": np.array([[2.0], [3.5]]),
}


def theirs(name: str, values: np.ndarray[Any, Any], *, is_raw: bool = True) -> Any:
    """Return a tensor of tritonclient."""
    tensor = triton.InferInput(name, [*values.shape], np_to_triton_dtype(values.dtype))
    return tensor.set_data_from_numpy(values, binary_data=is_raw)


def ours(name: str, values: np.ndarray[Any, Any], *, is_raw: bool = True) -> Tensor:
    """Return the same tensor for our client."""
    return Tensor(name, np_to_triton_dtype(values.dtype), values.shape, values.ravel().tolist(), is_raw)


def same_bytes() -> None:
    """Our client sends the bytes of tritonclient: every datatype, raw and in JSON, with outputs and ids."""
    arrays = {f"t{n}": np.array([[0, 1], [2, 5]]).astype(dtype) for n, dtype in enumerate("?bhiqBHIQefd")}
    arrays["text"] = np.array([["a", "süd"], ["", 'quote "'], ["c", "d"]], object)
    plain = {name: values for name, values in arrays.items() if values.dtype != object}
    cases: list[tuple[dict[str, Any], bool, list[tuple[str, bool]], str]] = [
        (arrays, True, [], ""),
        (plain, False, [], "7"),
        (AIR, True, [("y", True), ("leverage", False)], "eight"),
        (plain, False, [("y", False)], ""),
    ]
    for tensors, is_raw, outputs, identity in cases:
        body, length = triton.InferenceServerClient.generate_request_body(
            [theirs(name, values, is_raw=is_raw) for name, values in tensors.items()],
            outputs=[triton.InferRequestedOutput(name, binary_data=raw) for name, raw in outputs],
            request_id=identity,
        )
        mine = [ours(name, values, is_raw=is_raw) for name, values in tensors.items()]
        found, headers = request_of(mine, [Wanted(*each) for each in outputs], identity=identity)
        assert (found, [*headers.values()]) == (body, [] if length is None else [str(length)]), (body, found)
        print(f"the same {len(body)} bytes, of {len(tensors)} tensors, {len(outputs)} outputs and id {identity!r}")


def headers_of_a_request() -> None:
    """Print the headers that tritonclient sends: our server relies on none but these."""
    seen: list[str] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.extend(f"{name}: {value}" for name, value in self.headers.items())
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(400)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Recorder) as recorder:
        threading.Thread(target=recorder.handle_request, daemon=True).start()
        client = triton.InferenceServerClient(f"127.0.0.1:{recorder.server_port}")
        print(refused(client, "ten", [theirs("x", np.zeros((1, 10), "f4"))]))
        client.close()
    print(*(each for each in seen if not each.startswith("Host")), sep="; ")
    assert not any(each.lower().startswith("content-type") for each in seen)


def refused(client: Any, model: str, inputs: list[Any], **options: object) -> str:
    """Return the error that the client raises."""
    try:
        client.infer(model, inputs, **options)
    except InferenceServerException as error:
        return str(error)
    raise AssertionError("nothing was raised")


def inference(client: Any, url: str) -> None:
    """Both clients get the same numbers, however the tensors travel."""
    x = np.random.default_rng(1).uniform(-5, 5, (7, 10))
    expected = client.infer("ten", [theirs("x", x)]).as_numpy("y")
    body, headers = request_of([ours("x", x)])
    answer = over_http(url)("POST", "/v2/models/ten/infer", headers, body)
    assert np.array(answer.tensors["y"].values, "f4").tobytes() == expected.tobytes()
    for is_raw in (True, False):
        for wanted in (None, [triton.InferRequestedOutput("y", binary_data=not is_raw)]):
            result = client.infer("ten", [theirs("x", x, is_raw=is_raw)], outputs=wanted, request_id="r")
            assert result.as_numpy("y").tobytes() == expected.tobytes()
            assert result.get_response()["id"] == "r"
        by_name = [theirs(f"x{n + 1}", x[:, n], is_raw=is_raw) for n in reversed(range(10))]
        assert client.infer("ten", by_name).as_numpy("y").tobytes() == expected.tobytes()
        air = client.infer("air", [theirs(name, values, is_raw=is_raw) for name, values in AIR.items()])
        names = [each["name"] for each in air.get_response()["outputs"]]
        print(*(f"{name}: {air.as_numpy(name).tolist()}" for name in names), sep="; ")
    assert client.async_infer("ten", [theirs("x", x)]).get_result().as_numpy("y").tobytes() == expected.tobytes()
    missing = [("a", [np.nan]), ("b", [np.nan]), ("c", [1.0])]
    tensors = [theirs(name, np.array(values)) for name, values in missing]
    tensors += [theirs(name, np.array([value], object)) for name, value in (("site", "q"), ("d", "v"))]
    print("NaN, bare:", client.infer("every term", tensors).as_numpy("y").tolist())
    empty = client.infer("ten", [theirs("x", x[:0])]).as_numpy("y")
    print("no rows:", empty.shape, empty.dtype)
    low = client.infer("inverse", [theirs("x", np.array([[-9.0]]))], outputs=[triton.InferRequestedOutput("y_upper")])
    print("an infinite limit, raw:", low.as_numpy("y_upper"))


def errors(client: Any) -> None:
    """Every refusal is raised as what the server says."""
    x, air = np.zeros((1, 10)), [theirs(name, values) for name, values in AIR.items()]
    beyond = [theirs("site", np.array(["nord", "nord"], object)), air[0], air[2]]
    for line, model, inputs, options in (
        ("[400] x has shape (1, 9)", "ten", [theirs("x", x[:, :9])], {}),
        ('[400] row 1: column "x1": the value is missing', "ten", [theirs("x", x * np.nan)], {}),
        ("[400] the body is not the JSON", "ten", [theirs("x", x * np.nan, is_raw=False)], {}),
        ('[400] row 1: column "site": the category "nord"', "air", beyond, {}),
        ('[400] the input has no column "flow"', "air", air[:2], {}),
        ('[400] the input "z" is no column of the model', "ten", [theirs("z", x)], {}),
        ('[400] the model has no output "z"', "ten", [theirs("x", x)], {"outputs": [triton.InferRequestedOutput("z")]}),
        ("[400]", "ten", [theirs("x", x)], {"outputs": [triton.InferRequestedOutput("y", class_count=2)]}),
        ('[404] there is no model "none"', "none", [theirs("x", x)], {}),
        ("[404]", "ten", [theirs("x", x)], {"model_version": "1"}),
    ):
        said = refused(client, model, inputs, **options)
        assert said.startswith(line), said
        print(said)


def main() -> None:
    """Run all checks."""
    url = sys.argv[1]
    client = triton.InferenceServerClient(url.removeprefix("http://"))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("every term")
    assert not client.is_model_ready("none")
    print(client.get_server_metadata())
    for model in ("ten", "air"):
        said = client.get_model_metadata(model)
        assert client.get_model_metadata(model, said["versions"][0]) == said
        print(said)
    same_bytes()
    headers_of_a_request()
    inference(client, url)
    errors(client)


if __name__ == "__main__":
    main()

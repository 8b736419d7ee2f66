"""Raw tensors behind the JSON: every byte is accounted for, and a tensor is what its JSON says."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest

from lr_runtime import Predictor
from lr_runtime.errors import RowError
from tests.serving.protocol.client import HEADER, Tensor, infer, over_http, request_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lr_runtime.serving.models import Models
    from tests.serving.conftest import Serving
    from tests.serving.protocol.client import Ask

ROW = Tensor("x", "FP32", (1, 10), [float(n) for n in range(10)])
BODY, HEADERS = request_of([ROW])
HEAD = BODY[: int(HEADERS[HEADER])]


def test_the_client_sends_what_the_text_of_the_extension_says() -> None:
    """Its example: UINT32 [2, 2] and BOOL [3] are 16 and 3 bytes."""
    inputs = [Tensor("input0", "UINT32", (2, 2), [1, 2, 3, 4]), Tensor("input1", "BOOL", (3,), [True, False, True])]
    body, headers = request_of(inputs)
    length = int(headers[HEADER])
    said = json.loads(body[:length])
    assert [each["parameters"] for each in said["inputs"]] == [{"binary_data_size": 16}, {"binary_data_size": 3}]
    assert body[length:] == b"\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\1\0\1"
    assert Tensor("t", "BYTES", (2,), ["süd", ""]).raw == b"\4\0\0\0s\xc3\xbcd\0\0\0\0"


@pytest.mark.parametrize(
    ("body", "length", "line"),
    [
        (BODY[:-1], len(HEAD), "does not hold FP32 of shape [1, 10]: buffer size must be a multiple"),
        (BODY[:-4], len(HEAD), "has shape [1, 10], but 9 values"),
        (BODY + b"\0", len(HEAD), "behind the JSON stand 41 bytes; the sizes of the inputs come to 40"),
        (BODY, len(HEAD) + 1, "is not the JSON that is expected"),
        (BODY, len(HEAD) - 1, "is not the JSON that is expected"),
        (BODY, 0, "is not the JSON that is expected"),
        (BODY, len(BODY) + 1, f"expected a number of bytes, {len(BODY)} at most"),
        (BODY, "-1", "expected a number of bytes"),
        (BODY, "+5", "expected a number of bytes"),
        (BODY, "", "expected a number of bytes"),
        (BODY, "9" * 5000, "expected a number of bytes"),
        (BODY, "²", "expected a number of bytes"),
        (BODY, None, "is not the JSON that is expected"),
        (HEAD, None, 'the input "x" has shape [1, 10], but 0 values'),
        (HEAD.replace(b"40", b"44") + BODY[len(HEAD) :] + b"\0\0\0\0", len(HEAD), "has shape [1, 10], but 11 values"),
        (HEAD.replace(b"40", b"%d" % 2**70) + BODY[len(HEAD) :], len(HEAD) + 20, "inputs come to"),
        (HEAD.replace(b"FP32", b"FP64") + BODY[len(HEAD) :], len(HEAD), "has shape [1, 10], but 5 values"),
        (HEAD.replace(b"[1,10]", b"[1,99]") + BODY[len(HEAD) :], len(HEAD), "has shape [1, 99], but 10 values"),
        (HEAD.replace(b"FP32", b"BOOL") + BODY[len(HEAD) :], len(HEAD), "a byte is neither 0 nor 1"),
    ],
)
def test_bytes_that_are_not_what_is_said_are_refused(ask: Ask, body: bytes, length: object, line: str) -> None:
    headers: Mapping[str, str] = {} if length is None else {HEADER: str(length)}
    answer = ask("POST", "/v2/models/ten/infer", headers, body)
    assert answer.status == 400
    assert line in answer.error


def element(text: bytes, more: int = 0) -> bytes:
    return struct.pack("<I", len(text) + more) + text


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (element(b"q", 1), "1 bytes of the last element are missing"),
        (element(b"q", 2**32 - 2), "bytes of the last element are missing"),
        (element(b"q") + b"\0\0", "unpack_from requires a buffer of at least"),
        (element(b"q") * 2, "has shape [1], but 2 values"),
        (b"", "has shape [1], but 0 values"),
        (element(b"\xff"), "can't decode byte 0xff"),
    ],
)
def test_text_that_is_cut_off_or_no_text_is_refused(ask: Ask, raw: bytes, line: str) -> None:
    about = {"name": "site", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [about]}).encode()
    answer = ask("POST", "/v2/models/air/infer", {HEADER: str(len(head))}, head + raw)
    assert answer.status == 400
    assert line in answer.error


def test_raw_and_plain_tensors_mix_in_any_order(loaded: Models, ask: Ask) -> None:
    when = Tensor("when", "BYTES", (2,), ["2024-01-01", "2024-01-02"], is_raw=False)
    site = Tensor("site", "BYTES", (2,), ["süd", "north"])
    flow = Tensor("flow", "UINT16", (2, 1), [2, 3])
    given = {"when": [*when.values], "site": [*site.values], "flow": [2, 3]}
    expected = loaded.named("air").predictor.predict(given).values.ravel().tolist()
    for inputs in ([when, site, flow], [flow, site, when], [site, when, flow]):
        assert [*infer(ask, "air", inputs).tensors["y"].values] == expected


def test_a_body_of_json_alone_may_say_its_length(ask: Ask) -> None:
    body, _ = request_of([Tensor(ROW.name, ROW.datatype, ROW.shape, ROW.values, is_raw=False)])
    for headers in ({HEADER: str(len(body))}, {HEADER: str(len(body)), "content-type": "application/octet-stream"}):
        assert ask("POST", "/v2/models/ten/infer", headers, body).tensors["y"].shape == (1, 1)


def test_lr_serve_answers_the_client_over_a_socket(server: Serving, models: Path) -> None:
    ask, a, site = over_http(server.url), [1.5, 2.5], ["q", "r"]
    expected = Predictor.load(models / "site.onnx").predict({"a": a, "site": site})
    for is_raw in (True, False):
        inputs = [Tensor("site", "BYTES", (2,), site, is_raw), Tensor("a", "FP64", (2,), a, is_raw)]
        found = infer(ask, "site", inputs, binary_data_output=is_raw).tensors
        assert [*found["y"].values] == expected.values.ravel().tolist()
        assert expected.in_range is not None
        assert [*found["in_range"].values] == expected.in_range.tolist()
    refused = infer(ask, "site", [Tensor("site", "BYTES", (1,), ["s"]), Tensor("a", "FP32", (1,), [float("nan")])])
    assert (refused.status, refused.error) == (400, refusal(models, {"a": [float("nan")], "site": ["s"]}))


def refusal(models: Path, x: object) -> str:
    with pytest.raises(RowError) as raised:
        Predictor.load(models / "site.onnx").predict(x)
    return str(raised.value)

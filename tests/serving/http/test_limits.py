"""What the application refuses under any server: driven by messages of ASGI, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from lr_runtime.errors import InputError
from lr_runtime.serving import create_app
from lr_runtime.serving.options import Limits
from lr_runtime.serving.routes import Route, Router

if TYPE_CHECKING:
    from pathlib import Path

    from lr_runtime.serving import Application
    from lr_runtime.serving.bodies import Message, Receive
    from lr_runtime.serving.http import Response

Answered = tuple[int, dict[str, str], bytes]
ROW = b"[[4.0]]"


@pytest.fixture
def app(models: Path) -> Application:
    return create_app(models / "line.onnx", limits=Limits(max_body=200_000, deadline=0.2))


def parts(*bodies: bytes, is_all: bool = True) -> Receive:
    """Return what gives a body in parts; then it waits, as for a client that sends no more."""
    left = [*bodies]

    async def receive() -> Message:
        if not left:
            await asyncio.sleep(60)
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left) or not is_all}

    return receive


async def ask(
    app: Application,
    body: Sequence[bytes] | Receive = (ROW,),
    *,
    path: str = "/predict",
    method: str = "POST",
    **headers: str,
) -> Answered:
    """Return the status, the headers and the body of an answer."""
    sent: list[dict[str, Any]] = []
    named = {"host": "here", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if isinstance(body, Sequence):
        named.setdefault("content-length", str(sum(map(len, body))))

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
    }
    await app(scope, parts(*body) if isinstance(body, Sequence) else body, send)
    start, content = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, content["body"]


def refusal(answer: Answered) -> tuple[int, str]:
    status, headers, body = answer
    assert headers["content-type"] == "application/json"
    assert not [name for name in headers if name.startswith("access-control")]
    return status, json.loads(body)["error"]


def test_a_body_in_parts_is_one(app: Application) -> None:
    status, _, body = asyncio.run(ask(app, [b"[[4", b"", b".0]]"]))
    assert (status, json.loads(body)["predictions"]) == (200, [{"y": 9.0}])


def test_nothing_is_asked_for_behind_the_length(app: Application) -> None:
    receive = parts(ROW, is_all=False)  # a second call would wait
    assert asyncio.run(ask(app, receive, content_length="7"))[0] == 200


@pytest.mark.parametrize("text", ["+7", "-1", "7, 7", "1e3", "0x7", "", " 7", "7_0", "\xd9\xa7"])
def test_a_length_that_is_no_number(app: Application, text: str) -> None:
    status, said = refusal(asyncio.run(ask(app, parts(), content_length=text)))
    assert (status, said) == (400, "Content-Length is not a number of bytes")


def test_a_body_without_a_length(app: Application) -> None:
    status, said = refusal(asyncio.run(ask(app, parts(ROW), transfer_encoding="chunked")))
    assert (status, said) == (411, "the request does not say how long its body is. Send Content-Length")


def test_a_body_that_is_too_large_is_not_read(app: Application) -> None:
    answer = asyncio.run(ask(app, parts(), content_length="200001"))
    assert refusal(answer) == (413, "the body has 200001 bytes; at most 200000 are read")
    assert answer[1]["connection"] == "close"


def test_a_body_that_comes_too_late(app: Application) -> None:
    answer = asyncio.run(ask(app, parts(b"[[4", is_all=False), content_length="7"))
    assert refusal(answer) == (408, "the body did not come within 0.2 s")
    assert answer[1]["connection"] == "close"


def test_a_body_that_is_cut_off(app: Application) -> None:
    assert refusal(asyncio.run(ask(app, parts(b"[[4"), content_length="7"))) == (400, "the body has 3 of 7 bytes")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x"])
def test_a_compressed_body(app: Application, encoding: str) -> None:
    assert refusal(asyncio.run(ask(app, parts(), content_encoding=encoding, content_length="7")))[0] == 415


@pytest.mark.parametrize("encoding", ["identity", "Identity ", ""])
def test_a_body_that_says_it_is_as_it_is(app: Application, encoding: str) -> None:
    assert asyncio.run(ask(app, content_encoding=encoding))[0] == (200 if encoding else 415)


def test_slow_uploads_together_stay_within_a_bound(app: Application) -> None:
    async def crowd() -> list[Answered]:
        half = b" " * 100_000
        slow = [ask(app, parts(half, half, is_all=False), content_length="200000") for _ in range(8)]
        waiting = [asyncio.ensure_future(each) for each in slow]
        await asyncio.sleep(0)
        alone = await ask(app)
        return [alone, *await asyncio.gather(*waiting), await ask(app, [b" " * 199_993 + ROW])]

    alone, *crowded, after = asyncio.run(crowd())
    assert alone[0] == after[0] == 200  # small bodies have their place, and what was held is given back
    statuses = [answer[0] for answer in crowded]
    assert statuses.count(503) == 4  # of eight bodies of which four fit
    assert [answer[1]["retry-after"] for answer in crowded if answer[0] == 503] == ["1"] * 4


def test_a_large_body_leaves_the_loop_to_others(app: Application) -> None:
    async def both() -> list[Answered]:
        return [*await asyncio.gather(ask(app, [b" " * 199_993 + ROW]), ask(app))]

    assert [answer[0] for answer in asyncio.run(both())] == [200, 200]


def raising(app: Application, error: Exception, status: int) -> Answered:
    def handler(*_: object) -> Response:
        raise error

    app._router = Router([Route("POST", "/predict", handler, "", status)])
    return asyncio.run(ask(app))


@pytest.mark.parametrize("status", [400, 422])
def test_the_route_says_the_status_of_rows_that_are_refused(app: Application, status: int) -> None:
    assert refusal(raising(app, InputError("no such row"), status)) == (status, "no such row")


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), MemoryError(), RecursionError(), KeyError("a")])
def test_a_bug_is_logged_and_not_shown(app: Application, capfd: pytest.CaptureFixture[str], error: Exception) -> None:
    assert refusal(raising(app, error, 400)) == (500, "an internal error")
    logged = capfd.readouterr().err
    assert type(error).__name__ in logged
    assert "Traceback" in logged


def test_methods_and_paths(app: Application) -> None:
    assert refusal(asyncio.run(ask(app, path="/nothing")))[0] == 404
    status, headers, _ = asyncio.run(ask(app, method="PUT"))
    assert (status, headers["allow"]) == (405, "POST")
    status, headers, _ = asyncio.run(ask(app, path="/v2"))
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_a_path_in_a_message_is_short_and_one_line(app: Application) -> None:
    status, said = refusal(asyncio.run(ask(app, path="/\n\x00" + "a" * 9000)))
    assert status == 404
    assert len(said) < 100
    assert said.isprintable()


def test_readiness_ends_first(app: Application) -> None:
    app.is_ready = False
    answer = asyncio.run(ask(app, path="/v2/health/ready", method="GET"))
    assert refusal(answer) == (503, "the server is about to stop")
    assert (answer[1]["connection"], answer[1]["retry-after"]) == ("close", "1")
    status, headers, _ = asyncio.run(ask(app))
    assert (status, headers["connection"]) == (200, "close")
    assert asyncio.run(ask(app, path="/v2/health/live", method="GET"))[0] == 200
    assert asyncio.run(ask(app, path="/v2/models/line/ready", method="GET"))[0] == 503

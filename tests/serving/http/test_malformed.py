"""Requests that are no HTTP/1.1, or that two readers could take for two different ones, over raw sockets.

What granian refuses itself has an empty body; `CLOSED` stands for an end without an answer. A request may be answered
with any of the statuses that are named; after each, the next client is served.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.serving.conftest import Serving

CLOSED = 0
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HOST = b"Host: here\r\n"
END = b"0\r\n\r\n"


def get(path: bytes = b"/v2", headers: bytes = b"", *, host: bytes = HOST, method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\n" + host + headers + b"\r\n"


def post(headers: bytes, body: bytes = b"[[4.0]]", version: bytes = b"1.1") -> bytes:
    return b"POST /predict?model=line HTTP/" + version + b"\r\n" + HOST + headers + b"\r\n" + body


def long(text: bytes) -> bytes:
    return post(b"Content-Length: " + text + b"\r\n")


REQUESTS: dict[str, tuple[bytes, set[int]]] = {
    # Where a body ends: what one reader takes for a body, the other takes for the next request.
    "a length and chunks": (post(b"Content-Length: 5\r\n" + CHUNKED, END), {400, 411}),
    "chunks and a length": (post(CHUNKED + b"Content-Length: 5\r\n", END), {400, 411}),
    "chunks": (post(CHUNKED, b"7\r\n[[4.0]]\r\n" + END), {411}),
    "a chunk of 0x7": (post(CHUNKED, b"0x7\r\n[[4.0]]\r\n" + END), {400, 411}),
    "a chunk of -7": (post(CHUNKED, b"-7\r\n[[4.0]]\r\n" + END), {400, 411}),
    "a chunk beyond all measure": (post(CHUNKED, b"f" * 17 + b"\r\n[[4.0]]\r\n" + END), {400, 411}),
    "a chunk with an extension": (post(CHUNKED, b"7;a=b\r\n[[4.0]]\r\n" + END), {411}),
    "a length as a trailer": (post(CHUNKED, b"7\r\n[[4.0]]\r\n0\r\nContent-Length: 5\r\n\r\n"), {411}),
    "chunks twice": (post(CHUNKED * 2, END), {400, 411}),
    "xchunked": (post(b"Transfer-Encoding: xchunked\r\n", END), {400}),
    "identity": (post(b"Transfer-Encoding: identity\r\n", END), {400}),
    "chunked, then identity": (post(b"Transfer-Encoding: chunked, identity\r\n", END), {400}),
    "gzip, then chunked": (post(b"Transfer-Encoding: gzip, chunked\r\n", END), {411}),
    "a blank before the colon": (post(b"Transfer-Encoding : chunked\r\n", END), {400}),
    "a vertical tab": (post(b"Transfer-Encoding:\x0bchunked\r\n", END), {400}),
    "a folded encoding": (post(b"Transfer-Encoding:\r\n chunked\r\n", END), {400}),
    "chunks of HTTP/1.0": (post(CHUNKED, END, b"1.0"), {400}),
    "two lengths": (post(b"Content-Length: 7\r\nContent-Length: 8\r\n"), {400}),
    "no length": (post(b""), {411}),
    "a length of +7": (long(b"+7"), {400}),
    "a length of -1": (long(b"-1"), {400}),
    "a length of -0": (long(b"-0"), {400}),
    "a length of 7, 7": (long(b"7, 7"), {400}),
    "a length of 7 7": (long(b"7 7"), {400}),
    "a length of 1e3": (long(b"1e3"), {400}),
    "a length of 0x7": (long(b"0x7"), {400}),
    "a length of nothing": (long(b""), {400}),
    "a length in other digits": (long(b"\xd9\xa7"), {400}),
    "a length beyond 64 bits": (long(b"9" * 23), {400}),
    "a length of 64 bits": (long(b"18446744073709551615"), {400, 413, 431}),
    "a length of 10 TB": (long(b"9" * 13), {413}),
    "a large body that asks first": (post(b"Content-Length: 300000000\r\nExpect: 100-continue\r\n", b""), {413}),
    "a compressed body": (post(b"Content-Length: 7\r\nContent-Encoding: gzip\r\n"), {415}),
    # Lines and headers.
    "carriage returns alone": (get().replace(b"\r\n", b"\r"), {400}),
    "a folded header": (get(headers=b"A: b\r\n c\r\n"), {400}),
    "a header without a colon": (get(headers=b"foo\r\n"), {400}),
    "a header without a name": (get(headers=b": x\r\n"), {400}),
    "a blank in a name": (get(headers=b"a b: c\r\n"), {400}),
    "a name that is no text": (get(headers=b"a\xff: c\r\n"), {400}),
    "a NUL in a value": (get(headers=b"a: b\x00c\r\n"), {400}),
    "a control character in a value": (get(headers=b"a: b\x01c\r\n"), {400}),
    "a blank before the first header": (get(host=b" Host: here\r\n"), {400}),
    "no host": (get(host=b""), {400}),
    "two hosts": (get(host=HOST + b"Host: there\r\n"), {400}),
    "an empty host": (get(host=b"Host: \r\n"), {400}),
    "a host with a path": (get(host=b"Host: here/there\r\n"), {400}),
    "a header of 20 kB": (get(headers=b"a: " + b"b" * 20_000 + b"\r\n"), {431}),
    "3,000 headers": (get(headers=b"a: b\r\n" * 3000), {431}),
    # The first line.
    "a path of 40 kB": (get(b"/" + b"a" * 40_000), {414, 431}),
    "a path of 8 kB": (get(b"/" + b"a" * 8000), {404}),
    "a NUL in the path": (get(b"/v2/\x00"), {400}),
    "a NUL in the path, escaped": (get(b"/v2/%00"), {404}),
    "a blank in the path": (get(b"/v2 /x"), {400}),
    "a path that is no text": (get(b"/v2/models/\xff"), {400}),
    "a path that is no text, escaped": (get(b"/v2/models/%ff%fe"), {404}),
    "a way up": (get(b"/v2/../v2"), {404}),
    "a way up, escaped": (get(b"/v2/%2e%2e/v2"), {404}),
    "an asterisk": (get(b"*", method=b"OPTIONS"), {404}),
    "CONNECT": (get(b"here:80", method=b"CONNECT"), {400, 404, 405}),
    "OPTIONS": (get(method=b"OPTIONS"), {405}),
    "TRACE": (get(method=b"TRACE"), {405}),
    "a method in small letters": (get(method=b"get"), {405}),
    "a method that is none": (get(method=b"<GET>"), {400}),
    "no method": (b" /v2 HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "two blanks": (get(b" /v2"), {400}),
    "tabs": (b"GET\t/v2\tHTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "HTTP/0.9": (b"GET /v2\r\n\r\n", {400}),
    "HTTP/1.2": (get().replace(b"/1.1", b"/1.2"), {400}),
    "HTTP/2.0": (get().replace(b"/1.1", b"/2.0"), {400}),
    "http/1.1": (get().replace(b"HTTP", b"http"), {400}),
    "HTTP/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), {CLOSED}),
    "a handshake of TLS": (bytes.fromhex("16030100a5010000a10303") + b"a" * 100, {400}),
    "the greeting of SSH": (b"SSH-2.0-client\r\n\r\n", {400}),
}


GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST = b"GET /v2/health/live HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


def answered(serving: Serving, request: bytes) -> tuple[int, bytes]:
    """Return the status of the first answer to bytes, and all that is answered before the connection ends.

    Where the server leaves it open, a last request ends it, whose answer is left out.
    """
    said, asked = b"", False
    with socket.create_connection(serving.address, timeout=20) as client:
        with suppress(OSError):  # closed meanwhile
            client.sendall(request)
        with suppress(ConnectionError):
            while part := client.recv(1 << 16):
                said += part
                if not asked and b"\r\n\r\n" in said.removeprefix(GO_ON):
                    asked = True
                    client.sendall(LAST)
    if said.endswith(b'{"live":true}'):
        said = said[: said.rindex(b"HTTP/1.1 200")]
    return int(said.split(b" ", 2)[1]) if said else CLOSED, said


@pytest.mark.parametrize("name", REQUESTS)
def test_a_malformed_request_is_refused(server: Serving, name: str) -> None:
    request, expected = REQUESTS[name]
    status, said = answered(server, request)
    assert status in expected, said
    assert said.count(b"HTTP/1.") <= 1, said  # nothing of a body was taken for a request
    assert b"Traceback" not in said
    assert answered(server, get(headers=b"Connection: close\r\n"))[0] == 200


ODD = {
    "an absolute form": get(b"http://elsewhere/v2"),
    "line feeds alone, which RFC 9112, 2.2, lets pass": get().replace(b"\r\n", b"\n"),
    "a header that is no ASCII": get(headers=b"a: \xff\r\n"),
    "an empty line first": b"\r\n" + get(),
    "a websocket": get(headers=b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    "h2c": get(headers=b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
    "a body of GET": get(headers=b"Content-Length: 3\r\n") + b"abc",
    "a request as a body of GET": get(headers=b"Content-Length: %d\r\n" % len(get())) + get(),
    "odd escapes in the query": get(b"/v2?%zz=%&a=%ff&;=%00"),
    "HTTP/1.0 without a host": b"GET /v2 HTTP/1.0\r\n\r\n",
    "HEAD": get(method=b"HEAD"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_request_is_answered_as_what_it_is(server: Serving, name: str) -> None:
    status, said = answered(server, ODD[name])
    assert status == 200, said
    assert said.count(b"HTTP/1.") == 1, said


def test_what_waits_behind_a_request_is_answered_too(server: Serving) -> None:
    _, said = answered(server, long(b"7") + get() + long(b"7"))
    assert said.count(b"HTTP/1.1 200 OK") == 3
    assert said.count(b'"predictions":[{"y":9.0}]') == 2


def test_head_is_get_without_a_body(server: Serving) -> None:
    asked, head = server.ask("/v2"), server.ask("/v2", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == asked.headers["content-length"] == str(len(asked.body))


def test_a_client_that_asks_whether_to_send_is_told_to(server: Serving) -> None:
    _, said = answered(server, post(b"Content-Length: 7\r\nExpect: 100-continue\r\n"))
    assert said.startswith(GO_ON + b"HTTP/1.1 200 OK")


def test_a_websocket_gets_no_other_protocol(server: Serving) -> None:
    assert b"101" not in answered(server, ODD["a websocket"])[1].split(b"\r\n")[0]

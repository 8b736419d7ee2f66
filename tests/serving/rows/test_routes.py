"""The table of routes: which path is found, what a part of it is, what else is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lr_runtime.serving.http import HttpError, Request, Response
from lr_runtime.serving.routes import Route, Router, path_of

if TYPE_CHECKING:
    from lr_runtime.serving.models import Models


def _answer(_: Request, __: Models) -> Response:
    return Response(b"")


ROUTER = Router(
    [
        Route("GET", "/v2", _answer, "a"),
        Route("POST", "/predict", _answer, "b"),
        Route("GET", "/v2/models/{name}", _answer, "c"),
        Route("GET", "/v2/models/{name}/ready", _answer, "d"),
        Route("POST", "/v2/models/{name}/versions/{version}/infer", _answer, "e"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "summary", "names"),
    [
        ("GET", "/v2", "a", {}),
        ("HEAD", "/v2", "a", {}),
        ("GET", "/v%32", "a", {}),
        ("POST", "/predict", "b", {}),
        ("GET", "/v2/models/m", "c", {"name": "m"}),
        ("GET", "/v2/models/m/ready", "d", {"name": "m"}),
        ("GET", "/v2/models/m%2Fready", "c", {"name": "m/ready"}),
        ("GET", "/v2/models/%2e%2E", "c", {"name": ".."}),
        ("GET", "/v2/models/%2541", "c", {"name": "%41"}),
        ("GET", "/v2/models/{name}", "c", {"name": "{name}"}),
        ("GET", "/v2/models/gr%C3%B6%C3%9Fe", "c", {"name": "größe"}),
        ("GET", "/v2/models/%ff%zz", "c", {"name": "\ufffd%zz"}),
        ("POST", "/v2/models/m/versions/1/infer", "e", {"name": "m", "version": "1"}),
    ],
)
def test_a_path_is_found_with_its_parts(method: str, path: str, summary: str, names: dict[str, str]) -> None:
    route, found = ROUTER.found(method, path)
    assert (route.summary, found) == (summary, names)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/v2/", "//v2", "/V2", "/v2/models", "/v2/models/", "/v2/models/m/", "/v2/models//ready", "v2", "*"],
)
def test_nothing_is_at_any_other_path(path: str) -> None:
    with pytest.raises(HttpError, match="there is nothing at") as caught:
        ROUTER.found("GET", path)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST"),
        ("HEAD", "/predict", "POST"),
        ("DELETE", "/v2", "GET, HEAD"),
        ("POST", "/v2/models/m", "GET, HEAD"),
        ("get", "/v2", "GET, HEAD"),
    ],
)
def test_another_method_is_told_which_are_allowed(method: str, path: str, allowed: str) -> None:
    with pytest.raises(HttpError, match=allowed) as caught:
        ROUTER.found(method, path)
    assert (caught.value.status, caught.value.headers) == (405, (("allow", allowed),))


def test_a_server_that_says_only_the_decoded_path_is_read_as_if_it_were_sent() -> None:
    assert path_of({"path": "/a b/ö%41"}) == "/a%20b/%C3%B6%2541"
    assert path_of({"path": "/a/b", "raw_path": b"/a%2Fb"}) == "/a%2Fb"

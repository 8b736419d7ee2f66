"""GET /openapi.json: it says what the table of routes says, its examples work, and no request made from it breaks."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lr_runtime.serving import create_app
from tests.serving.asgi import Client

if TYPE_CHECKING:
    from pathlib import Path


EXAMPLES = int(os.environ.get("LINEDGE_SCHEMATHESIS", "12"))
"""Requests of each operation; a thousand take some minutes."""


CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize("mode", [*GenerationMode])
def test_a_request_made_from_the_document_is_answered_as_it_says(mode: GenerationMode, models: Path) -> None:
    app = create_app(models)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    statuses: dict[str, set[int]] = {f"{method.upper()} {path}": set() for path, method, _ in operations(Client(app))}
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=[*HealthCheck])
        @given(case=operation.as_strategy(generation_mode=mode))
        def asked(case: Any) -> None:
            response = case.call()
            assert response.status_code < 500, case.as_curl_command()
            case.validate_response(response, checks=CHECKS)
            statuses[case.operation.label].add(response.status_code)

        with suppress(Unsatisfiable):  # without a parameter or a body nothing can be wrong
            asked()
    assert statuses["POST /predict"] >= ({200} if mode is GenerationMode.POSITIVE else {400, 422})


def operations(client: Client) -> list[tuple[str, str, dict[str, Any]]]:
    paths = client.get("/openapi.json").json["paths"]
    return [(path, method, said) for path, methods in paths.items() for method, said in methods.items()]


def test_every_route_is_in_the_document_and_no_other(client: Client) -> None:
    app: Any = client.app
    routes = {(route.path, route.method.lower()): route for route in app._router.routes}
    found = operations(client)
    assert {(path, method) for path, method, _ in found} == {*routes}
    assert len({said["operationId"] for *_, said in found}) == len(routes)
    for path, method, said in found:
        route = routes[path, method]
        assert {*said["responses"]} == {str(status) for status in route.statuses}
        assert {*said.get("requestBody", {"content": ()})["content"]} == {*route.takes}
        assert {*said["responses"]["200"]["content"]} == {*route.gives}
        assert {each["name"] for each in said["parameters"]} == {*route.names, *route.query}


def test_its_examples_work(client: Client) -> None:
    tried = set()
    for path, _, said in operations(client):
        for kind, content in said.get("requestBody", {"content": {}})["content"].items():
            for name, example in content["examples"].items():
                value = example["value"]
                body = value.encode() if isinstance(value, str) else value
                answer = client.post(path + example["summary"], body, kind)
                assert answer.status == 200, (path, kind, name, answer)
                tried.add((path, kind, name))
    assert {name for path, kind, name in tried if (path, kind) == ("/predict", "application/json")} == {
        "line",
        "plane",
        "site",
    }
    assert {kind for path, kind, _ in tried if path == "/predict"} >= {"text/csv", "application/jsonl"}


def test_a_row_is_described_by_its_columns(client: Client) -> None:
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    rows = {schema["title"]: schema for name, schema in schemas.items() if name.startswith("Row-")}
    assert {*rows} == {"line", "plane", "site"}
    assert rows["plane"]["properties"]["a"] == {"type": ["number"], "description": "trained from 1.0 to 6.0 V"}
    assert rows["site"]["properties"]["site"] == {"enum": ["p", "q", "r"]}
    assert rows["site"]["required"] == ["a", "site"]

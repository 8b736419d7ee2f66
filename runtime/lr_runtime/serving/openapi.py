"""GET /openapi.json: the table of routes and the models that are served, as OpenAPI 3.1 describes them."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from lr_runtime import __version__
from lr_runtime.choices import ON_ERROR
from lr_runtime.serving.formats import CSV, TABLES, Rows
from lr_runtime.serving.http import JSON, Request, Response, encoded
from lr_runtime.serving.routes import Route
from lr_runtime.serving.rows import Reading
from lr_runtime.tables.writing import cell_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.contract import Contract
    from lr_runtime.serving.models import Models, Served

_Json: TypeAlias = "dict[str, object]"
_PLACE = "#/components/schemas/"


class Error(msgspec.Struct):
    """What was expected, what came, what to do: one line."""

    error: str


def documented(routes: Sequence[Route]) -> list[Route]:
    """Return the routes, and one more that describes them all."""

    def answer(_: Request, models: Models) -> Response:
        return Response(encoded(described(every, [*models])))

    every = [*routes, Route("GET", "/openapi.json", answer, "What can be asked here, as OpenAPI says it")]
    return every


def described(routes: Sequence[Route], served: Sequence[Served]) -> _Json:
    """Return the document of routes and models."""
    named = (kind for route in routes for kind in (*route.takes.values(), *route.gives.values()))
    kinds = [kind for kind in dict.fromkeys([Error, *named]) if kind not in {None, Rows}]
    found, components = msgspec.json.schema_components(kinds, ref_template=_PLACE + "{name}")
    rows = {f"Row-{each.version}": _row(each) for each in served}
    a_row: _Json = {"anyOf": [{"$ref": _PLACE + name} for name in rows]}
    some_rows: _Json = {"type": "array", "items": {"anyOf": [a_row, {"type": "array"}]}}
    schemas = {None: {}, **dict(zip(kinds, found, strict=True)), Rows: {"anyOf": [some_rows, a_row]}}
    paths: dict[str, _Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas, served)
    token, info = {"type": "http", "scheme": "bearer"}, {"title": "lr-serve", "version": __version__}
    beside: _Json = {"schemas": {**components, **rows}, "securitySchemes": {"token": token}}
    security: list[object] = [{}, {"token": []}]  # where the server asks for none, none is needed
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": beside, "security": security}


def _operation(route: Route, schemas: Mapping[object, _Json], served: Sequence[Served]) -> _Json:
    answers: _Json = {
        str(status): _content(HTTPStatus(status).phrase, {JSON: {"schema": schemas[Error]}})
        for status in route.statuses
    }
    answers["200"] = _content("OK", {media: {"schema": schemas[kind]} for media, kind in route.gives.items()})
    name = re.sub(r"\W", "_", re.sub("[{}]", "", route.method.lower() + route.path))
    said: _Json = {"operationId": name, "summary": route.summary, "responses": answers}
    said["parameters"] = [_parameter(each, route.query.get(each, ""), served) for each in (*route.names, *route.query)]
    if route.takes:
        content: _Json = {
            media: {"schema": schemas[kind], "examples": _examples(media, kind, served)}
            for media, kind in route.takes.items()
        }
        said["requestBody"] = {"required": True, "content": content}
    return said


def _content(what: str, content: _Json) -> _Json:
    return {"description": what, "content": content}


def _parameter(name: str, what: str, served: Sequence[Served]) -> _Json:
    names = [each.name for each in served]
    choices = {"model": names, "name": names, "on_error": ON_ERROR}.get(name)
    schema: _Json = {"type": "string"} | ({} if choices is None else {"enum": choices})
    place, is_required = ("query", name == "model" and len(names) > 1) if what else ("path", True)
    return {"in": place, "name": name, "description": what, "required": is_required, "schema": schema}


def _row(served: Served) -> _Json:
    columns = served.contract.columns
    cells = {column.name: _cell(column) for column in columns}
    return {"title": served.name, "type": "object", "properties": cells, "required": [*cells]}


def _cell(column: Column) -> _Json:
    missing = [] if column.missing == "error" else [None]
    if column.kind == "category":
        return {"enum": [*column.categories, *missing]}
    types = ["number", *(["string"] if column.time else []), *(["null"] if missing else [])]
    unit = column.time.words + ", or an instant in ISO 8601" if column.time else column.unit or ""
    return {"type": types, "description": f"trained from {column.minimum!r} to {column.maximum!r} {unit}".strip()}


def _examples(media: str, kind: object, served: Sequence[Served]) -> _Json:
    """Return by the name of its model a body that it takes, of its golden rows."""
    made = {each.name: _example(media, kind, each.contract) for each in served if each.contract.golden_rows}
    return {name: {"value": value, "summary": f"?model={name}"} for name, value in made.items() if value is not None}


def _example(media: str, kind: object, contract: Contract) -> object:
    golden = contract.golden_rows[0]
    row = {
        column.name: column.categories[int(x)] if column.categories and x is not None else x
        for column, x in zip(contract.columns, golden.x, strict=True)
    }
    if kind is Rows:
        return [row]
    free = next((column.name for column in contract.columns if column.kind == "number"), None)
    if kind is Reading and free is not None and contract.inverse is None:
        at = {name: x for name, x in row.items() if name != free}
        return {"reading": {contract.outputs[0].name: golden.y[0]}, "at": at}
    if any(column.time for column in contract.columns):  # of which a number is no instant in a table
        return None
    if media == CSV:
        return "\n".join(",".join(map(cell_text, cells)) for cells in (row, row.values())) + "\n"
    return json.dumps(row) + "\n" if TABLES.get(media) == "jsonl" else None

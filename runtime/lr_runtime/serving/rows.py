"""Rows in the formats that people have: JSON, CSV, JSON lines, Arrow; predicted, explained, taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from lr_runtime.choices import ON_ERROR
from lr_runtime.errors import escaped
from lr_runtime.prediction.batches import predict_batches
from lr_runtime.prediction.explanation import Explanation  # noqa: TC001 - msgspec reads it
from lr_runtime.prediction.table import Scoring
from lr_runtime.serving import formats
from lr_runtime.serving.http import JSON, HttpError, Request, Response, decoded, encoded
from lr_runtime.serving.routes import Route
from lr_runtime.tables.writing import OutputRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.choices import OnError
    from lr_runtime.serving.models import Models, Served

_MODEL = {"model": "The model; one that is alone need not be named."}
_PREDICT = {
    **_MODEL,
    "on_error": "What a bad row does: stop (an error), skip (it is left out), null (its results are null).",
    "keep": "Columns of a table to write before the predictions, with commas between them, or: all.",
    "delimiter": "The character between the cells of CSV.",
    "decimal": "The decimal mark of CSV.",
}
_MOST_ERRORS = 100
"""Bad rows of which an answer says what is wrong: enough to see what it is, and no way to a large one."""


class Predictions(msgspec.Struct, omit_defaults=True):
    """The results of each row by name, null for a bad one; with `on_error`, what is wrong with the first bad rows."""

    predictions: list[dict[str, float | str | bool | None]]
    model_sha256: str
    errors: list[str] = []


class Explanations(msgspec.Struct):
    """What each term adds to the prediction of one row, for each output."""

    explanations: tuple[Explanation, ...]
    model_sha256: str


class Reading(msgspec.Struct, forbid_unknown_fields=True):
    """The reading of one output by its name, and the values of all columns but the one that is wanted."""

    reading: dict[str, float]
    at: dict[str, int | float | str | bool | None] = {}


class Inverse(msgspec.Struct):
    """The column at which an output is the reading, and its limits; null for a side without one."""

    inverse: dict[str, float | None]
    model_sha256: str


def predict(request: Request, models: Models) -> Response:
    """Answer with a prediction for each row, in the format of the rows or in that of Accept."""
    given = request.parameters(_PREDICT)
    served, on_error = models.named(given.get("model")), cast("OnError", given.get("on_error", ON_ERROR[0]))
    kind = formats.taken_of(request)
    wanted = formats.asked_of(request, kind)
    if kind != JSON:
        table, faults = formats.table_of(request, kind, given), list[str]()
        keep = [name.strip() for name in given["keep"].split(",")] if "keep" in given else ()
        scoring = Scoring(served.asked_by(request), table, keep=keep, on_error=on_error)
        return _answer([*scoring.rows(faults.append)], wanted, served, faults)
    if strange := [name for name in ("keep", "delimiter", "decimal") if name in given]:
        raise HttpError(400, f"{strange[0]} is of tables. Leave it out, or send one: {', '.join(formats.TABLES)}")
    rows = formats.rows_of(request)
    if on_error == "stop" and wanted == JSON:
        prediction = served.asked_by(request).predict(rows)
        body = encoded({"predictions": prediction.rows(), "model_sha256": served.predictor.sha256})
        return Response(body, rows=len(prediction.values))
    (done,) = predict_batches(served.asked_by(request), [rows], on_error=on_error)
    parts = [OutputRows({}, done.prediction.columns(), done.empty)]
    return _answer(parts, wanted, served, list(map(str, done.faults)))


def _answer(parts: Sequence[OutputRows], kind: str, served: Served, faults: Sequence[str]) -> Response:
    said = {"model_sha256": served.predictor.sha256} | ({"errors": faults[:_MOST_ERRORS]} if faults else {})
    body = formats.written(parts, kind, encoded(said)[1:-1].decode())
    headers = (("x-bad-rows", str(len(faults))),) if faults else ()
    return Response(body, kind, headers=headers, rows=sum(map(len, parts)))


def explain(request: Request, models: Models) -> Response:
    """Answer with what each term adds to the prediction of one row."""
    served = _asked_in_json(request, models)
    explanations = served.predictor.explain(formats.rows_of(request))
    return Response(encoded(Explanations(explanations, served.predictor.sha256)), rows=1)


def invert(request: Request, models: Models) -> Response:
    """Answer with the column that a reading is taken back to."""
    served = _asked_in_json(request, models)
    asked = decoded(request.body, Reading)
    formats.check_keys(request.body, 1 + len(asked.reading) + len(asked.at) + bool(asked.at))
    if served.contract.inverse is not None:
        raise HttpError(422, f"{escaped(served.name)} takes a reading back already. Send it to /predict as its column")
    found = served.predictor.invert(asked.reading, at=asked.at).to_json()
    return Response(encoded({"inverse": found, "model_sha256": served.predictor.sha256}), rows=1)


def _asked_in_json(request: Request, models: Models) -> Served:
    formats.taken_of(request, [JSON])
    return models.named(request.parameters(_MODEL).get("model"))


_TABLES = dict.fromkeys(formats.TABLES)
_TAKES, _GIVES, _ROWS = {JSON: formats.Rows, **_TABLES}, {JSON: Predictions, **_TABLES}, {JSON: formats.Rows}
_EXPLAINS, _INVERTS = "What each term adds to the prediction of one row", "The column at which an output is a reading"
ROUTES = [
    Route("POST", "/predict", predict, "Predict rows", 422, _PREDICT, _TAKES, _GIVES),
    Route("POST", "/explain", explain, _EXPLAINS, 422, _MODEL, _ROWS, {JSON: Explanations}),
    Route("POST", "/invert", invert, _INVERTS, 422, _MODEL, {JSON: Reading}, {JSON: Inverse}),
]

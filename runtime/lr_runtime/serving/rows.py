"""Rows in the formats that people have: JSON, CSV, JSON lines, Arrow; predicted, explained, taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lr_runtime.serving.http import Request, Response, decoded, encoded
from lr_runtime.serving.routes import Route

if TYPE_CHECKING:
    from lr_runtime.serving.models import Models, Served


def predict(request: Request, models: Models) -> Response:
    """Answer with a prediction for each row."""
    served = _asked(request, models)
    rows: list[Any] = decoded(request.body, list[Any])
    prediction = served.predictor.predict(rows)
    said = {"predictions": prediction.rows(), "model_sha256": served.predictor.sha256}
    return Response(encoded(said), rows=len(prediction.values))


def explain(request: Request, models: Models) -> Response:
    """Answer with what each term adds to the prediction of one row."""
    explanations = _asked(request, models).predictor.explain(decoded(request.body, list[Any]))
    return Response(encoded({"explanations": [each.to_json() for each in explanations]}), rows=1)


def _asked(request: Request, models: Models) -> Served:
    return models.named(request.asked("model"))


ROUTES = [
    Route("POST", "/predict", predict, "Predict rows", 422),
    Route("POST", "/explain", explain, "What each term adds to the prediction of one row", 422),
]

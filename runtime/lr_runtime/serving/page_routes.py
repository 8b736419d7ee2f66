"""The page on which a person tries a model, at the root: of one model, or a list of several to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.page.description import described
from lr_runtime.page.page import page_of, part
from lr_runtime.serving.http import Request, Response
from lr_runtime.serving.routes import Route

if TYPE_CHECKING:
    from lr_runtime.serving.models import Models

_HTML = "text/html; charset=utf-8"
_HEADERS = (
    ("cache-control", "no-cache"),  # the file of a model may be replaced
    ("content-security-policy", "frame-ancestors 'none'"),  # the rest of the policy stands in the page
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)


def page(request: Request, models: Models) -> Response:
    """Answer with the page of the model that is asked for, or of all."""
    name = request.parameters(["model"]).get("model")
    served = [*models] if name is None else [models.named(name)]
    descriptions = [described(each.contract, each.name, each.predictor.sha256) for each in served]
    text = page_of(descriptions, [part("remote.js")], asks_server=True)
    return Response(text.encode(), _HTML, headers=_HEADERS)


ROUTES = [Route("GET", "/", page, "A page to try a model on: ?model=NAME", gives={_HTML: None})]

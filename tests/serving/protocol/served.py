"""Models of every kind that the protocol has to serve, and its handlers asked without a server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

import lr_trainer
from lr_export import export
from lr_runtime.errors import LinedgeError
from lr_runtime.serving.http import HttpError, Request
from lr_runtime.serving.options import Limits
from lr_runtime.serving.protocol import handlers
from lr_runtime.serving.routes import Router
from tests.conftest import CHECKPOINTS, expanded
from tests.export.inverses import fitted
from tests.serving.protocol.client import Answer, Ask, Headers

if TYPE_CHECKING:
    from pathlib import Path

    from lr_runtime.serving.models import Models

MOST_ROWS = 2000


def export_models(folder: Path) -> None:
    """Export models to a folder: of numbers, of doubles, of one column `x`, with terms and missing values of every
    kind and two outputs; with instants and functions, intervals and flags; and one that takes readings back.
    """
    chance = np.random.default_rng(5)
    ten, sole = CHECKPOINTS["ten columns"](), CHECKPOINTS["one column"]()
    sole = replace(sole, contract=sole.contract._replace(columns=(sole.contract.columns[0]._replace(name="x"),)))
    export(ten, folder / "ten.onnx", without_eager=True)
    export(ten, folder / "doubles.onnx", precision="float64", input_dtype="float64", without_eager=True)
    export(sole, folder / "sole.onnx", without_eager=True)
    export(expanded(2), folder / "every term.onnx", without_eager=True)
    hours = np.arange(60) * np.timedelta64(1, "h")
    table = {
        "when": np.datetime64("2024-01-01T00:00:00") + hours,
        "site": chance.choice(["north", "süd"], 60),
        "flow": chance.uniform(0.5, 9.0, 60),
    }
    table["ozone"] = np.log(table["flow"]) + (table["site"] == "süd") + chance.normal(size=60) * 0.1
    table["no"] = table["flow"] + hours.astype(float) * 0.1 + chance.normal(size=60) * 0.1
    made = lr_trainer.fit(table, target=["ozone", "no"], time={"when": "hours"}, transforms={"flow": "log"})
    export(made, folder / "air.onnx", interval=0.9, flags=True, without_eager=True)
    inverse = fitted("reciprocal", noise=0.02, slope=1.5)
    export(inverse, folder / "inverse.onnx", inverse="x", interval=0.95, without_eager=True)


def asking(models: Models) -> Ask:
    """Ask the handlers, as the application does."""
    router, limits = Router(handlers.ROUTES), Limits(max_rows=MOST_ROWS)

    def ask(method: str, path: str, headers: Headers, body: bytes) -> Answer:
        given = {name.lower(): value for name, value in headers.items()}
        try:
            route, parts = router.found(method, path)
            response = route.handler(Request(given, body, "", parts, limits), models)
        except HttpError as error:
            response = error.response()
        except LinedgeError as error:
            response = HttpError(400, str(error)).response()
        said = {"content-type": response.content_type, **dict(response.headers)}
        return Answer(response.status, said, response.body)

    return ask

"""Models over HTTP: the Open Inference Protocol v2, rows in the formats that people have, and a page.

    bytes -> server.py -> application.py -> routes.py -> protocol/ or rows.py -> Predictor -> Response

`listening.py` settles where lr-serve listens and who may ask; `server.py` serves and stops, and says what only a server
can promise. `application.py` is the ASGI application, which runs under any ASGI server: the token, statuses, one line
of error; `bodies.py` reads bodies within limits. A handler is a function of a request and a model. `models.py` has the
models and replaces them when their files are replaced; `metrics.py` and `log.py` tell of each answer, `drift.py` of how
far the rows that come have drifted from the training rows.

>>> import lr_export, lr_trainer
>>> from lr_runtime.serving import create_app
>>> table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.0]}
>>> certificate = lr_export.export(lr_trainer.fit(table, target="y"), "model.onnx")
>>> app = create_app("model.onnx")  # uvicorn, granian or hypercorn runs it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.system.lazy import lazily

if TYPE_CHECKING:
    from lr_runtime.serving.application import Application, create_app

__all__ = ["Application", "create_app"]

__getattr__ = lazily(__name__, {"application": "Application create_app"}, "serve")

"""lr-serve: a model, or a folder of models, over HTTP."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from lr_runtime.choices import LoadOptions
from lr_runtime.commands.console import argument, command, note
from lr_runtime.commands.record_options import options_of, values_of
from lr_runtime.serving.options import Limits, ListenOptions
from lr_runtime.system.lazy import needs_extra


@command("lr-serve")
@argument("model", type=click.Path())
@options_of(ListenOptions)
@options_of(Limits)
@options_of(LoadOptions)
def main(*, model: str, as_json: bool, quiet: bool, **given: Any) -> None:
    """Answer requests for predictions of MODEL, or of every *.onnx of a folder, until it is told to stop.

    Clients of KServe, Triton and MLServer ask at /v2 (the Open Inference Protocol); POST /predict takes rows as JSON,
    CSV, JSON lines or Arrow; a browser shows a page at /. GET /openapi.json says all there is.

    \b
    Examples:
      lr-serve model.onnx
      lr-serve models/ --host 0.0.0.0 --token-file token.txt --certfile cert.pem --keyfile key.pem
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    listening = ListenOptions(**values_of(ListenOptions, given))
    limits, loading = Limits(**values_of(Limits, given)), LoadOptions(**values_of(LoadOptions, given))
    with needs_extra("serve"):
        from lr_runtime.serving.application import create_app
        from lr_runtime.serving.listening import token_of
        from lr_runtime.serving.log import Log
        from lr_runtime.serving.server import serve

    token = token_of(listening.token_file)
    if listening.token_file is not None and os.stat(listening.token_file).st_mode & 0o004:  # noqa: PTH116 - as elsewhere
        note(f"lr-serve: warning: everyone here can read {listening.token_file}. Run: chmod 600 FILE", quiet=False)
    log = Log(as_json=listening.log_json)
    app = create_app(model, loading, limits, token, log)

    def listens(url: str) -> None:
        if not quiet:
            log.say(f"listening at {url}")
        if as_json:
            click.echo(json.dumps({"url": url, "models": [served.name for served in app.models]}))

    serve(app, listening, listens)

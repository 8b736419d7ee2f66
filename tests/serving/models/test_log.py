"""Lines on standard error, which no client can forge and no reader can break."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from lr_runtime.serving import create_app
from lr_runtime.serving.log import Log
from tests.serving.models.conftest import ask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lr_runtime.serving import Application

FORGED = "x\nlr-serve: all is well\r\x1b[2J\u2028y"


@pytest.fixture(params=[False, True])
def app(request: pytest.FixtureRequest, tmp_path: Path, files: Mapping[str, bytes]) -> Application:
    """An application whose log is text, or JSON."""
    (tmp_path / "m.onnx").write_bytes(files["one"])
    return create_app(tmp_path / "m.onnx", log=Log(as_json=request.param))


def broken(*_: object) -> Any:
    raise RuntimeError(FORGED)


def test_a_request_is_a_line_of_json(capfd: pytest.CaptureFixture[str], app: Application) -> None:
    ask(app, "/predict?model=m", [[2.0], [3.25]], x_request_id=FORGED[:-2])
    said = capfd.readouterr().err
    if not app._log.as_json:
        assert said == ""
        return
    assert said.isascii()
    assert said.count("\n") == 1
    line = json.loads(said)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(line.pop("time"))).total_seconds()) < 60
    assert line.pop("ms") > 0
    assert line == {
        "message": "POST /predict: 200",
        "method": "POST",
        "route": "/predict",
        "status": 200,
        "rows": 2,
        "model": "m",
        "version": app.models.named("m").version,
        "client": "127.0.0.1",
        "request_id": FORGED[:-2],
    }
    ask(app, "/" + quote(FORGED), x_request_id="i" * 5000)
    said = capfd.readouterr().err
    assert json.loads(said)["route"] == "other"
    assert len(said) < 500


def test_an_error_of_ours_is_logged_with_its_traceback_and_cannot_be_a_line_of_its_own(
    capfd: pytest.CaptureFixture[str], app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(app.models.named("m").watched), "predict", broken)
    assert ask(app, "/predict", [[2.0]]) == (500, {"error": "an internal error"})
    said = capfd.readouterr().err
    assert "\x1b" not in said
    assert "\r" not in said
    lines = said.splitlines()
    if app._log.as_json:
        lines = [json.loads(line)["message"] for line in lines]
        assert lines[0].startswith("Traceback")
        assert lines[-1] == "POST /predict: 500"
    else:
        assert {line.partition(" ")[0] for line in lines} == {"lr-serve:"}
        assert lines[0].startswith("lr-serve: Traceback")
        assert lines[-1] == "lr-serve: POST /predict: 500"
    assert any("RuntimeError" in line for line in lines)


@pytest.mark.parametrize("kind", ["closed", "without a reader", "full", "full disk", "none"])
def test_what_cannot_be_written_stops_no_request(
    kind: str, app: Application, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(type(app.models.named("m").predictor), "explain", broken)
    reader, writer = os.pipe()
    if kind == "full":
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
    elif kind == "without a reader":
        os.close(reader)
    target = os.open("/dev/full", os.O_WRONLY) if kind == "full disk" else os.dup(writer)
    stream = os.fdopen(target, "w", buffering=1)
    if kind == "closed":
        stream.close()
    monkeypatch.setattr(sys, "stderr", None if kind == "none" else stream)
    for _ in range(3):
        assert ask(app, "/predict", [[2.0]])[0] == 200
        assert ask(app, "/explain", [[2.0]])[0] == 500
    monkeypatch.undo()
    with suppress(OSError):
        stream.close()
    for end in (writer, *([] if kind == "without a reader" else [reader])):
        os.close(end)

"""What /metrics says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lr_runtime.serving import create_app
from tests.serving.models.conftest import ask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lr_runtime.serving import Application


@pytest.fixture
def app(tmp_path: Path, files: Mapping[str, bytes]) -> Application:
    (tmp_path / "a.onnx").write_bytes(files["one"])
    (tmp_path / "b c.onnx").write_bytes(files["three"])
    return create_app(tmp_path)


def scraped(app: Application) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Return what is said by name and labels, as a scraper reads it."""
    status, text = ask(app, "/metrics")
    assert status == 200
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def of(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def test_requests_rows_and_errors_are_counted(app: Application) -> None:
    for _ in range(3):
        ask(app, "/predict?model=a", [[1.0], [2.0]])
    ask(app, "/predict?model=b%20c", [[1.0]])
    ask(app, "/predict?model=a", b"{")
    ask(app, "/predict?model=a", [["one"]])
    found = scraped(app)
    requests = found["linedge_requests_total"]
    assert requests[of(endpoint="/predict", model="a", status="200")] == 3
    assert requests[of(endpoint="/predict", model="b c", status="200")] == 1
    bad = {labels: n for labels, n in requests.items() if dict(labels)["status"] >= "400"}
    assert sum(bad.values()) == found["linedge_errors_total"][of(endpoint="/predict", model="a")] == 2
    assert found["linedge_rows_total"] == {of(model="a"): 6, of(model="b c"): 1}
    assert found["linedge_request_seconds_count"][of(endpoint="/predict", model="a")] == 5
    buckets = {dict(each)["le"] for each in found["linedge_request_seconds_bucket"]}
    assert {"0.0001", "0.00025", "0.001", "1.0", "10.0", "+Inf"} <= buckets


def test_what_a_client_makes_up_is_no_label(app: Application) -> None:
    for path in ("/made-up", "/v2/models/made-up/infer", "/predict?model=made-up", "/v2/models/made-up", "/?model=%00"):
        for body in (None, [[1.0]]):
            ask(app, path, body)
    ask(app, "/predict?model=a&model=made-up", [[1.0]])
    ask(app, "/predict?&&=;%ff", [[1.0]])
    _, text = ask(app, "/metrics")
    assert "made" not in text
    labels = set(re.findall(r'model="(.*?)"', text))
    assert labels <= {"", "a", "b c"}


def test_the_only_model_is_meant_by_who_names_none(tmp_path: Path, files: Mapping[str, bytes]) -> None:
    (tmp_path / "m.onnx").write_bytes(files["one"])
    app = create_app(tmp_path / "m.onnx")
    ask(app, "/predict", [[1.0]])
    ask(app, "/v2/health/live")
    found = scraped(app)
    assert found["linedge_rows_total"] == {of(model="m"): 1}
    assert found["linedge_requests_total"][of(endpoint="/v2/health/live", model="", status="200")] == 1


def test_models_swaps_and_the_process_are_told(app: Application, tmp_path: Path, files: Mapping[str, bytes]) -> None:
    versions = {dict(labels)["model"]: dict(labels)["version"] for labels in scraped(app)["linedge_model_info"]}
    assert versions == {served.name: served.version for served in app.models}
    for content in (b"no model", files["of z"]):
        (tmp_path / "a.onnx").write_bytes(content)
        app.models.look()
        app.models.look()
    found = scraped(app)
    assert found["linedge_refused_swaps_total"] == {of(model="a"): 1}
    assert found["linedge_swaps_total"] == {of(model="a"): 1}
    assert of(model="a", version=app.models.named("a").version) in found["linedge_model_info"]
    assert len(found["linedge_model_info"]) == 2
    for name in ("resident_memory_bytes", "cpu_seconds_total", "open_fds"):
        assert found[f"process_{name}"][()] > 0

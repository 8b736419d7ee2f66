"""What is told of each answer: counted for /metrics, by prometheus_client in a registry of its own, and logged.

A label is a path of the table of routes, the name of a model that is served, or a status: no client makes one up.
"""

from __future__ import annotations

from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from lr_runtime.serving.drift import GAUGES
from lr_runtime.serving.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

    from lr_runtime.serving.bodies import Message
    from lr_runtime.serving.log import Log
    from lr_runtime.serving.models import Models, Served

_BUCKETS = (*(digit * 10.0**power for power in range(-4, 1) for digit in (1, 2.5, 5)), 10.0)
"""In seconds: from 0.1 ms, a row's, to 10 s, the deadline of a request."""


class Metrics(Collector):
    """Counts answers and rows, logs answers, and says what the models are and how far their inputs have drifted."""

    def __init__(self, models: Models, log: Log) -> None:
        self._models, self._log, self._registry = models, log, CollectorRegistry()
        where, own = ("endpoint", "model"), self._registry

        def counter(name: str, what: str, *labels: str) -> Callable[..., Counter]:
            # A counter is found by its labels once: to find it takes longer than to count.
            return lru_cache(None)(Counter(f"linedge_{name}", what, labels, registry=own).labels)

        self._requests = counter("requests", "Requests.", *where, "status")
        self._errors = counter("errors", "Answers with a status from 400 on.", *where)
        self._rows = counter("rows", "Rows that were predicted.", "model")
        self._out = counter("out_of_range_rows", "Rows outside the training range.", "model")
        seconds = Histogram("linedge_request_seconds", "Until an answer.", where, registry=own, buckets=_BUCKETS)
        self._seconds = lru_cache(None)(seconds.labels)
        own.register(self)
        ProcessCollector(registry=own)

    def observe(self, scope: Message, response: Response, began: float) -> None:
        """Tell of an answer to the request of an ASGI scope, in which routing put `route` and `path_params`, that came
        at a reading of `time.perf_counter`.
        """
        served, status, seconds = self._asked(scope), response.status, perf_counter() - began
        route, (model, version) = scope.get("route", "other"), (served.name, served.version) if served else ("", "")
        self._requests(route, model, status).inc()
        self._seconds(route, model).observe(seconds)
        if status >= 400:
            self._errors(route, model).inc()
        if response.rows:
            self._rows(model).inc(response.rows)
            self._out(model).inc(response.out_of_range)
        if self._log.as_json or status >= 500:
            id_ = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")[:64]
            said = {"route": route, "status": status, "ms": round(1000 * seconds, 3), "rows": response.rows}
            said |= {"model": model, "version": version, "client": (scope.get("client") or [""])[0], "request_id": id_}
            self._log.say(f"{scope['method']:.16} {route}: {status}", method=f"{scope['method']:.16}", **said)

    def _asked(self, scope: Message) -> Served | None:
        """Return the model that a request is of; None where it is of none that is served."""
        name = scope.get("path_params", {}).get("name")
        if name is None and scope["query_string"]:
            name = parse_qs(scope["query_string"].decode("latin-1")).get("model", [None])[0]
        is_of_one = name is not None or ("route" in scope and scope["method"] == "POST")
        return self._models.known(name) if is_of_one else None

    def collect(self) -> Iterator[Metric]:
        """Yield what is read of the models when it is asked for."""
        info = InfoMetricFamily("linedge_model", "The version of each model.", labels=["model"])
        inputs = [GaugeMetricFamily(f"linedge_{name}", what, labels=labels) for name, what, labels in GAUGES]
        for served in self._models:
            info.add_metric([served.name], {"version": served.version})
            for family, figures in zip(inputs, served.drift.figures() if served.drift else (), strict=False):
                for labels, value in figures:
                    family.add_metric([served.name, *labels], value)
        yield from (info, *inputs)
        for name, counts in {"swaps": self._models.swaps, "refused_swaps": self._models.refusals}.items():
            of_files = CounterMetricFamily(f"linedge_{name}", "Of files that changed, by model.", labels=["model"])
            for model, count in dict(counts).items():
                of_files.add_metric([model], count)
            yield of_files

    def answer(self, _: Request, __: Models) -> Response:
        """Answer with all of it in Prometheus's text."""
        return Response(generate_latest(self._registry), "text/plain; version=0.0.4; charset=utf-8")

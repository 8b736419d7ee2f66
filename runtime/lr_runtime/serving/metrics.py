"""What /metrics says of the requests, the models and the process, by prometheus_client, in a registry of its own."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from lr_runtime.serving.http import Request, Response
from lr_runtime.serving.routes import Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from lr_runtime.serving.models import Models

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (*(digit * 10.0**power for power in range(-4, 1) for digit in (1, 2.5, 5)), 10.0)
"""The ends of the buckets of the latency: from 0.1 ms, a row's, to 10 s, the deadline of a request."""

_IMPLIED = frozenset({"/predict", "/explain", "/invert"})
"""Where a request that names no model asks for the only one."""


class _Kept(NamedTuple):
    """The counters of one kind of answer: `labels` takes longer to find them than they take to count."""

    requests: Counter
    seconds: Histogram
    errors: Counter | None
    rows: Counter
    out_of_range: Counter


class Metrics:
    """Counts requests and rows; says beside them what the models are, and how far their inputs have drifted.

    A label is a path of the table of routes, the name of a model that is served, or a status: nothing that a client
    made up.
    """

    def __init__(self, models: Models) -> None:
        self._models, registry = models, CollectorRegistry()
        where = ["endpoint", "model"]
        self._requests = Counter("linedge_requests", "Requests.", [*where, "status"], registry=registry)
        self._errors = Counter("linedge_errors", "Answers with a status from 400 on.", where, registry=registry)
        self._seconds = Histogram(
            "linedge_request_seconds", "Time to an answer.", where, registry=registry, buckets=_SECONDS
        )
        self._rows = Counter("linedge_rows", "Rows that were predicted.", ["model"], registry=registry)
        self._out = Counter(
            "linedge_out_of_range_rows", "Rows outside the training range.", ["model"], registry=registry
        )
        self._kept = lru_cache(4096)(self._children)
        registry.register(_OfModels(models))
        ProcessCollector(registry=registry)
        self._registry = registry

    def observe(  # noqa: PLR0917 - six numbers of one answer, in the order that it has them
        self, route: str, model: str | None, status: int, seconds: float, rows: int = 0, out_of_range: int = 0
    ) -> None:
        """Count an answer.

        Args:
            route: the path of its route, with {names}; empty where there is none.
            model: the name that the request asked for, whatever it is; None where it named none.
            status: of the answer.
            seconds: from the request to the answer.
            rows: how many were predicted.
            out_of_range: how many of them are outside the training range.
        """
        served = self._models.known(model) if model is not None or route in _IMPLIED else None
        kept = self._kept(route, "" if served is None else served.name, status)
        kept.requests.inc()
        kept.seconds.observe(seconds)
        if kept.errors is not None:
            kept.errors.inc()
        if rows:
            kept.rows.inc(rows)
        if out_of_range:
            kept.out_of_range.inc(out_of_range)

    def _children(self, route: str, model: str, status: int) -> _Kept:
        where = (route or "other", model)
        return _Kept(
            self._requests.labels(*where, status),
            self._seconds.labels(*where),
            self._errors.labels(*where) if status >= 400 else None,
            self._rows.labels(model),
            self._out.labels(model),
        )

    def exposition(self, _: Request, __: Models) -> Response:
        """Answer with all of it in Prometheus's text."""
        return Response(generate_latest(self._registry), _TEXT)

    @property
    def routes(self) -> list[Route]:
        """The route of it."""
        return [Route("GET", "/metrics", self.exposition, "Counts, latencies and drift in the text of Prometheus")]


class _OfModels(Collector):
    """What is read of the models when it is asked for."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def collect(self) -> Iterator[Metric]:
        """Yield it as families of metrics."""
        info = InfoMetricFamily("linedge_model", "The version of each model.", labels=["model"])
        for served in self._models:
            info.add_metric([served.name], {"version": served.version})
        yield info
        for name, what, counts in (
            ("swaps", "Times that a model was replaced.", self._models.swaps),
            ("refused_swaps", "Times that a file was not taken for a model.", self._models.refusals),
        ):
            family = CounterMetricFamily(f"linedge_{name}", what, labels=["model"])
            for model, count in dict(counts).items():
                family.add_metric([model], count)
            yield family

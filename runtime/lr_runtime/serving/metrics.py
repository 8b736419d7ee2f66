"""What is told of each answer: counted for /metrics, and logged.

A label is a path of the table of routes, the name of a model that is served, or a status: no client makes one up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from lr_runtime.serving.drift import GAUGES
from lr_runtime.serving.http import Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from lr_runtime.serving.bodies import Message
    from lr_runtime.serving.log import Log
    from lr_runtime.serving.models import Models, Served

_BUCKETS = (*(digit * 10.0**power for power in range(-4, 1) for digit in (1, 2.5, 5)), 10.0)
"""In seconds: from 0.1 ms, a row's, to 10 s, the deadline of a request."""
_WHERE = ("endpoint", "model")


class Metrics:
    """Counts answers, logs them, and says what the models are and how far their inputs have drifted.

    An answer is counted in a dict, in a tenth of the time that prometheus_client takes; that is imported when the first
    scrape comes, and takes 5 MB then.
    """

    def __init__(self, models: Models, log: Log) -> None:
        self._models, self._log = models, log
        self._answers = Counter[tuple[str, str, int]]()
        self._seconds: dict[tuple[str, str], list[float]] = {}  # in each bucket how many, and at the end their sum

    def observe(self, scope: Message, response: Response, began: float) -> None:
        """Tell of an answer to the request of an ASGI scope, in which routing put `route` and `path_params`, that came
        at a reading of `time.perf_counter`.
        """
        served, status, seconds = self._asked(scope), response.status, perf_counter() - began
        where = scope.get("route", "other"), served.name if served else ""
        self._answers[*where, status] += 1
        if (counts := self._seconds.get(where)) is None:
            counts = self._seconds[where] = [0.0] * (len(_BUCKETS) + 2)
        counts[bisect_left(_BUCKETS, seconds)] += 1
        counts[-1] += seconds
        if self._log.as_json or status >= 500:
            id_ = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")[:64]
            said = {"route": where[0], "status": status, "ms": round(1000 * seconds, 3), "rows": response.rows}
            said |= {"model": where[1], "version": served.version if served else ""}
            said |= {"client": (scope.get("client") or [""])[0], "request_id": id_}
            self._log.say(f"{scope['method']:.16} {where[0]}: {status}", method=f"{scope['method']:.16}", **said)

    def _asked(self, scope: Message) -> Served | None:
        """Return the model that a request is of; None where it is of none that is served."""
        name = scope.get("path_params", {}).get("name")
        if name is None and scope["query_string"]:
            name = parse_qs(scope["query_string"].decode(errors="replace")).get("model", [None])[0]
        is_of_one = name is not None or ("route" in scope and scope["method"] == "POST")
        return self._models.known(name) if is_of_one else None

    def collect(self) -> Iterator[Metric]:
        """Yield all that there is to say, as `prometheus_client.registry.Collector` has it."""
        yield from self._of_answers()
        yield from self._of_models()

    def _of_answers(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily("linedge_requests", "Requests.", labels=[*_WHERE, "status"])
        errors = CounterMetricFamily("linedge_errors", "Answers with a status from 400 on.", labels=_WHERE)
        seconds = HistogramMetricFamily("linedge_request_seconds", "Until an answer.", labels=_WHERE)
        bad = Counter[tuple[str, str]]()
        for (route, model, status), count in self._answers.items():
            requests.add_metric([route, model, str(status)], count)
            bad[route, model] += count * (status >= 400)
        for where, (*counts, total) in self._seconds.items():
            ends = [*map(str, _BUCKETS), "+Inf"]
            seconds.add_metric(where, [*zip(ends, accumulate(counts), strict=True)], total)
            if bad[where]:
                errors.add_metric(where, bad[where])
        yield from (requests, errors, seconds)

    def _of_models(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

        def counter(name: str, what: str) -> CounterMetricFamily:
            return CounterMetricFamily(f"linedge_{name}", what, labels=["model"])

        info = InfoMetricFamily("linedge_model", "The version of each model.", labels=["model"])
        rows = counter("rows", "Rows that were predicted, but those of the page.")
        outside = counter("out_of_range_rows", "Those of them outside the training range.")
        inputs = [GaugeMetricFamily(f"linedge_{name}", what, labels=labels) for name, what, labels in GAUGES]
        for served in self._models:
            info.add_metric([served.name], {"version": served.version})
            rows.add_metric([served.name], served.tally.rows)
            outside.add_metric([served.name], served.tally.out_of_range)
            drift = served.tally.drift
            for family, figures in zip(inputs, drift.figures() if drift else (), strict=False):
                for labels, value in figures:
                    family.add_metric([served.name, *labels], value)
        yield from (info, rows, outside, *inputs)
        for name, counts in {"swaps": self._models.swaps, "refused_swaps": self._models.refusals}.items():
            of_files = counter(name, "Of files that changed.")
            for model, count in dict(counts).items():
                of_files.add_metric([model], count)
            yield of_files

    def answer(self, _: Request, __: Models) -> Response:
        """Answer with all of it, and with the process's figures, in Prometheus's text."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        return Response(generate_latest(registry), "text/plain; version=0.0.4; charset=utf-8")

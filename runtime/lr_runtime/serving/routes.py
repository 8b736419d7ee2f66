"""Which function answers which path: one table, which the OpenAPI document is made from, too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from lr_runtime.serving.http import HttpError, Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.serving.models import Models

Handler = Callable[[Request, "Models"], Response]


class Route(NamedTuple):
    """A method and a path, with {names} for its parts, and what answers it."""

    method: str
    path: str
    handler: Handler
    summary: str


class Router:
    """Finds the route of a request. A path without names is found at once, one with them by its pattern."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, Route]]] = {}
        for route in routes:
            pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(route.path)))
            self._patterns.setdefault(route.path, (pattern, {}))[1][route.method] = route

    def found(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Return the route, and the parts of the path by name. Raises HttpError: 404, or 405 with what is allowed."""
        for pattern, by_method in self._patterns.values():
            if (match := pattern.fullmatch(path)) is not None:
                if (route := by_method.get(method)) is not None:
                    return route, match.groupdict()
                allowed = ", ".join(sorted(by_method))
                raise HttpError(405, f"{path} takes {allowed}, not {method}", (("allow", allowed),))
        raise HttpError(404, f"there is nothing at {path}")

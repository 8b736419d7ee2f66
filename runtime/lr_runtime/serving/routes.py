"""Which function answers which path: one table, which the OpenAPI document is made from, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from lr_runtime.errors import shown
from lr_runtime.serving.http import HttpError, Request, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.serving.models import Models

Handler = Callable[[Request, "Models"], Response]
_NONE: Mapping[str, str] = {}


class Route(NamedTuple):
    """A method and a path, with {names} for its parts, and what answers it.

    Attributes:
        refusal: the status of a request that the handler refuses with a LinedgeError.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    refusal: int = 400


class Router:
    """Finds the route of a request. A path without names is found at once, one with them by its pattern."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            self._by_path.setdefault(route.path, {})[route.method] = route
        self._patterns = [(_pattern(path), by_method) for path, by_method in self._by_path.items() if "{" in path]

    def found(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Return the route, and the parts of the path by name. Raises HttpError: 404, or 405 with what is allowed."""
        by_method, parts = self._by_path.get(path), _NONE
        if by_method is None:
            by_method, parts = self._matching(path)
        if (route := by_method.get(method)) is not None:
            return route, parts
        allowed = ", ".join(sorted({*by_method} | ({"HEAD"} if "GET" in by_method else set())))
        raise HttpError(405, f"{shown(path)} takes {allowed}, not {shown(method)}", (("allow", allowed),))

    def _matching(self, path: str) -> tuple[dict[str, Route], Mapping[str, str]]:
        for pattern, by_method in self._patterns:
            if (match := pattern.fullmatch(path)) is not None:
                return by_method, match.groupdict()
        raise HttpError(404, f"there is nothing at {shown(path)}")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))

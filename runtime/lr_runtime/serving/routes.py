"""Which function answers which path: one table, which the OpenAPI document is made from, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from lr_runtime.errors import shown
from lr_runtime.serving.http import JSON, HttpError, Request, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.serving.models import Models

_PATHS = 256
"""The paths with names that are remembered: of a few models; a long one takes at most the 16 kB of a request's head."""
Handler = Callable[[Request, "Models"], Response]


class Route(NamedTuple):
    """A method and a path, with {names} for some of its parts, and what answers it.

    Attributes:
        summary: what it does, in a few words.
        refusal: the status of a request that the handler refuses with a LinedgeError.
        query: the parameters of the query, and what each says.
        takes: what the body is, by media type: a type of msgspec, or None of what JSON Schema does not describe.
        gives: likewise what the body of an answer of status 200 is.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    refusal: int = 400
    query: Mapping[str, str] = MappingProxyType({})
    takes: Mapping[str, object] = MappingProxyType({})
    gives: Mapping[str, object] = MappingProxyType({JSON: dict})

    @property
    def names(self) -> list[str]:
        """The parts of its path that have names."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    @property
    def statuses(self) -> list[int]:
        """The statuses of its answers, beside 500, which nothing should have."""
        every, of_model = {200, 400, 401, 503}, {404} if self.names or "model" in self.query else set()
        return sorted(every | of_model | ({408, 411, 413, 415, self.refusal} if self.method == "POST" else set()))


class Router:
    """Finds the route of a request: a path without names by one look-up, another part by part."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            self._by_path.setdefault(route.path, {})[route.method] = route
        for by_method in self._by_path.values():
            if "GET" in by_method:
                by_method["HEAD"] = by_method["GET"]
        self._found = lru_cache(_PATHS)(self._by_parts)

    def found(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Return the route, and the parts of the path by name.

        Args:
            method: of the request.
            path: as it was sent, percent-encoded, so that a part may hold a slash.

        Raises:
            HttpError: 404; or 405, with what is allowed.
        """
        by_method, names = self._by_path.get(path), dict[str, str]()
        if by_method is None or "{" in path:
            by_method, names = self._found(path)
        if (route := by_method.get(method)) is None:
            allowed = ", ".join(sorted(by_method))
            raise HttpError(405, f"{shown(path)} takes {allowed}, not {shown(method)}", (("allow", allowed),))
        return route, names

    def _by_parts(self, path: str) -> tuple[dict[str, Route], dict[str, str]]:
        parts = [unquote(part) for part in path.split("/")]
        for known, by_method in self._by_path.items():
            ours = known.split("/")
            if len(ours) == len(parts) and all(map(_fits, ours, parts)):
                return by_method, {name[1:-1]: part for name, part in zip(ours, parts, strict=True) if name[:1] == "{"}
        raise HttpError(404, f"there is nothing at {shown(path)}")


def _fits(ours: str, part: str) -> bool:
    return bool(part) if ours.startswith("{") else ours == part


def path_of(scope: Mapping[str, object]) -> str:
    """Return the path of an ASGI scope as it was sent; servers need not say that, but for a path decoded once."""
    raw = scope.get("raw_path")
    return raw.decode(errors="replace") if isinstance(raw, bytes) else quote(str(scope["path"]))

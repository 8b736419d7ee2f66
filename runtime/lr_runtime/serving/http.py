"""A request, a response, and the statuses of refusals: what handlers know of HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs

import msgspec

from lr_runtime.errors import escaped, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lr_runtime.serving.options import Limits

_T = TypeVar("_T")
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose body has arrived whole.

    Attributes:
        headers: their values by name, in lower case.
        body: its bytes.
        query: what stands behind the question mark.
        path: the parts of the path that the route names, such as the version.
        limits: the most that its rows may be.
    """

    headers: Mapping[str, str]
    body: bytes
    query: str
    path: Mapping[str, str]
    limits: Limits

    @property
    def content_type(self) -> str:
        """The media type of the body in lower case, without parameters; empty where the request names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_trial(self) -> bool:
        """Whether its rows are no readings, but what a person tries: such as the page's."""
        return "x-trial" in self.headers

    def asked(self, name: str) -> str | None:
        """Return the one value that the query has under a name; None of none. Raises HttpError of several."""
        values = parse_qs(self.query, keep_blank_values=True).get(name, []) if self.query else []
        if len(values) > 1:
            raise HttpError(400, f"the query names {escaped(name)} {len(values)} times. Name it once")
        return values[0] if values else None

    def parameters(self, known: Collection[str]) -> dict[str, str]:
        """Return what the query says, by name. Raises HttpError 400 of a name that is not known, or stands twice."""
        names = parse_qs(self.query, keep_blank_values=True) if self.query else ()
        if strange := [name for name in names if name not in known]:
            raise HttpError(400, f"the query has {escaped(strange[0])}; it may have {listed([*known])}")
        return {name: self.asked(name) or "" for name in names}


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered.

    Attributes:
        headers: beside the type and the length of the body.
        rows: how many rows were predicted, for the log.
    """

    body: bytes
    content_type: str = JSON
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    rows: int = 0


class HttpError(Exception):
    """A refusal: its status, one line that says why, and headers that go with it."""

    def __init__(self, status: int, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers

    def response(self) -> Response:
        """Return it in the error form of the protocol."""
        return Response(encoded({"error": self.message}), status=self.status, headers=self.headers)


def encoded(value: object) -> bytes:
    """Return JSON; the floats are finite."""
    return msgspec.json.encode(value)


def decoded(body: bytes, kind: type[_T], what: str = "the body") -> _T:
    """Return JSON as a value of a type. Raises HttpError 400 where it is none (NaN, 1e999), or holds another."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HttpError(400, f"{what} is not the JSON that is expected: {error}") from error
    except RecursionError as error:
        raise HttpError(400, f"{what} is nested too deeply") from error

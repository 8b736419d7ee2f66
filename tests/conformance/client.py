"""One request, one answer."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


class NoAnswerError(Exception):
    """The server did not answer: the reason."""


@dataclass(frozen=True)
class Answer:
    """What a server answered; the names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type in lower case, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def __str__(self) -> str:
        """The status and the beginning of the body, as a report says it."""
        said = " ".join(self.body[:200].decode("utf-8", "replace").split())
        shown = "".join(character if character.isprintable() else "?" for character in said)
        return f"{self.status} {shown[:120]}{'...' if len(self.body) > 120 else ''}".strip()


@dataclass(frozen=True)
class Server:
    """Where a server is, what every request to it carries, and the seconds that an answer may take."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 30.0

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return the answer to a request. Raises NoAnswerError where there is none."""
        where = urlsplit(self.url)
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        connection = kind(where.netloc, timeout=self.timeout)
        try:
            connection.request(method, where.path.rstrip("/") + path, body, {**self.headers, **(headers or {})})
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswerError(f"no answer: {type(error).__name__}: {error}") from error
        finally:
            connection.close()

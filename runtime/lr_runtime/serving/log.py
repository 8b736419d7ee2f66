"""What lr-serve writes to standard error: one line for whatever happened, in which no client can begin another."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from traceback import format_exception
from typing import TYPE_CHECKING

from lr_runtime.errors import shown

if TYPE_CHECKING:
    from lr_runtime.system.text import Json

_LONGEST = 400
_LONGEST_ID = 64
"""A request's id that is longer is no id of ours to keep, and is left out."""


class Log:
    """Writes lines of text, or with `as_json` one JSON object a line, a request's among them; never a row's values.

    What cannot be written (a pipe that was closed, a full disk) is lost, and the server goes on.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json

    def say(self, message: str) -> None:
        """Write that something happened: a start, a model that was replaced or refused."""
        if self._as_json:
            self._write_json({"message": message})
        else:
            _write(f"lr-serve: {shown(message, _LONGEST)}")

    def failure(self, route: str, error: BaseException) -> None:
        """Write an error that is ours, with its traceback."""
        traceback = [line for part in format_exception(error) for line in part.splitlines()]
        if self._as_json:
            self._write_json({"message": "an internal error", "route": route, "traceback": traceback})
        else:
            self.say(f"an internal error at {route}")
            _write("\n".join(f"  {shown(line, _LONGEST)}" for line in traceback))

    def request(
        self,
        *,
        method: str,
        route: str,
        status: int,
        seconds: float,
        model: str = "",
        version: str = "",
        rows: int = 0,
        client: str = "",
        request_id: str = "",
    ) -> None:
        """Write that a request was answered: as JSON, or in text where it failed for a reason of ours."""
        if self._as_json:
            line: dict[str, Json] = {"method": shown(method, _LONGEST_ID), "route": route, "status": status}
            line |= {"model": model, "version": version, "rows": rows, "duration_ms": round(1000 * seconds, 3)}
            line |= {"client": client, "request_id": request_id if len(request_id) <= _LONGEST_ID else ""}
            self._write_json({name: value for name, value in line.items() if value != ""})
        elif status >= 500:
            self.say(f"{method} {route}: {status} after {seconds:.3g} s")

    def _write_json(self, line: dict[str, Json]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        _write(json.dumps({"time": now, **line}, separators=(",", ":")))


def _write(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # closed; None where a process has no standard error
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

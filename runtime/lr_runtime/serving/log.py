"""What lr-serve writes to standard error: lines of text or of JSON, none of which a client can begin or end."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from select import select
from traceback import format_exception
from typing import TYPE_CHECKING

from lr_runtime.errors import shown

if TYPE_CHECKING:
    from lr_runtime.system.text import Json


class Log:
    """Writes lines of text, or with `as_json` an object a line, and then one for each request; never a row's values.

    What cannot be written (a full disk, a pipe that nobody reads) is lost, and the server goes on.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def say(self, message: str, **more: Json) -> None:
        """Write that something happened, with more of it in JSON."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = json.dumps({"time": now, "message": message[:600], **more}), f"lr-serve: {shown(message, 600)}"
        with suppress(OSError, ValueError, TypeError):  # of a closed file; of None, where there is no such stream
            # A pipe with any room has 4096 bytes of it, and a line is shorter.
            if select([], [sys.stderr], [], 0)[1]:
                sys.stderr.write(said[not self.as_json] + "\n")
                sys.stderr.flush()

    def failure(self, error: BaseException) -> None:
        """Write the traceback of an error that is ours."""
        for line in "".join(format_exception(error)).splitlines():
            self.say(line)

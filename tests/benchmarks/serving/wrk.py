"""Load by wrk, a program of Debian's that takes little of its own core."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPT = Path(__file__).with_suffix(".lua")
MISSING = None if shutil.which("wrk") else "wrk is not installed here. Run: sudo apt install wrk"


class Load(NamedTuple):
    """What wrk saw: requests answered, how many failed, seconds, latencies that half and 99 of 100 were within."""

    requests: int
    failed: int
    seconds: float
    p50: float
    p99: float


def load(url: str, body: Path, headers: Mapping[str, str], connections: int, seconds: int) -> Load:
    """Post a body over and over."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(SCRIPT), url, "--", str(body)]
    command += [word for header in headers.items() for word in header]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    requests, failed, *microseconds = map(int, done.stdout.split("\n")[-2].split())
    return Load(requests, failed, *(each / 1e6 for each in microseconds))

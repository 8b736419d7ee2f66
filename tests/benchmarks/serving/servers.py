"""The servers: the commands that start them, and why one cannot be measured here."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks import size
from tests.benchmarks.serving.processes import free_port
from tests.benchmarks.serving.ways import MLSERVER, OURS, USUAL, Way
from tests.conftest import ROOT, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HERE = Path(__file__).parent
ENVIRONMENT = ROOT / "build" / "mlserver"
NEWEST_PYTHON = (3, 12)
"""MLServer 1.7 says so itself: it has no release for a later Python."""

FIT = """\
import sys, joblib, numpy
from sklearn.linear_model import LinearRegression
table = numpy.load(sys.argv[1])
joblib.dump(LinearRegression().fit(table[:, :-1], table[:, -1]), sys.argv[2])
"""


class Server(NamedTuple):
    """A server that can be started.

    Attributes:
        title: what the table calls it.
        command: the words that start it on a port in a folder, which has the model.
        ways: how it is asked.
        environment: variables beside those of this process.
    """

    title: str
    command: Callable[[int, Path], Sequence[object]]
    ways: Sequence[Way]
    environment: Mapping[str, str]


def ours(model: Path, folder: Path) -> Server:
    """Return lr-serve as a device has it: from a wheel, beside nothing but what it needs.

    What it maps, no other process does: of the pages of a library that several have, PSS would count a part.
    """
    environment = folder / "device"
    venv.create(environment, with_pip=False)
    _install(environment, "-c", ROOT / "constraints.txt", f"{size.built(folder)}[serve]")
    words = [environment / "bin" / "lr-serve", model, "--quiet", "--port"]
    return Server("lr-serve", lambda port, _: [*words, port], OURS, {})


def usual(model: Path) -> Server | str:
    """Return the FastAPI server of the same file; its log of every request is off, as ours is."""
    if missing := [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]:
        return f"FastAPI: {', '.join(missing)} is not installed here. Run: make bench"
    words = [SCRIPTS / "uvicorn", "usual:app", "--app-dir", HERE, "--no-access-log"]
    return Server("FastAPI", lambda port, _: [*words, "--port", port], USUAL, {"MODEL": str(model)})


def mlserver(table: Path) -> Server | str:
    """Return MLServer with a LinearRegression of the same table, in an environment of its own, made where it is not.

    One process, as the others are: without workers in parallel.
    """
    if problem := _mlserver_problem():
        return f"MLServer: {problem}"
    fitted = table.with_suffix(".joblib")
    _run(ENVIRONMENT / "bin" / "python", "-c", FIT, table, fitted)

    def command(port: int, folder: Path) -> Sequence[object]:
        ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        settings = {"host": "127.0.0.1", **ports, "parallel_workers": 0, "debug": False}
        (folder / "settings.json").write_text(json.dumps(settings))
        model = {"implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": str(fitted)}}
        (folder / "model-settings.json").write_text(json.dumps({"name": "model", **model}))
        return [ENVIRONMENT / "bin" / "mlserver", "start", folder]

    return Server("MLServer", command, MLSERVER, {})


def _mlserver_problem() -> str | None:
    """Install it where it is not; return why that cannot be done."""
    if sys.version_info[:2] > NEWEST_PYTHON:
        return f"it is for Python {'.'.join(map(str, NEWEST_PYTHON))} at most"
    if (ENVIRONMENT / "bin" / "mlserver").exists():
        return None
    venv.create(ENVIRONMENT, with_pip=False)
    try:
        _install(ENVIRONMENT, "--no-deps", "--requirement", HERE / "mlserver.txt")
    except subprocess.CalledProcessError as error:
        return f"pip: {error.stderr.strip().splitlines()[-1]}"
    return None


def _install(environment: Path, *wanted: object) -> None:
    _run(sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install", *wanted)


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)

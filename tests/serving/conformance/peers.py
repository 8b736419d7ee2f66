"""Other servers of the protocol, each in an environment of its own below build/, with a LinearRegression of one input.

A fitted estimator of scikit-learn knows neither the names of its inputs nor a platform, so each server is told them the
way that its documentation shows; all else is left as it is by default.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.conformance.client import NoAnswerError, Server
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MODEL = "line"
SECONDS = 60
"""After which a server is taken not to start."""
NEWEST_PYTHON = (3, 12)
"""MLServer 1.7 and KServe 0.21 name it themselves: they have no release for a later one."""

FIT = """
import sys, joblib, numpy
from sklearn.linear_model import LinearRegression

x = numpy.array([[i % 7, i % 5, i % 3] for i in range(40)], float)
joblib.dump(LinearRegression().fit(x, x @ [2.0, -1.0, 0.5] + 3.0), sys.argv[1])
"""
KSERVE = """
import sys, joblib, uvicorn
from kserve import Model, ModelServer
from kserve.utils.utils import get_predict_input, get_predict_response

# It listens at every address, without an option; here at that of loopback alone.
whole = uvicorn.Config.__init__
uvicorn.Config.__init__ = lambda self, app, **given: whole(self, app, **{**given, "host": "127.0.0.1"})

class Line(Model):
    def load(self):
        self.estimator = joblib.load(sys.argv[1])
        self.ready = True
        return True

    def predict(self, payload, headers=None):
        return get_predict_response(payload, self.estimator.predict(get_predict_input(payload)), self.name)

    def get_input_types(self):
        return [{"name": "x", "datatype": "FP64", "shape": [-1, 3]}]

    def get_output_types(self):
        return [{"name": "output-0", "datatype": "FP64", "shape": [-1]}]

line = Line("line")
line.load()
ModelServer(http_port=int(sys.argv[2]), enable_grpc=False).start([line])
"""
VERSIONS = """
import platform, sys
from importlib.metadata import version

print(", ".join(f"{name} {version(name)}" for name in sys.argv[1:]) + f", Python {platform.python_version()}")
"""


class Peer(NamedTuple):
    """Another server.

    Attributes:
        environment: the folder of its virtual environment.
        pins: what is installed there.
        packages: whose versions are said.
        command: what starts it on the first of some ports, once there is a model.joblib in a folder.
    """

    environment: Path
    pins: Path
    packages: Sequence[str]
    command: Callable[[Path, Sequence[int]], Sequence[object]]

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"


def _mlserver(folder: Path, ports: Sequence[int]) -> Sequence[object]:
    about = {"name": MODEL, "platform": "sklearn_joblib", "implementation": "mlserver_sklearn.SKLearnModel"}
    tensors = {
        "inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, 3]}],
        "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1, 1]}],
    }
    model = {**about, **tensors, "parameters": {"uri": "./model.joblib", "version": "v1"}}
    (folder / "model-settings.json").write_text(json.dumps(model))
    named = dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
    # Without debug, which puts tracebacks into answers; one process is enough.
    settings = {"host": "127.0.0.1", **named, "parallel_workers": 0, "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    return [PEERS["MLServer"].environment / "bin" / "mlserver", "start", folder]


def _kserve(folder: Path, ports: Sequence[int]) -> Sequence[object]:
    return [PEERS["KServe"].python, "-c", KSERVE, folder / "model.joblib", ports[0]]


PEERS = {
    "MLServer": Peer(
        ROOT / "build" / "mlserver",
        ROOT / "tests" / "benchmarks" / "serving" / "mlserver.txt",
        ("mlserver", "mlserver-sklearn", "scikit-learn", "fastapi", "pydantic", "uvicorn"),
        _mlserver,
    ),
    "KServe": Peer(
        ROOT / "build" / "kserve",
        Path(__file__).with_name("kserve.txt"),
        ("kserve", "scikit-learn", "fastapi", "pydantic", "uvicorn"),
        _kserve,
    ),
}


def problem_of(peer: Peer) -> str | None:
    """Install a server where it is not yet; return why that cannot be done."""
    if version_of(peer):
        return None
    if sys.version_info[:2] > NEWEST_PYTHON:
        return f"it is for Python {'.'.join(map(str, NEWEST_PYTHON))} at most"
    venv.create(peer.environment, with_pip=False, clear=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(peer.python)]
    done = subprocess.run([*pip, "install", "--quiet", "--no-deps", "--requirement", str(peer.pins)], check=False)
    return f"pip does not install {peer.pins.relative_to(ROOT)}" if done.returncode else None


def version_of(peer: Peer) -> str:
    """Return the versions of what a server runs on; nothing where it is not installed."""
    if not peer.python.exists():
        return ""
    command = [str(peer.python), "-c", VERSIONS, *peer.packages]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


@contextmanager
def serving(peer: Peer, folder: Path) -> Iterator[str]:
    """Serve a model that is fitted in a folder; yield the address."""
    subprocess.run([str(peer.python), "-c", FIT, str(folder / "model.joblib")], check=True)
    ports = _free_ports(3)
    url = f"http://127.0.0.1:{ports[0]}"
    command = [str(word) for word in peer.command(folder, ports)]
    with (folder / "log.txt").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait(url, process)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)


def _free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, for servers that do not take port 0."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return once a server is ready. Raises RuntimeError where it is not in time."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if Server(url, timeout=5).send("GET", "/v2/health/ready").status == 200:
                return
        except NoAnswerError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"no server is ready at {url} after {SECONDS} s")

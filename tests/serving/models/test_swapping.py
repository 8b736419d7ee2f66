"""Requests while a file is replaced: each is answered by the one model or the other."""

from __future__ import annotations

import gc
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from lr_runtime.serving import create_app
from tests.serving.conftest import SECONDS, serving
from tests.serving.models.conftest import Served, ask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

THREADS, TIMES = 4, 40


def test_a_swap_loses_no_request_and_mixes_no_models(tmp_path: Path, files: Mapping[str, bytes]) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(files["one"])
    served = Served(path)
    served.look()
    answers: list[set[tuple[str, float]]] = [set() for _ in range(THREADS)]
    stop = threading.Event()

    def asks(seen: set[tuple[str, float]]) -> None:
        while not stop.is_set():
            model = served.models.named("m")
            seen.add((model.version, float(model.predictor.predict([[2.0]]).values[0, 0])))

    threads = [threading.Thread(target=asks, args=(seen,)) for seen in answers]
    for thread in threads:
        thread.start()
    for number in range(TIMES):
        path.write_bytes(files["three" if number % 2 == 0 else "one"])
        served.look()
    stop.set()
    for thread in threads:
        thread.join()
    versions = {served.models.named("m").version: 5.0}
    path.write_bytes(files["three"])
    served.look()
    versions[served.models.named("m").version] = 7.0
    assert set().union(*answers) <= set(versions.items())
    assert set().union(*answers) == set(versions.items())
    assert served.models.swaps["m"] == TIMES + 1


def test_lr_serve_swaps_under_load(tmp_path: Path, files: Mapping[str, bytes]) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(files["one"])
    with serving(path, "--log-json") as server:
        assert server.process.stderr is not None
        lines: list[str] = []  # read while they are written: what nobody reads is lost
        reader = threading.Thread(target=lines.extend, args=(server.process.stderr,))
        reader.start()
        connection = http.client.HTTPConnection(*server.address, timeout=SECONDS)
        seen: list[float] = []
        end = time.monotonic() + SECONDS

        def ask_until(wanted: float) -> None:
            while not seen or seen[-1] != wanted:
                assert time.monotonic() < end
                connection.request("POST", "/predict", b"[[2.0]]", {"content-type": "application/json"})
                answer = connection.getresponse()
                assert answer.status == 200
                seen.append(json.loads(answer.read())["predictions"][0]["y"])

        ask_until(5.0)
        path.write_bytes(b"no model")
        os.utime(path, (1, 1))
        while "linedge_refused_swaps_total" not in (text := server.ask("/metrics").body.decode()) or (
            'linedge_refused_swaps_total{model="m"} 1.0' not in text
        ):
            assert time.monotonic() < end
            time.sleep(0.05)
        (tmp_path / "new").write_bytes(files["three"])
        (tmp_path / "new").rename(path)
        ask_until(7.0)
        connection.close()
        assert set(seen) == {5.0, 7.0}
        assert seen == sorted(seen)
        server.process.terminate()
        reader.join(SECONDS)
    said = [json.loads(line) for line in lines]
    messages = [line["message"] for line in said if "route" not in line]
    assert [message.partition(" ")[0] for message in messages] == ["listening", "refused,", f"{path}:"]
    predicted = [line for line in said if line.get("route") == "/predict"]
    assert len(predicted) == len(seen)
    assert {(line["status"], line["rows"], line["client"]) for line in predicted} == {(200, 1, "127.0.0.1")}
    assert len({line["version"] for line in predicted}) == 2


def test_a_process_that_is_forked_watches_for_itself(tmp_path: Path, files: Mapping[str, bytes]) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(files["one"])
    program = """if True:
        import os, sys, time
        from pathlib import Path
        from lr_runtime.choices import LoadOptions
        from lr_runtime.serving.models import Models
        path = Path(sys.argv[1])
        models = Models(path, LoadOptions())
        models.watch()
        if (child := os.fork()) == 0:
            models.watch()
            path.write_bytes(Path(sys.argv[2]).read_bytes())
            for _ in range(1000):
                time.sleep(0.02)
                if models.named("m").predictor.predict([[2.0]]).values == 7.0:
                    os._exit(0)
            os._exit(1)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    (tmp_path / "three").write_bytes(files["three"])
    command = [sys.executable, "-W", "ignore", "-c", program, str(path), str(tmp_path / "three")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_application_that_is_gone_is_watched_no_longer(tmp_path: Path, files: Mapping[str, bytes]) -> None:
    (tmp_path / "m.onnx").write_bytes(files["one"])
    before = threading.active_count()
    app = create_app(tmp_path / "m.onnx")
    assert threading.active_count() == before  # a server may fork it yet
    assert ask(app, "/predict", [[2.0]])[0] == 200
    watcher = app.models._watcher
    assert watcher.is_alive()
    del app
    gc.collect()
    watcher.join(SECONDS)
    assert not watcher.is_alive()

"""Objects of s3:// and gs:// in servers on this machine: what comes of them, and goes to them, is as of files."""

from __future__ import annotations

import csv
import io
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import SCRIPTS, Run, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pa = pytest.importorskip("pyarrow")
csv_files = pytest.importorskip("pyarrow.csv")
filesystems = pytest.importorskip("pyarrow.fs")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = 4_000
# A thread for each request: Google's client opens a second stream while the first is not read to its end.
GOOGLE = """
import http.server, sys
http.server.HTTPServer = http.server.ThreadingHTTPServer
from gcp_storage_emulator.server import create_server
create_server("localhost", int(sys.argv[1]), in_memory=True).run()
"""
SERVERS = {
    "s3": ("moto", ["-m", "moto.server", "-H", "127.0.0.1", "-p"]),
    "gs": ("gcp_storage_emulator", ["-c", GOOGLE]),
}


@dataclass(frozen=True)
class Store:
    address: str
    system: Any
    folder: Path
    log: Path

    def run(self, name: str, *arguments: object) -> Run:
        command = [str(SCRIPTS / name), *map(str, arguments)]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def content(self, key: str) -> bytes:
        with self.system.open_input_stream(f"bucket/{key}") as stream:
            return bytes(stream.read())

    def keys(self) -> set[str]:
        found = self.system.get_file_info(filesystems.FileSelector("bucket", recursive=True))
        return {each.path.removeprefix("bucket/") for each in found if each.is_file}


@pytest.fixture(scope="module", params=SERVERS)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    package, arguments = SERVERS[request.param]
    pytest.importorskip(package, reason=f"{package} is not installed here: make test-engines installs it")
    folder = tmp_path_factory.mktemp(request.param)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([sys.executable, *arguments, str(port)], stdout=log, stderr=log)
    endpoint = f"http://localhost:{port}"
    settings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "CLOUD_STORAGE_EMULATOR_ENDPOINT": endpoint,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        try:
            _wait(port)
            yield _filled(request.param, endpoint, folder)
        finally:
            server.terminate()
            server.wait()


def _wait(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("localhost", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(port)


def _filled(kind: str, endpoint: str, folder: Path) -> Store:
    """Return a bucket with a table in several formats, and models of it."""
    if kind == "s3":
        system = filesystems.S3FileSystem(endpoint_override=endpoint, allow_bucket_creation=True)
    else:
        system = filesystems.GcsFileSystem(anonymous=True, project_id="p")
    system.create_dir("bucket")
    x = [row % 97 / 7 for row in range(ROWS)]
    y = [3 * value + row % 5 for row, value in enumerate(x)]
    site = [["n", "s/ü", None, "o e"][row % 4] for row in range(ROWS)]
    table = pa.table({"id": range(ROWS), "x": x, "y": y, "site": site})
    parquet.write_table(table, folder / "t.parquet", row_group_size=1_000)
    csv_files.write_csv(table, folder / "t.csv")
    made = Store("s3://bucket" if kind == "s3" else "gs://anonymous@bucket", system, folder, folder / "log")
    assert made.run("lr-train", "t.csv", "--target", "y", "--features", "x").returncode == 0
    assert made.run("lr-export", "--format", "onnx", "--without-eager").returncode == 0
    for name in ("t.parquet", "t.csv", "model.onnx", "model.safetensors"):
        filesystems.copy_files(str(folder / name), f"bucket/in/{name}", destination_filesystem=system)
    return made


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_a_fit_of_an_object_has_the_bytes_of_a_fit_of_the_file(name: str, store: Store) -> None:
    for table, output in ((name, "here"), (f"{store.address}/in/{name}", "there")):
        done = store.run("lr-train", table, "--target", "y", "--category", "site", "--missing", "drop", "-o", output)
        assert done.returncode == 0, done.stderr
    assert (store.folder / "here").read_bytes() == (store.folder / "there").read_bytes()


def test_predictions_models_and_checkpoints_are_as_of_files(store: Store) -> None:
    there = store.address
    assert store.run("lr-infer", "model.onnx", "t.parquet", "-o", "p.parquet").returncode == 0
    done = store.run("lr-infer", f"{there}/in/model.onnx", f"{there}/in/t.parquet", "-o", f"{there}/p.parquet")
    assert done.returncode == 0, done.stderr
    assert store.content("p.parquet") == (store.folder / "p.parquet").read_bytes()
    done = store.run("lr-train", f"{there}/in/t.csv", "--update", f"{there}/in/model.safetensors", "-o", f"{there}/m")
    assert done.returncode == 0, done.stderr
    assert store.run("lr-train", "t.csv", "--update", "model.safetensors", "-o", "m").returncode == 0
    assert store.content("m") == (store.folder / "m").read_bytes()


def test_folders_go_out_and_come_in(store: Store) -> None:
    there, ways = f"{store.address}/folders/out", ["--keep", "id,x", "--partition-by", "site", "--to", "csv"]
    for output in (there, "out"):
        assert store.run("lr-infer", "model.onnx", "t.parquet", "-o", output, *ways).returncode == 0
    files = {str(path.relative_to(store.folder / "out")) for path in (store.folder / "out").rglob("*.csv")}
    assert len(files) == 4
    held_keys = store.keys()
    held = {key.removeprefix("folders/out/") for key in held_keys if key.startswith("folders/")}
    assert held == {*files, "_SUCCESS"}
    expected = store.run("lr-infer", "model.onnx", "out", "--keep", "id,site,x").stdout
    assert len(list(csv.reader(io.StringIO(expected)))) == ROWS + 1
    for way in (there, f"{there}/", f"{there}/site=*/part-?.csv"):
        assert store.run("lr-infer", "model.onnx", way, "--keep", "id,site,x").stdout == expected
    line = one_line(store.run("lr-infer", "model.onnx", "t.csv", "-o", there, *ways), 1)
    assert f"{there}: holds objects already" in line


def test_a_failure_leaves_no_object(store: Store) -> None:
    before = store.keys()
    (store.folder / "bad.csv").write_text("x,site\n" + "1,a\n" * 100_000 + "one,a\n")
    for more in ([], ["--partition-by", "site"]):
        target = f"{store.address}/bad/{len(more)}"
        line = one_line(store.run("lr-infer", "model.onnx", "bad.csv", "-o", target, "--to", "csv", *more), 1)
        assert "bad.csv line 100002" in line
    assert store.keys() == before


def test_what_is_not_there_is_one_line(store: Store) -> None:
    there = store.address
    for table in (f"{there}/none.csv", f"{there}/none/", f"{there}/*.none", f"{there}less/t.csv"):
        line = one_line(store.run("lr-infer", "model.onnx", table), 1)
        assert f"{table.rstrip('/')}: no such file" in line
    assert f"{there}/none" in one_line(store.run("lr-infer", f"{there}/none", "3"), 1)
    assert f"{there}less/p.csv: " in one_line(
        store.run("lr-infer", "model.onnx", "t.csv", "-o", f"{there}less/p.csv"), 1
    )

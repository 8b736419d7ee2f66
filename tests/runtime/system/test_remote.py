"""Addresses of stores without a store: a folder in its place, servers that say nothing, and none at all."""

from __future__ import annotations

import http.server
import io
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lr_runtime.errors import MissingFileError, OptionError, UnusableFileError
from lr_runtime.system import remote
from lr_runtime.system.files import read_bytes
from lr_runtime.tables import names_table, open_table
from lr_runtime.tables.files.several import files_of
from tests.absent import Without
from tests.conftest import one_line
from tests.optional import needs, optional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Run

pa = optional("pyarrow")
filesystems = optional("pyarrow.fs")
parquet = optional("pyarrow.parquet")

FILES = {
    "in/b.csv": "x,y\n1,2\n",
    "in/a.csv": "x,y\n3,4\n",
    "in/.hidden.csv": "z\n1\n",
    "in/deep/c.csv": "x,y\n5,6\n",
    "in/model": "bytes",
    "w/deep/c.csv": "x,y\n5,6\n",
    "h/_SUCCESS": "",
    "h/k=s%C3%BC%2F/j=1/a.csv": "x,y\n7,8\n",
    "h/k=__HIVE_DEFAULT_PARTITION__/j=2/a.csv": "x,y\n9,10\n",
}


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that takes the place of the bucket b."""
    for name, content in FILES.items():
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_text(content)
    system = filesystems.SubTreeFileSystem(str(tmp_path), filesystems.LocalFileSystem())
    monkeypatch.setattr(remote, "_of_amazon", lambda _: system)
    return tmp_path / "b"


@pytest.mark.parametrize("path", ["s3://b/k", Path("s3://b/k"), "gs://b/k=1/*.csv", "s3://b/%41/ü ?"])
def test_an_address_is_known_though_pathlib_took_a_slash(path: str | Path) -> None:
    assert remote.is_remote(path)
    assert remote.address_of(path) == (path if isinstance(path, str) else "s3://b/k")
    assert names_table(str(path), alone=False)


@pytest.mark.parametrize("path", ["s3", "s3.csv", "./s3:/x", "x=s3://b/k", "S3://b", "https://b/k"])
def test_no_other_path_is_one(path: str) -> None:
    assert not remote.is_remote(path)


@pytest.mark.parametrize("address", ["s3://", "s3://key:secret@b/k", "gs://"])
def test_an_address_names_a_bucket_and_no_secret(address: str) -> None:
    with pytest.raises(OptionError, match="BUCKET/KEY") as refused:
        remote.opened(address)
    assert "secret" not in str(refused.value)


LISTED = {
    "s3://b/in/b.csv": ["in/b.csv"],
    "s3://b/in": ["in/a.csv", "in/b.csv"],
    "s3://b/in/": ["in/a.csv", "in/b.csv"],
    "s3://b/in/[b-z]*.csv": ["in/b.csv"],
    "s3://b/*/*/c.csv": ["in/deep/c.csv", "w/deep/c.csv"],
    "s3://b/h": ["h/k=__HIVE_DEFAULT_PARTITION__/j=2/a.csv", "h/k=s%C3%BC%2F/j=1/a.csv"],
    "s3://b/h/k=s*/j=?/*": ["h/k=s%C3%BC%2F/j=1/a.csv"],
}


@pytest.mark.parametrize("address", LISTED)
def test_folders_and_patterns_are_listed_as_of_files(address: str, bucket: Path) -> None:
    assert files_of([address]) == [f"s3://b/{key}" for key in LISTED[address]]
    assert [Path(file).name for file in files_of([str(bucket / "in")])] == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    "address", ["s3://b/none", "s3://b/none/*.csv", "s3://b/in/model/x", "s3://b/in/deep/c", "s3://b/w"]
)
def test_what_is_not_there_is_said(address: str, bucket: Path) -> None:
    with pytest.raises(MissingFileError, match=f"^{address.replace('*', '.')}: no such file"):
        open_table(address)


def test_a_table_of_folders_and_a_model_are_read(bucket: Path) -> None:
    batches = list(open_table("s3://b/h").batches(["x", "j"], ["k"]))
    assert [batch.values.tolist() for batch in batches] == [[[9, 2]], [[7, 1]]]
    assert [batch.categories[0].values for batch in batches] == [(), ("sü/",)]
    assert read_bytes(Path("s3://b/in/model"), "") == read_bytes(bucket / "in/model", "") == b"bytes"
    with pytest.raises(UnusableFileError, match="has 5 bytes, and 4 are the most"):
        read_bytes("s3://b/in/model", "", 4)


def test_parquet_is_read_by_ranges(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({f"c{column}": [row / (7 + column) for row in range(100_000)] for column in range(12)})
    parquet.write_table(table, bucket / "t.parquet", use_dictionary=False)
    read: list[int] = []

    class Counting(io.FileIO):
        def read(self, size: int | None = -1) -> Any:
            content = super().read(-1 if size is None else size)
            read.append(len(content or b""))
            return content

    class System:
        def __getattr__(self, name: str) -> Any:
            return getattr(filesystems.LocalFileSystem(), name)

        def open_input_file(self, path: str) -> Any:
            return pa.PythonFile(Counting(path), mode="r")

    monkeypatch.setattr(remote, "_place", lambda path: (System(), str(bucket / "t.parquet")))
    opened = open_table("s3://b/t.parquet")
    read.clear()
    assert sum(len(batch.values) for batch in opened.batches(["c3"])) == 100_000
    size = (bucket / "t.parquet").stat().st_size
    assert size > 4_000_000
    assert 300_000 < sum(read) < size / 3
    assert len(read) < 10


class Slow(http.server.BaseHTTPRequestHandler):
    """An S3 that begins an upload, and takes no part of it."""

    seen: list[str]
    asked: threading.Event

    def do_POST(self) -> None:
        self.seen.append(self.path)
        body = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.asked.set()
        threading.Event().wait(60)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def slow() -> Iterator[tuple[str, type[Slow]]]:
    handler = type("Handler", (Slow,), {"seen": [], "asked": threading.Event()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()


UPLOAD = """
import sys
from pathlib import Path
from lr_runtime.system.replacement import write_bytes
write_bytes(Path("s3://bucket/key"), b"x" * (12 << 20))
"""


@needs(pa)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_upload_that_is_stopped_is_never_completed(
    number: signal.Signals, slow: tuple[str, type[Slow]], monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, handler = slow
    for name, value in environment(endpoint).items():
        monkeypatch.setenv(name, value)
    process = subprocess.Popen([sys.executable, "-c", UPLOAD], stderr=subprocess.PIPE)
    assert handler.asked.wait(30)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode in {130, -number}
    assert handler.seen == ["/bucket/key?uploads"]


def environment(endpoint: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@needs(pa)
def test_a_store_that_is_not_there_is_one_line(
    run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    for name, value in environment(endpoint).items():
        monkeypatch.setenv(name, value)
    line = one_line(run("lr-inspect", "s3://bucket/key"), 1)
    assert "s3://bucket/key: cannot be read (AWS Error NETWORK_CONNECTION" in line
    assert "Could not connect" in line


def test_without_pyarrow_the_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "blocker").mkdir()
    without = Without(tmp_path, tmp_path / "blocker", "pyarrow")
    assert "pip install 'linedge[tables]'" in one_line(without.run("lr-inspect", "s3://bucket/key"), 1)

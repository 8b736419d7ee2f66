"""Files appear whole or not at all, and tell what they are by their first bytes."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import threading
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_runtime.errors import MissingFileError, UnusableFileError
from lr_runtime.system.files import read_bytes, sha256
from lr_runtime.system.replacement import replacing, write_bytes
from lr_runtime.system.signatures import what_it_is
from tests.optional import optional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

safetensors = optional("safetensors.numpy")
pa = optional("pyarrow")
pq = optional("pyarrow.parquet")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_file_is_replaced_and_an_open_one_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with (tmp_path / "a").open("rb") as reader:
        write_bytes(tmp_path / "a", b"new")
        assert reader.read() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_the_old_file_stands_until_the_block_ends(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with replacing(tmp_path / "a") as part:
        part.write_bytes(b"new")
        assert (tmp_path / "a").read_bytes() == b"old"


def _fail_half_way(target: Path, failure: type[BaseException]) -> None:
    with replacing(target) as part:
        part.write_bytes(b"half")
        raise failure


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failed_block_keeps_the_old_file_and_leaves_nothing(failure: type[BaseException], tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(failure):
        _fail_half_way(tmp_path / "a", failure)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_failed_block_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), replacing(tmp_path / "a"):
        raise ValueError("stop")
    assert names(tmp_path) == []


def test_an_error_of_the_system_in_the_block_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="a: cannot be written \\(No space left"), replacing(tmp_path / "a"):
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == []


def test_our_own_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"t\.csv"), replacing(tmp_path / "a"):
        raise MissingFileError("t.csv", "Name a table")
    assert names(tmp_path) == []


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    mask: int = request.param
    before = os.umask(mask)
    yield mask
    os.umask(before)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002], indirect=True, ids=oct)
def test_rights_are_those_of_the_umask(umask: int, tmp_path: Path) -> None:
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "ordinary").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    assert os.umask(umask) == umask


UNWRITABLE: dict[str, Callable[[Path], Path]] = {
    "no folder": lambda folder: folder / "nowhere" / "a",
    "a file for a folder": lambda folder: folder / "file" / "a",
    "a name that is too long": lambda folder: folder / ("a" * 300),
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_what_cannot_be_written_is_said(case: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    target = UNWRITABLE[case](tmp_path)
    with pytest.raises(UnusableFileError, match="cannot be written") as caught:
        write_bytes(target, b"new")
    assert str(target) in str(caught.value)
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UnusableFileError, match="Is a directory"):
        write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").is_dir()


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / ("名" * 85)  # 255 bytes
    write_bytes(target, b"new")
    assert target.read_bytes() == b"new"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/a")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a").read_bytes() == b"new"
    assert names(tmp_path / "there") == ["a"]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_bytes(pipe, b"new")
    still_a_pipe = pipe.is_fifo()
    reader.join(timeout=10)
    assert received == [b"new"]
    assert still_a_pipe
    assert names(tmp_path) == ["pipe"]


def test_reading_gives_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert read_bytes(tmp_path / "a", "hint") == b"abc"


def test_a_missing_file_comes_with_the_hint(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no such file\. Run that first"):
        read_bytes(tmp_path / "a", "Run that first")
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "a", "Run that first")


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="is a directory, not a file"):
        read_bytes(tmp_path, "hint")


def test_sha256_of_the_standard() -> None:
    # FIPS 180-2, appendix B.1.
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def _parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1.0]}), sink)
    return sink.getvalue()


def _arrow() -> bytes:
    sink = io.BytesIO()
    table = pa.table({"a": [1.0]})
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _zip() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a", "b")
    return sink.getvalue()


KINDS: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "safetensors": (lambda: safetensors.save({"a": np.zeros(2)}), "safetensors"),
    "parquet": (_parquet, "Parquet"),
    "arrow": (_arrow, "Arrow"),
    "zip": (_zip, "zip"),
    "gzip": (lambda: gzip.compress(b"a"), "gzip"),
    **{f"pickle {protocol}": (lambda p=protocol: pickle.dumps([1], p), "pickle") for protocol in (2, 3, 4, 5)},  # type: ignore[misc]
    "PDF": (lambda: b"%PDF-1.7\n", "PDF"),
    "git-LFS": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "UTF-16 little": (lambda: "\ufeffx,y".encode("utf-16-le"), "UTF-16"),
    "UTF-16 big": (lambda: "\ufeffx,y".encode("utf-16-be"), "UTF-16"),
    "SQLite": (lambda: b"SQLite format 3\0", "SQLite"),
    "ORT": (lambda: b"\x10\0\0\0ORTM", "ORT"),
    "PNG": (lambda: b"\x89PNG\r\n\x1a\n", "picture"),
    "CSV": (lambda: b"x,y\n1,2\n", None),
    "JSON": (lambda: b'{"x": 1}\n', None),
    "nothing": (lambda: b"", None),
    "one byte": (lambda: b"\x1f", None),
}


@pytest.mark.parametrize("case", KINDS)
def test_what_a_file_is(case: str) -> None:
    content, kind = KINDS[case]
    said = what_it_is(content()[:64])
    assert (kind is None) == (said is None)
    assert kind is None or kind in (said or "")

"""Tables in other containers: read where they hold a table alone, named as what they are otherwise."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import sys
import tarfile
import tracemalloc
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_runtime.errors import MissingExtraError, TableError, UnusableFileError
from lr_runtime.tables import TableOptions, has_table_suffix, open_followed, open_table
from lr_runtime.tables.text import table as text
from tests.optional import needs, optional
from tests.runtime.tables.reading import _Standard, parquet, read, refusal, table_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pa = optional("pyarrow")

ROWS = [(row * 0.5, -row) for row in range(8_000)]
CSV = ("a,b\n" + "".join(f"{a},{b}\n" for a, b in ROWS)).encode()
JSON = "".join(json.dumps({"a": a, "b": b}) + "\n" for a, b in ROWS).encode()


def zipped(content: bytes, *others: str, name: str = "t.csv", **how: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content, **{"compress_type": zipfile.ZIP_DEFLATED, **how})
        for other in others:
            archive.writestr(other, b"x")
    return file.getvalue()


def zstandard(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
    "zip": zipped,
    "zip beside macOS's own": lambda content: zipped(content, "__MACOSX/._t.csv", ".DS_Store", "folder/"),
    "zip, stored": lambda content: zipped(content, compress_type=zipfile.ZIP_STORED),
    "zst": zstandard,
    "bz2 in two streams": lambda content: bz2.compress(content[:5000]) + bz2.compress(content[5000:]),
    "xz in two streams, padded": lambda content: (
        lzma.compress(content[:9]) + bytes(8) + lzma.compress(content[9:]) + bytes(4)
    ),
    "zst in two frames": lambda content: zstandard(content[:70_000]) + zstandard(content[70_000:]),
}
CASES = [pytest.param(case, marks=[needs(pa)] if case.startswith("zst") else []) for case in PACKERS]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("content", [CSV, JSON, "UTF-16"], ids=["CSV", "JSON lines", "UTF-16"])
def test_a_packed_table_is_read_twice(case: str, content: bytes | str, tmp_path: Path) -> None:
    plain = CSV.decode().encode("utf-16") if isinstance(content, str) else content
    table = open_table(table_file(tmp_path, PACKERS[case](plain), "t.bin"))
    for _ in range(2):
        values = np.concatenate([batch.values for batch in table.batches(["a", "b"])])
        assert values.tolist() == [list(row) for row in ROWS]


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_on_standard_input_too(case: str, once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Standard(PACKERS[case](CSV)))
    table = open_table("-", once=once)
    assert sum(len(batch.values) for batch in table.batches(["b"])) == len(ROWS)


@needs(pa)
@pytest.mark.parametrize("case", ["gz", "xz", "zip", "zst"])
def test_a_packed_parquet_file(case: str, tmp_path: Path) -> None:
    content = parquet(pa.table({"a": [a for a, _ in ROWS]}))
    table = open_table(table_file(tmp_path, PACKERS[case](content), "t.bin"))
    assert np.concatenate([batch.values for batch in table.batches(["a"])]).ravel().tolist() == [a for a, _ in ROWS]


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "lzma", "zst", "zip"])
def test_packed_tables_are_found_in_folders(suffix: str) -> None:
    assert has_table_suffix(f"readings.CSV.{suffix}")
    assert not has_table_suffix(f"readings.{suffix}")


def test_tabs_of_a_packed_tsv(tmp_path: Path) -> None:
    table = open_table(table_file(tmp_path, bz2.compress(b"a\tb\n1\t2\n"), "t.tsv.bz2"))
    assert table.names == ("a", "b")


# --- damaged, hostile, and of several files ---


def damaged() -> dict[str, bytes]:
    noise = np.random.default_rng(1).integers(0, 10**9, 9000)
    content = b"a\n" + b"".join(b"%d\n" % value for value in noise)
    found = {}
    for name in ("bz2", "xz", "lzma", "zip", "zst"):
        if name == "zst" and isinstance(pa, Exception | type(None)):
            continue
        packed = PACKERS[name](content)
        found[f"{name}, other bytes inside"] = packed[:2000] + b"\xff" * 500 + packed[2500:]
        if name != "zip":  # its list stands at the end
            found[f"{name}, cut"] = packed[: len(packed) // 2]
    return {**found, "bz2, other bytes behind": PACKERS["bz2"](content) + b"garbage"}


@needs(pa)
def test_damages_are_said(tmp_path: Path) -> None:
    for case, content in damaged().items():
        path = table_file(tmp_path, content, "t.bin")
        with pytest.raises((UnusableFileError, TableError)) as caught:
            read(path)
        assert "t.bin" in str(caught.value), case


def test_an_archive_of_several_files_lists_them(tmp_path: Path) -> None:
    path = table_file(tmp_path, zipped(CSV, "u.csv", "v/w.csv"), "t.zip")
    with pytest.raises(
        TableError, match=r'a zip archive of 3 files \("t.csv", "u.csv", "v/w.csv"\); expected one table'
    ):
        open_table(path)


def test_an_empty_and_an_encrypted_archive(tmp_path: Path) -> None:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    for content, said in (
        (zipped(b"", name=".hidden"), "of no files"),
        (zipped(CSV).replace(b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\1\0"), "is encrypted"),
        (zipped(CSV, compress_type=zipfile.ZIP_LZMA), "is not deflated"),
    ):
        with pytest.raises(TableError, match=said):
            open_table(table_file(tmp_path, content, "t.zip"))


def test_a_dictionary_of_gigabytes_is_refused(tmp_path: Path) -> None:
    content = bytearray(lzma.compress(CSV))
    content[16] = 36  # 1 GiB
    content[20:24] = zlib.crc32(bytes(content[12:20])).to_bytes(4, "little")
    with pytest.raises(UnusableFileError, match="Memory usage limit"):
        open_table(table_file(tmp_path, bytes(content), "t.xz"))


BOMBS = [pytest.param(case, marks=[needs(pa)] if case == "zst" else []) for case in ("bz2", "xz", "lzma", "zip", "zst")]


@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_is_read_in_bounded_memory(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table_file(tmp_path, PACKERS[case](b"a\n" + b"1" * (40 << 20)), "t.bin")
    assert path.stat().st_size < 1 << 17
    monkeypatch.setattr(text, "BLOCK_BYTES", 1 << 18)
    monkeypatch.setattr(text, "_LONGEST_RECORD", 1 << 20)
    monkeypatch.setattr("lr_runtime.system.parallel._keep_free_memory", lambda: None)  # 32 MiB that are never touched
    tracemalloc.start()
    try:
        assert "is longer than 1 MiB" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20  # of which the dictionary of xz takes 8
    finally:
        tracemalloc.stop()


@needs(pa)
def test_without_pyarrow_zstandard_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table_file(tmp_path, zstandard(CSV), "t.csv.zst")
    monkeypatch.delitem(sys.modules, "lr_runtime.tables.arrow.memory", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr("lr_runtime.tables.files.compressed._decompressor", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"linedge\[tables\]"):
        open_table(path)


# --- what other files are ---


def tar(form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        info = tarfile.TarInfo("t.csv")
        info.size = len(CSV)
        archive.addfile(info, io.BytesIO(CSV))
    return file.getvalue()


def oldest_tar() -> bytes:
    """Return an archive without the mark that later ones have."""
    content = bytearray(tar())
    content[257:265] = bytes(8)
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    return bytes(content)


def matlab(form: str) -> bytes:
    scipy_io = pytest.importorskip("scipy.io", reason="scipy is not installed here")
    file = io.BytesIO()
    scipy_io.savemat(file, {"readings": np.eye(30)}, format=form)
    return file.getvalue()


def stata(version: int) -> bytes:
    pd = pytest.importorskip("pandas", reason="pandas is not installed here")
    file = io.BytesIO()
    pd.DataFrame({"a": np.arange(400.0)}).to_stata(file, version=version, write_index=False)
    return file.getvalue()


def sqlite() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("create table t (a real)")
        return database.serialize()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.eye(30))
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.eye(3), b=np.eye(3))
    return file.getvalue()


OTHERS: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "MATLAB 5": (lambda: matlab("5"), ["MATLAB", "writetable"]),
    "MATLAB 4": (lambda: matlab("4"), ["MATLAB", "writetable"]),
    "MATLAB 7.3": (lambda: b"MATLAB 7.3 MAT-file".ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" + bytes(900), ["MATLAB"]),
    "Stata 10": (lambda: stata(114), ["Stata", "read_stata"]),
    "Stata 15": (lambda: stata(119), ["Stata", "read_stata"]),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(2000), ["HDF5", "h5py"]),
    "HDF5 behind a user's block": (lambda: bytes(512) + b"\x89HDF\r\n\x1a\n" + bytes(900), ["HDF5"]),
    "tar": (tar, ["tar archive", "tar -xf"]),
    "tar of GNU": (lambda: tar(tarfile.GNU_FORMAT), ["tar archive"]),
    "the oldest tar": (oldest_tar, ["tar archive"]),
    "tar in gzip": (lambda: gzip.compress(tar()), ["tar archive"]),
    "tar in xz": (lambda: lzma.compress(tar()), ["tar archive"]),
    "SQLite": (sqlite, ["SQLite", "sqlite3 -csv"]),
    "NumPy": (npy, ["NumPy array", "savetxt"]),
    "NumPy, several": (npz, ["NumPy archive", "numpy.load"]),
    "R": (lambda: gzip.compress(b"X\n\0\0\0\3" + bytes(900)), ["R file", "write.csv"]),
    "NetCDF": (lambda: b"CDF\x01" + bytes(900), ["NetCDF"]),
    "SPSS": (lambda: b"$FL2@(#) SPSS DATA FILE" + bytes(900), ["SPSS", "read_spss"]),
    "7-Zip": (lambda: b"7z\xbc\xaf\x27\x1c\0\4" + bytes(900), ["7-Zip", "7z x"]),
    "gzip in gzip": (lambda: gzip.compress(gzip.compress(CSV)), ["gzip file", "gunzip"]),
    "float64 numbers": (lambda: np.arange(900.0).tobytes(), ["binary file"]),
    "int16 numbers": (lambda: np.arange(900, dtype="<i2").tobytes(), ["binary file"]),
    "int32 numbers": (lambda: np.arange(900, dtype=">i4").tobytes(), ["binary file"]),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_table_is_named_as_what_it_is(case: str, tmp_path: Path) -> None:
    make, said = OTHERS[case]
    with pytest.raises(TableError) as caught:
        open_table(table_file(tmp_path, make(), "t.csv"))
    for words in ["t.csv", *said]:
        assert words in str(caught.value)
    assert "UTF-16" not in str(caught.value)


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_what_is_text_of_two_bytes_is_still_seen(encoding: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=f"It may be UTF-16 text. Try: --encoding {encoding}"):
        open_table(table_file(tmp_path, "größe,b\n1,2\n".encode(encoding)))


def test_a_followed_stream_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Standard(gzip.compress(CSV)))
    with pytest.raises(TableError, match=r"standard input is a gzip file, not a text table. Unpack it"):
        open_followed(TableOptions())

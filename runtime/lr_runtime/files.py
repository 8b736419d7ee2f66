"""Files, whole or not at all: atomic replacement, and what a file is by its first bytes.

Modules that only some calls need are imported by those: this one is on the way of every prediction.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lr_runtime.errors import MissingFileError, UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"%PDF", "a PDF file"),
    (b"PK\x03\x04", "a zip archive (a spreadsheet, or a TorchScript model)"),
    (b"\x80\x02", "a pickle file"),
    (b"\x80\x03", "a pickle file"),
    (b"\x80\x04", "a pickle file"),
    (b"\x80\x05", "a pickle file"),
    (b"version https://git-lfs", 'a git-LFS pointer (run "git lfs pull" for the file itself)'),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet or document (.xls, .doc)"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"<!DOCTYPE", "a web page or XML"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML file"),
)


def what_it_is(head: bytes) -> str | None:
    """Name the kind of a file by its first bytes; None where they say nothing."""
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 27:
        return "a safetensors checkpoint"
    if head[4:8] == b"ORTM":
        return "an ORT flatbuffer model"
    return next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), None)


def read_bytes(path: str | Path, hint: str, most: int | None = None) -> bytes:
    """Return the whole file.

    Args:
        path: the file.
        hint: what to do where there is none.
        most: the most bytes that are read; a pipe, a device and a file that changes meanwhile are then refused too.

    Raises:
        MissingFileError: there is no such file.
        UnusableFileError: the operating system refuses, or the file is not what `most` asks for.
    """
    try:
        if most is not None:
            return _read_at_most(path, most)
        with open(path, "rb") as file:  # noqa: PTH123 - see _read_at_most
            return file.read()
    except FileNotFoundError as error:
        raise MissingFileError(path, hint) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: OSError) -> UnusableFileError:
    if isinstance(error, UnusableFileError):
        return error
    return UnusableFileError(f"{path}: cannot be read ({error.strerror})")


# Where a pipe has taken the file's place meanwhile, a plain open would wait for a writer. O_BINARY is Windows's.
_READ_WITHOUT_WAITING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def _read_at_most(path: str | Path, most: int) -> bytes:
    # Before opening it, which has effects on some devices.
    _check_regular(path, os.stat(path).st_mode)  # noqa: PTH116 - pathlib takes 4 ms to import, which one row would wait for
    with os.fdopen(os.open(path, _READ_WITHOUT_WAITING), "rb") as file:
        status = os.fstat(file.fileno())
        _check_regular(path, status.st_mode)
        if status.st_size > most:
            raise UnusableFileError(f"{path}: has {status.st_size} bytes, and {most} are the most that is read")
        content: bytes = file.read(status.st_size + 1)
    if len(content) != status.st_size:
        raise UnusableFileError(f"{path}: changed while it was read. Wait until it is whole")
    return content


def _check_regular(path: str | Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise UnusableFileError(f"{path}: is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file")


def sha256(content: bytes) -> str:
    """Return the SHA-256 of `content` as 64 hexadecimal digits."""
    import hashlib

    return hashlib.sha256(content).hexdigest()


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`; rename it onto `target` when the block ends well, else remove it.

    Readers see the old file or the new one, whole: the bytes are on the disk (fsync) before the name is. A symbolic
    link stays one, and a device or a pipe (/dev/null) is written to: it has no content that could be replaced.

    Raises:
        UnusableFileError: the folder does not exist, or cannot be written.
    """
    final, part = _beside(target)
    special = _is_special(final)
    try:
        yield part
        if special:
            _pour(part, final)
        else:
            _settle(part, final)
    except OSError as error:
        if isinstance(error, UnusableFileError | MissingFileError):
            raise
        raise UnusableFileError(f"{target}: cannot be written ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)


def check_replaceable(target: Path) -> None:
    """Find out now whether `replacing` will find a place beside `target`.

    Raises:
        UnusableFileError: see `replacing`; or the target is a directory.
    """
    if target.is_dir():
        raise UnusableFileError(f"{target}: is a directory. Name a file with -o FILE")
    _beside(target)[1].unlink()


def _beside(target: Path) -> tuple[Path, Path]:
    """Return where `target` leads, and a new file beside that, or anywhere if it has no content to be replaced."""
    import tempfile
    from pathlib import Path

    try:
        final = target.resolve()
        folder = None if _is_special(final) else final.parent
        handle, name = tempfile.mkstemp(prefix=f".{final.name[:40]}.", suffix=".part", dir=folder)
    except RuntimeError as error:  # of pathlib, until Python 3.13
        raise UnusableFileError(
            f"{target}: is a symbolic link that leads to itself. Name another with -o FILE"
        ) from error
    except OSError as error:
        raise UnusableFileError(
            f'{target}: the folder "{target.parent}" cannot be written ({error.strerror}). Name another with -o FILE'
        ) from error
    os.close(handle)
    return final, Path(name)


def _is_special(final: Path) -> bool:
    return final.exists() and not final.is_file()


def _settle(part: Path, target: Path) -> None:
    # mkstemp makes the file private; a finished file has the rights that the user's umask gives.
    umask = os.umask(0)
    os.umask(umask)
    part.chmod(0o666 & ~umask)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)


def _pour(part: Path, target: Path) -> None:
    import shutil

    with part.open("rb") as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)


def write_bytes(target: Path, content: bytes) -> None:
    """Replace `target` by `content`, whole or not at all."""
    with replacing(target) as part:
        part.write_bytes(content)

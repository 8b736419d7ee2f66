"""Files, whole or not at all: atomic replacement, and what a file is by its first bytes.

Modules that only some calls need are imported by those: this one is on the way of every prediction.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lr_runtime.errors import MissingFileError, UnusableFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def read_bytes(path: Path, hint: str) -> bytes:
    """Return the whole file.

    Raises:
        MissingFileError: there is no such file; `hint` says what to do.
        UnusableFileError: the operating system refuses.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MissingFileError(path, hint) from error
    except OSError as error:
        raise UnusableFileError(f"{path}: cannot be read ({error.strerror})") from error


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
    import tempfile

    try:
        final = target.resolve()
        special = final.exists() and not final.is_file()
        folder = None if special else final.parent
        handle, name = tempfile.mkstemp(prefix=f".{final.name[:40]}.", suffix=".part", dir=folder)
    except OSError as error:
        raise UnusableFileError(
            f'{target}: the folder "{target.parent}" cannot be written ({error.strerror}). Name another with -o FILE'
        ) from error
    os.close(handle)
    part = Path(name)
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

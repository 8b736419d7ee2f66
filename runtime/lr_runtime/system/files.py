"""Files that are read whole, by their path."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from lr_runtime.errors import MissingFileError, UnusableFileError, shown
from lr_runtime.system import remote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LARGEST = 1 << 30
_LARGEST_CHECKPOINT = 1 << 34
"""The most bytes that are read: a checkpoint has 18 for each pair of terms, so this is one of 30,000 terms."""


def is_checkpoint(head: bytes) -> bool:
    """Return whether a file that begins so is of safetensors: the length of a header in JSON, and its brace."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 27


def read_bytes(path: str | Path, hint: str, most: int | None = None) -> bytes:
    """Return the whole of a regular file, whose size is known before it is read.

    Args:
        path: the file.
        hint: what to do where there is none.
        most: the most bytes that are read; None for what a file of linedge that begins so may have.

    Raises:
        MissingFileError: there is no such file.
        UnusableFileError: the operating system refuses, or it is a pipe or a device, too large, or changes meanwhile.
    """
    try:
        return _read_at_most(path, most)
    except FileNotFoundError as error:
        raise MissingFileError(path, hint) from error
    except (OSError, MemoryError) as error:
        if isinstance(error, UnusableFileError):
            raise
        reason = getattr(error, "strerror", None) or "there is not enough memory for it"
        raise UnusableFileError(f"{path}: cannot be read ({reason})") from error
    except ValueError as error:  # a NUL in it, or half of a character
        raise UnusableFileError(f"{shown(str(path))}: is no path ({error})") from error


# Where a pipe has taken the file's place meanwhile, a plain open would wait for a writer. O_BINARY is Windows's.
_READ_WITHOUT_WAITING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def _read_at_most(path: str | Path, most: int | None) -> bytes:
    if remote.is_remote(path):
        return _read_remote(path, most)
    # Before opening it, which has effects on some devices.
    _check_regular(path, os.stat(path).st_mode)  # noqa: PTH116 - pathlib takes 4 ms to import, which one row would wait for
    with os.fdopen(os.open(path, _READ_WITHOUT_WAITING), "rb") as file:
        status = os.fstat(file.fileno())
        _check_regular(path, status.st_mode)
        content = _content(path, file, status.st_size, most)
    if len(content) != status.st_size:
        raise UnusableFileError(f"{path}: changed while it was read. Wait until it is whole")
    return content


def _content(path: str | Path, file: IO[bytes], size: int, most: int | None) -> bytes:
    head = file.read(min(64, size))
    limit = most or (_LARGEST_CHECKPOINT if is_checkpoint(head) else _LARGEST)
    if size > limit:
        raise UnusableFileError(f"{path}: has {size} bytes, and {limit} are the most that is read")
    return head + file.read(size + 1 - len(head))


def _read_remote(path: str | Path, most: int | None) -> bytes:
    with remote.opened(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return _content(path, file, size, most)


def _check_regular(path: str | Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise UnusableFileError(f"{path}: is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file")


@contextmanager
def in_temporary_folder(what: str) -> Iterator[None]:
    """Have an error of a temporary file, which holds `what`, name its folder.
    Raises UnusableFileError where the folder is full, or its disk fails; or no folder can be written.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, UnusableFileError):
            raise
        import tempfile

        folder = tempfile.tempdir or "there is no temporary folder"
        raise UnusableFileError(
            f"{folder}: no room for {what} ({error.strerror}). Name a larger folder in TMPDIR"
        ) from error


def sha256(content: bytes) -> str:
    """Return the SHA-256 of `content` as 64 hexadecimal digits."""
    import hashlib

    return hashlib.sha256(content).hexdigest()

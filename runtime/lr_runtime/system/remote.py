"""Objects in stores, called s3://BUCKET/KEY and gs://BUCKET/KEY, through pyarrow's own file systems.

pyarrow is imported where such an address is used, and nowhere else. A key is taken as it is written, `%` and all, as
the stores' own tools take it. Endpoints, regions, credentials and certificates come from the environment and the files
that these tools read, too: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_PROFILE, GOOGLE_APPLICATION_CREDENTIALS and so on.
"""

from __future__ import annotations

import atexit
import io
import os
import re
import signal
from contextlib import contextmanager
from functools import cache
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

from lr_runtime.errors import LinedgeError, MissingFileError, OptionError, UnusableFileError
from lr_runtime.system.lazy import needs_extra

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_FileSystem: TypeAlias = Any
"""Of pyarrow, which has no types."""

_STORES = ("s3:/", "gs:/")
"""With one slash, for pathlib makes one of two."""

_READ_BYTES = 1 << 20
"""Of one request at least: each takes tens of milliseconds, in which ten times as much comes from near."""

_RETRY_SECONDS = 15
"""How long Google's client tries again; its own 15 minutes are no answer. Amazon's ends after three tries, in 10 s."""

_UPLOADS = 8
"""Files on their way at once: of a small one most of the time is waiting."""


def is_remote(path: str | Path) -> bool:
    """Whether a path is an address of a store."""
    return str(path).startswith(_STORES)


def address_of(path: str | Path) -> str:
    """Return an address as it is written; a path of pathlib has lost a slash of it."""
    store, _, rest = str(path).partition(":/")
    return f"{store}://{rest.strip('/')}"


def opened(path: str | Path) -> IO[bytes]:
    """Open an object at its start; each read of it is a request of at least a mebibyte.

    Raises:
        MissingFileError: there is none.
        UnusableFileError: it cannot be read, in the store's own words.
    """
    with _telling(path, "read"):
        system, key = _place(path)
        return io.BufferedReader(cast("io.RawIOBase", system.open_input_file(key)), _READ_BYTES)


def objects_under(path: str | Path) -> list[str]:
    """Return the addresses of all objects in a folder of a store, or of the one that is called so; else none."""
    with _telling(path, "read"):
        from pyarrow.fs import FileSelector, FileType

        system, key = _place(path)
        if system.get_file_info(key).type == FileType.File:
            return [address_of(path)]
        found = system.get_file_info(FileSelector(key, recursive=True, allow_not_found=True))
        before = address_of(path).removesuffix(key)
        return sorted(before + each.path for each in found if each.type == FileType.File)


def upload(files: Mapping[str, Path]) -> None:
    """Have a store hold files, by the address of each, every one whole or not at all.

    A stream of pyarrow completes its object however it is left, by an exception, too. So threads copy the files, which
    know no exceptions of this one, and go with the process.
    """
    from threading import Thread

    items, ended = list(files.items()), list[BaseException | None]()

    def copy(some: Iterable[tuple[str, Path]]) -> None:
        error = None
        try:
            for address, path in some:
                _copy(path, address)
        except BaseException as found:
            error = found
        ended.append(error)

    threads = [Thread(target=copy, args=(items[first::_UPLOADS],), daemon=True) for first in range(_UPLOADS)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except (KeyboardInterrupt, SystemExit) as stop:
        code = stop.code if isinstance(stop, SystemExit) and isinstance(stop.code, int) else 128 + signal.SIGINT
        # Before pyarrow is told that Python ends: it would wait for what is on its way.
        atexit.register(lambda: os._exit(code) if len(ended) < len(threads) else None)
        raise
    for error in filter(None, ended):
        raise error


def _copy(path: Path, address: str) -> None:
    with _telling(address, "written"):
        from pyarrow.fs import LocalFileSystem, copy_files

        system, key = _place(address)
        copy_files(str(path), key, source_filesystem=LocalFileSystem(), destination_filesystem=system)


def _place(path: str | Path) -> tuple[_FileSystem, str]:
    """Return the file system of an address, and the bucket and the key in it."""
    store, _, place = address_of(path).partition("://")
    bucket = place.partition("/")[0]
    if not bucket or (store == "s3" and "@" in bucket):
        raise OptionError(
            f"{store}:// is followed by a bucket's name and a key, and by no credentials: {store}://BUCKET/KEY"
        )
    with needs_extra("tables"):
        return _of_google(bucket) if store == "gs" else _of_amazon(bucket), place.removeprefix("anonymous@")


@cache
def _of_amazon(bucket: str) -> _FileSystem:
    from pyarrow.fs import S3FileSystem, resolve_s3_region

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return S3FileSystem(endpoint_override=endpoint, region=None if endpoint else resolve_s3_region(bucket))


@cache
def _of_google(bucket: str) -> _FileSystem:
    from datetime import timedelta

    from pyarrow.fs import GcsFileSystem

    return GcsFileSystem(anonymous=bucket.startswith("anonymous@"), retry_time_limit=timedelta(seconds=_RETRY_SECONDS))


@contextmanager
def _telling(path: str | Path, done: str) -> Iterator[None]:
    """Have errors name the address, in one line of the store's own words."""
    address = address_of(path)
    try:
        yield
    except LinedgeError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(address, "Name an object of the store, or a folder") from error
    except (OSError, ImportError, ValueError) as error:  # pyarrow may be built without a store
        raise UnusableFileError(f"{address}: cannot be {done} ({_words(str(error))})") from error


def _words(said: str) -> str:
    """Return what a store says without what repeats the address, or helps nobody."""
    beside = r"When .*?(?=AWS Error)| \(Request ID: .*|; Details: .*| error_info=.*|google::cloud::Status\("
    said = re.sub(beside, "", said, flags=re.DOTALL)
    if "ACCESS_DENIED" in said or "INVALID_ACCESS_KEY" in said or "OAuth2" in said:
        said += ". Are the credentials those of the store?"
    return said

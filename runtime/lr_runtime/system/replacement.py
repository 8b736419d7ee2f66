"""Files that take another's place, whole or not at all, one alone or several together.

What is written has no name until it is complete, where the system has such files (O_TMPFILE of Linux): then not even
SIGKILL leaves a part of it. Elsewhere it lies beside its target as .NAME.XXXXXXXX.part.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lr_runtime.errors import LinedgeError, UnusableFileError
from lr_runtime.system.remote import address_of, is_remote, objects_under, upload
from lr_runtime.system.signals import UNFINISHED, deferred

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT_ATTRIBUTES = ("user.", "system.posix_acl_access", "security.selinux")


@contextmanager
def replacing(target: Path, together: Together | None = None) -> Iterator[Path]:
    """Give a path to write to; its content stands in the place of `target` when the block ends well, else nothing does.

    Readers see the old file or the new one, whole: the bytes are on the disk (fsync) before the name is. The old file's
    permissions, access control list, owner and group stay, as far as this process may give them away; a new file has
    what the umask leaves. A symbolic link stays one, and another hard link keeps the old content. What has no content
    to be replaced (a pipe, /dev/null, an open file as /dev/stdout) is written to when all is complete.

    Args:
        target: the file.
        together: the files that are replaced with it, when their block ends; None for itself alone.

    Raises:
        UnusableFileError: the file may not be written, or its folder does not exist or cannot be written.
    """
    if together is None:
        with Together() as alone, replacing(target, alone) as path:
            yield path
        return
    with _naming(target):
        part = _Part(target)
        together.add(part)
    with _naming(target, part.path):
        yield part.path
        part.finish()


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder to write to, which is called `target` when the block ends well; else nothing stays of it.
    Meanwhile it lies beside its target as .NAME.XXXXXXXX.part. Raises UnusableFileError as `check_new_folder` does.
    """
    check_new_folder(target)
    if is_remote(target):
        import tempfile

        with tempfile.TemporaryDirectory() as folder, _naming(target, Path(folder)):
            yield Path(folder)
            files = {path.relative_to(folder): path for path in Path(folder).rglob("*") if path.is_file()}
            upload({f"{address_of(target)}/{name.as_posix()}": path for name, path in files.items()})
            (done := Path(folder) / "_SUCCESS").touch()
            upload({f"{address_of(target)}/_SUCCESS": done})  # by which readers know that all is there, as of Spark
        return
    final = _led_to(target)
    part = final.parent / f".{final.name[:40]}.{os.urandom(4).hex()}.part"
    with _naming(target):
        part.mkdir()
    try:
        with _naming(target, part):
            yield part
            if final.is_dir():
                shutil.copymode(final, part)
                final.rmdir()  # an empty one, which Windows would not replace
            part.rename(final)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_new_folder(target: Path) -> None:
    """Raise UnusableFileError where `new_folder` would have something to replace, or may not write."""
    if is_remote(target):
        if objects_under(target):
            raise UnusableFileError(f"{address_of(target)}: holds objects already. Name a new folder with -o")
        return
    final = _led_to(target)
    with _naming(target):
        if final.exists() and not final.is_dir():
            raise UnusableFileError(f"{target}: is a file; --partition-by writes a folder. Name another with -o")
        if final.is_dir() and any(final.iterdir()):
            raise UnusableFileError(f"{target}: this folder is not empty. Name a new one with -o, or empty it first")
        if not os.access(final.parent, os.W_OK | os.X_OK):
            raise UnusableFileError(f'{target}: the folder "{target.parent}" is not there, or may not be written')


def write_bytes(target: Path, content: bytes) -> None:
    """Replace `target` by `content`, whole or not at all."""
    with replacing(target) as part:
        part.write_bytes(content)


def check_replaceable(target: Path) -> str | None:
    """Find out now whether `replacing` will be able to.

    Returns:
        What will be otherwise with the new file, as a sentence; None where nothing will.

    Raises:
        UnusableFileError: see `replacing`.
    """
    with _naming(target):
        part = _Part(target)
        part.discard()
        if part.is_special or part.old is None or _effective_user() in {0, part.old.st_uid}:
            return None
    return f"{target} belongs to another user (number {part.old.st_uid}); what takes its place will belong to you"


def is_written_to(target: Path) -> bool:
    """Whether no file can take its place: it is a pipe, a device, an open file as /dev/stdout, or in a store."""
    if _opened_as(target) is not None or is_remote(target):
        return True
    status = _status(target)
    return status is not None and not stat.S_ISREG(status.st_mode)


class Together:
    """Files that are replaced together or not at all.

    All are complete and on the disk before the first is replaced; where a later one fails, those before are put back.
    """

    def __init__(self) -> None:
        self._parts: list[_Part] = []

    def add(self, part: _Part) -> None:
        """Have it take its place with the others."""
        self._parts.append(part)

    def __enter__(self) -> Together:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._settle()
        finally:
            for part in self._parts:
                part.discard()

    def _settle(self) -> None:
        for part in self._parts:
            if part.is_special:
                part.pour()
        files = [part for part in self._parts if not part.is_special]
        for part in files[:-1]:
            part.keep_old()
        settled: list[_Part] = []
        with deferred():
            try:
                for part in files:
                    part.settle()
                    settled.append(part)
            except BaseException:
                for part in settled:
                    part.put_back()
                raise


class _Part:
    """What is to stand in a target's place.

    Args:
        target: as it was named.
        nameless: whether it may be a file without a name.

    Attributes:
        path: where it is written.
        old: the status of what is there; None where nothing is.
        is_special: see `is_written_to`.
    """

    def __init__(self, target: Path, *, nameless: bool = True) -> None:
        self._target = target
        self._opened = _opened_as(target)
        self._final = target if self._opened is not None else _led_to(target)
        self.old = _status(self._final) if self._opened is None else os.fstat(self._opened)
        self.is_special = is_written_to(target)
        self._check_allowed()
        folder = _folder_for_temporary_files() if self.is_special else self._final.parent
        self._name = folder / f".{self._final.name[:40]}.{os.urandom(4).hex()}.part"
        self._before: _Part | None = None
        self._descriptor: int | None = None
        try:
            self._descriptor = self._begun(nameless=nameless)
            self._mode = stat.S_IMODE(os.fstat(self._descriptor).st_mode)
            if os.name == "posix":  # it can be written whatever the umask says, and read by nobody else
                os.fchmod(self._descriptor, 0o600)
        except BaseException:
            self.discard()
            raise

    def _check_allowed(self) -> None:
        if self.old is None or self._opened is not None:
            return
        if stat.S_ISDIR(self.old.st_mode):
            raise UnusableFileError(f"{self._target}: cannot be written (Is a directory)")
        if stat.S_ISSOCK(self.old.st_mode):
            raise UnusableFileError(f"{self._target}: cannot be written (it is a socket)")
        if not os.access(self._final, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            mode = stat.S_IMODE(self.old.st_mode)
            raise UnusableFileError(f"{self._target}: you may not write it (its mode is {mode:03o}), so it stays")
        if not self.is_special and _is_sticky(self._final.parent, self.old):
            raise UnusableFileError(f"{self._target}: belongs to another user, and only they may replace it there")

    def _begun(self, *, nameless: bool) -> int:
        try:
            descriptor = _nameless_in(self._name.parent) if nameless else None
            if descriptor is not None:
                self.path = Path(f"/proc/self/fd/{descriptor}")
                return descriptor
            self.path = self._name
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            descriptor = os.open(self._take_name(), flags, 0o666 if self.old is None else 0o600)
        except OSError as error:
            folder = self._name.parent if self.is_special or self._target.is_symlink() else self._target.parent
            raise UnusableFileError(
                f'{self._target}: the folder "{folder}" cannot be written ({error.strerror})'
            ) from error
        return descriptor

    def _take_name(self) -> Path:
        UNFINISHED.add(str(self._name))
        return self._name

    def finish(self) -> None:
        """Give it what it takes over from the old file, and have the disk hold all of it."""
        assert self._descriptor is not None
        if os.name == "posix":
            if self.old is None or self.is_special:
                os.fchmod(self._descriptor, self._mode)
            else:
                _take_after(self._descriptor, self._final, self.old)
        os.fsync(self._descriptor)

    def settle(self) -> None:
        """Put it in the target's place at one stroke."""
        with _naming(self._target):
            if self.path != self._name:
                if self.old is None and self._link(self._final):
                    return
                if not self._link(self._take_name()):
                    self._settle_as_copy()
                    return
            self._close()
            self._name.replace(self._final)

    def _settle_as_copy(self) -> None:
        part = self._copy(self.path, nameless=False)
        try:
            part.settle()
        finally:
            part.discard()

    def _link(self, path: Path) -> bool:
        try:  # a number for the source's folder has Python follow the link in /proc (linkat, AT_SYMLINK_FOLLOW)
            os.link(self.path, path, src_dir_fd=self._descriptor, follow_symlinks=True)
        except OSError:  # there is one, or the file system has no links
            return False
        return True

    def keep_old(self) -> None:
        """Copy the old file, where there is one, for `put_back`."""
        with _naming(self._target):
            self._before = None if _status(self._final) is None else self._copy(self._final)

    def put_back(self) -> None:
        """Undo `settle`."""
        with _naming(self._target):
            if self._before is None:
                self._final.unlink()
            else:
                self._before.settle()

    def _copy(self, source: Path, *, nameless: bool = True) -> _Part:
        part = _Part(self._target, nameless=nameless)
        try:
            shutil.copyfile(source, part.path)
            part.finish()
        except BaseException:
            part.discard()
            raise
        return part

    def pour(self) -> None:
        """Write it to the target."""
        if is_remote(self._target):
            upload({address_of(self._target): self.path})
            return
        with _naming(self._target), self.path.open("rb") as source, self._sink() as sink:
            shutil.copyfileobj(source, sink)

    def _sink(self) -> IO[bytes]:
        # Opening an open file again would begin at its start.
        return self._final.open("wb") if self._opened is None else os.fdopen(os.dup(self._opened), "wb")

    def discard(self) -> None:
        """Leave nothing but what has taken its place; what fails here has failed before, with a word."""
        if self._before is not None:
            self._before.discard()
        with suppress(OSError):
            self._close()
        with suppress(OSError):
            if str(self._name) in UNFINISHED:
                self._name.unlink(missing_ok=True)
        UNFINISHED.discard(str(self._name))

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def _naming(target: Path, written: Path | None = None) -> Iterator[None]:
    """Have errors name the target; where a path is `written` to, not those of files elsewhere."""
    try:
        yield
    except LinedgeError:
        raise
    except OSError as error:
        if written is not None and not str(error.filename or written).startswith(str(written)):
            raise
        raise UnusableFileError(f"{target}: cannot be written ({error.strerror or error})") from error


def _opened_as(target: Path) -> int | None:
    """Return the descriptor that a name such as /dev/stdout stands for."""
    name = {"/dev/stdout": "/dev/fd/1", "/dev/stderr": "/dev/fd/2"}.get(str(target), str(target))
    folder, _, number = name.rpartition("/")
    return int(number) if folder in {"/dev/fd", "/proc/self/fd"} and number.isdecimal() else None


def _led_to(target: Path) -> Path:
    try:
        return target.resolve()
    except RuntimeError as error:  # of pathlib, until Python 3.13
        raise UnusableFileError(f"{target}: is a symbolic link that leads to itself") from error


def _status(final: Path) -> os.stat_result | None:
    try:
        return final.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _effective_user() -> int:
    return os.geteuid() if os.name == "posix" else 0


def _is_sticky(folder: Path, old: os.stat_result) -> bool:
    """Whether only the owner of a file may replace it in its folder, and is another."""
    there = folder.stat()
    return bool(there.st_mode & stat.S_ISVTX) and _effective_user() not in {0, old.st_uid, there.st_uid}


def _nameless_in(folder: Path) -> int | None:
    """Return the descriptor of a new file without a name; None where the system or the file system has none."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None or not os.path.isdir("/proc/self/fd"):  # noqa: PTH112
        return None
    try:
        return os.open(folder, flag | os.O_RDWR, 0o666)
    except OSError:  # of any kind: the same folder may take a file that has one, and if not, says why
        return None


def _take_after(descriptor: int, final: Path, old: os.stat_result) -> None:
    """Give a file the owner, group and permissions of another.

    Where the group cannot be given, the new one may do no more than everybody may.
    """
    mode, new = stat.S_IMODE(old.st_mode), os.fstat(descriptor)
    group_stays = new.st_gid == old.st_gid or _given(descriptor, -1, old.st_gid)
    if not group_stays:
        mode &= ~0o070 | (mode & 0o007) << 3
    if new.st_uid != old.st_uid and not _given(descriptor, old.st_uid, -1):
        mode &= 0o777  # no right to run as another
    os.fchmod(descriptor, mode)
    if group_stays and hasattr(os, "listxattr"):
        with suppress(OSError):  # a file system without them
            for name in os.listxattr(final):
                if name.startswith(_KEPT_ATTRIBUTES):
                    os.setxattr(descriptor, name, os.getxattr(final, name))


def _given(descriptor: int, user: int, group: int) -> bool:
    try:
        os.fchown(descriptor, user, group)
    except PermissionError:
        return False
    return True


def _folder_for_temporary_files() -> Path:
    import tempfile

    return Path(tempfile.gettempdir())

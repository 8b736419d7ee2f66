"""What takes a file's place has its rights, comes with what belongs to it or not at all, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lr_runtime.errors import UnusableFileError
from lr_runtime.system import signals
from lr_runtime.system.replacement import Together, check_replaceable, replacing, write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")


@pytest.fixture(params=["nameless", "named", "linked by none"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ways of file systems: with files that have no name, without, and with ones that can be given none."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    if request.param == "linked by none":
        monkeypatch.setattr(os, "link", _failing(errno.EOPNOTSUPP))
    return str(request.param)


def _failing(number: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may write to and reach, as pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@contextmanager
def nobody() -> Iterator[None]:
    """Have the process be another user for a while."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o200])
def test_permissions_stay(mode: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(mode)
    write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").stat().st_mode & 0o7777 == mode
    assert names(tmp_path) == ["a"]
    (tmp_path / "a").chmod(0o600)
    assert (tmp_path / "a").read_bytes() == b"new"


def test_while_it_is_written_nobody_else_can_read_it(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as part:
        assert part.stat().st_mode & 0o7777 == 0o600


@AS_ROOT
def test_owner_and_group_stay(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o640)
    os.chown(tmp_path / "a", 12345, 54321)
    write_bytes(tmp_path / "a", b"new")
    status = (tmp_path / "a").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (12345, 54321, 0o640)


def test_attributes_and_the_access_control_list_stay(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    # acl(5) as posix_acl_xattr.h has it: version 2; owner rw, user 7 r, group none, mask r, others none.
    entries = [(0x01, 6, -1), (0x02, 4, 7), (0x04, 0, -1), (0x10, 4, -1), (0x20, 0, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(tmp_path / "a", "system.posix_acl_access", acl)
        os.setxattr(tmp_path / "a", "user.note", b"kept")
    except OSError as error:
        pytest.skip(f"this file system keeps no such attributes ({error.strerror})")
    write_bytes(tmp_path / "a", b"new")
    assert os.getxattr(tmp_path / "a", "system.posix_acl_access") == acl
    assert os.getxattr(tmp_path / "a", "user.note") == b"kept"


@AS_ROOT
@pytest.mark.parametrize(("mode", "then"), [(0o602, 0o602), (0o672, 0o622), (0o646, 0o646), (0o4777, 0o777)])
def test_another_user_gives_nobody_more_than_they_had(mode: int, then: int, open_folder: Path) -> None:
    target = open_folder / "a"
    target.write_bytes(b"old")
    os.chown(target, 12345, 54321)
    target.chmod(mode)
    with nobody():
        assert "belongs to another user (number 12345)" in (check_replaceable(target) or "")
        write_bytes(target, b"new")
    status = target.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (NOBODY, NOBODY, then)


@AS_ROOT
@pytest.mark.parametrize(("mode", "owner"), [(0o444, NOBODY), (0o000, NOBODY), (0o644, 0), (0o600, 0)])
def test_what_a_user_may_not_write_is_not_replaced(mode: int, owner: int, open_folder: Path) -> None:
    target = open_folder / "a"
    target.write_bytes(b"old")
    target.chmod(mode)
    os.chown(target, owner, owner)
    said = f"you may not write it \\(its mode is {mode:03o}\\)"
    with nobody(), pytest.raises(UnusableFileError, match=said):
        write_bytes(target, b"new")
    with nobody(), pytest.raises(UnusableFileError, match=said):
        check_replaceable(target)
    assert (target.read_bytes(), target.stat().st_mode & 0o7777) == (b"old", mode)
    assert names(open_folder) == ["a"]


@AS_ROOT
def test_a_sticky_folder_is_seen_before_the_work(open_folder: Path) -> None:
    target = open_folder / "a"
    target.write_bytes(b"old")
    target.chmod(0o666)
    open_folder.chmod(0o1777)
    with nobody(), pytest.raises(UnusableFileError, match="only they may replace it"):
        check_replaceable(target)


def test_another_hard_link_keeps_the_old_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    subprocess.run(["/bin/ln", tmp_path / "a", tmp_path / "b"], check=True)
    write_bytes(tmp_path / "a", b"new")
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"new", b"old")


# --- together ---


def replace_all(targets: Sequence[Path], before_the_end: Callable[[], object] = lambda: None) -> None:
    with Together() as together:
        for target in targets:
            with replacing(target, together) as part:
                part.write_bytes(b"new")
        before_the_end()


@pytest.mark.parametrize("there", [True, False], ids=["replaced", "new"])
@pytest.mark.parametrize("count", [2, 3])
def test_the_last_that_fails_puts_all_others_back(there: bool, count: int, tmp_path: Path) -> None:
    targets = [tmp_path / f"{number}" for number in range(count)]
    if there:
        for target in targets[:-1]:
            target.write_bytes(b"old")
            target.chmod(0o604)
    before = names(tmp_path)
    with pytest.raises(UnusableFileError, match="cannot be written"):
        replace_all(targets, targets[-1].mkdir)
    targets[-1].rmdir()
    assert names(tmp_path) == before
    for name in before:
        assert ((tmp_path / name).read_bytes(), (tmp_path / name).stat().st_mode & 0o7777) == (b"old", 0o604)


def test_none_stands_before_all_are_complete(tmp_path: Path) -> None:
    seen: list[str] = []
    replace_all([tmp_path / name for name in "ab"], lambda: seen.extend(names(tmp_path)))
    assert not [name for name in seen if not name.endswith(".part")]
    assert names(tmp_path) == ["a", "b"]


# --- late failures ---


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod", "open"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_disk_that_fails_late_is_one_error_with_the_files_name(
    call: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(Path if call == "replace" else os, call, _failing(number))
        with pytest.raises(UnusableFileError) as caught:
            write_bytes(tmp_path / "a", b"new")
    assert str(caught.value).startswith(f"{tmp_path / 'a'}: ")
    assert os.strerror(number) in str(caught.value)
    assert ".part" not in str(caught.value)
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_an_error_of_another_file_is_not_laid_at_this_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), replacing(tmp_path / "a"):
        (tmp_path / "other").read_bytes()


# --- signals ---


def test_a_signal_waits_until_all_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        signal.raise_signal(signal.SIGTERM)
        return replace(self, target)

    for name in "ab":
        (tmp_path / name).write_bytes(b"old")
    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(SystemExit) as ended, signals.handled(signals.InOrder()):
        replace_all([tmp_path / name for name in "ab"])
    assert ended.value.code == 143
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"new", b"new"]
    assert not signals.UNFINISHED


def test_a_descriptor_that_is_not_open_is_said_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="/dev/fd/999: cannot be written"):
        check_replaceable(Path("/dev/fd/999"))

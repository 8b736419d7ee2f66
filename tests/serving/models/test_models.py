"""Which files are served under which names, and what replaces a file."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from lr_runtime.errors import DigestError, LinedgeError, MissingFileError, OptionError
from lr_runtime.serving import create_app
from lr_runtime.serving.http import HttpError
from tests.conftest import one_line
from tests.serving.models.conftest import Served, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.conftest import Run

    Files = Mapping[str, bytes]


@pytest.fixture
def path(tmp_path: Path, files: Files) -> Path:
    (tmp_path / "m.onnx").write_bytes(files["one"])
    return tmp_path / "m.onnx"


@pytest.fixture
def served(path: Path) -> Served:
    """One file, which has been looked at."""
    served = Served(path)
    assert served.look() == []
    return served


def renamed(path: Path, content: bytes) -> None:
    (path.parent / "other").write_bytes(content)
    (path.parent / "other").rename(path)


def rewritten(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def removed_and_written(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def with_its_old_time(path: Path, content: bytes) -> None:
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def with_an_older_time(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.utime(path, (1, 1))


def linked(path: Path, content: bytes) -> None:
    (path.parent / "target").write_bytes(content)
    path.unlink()
    path.symlink_to("target")


WAYS = [renamed, rewritten, removed_and_written, with_its_old_time, with_an_older_time, linked]


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_is_replaced_is_served(
    way: Callable[[Path, bytes], None], served: Served, path: Path, files: Files
) -> None:
    assert len(files["one"]) == len(files["three"])  # so that the size tells nothing
    before = served.models.named("m")
    way(path, files["three"])
    (line,) = served.look()
    now = served.models.named("m")
    assert served.at(2.0) == 7.0
    assert before.predictor.predict([[2.0]]).values == 5.0  # whoever began with it goes on with it
    assert (now.version, now.version == before.version) == (hashlib.sha256(files["three"]).hexdigest()[:12], False)
    assert now.version in line
    assert before.version in line
    assert served.look() == []
    assert served.models.swaps == {"m": 1}


def test_a_link_that_is_turned_to_another_file_is_followed(tmp_path: Path, files: Files) -> None:
    for name in ("one", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.onnx").write_bytes(files[name])
    (tmp_path / "current").symlink_to("one")
    served = Served(tmp_path / "current" / "m.onnx")
    served.look()
    (tmp_path / "next").symlink_to("three")
    (tmp_path / "next").rename(tmp_path / "current")
    served.look()
    assert served.at(2.0) == 7.0


def test_a_file_that_changed_before_the_first_look_is_served(path: Path, files: Files) -> None:
    served = Served(path)
    path.write_bytes(files["three"])
    served.look()
    assert served.at(2.0) == 7.0


def test_a_file_is_not_read_while_it_is_written(served: Served, path: Path, files: Files) -> None:
    for end in (10, 200, 400):
        path.write_bytes(files["three"][:end])
        served.models.look()
    path.write_bytes(files["three"])
    assert len(served.look()) == 1
    assert (served.at(2.0), served.models.refusals) == (7.0, {})


def test_a_file_that_is_only_touched_is_no_other(served: Served, path: Path) -> None:
    path.touch()
    assert served.look() == []
    assert served.models.swaps == {}


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_a_bad_file_is_refused_once_and_the_old_one_stays(
    content: bytes | None, served: Served, path: Path, files: Files
) -> None:
    path.write_bytes(files["three"][:-20] if content is None else content)
    (line,) = served.look()
    assert line.startswith("refused, ")
    assert str(path) in line
    assert served.look() == served.look() == []
    assert (served.at(2.0), served.models.refusals) == (5.0, {"m": 1})
    path.write_bytes(files["three"])
    served.look()
    assert served.at(2.0) == 7.0


def test_a_model_that_is_wrong_on_this_machine_is_refused(
    served: Served, path: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lr_runtime.inspection.self_test as module

    monkeypatch.setattr(module, "_allowed", lambda contract, golden: golden * 0 - 1)
    path.write_bytes(files["three"])
    (line,) = served.look()
    assert "golden" in line
    assert served.at(2.0) == 5.0
    with pytest.raises(LinedgeError, match=r"m\.onnx.*golden"):
        Served(path)


def test_an_error_that_nobody_thought_of_refuses_the_file(
    served: Served, path: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lr_runtime import Predictor

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of the blue")

    monkeypatch.setattr(Predictor, "load", broken)
    path.write_bytes(files["three"])
    assert "out of the blue" in served.look()[0]
    assert served.at(2.0) == 5.0


def test_a_file_with_another_digest_is_refused(path: Path, files: Files) -> None:
    served = Served(path, sha256=hashlib.sha256(files["one"]).hexdigest())
    path.write_bytes(files["three"])
    assert "SHA-256" in served.look()[0]
    assert served.at(2.0) == 5.0
    with pytest.raises(DigestError):
        Served(path, sha256="0" * 64)


def test_a_file_that_is_gone_is_served_until_a_restart(served: Served, path: Path, files: Files) -> None:
    path.unlink()
    (line,) = served.look()
    assert "is gone" in line
    assert served.look() == []
    assert served.at(2.0) == 5.0
    path.write_bytes(files["three"])
    served.look()
    assert served.at(2.0) == 7.0


def test_other_columns_are_served_and_said(served: Served, path: Path, files: Files) -> None:
    path.write_bytes(files["of z"])
    assert '"z"' in served.look()[0]
    assert served.models.named("m").contract.column_names == ("z",)


def test_a_folder_serves_what_comes_into_it(tmp_path: Path, path: Path, files: Files) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / ".half.onnx").write_bytes(b"a file that is being written")
    served = Served(tmp_path)
    served.look()
    assert [each.name for each in served.models] == ["m"]
    (tmp_path / "a.onnx").write_bytes(files["three"])
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    refused, new = sorted(served.look(), reverse=True)
    assert "bad.onnx" in refused
    assert "a.onnx" in new
    assert [each.name for each in served.models] == ["a", "m"]
    assert (served.at(2.0, "a"), served.at(2.0, "m")) == (7.0, 5.0)
    with pytest.raises(HttpError, match="several models"):
        served.models.named(None)


def test_a_folder_that_is_away_for_a_while_takes_no_model_away(tmp_path: Path, files: Files) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    (folder / "m.onnx").write_bytes(files["one"])
    served = Served(folder)
    served.look()
    folder.rename(tmp_path / "away")
    assert "is gone" in served.look()[0]
    assert served.at(2.0) == 5.0
    (tmp_path / "away").rename(folder)
    assert served.look() == []


NAMES = ["A b", " ", "100%", "größe", "a?b#c&d", "A", "a", "-", "%2F", "versions"]


def test_odd_names_are_names(tmp_path: Path, files: Files) -> None:
    for name in NAMES:
        (tmp_path / f"{name}.onnx").write_bytes(files["one"])
    served = Served(tmp_path)
    assert [each.name for each in served.models] == sorted(NAMES)
    assert served.models.named("gro\u0308ße").name == "größe"  # as some keyboards and file systems spell it
    app = create_app(tmp_path)
    for name in NAMES:
        encoded = quote(name, safe="")
        assert ask(app, f"/v2/models/{encoded}")[1]["name"] == name
        assert ask(app, f"/predict?model={encoded}", [[2.0]])[0] == 200


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", os.fsdecode(b"\xff")])
def test_a_name_that_cannot_be_printed_is_refused(name: str, tmp_path: Path, files: Files) -> None:
    (tmp_path / f"{name}.onnx").write_bytes(files["one"])
    with pytest.raises(LinedgeError, match="Rename it") as caught:
        Served(tmp_path)
    assert str(caught.value).isprintable()


def test_two_spellings_of_one_name_are_refused(tmp_path: Path, files: Files) -> None:
    for name in ("gr\u00f6ße", "gro\u0308ße"):
        (tmp_path / f"{name}.onnx").write_bytes(files["one"])
    with pytest.raises(OptionError, match="Rename one"):
        Served(tmp_path)


def test_what_cannot_be_served_is_said_at_the_start(tmp_path: Path, path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        Served(tmp_path / "none.onnx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match="Put models into"):
        Served(tmp_path / "empty")
    with pytest.raises(OptionError, match="of one model"):
        Served(tmp_path, sha256="0" * 64)
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(LinedgeError, match="is a directory"):
        Served(tmp_path)


@pytest.mark.parametrize(("options", "code", "what"), [((), 1, "damaged"), (("--sha256", "0" * 64), 3, "SHA-256")])
def test_lr_serve_does_not_start_with_a_bad_model(
    options: tuple[str, ...], code: int, what: str, path: Path, files: Files, run: Callable[..., Run]
) -> None:
    path.write_bytes(files["one"] if options else files["one"][:-9])
    line = one_line(run("lr-serve", path, "--port", "0", *options), code)
    assert what in line
    assert str(path) in line


def test_a_name_that_is_not_served_is_not_there(served: Served) -> None:
    with pytest.raises(HttpError, match='no model "n"'):
        served.models.named("n")
    with pytest.raises(HttpError, match="alone"):
        served.models.named("m", "0" * 12)

"""The source distribution, unpacked in a fresh folder: all that the repository has, and its tests pass there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PART = (
    "tests/runtime/contract/test_comment.py",
    "tests/runtime/contract/test_equation.py",
    "tests/runtime/onnx_file/test_loading.py",
)
"""Tests of exports, of words, and of a model in tests/data."""
NEEDED = {
    "Makefile",
    "pyproject.toml",
    "constraints.txt",
    ".ci/run",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "docs/runtime.md",
    "examples/demo.sh",
    "tests/conftest.py",
    "tests/data/golden.onnx",
    "tests/data/nist/norris.csv",
    "tests/benchmarks/__main__.py",
    "runtime/lr_runtime/py.typed",
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the only folder in the archive."""
    folder = tmp_path_factory.mktemp("sdist")
    words = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = folder.glob("linedge-*.tar.gz")
    with tarfile.open(archive) as files:
        files.extractall(folder / "there", filter="data")
    (tree,) = (folder / "there").iterdir()
    return tree


def files_of(tree: Path) -> set[str]:
    return {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}


def test_it_holds_what_is_needed_to_test_build_and_read_it(unpacked: Path) -> None:
    assert NEEDED - files_of(unpacked) == set()
    assert {path for path in files_of(unpacked) if path.endswith(".pyc")} == set()


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="this is no checkout")
def test_it_holds_every_file_of_the_repository(unpacked: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    there = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    assert there - files_of(unpacked) == set()


def test_its_tests_pass_from_there(unpacked: Path) -> None:
    sources = os.pathsep.join(str(unpacked / part) for part in ("trainer", "export", "runtime"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    where = (
        "import lr_runtime, pytest, sys; print(lr_runtime.__file__, flush=True); sys.exit(pytest.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", where, *PART, "-q", "-p", "no:cacheprovider"],
        cwd=unpacked,
        env={**environment, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10_000:]
    assert done.stdout.startswith(str(unpacked))
    passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 20

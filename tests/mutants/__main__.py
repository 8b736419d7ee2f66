"""Chooses mutants of the modules that compute and of those that keep bad files out, and runs their tests on each."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tests.conftest import ROOT
from tests.mutants.changes import mutants_of

if TYPE_CHECKING:
    from tests.mutants.changes import Mutant

ROOMS = {
    "trainer/lr_trainer/arithmetic": ["tests/trainer/arithmetic", "tests/trainer/moments", "tests/trainer/solvers"],
    "trainer/lr_trainer/moments": ["tests/trainer/moments", "tests/trainer/fitting", "tests/trainer/statistics"],
    "trainer/lr_trainer/solvers": ["tests/trainer/solvers", "tests/trainer/statistics", "tests/trainer/fitting"],
    "export/lr_export/exact": ["tests/export/exact", "tests/export/certificate", "tests/export/formats"],
    "export/lr_export/bounds": ["tests/export/bounds", "tests/export/certificate", "tests/export/model"],
    "export/lr_export/model": ["tests/export/model", "tests/export/formats", "tests/export/certificate"],
    "export/lr_export/program": ["tests/export/formats", "tests/export/certificate"],
    "runtime/lr_runtime/onnx_file": ["tests/runtime/onnx_file", "tests/export/certificate/test_let_in.py"],
    "runtime/lr_runtime/contract": ["tests/runtime/contract", "tests/runtime/prediction", "tests/pipeline"],
    "runtime/lr_runtime/prediction": ["tests/runtime/prediction", "tests/runtime/tables", "tests/runtime/commands"],
    "runtime/lr_runtime/tables": ["tests/runtime/tables", "tests/trainer/rows"],
}
"""The tests of a room, and then those of its neighbours, which see what reaches a user."""

SECONDS = 240
"""A mutant that runs longer is one that does not end, which counts as seen."""
EQUIVALENT = ROOT / "tests" / "mutants" / "equivalent.txt"
"""Mutants that do the same, and why: "path: line -> changed line", and an indented reason below."""


def main() -> int:
    """Print what no test saw; 1 where that is more than a tenth of the mutants that matter."""
    count, seed = (int(word) for word in [*sys.argv[1:], "100", "1"][:2])
    chosen = _chosen(count, seed)
    known = {line for line in EQUIVALENT.read_text().splitlines() if line and not line.startswith((" ", "#"))}
    workers = os.cpu_count() or 1
    trees: SimpleQueue[Path] = SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(workers) as pool:
        for number in range(workers):
            trees.put(_tree(Path(folder) / str(number)))

        def seen(mutant: Mutant) -> bool:
            tree = trees.get()
            try:
                return _is_seen(mutant, tree)
            finally:
                trees.put(tree)

        survivors = []
        for mutant, is_seen in zip(chosen, pool.map(seen, chosen), strict=True):
            source = (ROOT / mutant.path).read_text()
            said = f"{mutant.path}: {mutant.said(source)}"
            if not is_seen:
                survivors.append(said)
                print(
                    f"{'no difference' if said in known else 'NOT SEEN'}  {mutant.path}:{mutant.line}: {said}",
                    flush=True,
                )
    same = [said for said in survivors if said in known]
    matter, unseen = len(chosen) - len(same), len(survivors) - len(same)
    print(f"{matter - unseen} of {matter} mutants that matter were seen, {len(same)} make no difference")
    return int(unseen > matter / 10)


def _chosen(count: int, seed: int) -> list[Mutant]:
    paths = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    every = [mutant for path in paths for mutant in mutants_of(str(path), (ROOT / path).read_text())]
    return random.Random(seed).sample(every, min(count, len(every)))  # noqa: S311 - a choice, no secret


def _tree(folder: Path) -> Path:
    """Return a copy of the packages, everything else linked."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name in {"trainer", "export", "runtime"}:
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.name not in {".git", ".pytest_cache", ".hypothesis"}:
            (folder / path.name).symlink_to(path)
    return folder


def _is_seen(mutant: Mutant, tree: Path) -> bool:
    source = (ROOT / mutant.path).read_text()
    room = next(room for room in ROOMS if mutant.path.startswith(f"{room}/"))
    own = f"{ROOMS[room][0]}/test_{Path(mutant.path).name}"
    tests = [*([own] if (ROOT / own).exists() else []), *ROOMS[room]]
    try:
        (tree / mutant.path).write_text(mutant.applied(source))
        paths = [str(tree / name) for name in ("trainer", "export", "runtime")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=SECONDS, check=False)
        return done.returncode != 0
    except subprocess.TimeoutExpired:
        return True
    finally:
        (tree / mutant.path).write_text(source)


if __name__ == "__main__":
    sys.exit(main())

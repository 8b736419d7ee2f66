"""Nothing of linedge, and nothing that it imports, writes under the home folder or reaches for a network.

ONNX Runtime 1.32 does, when it is imported: a device id and a store of events under ~/.cache at once, the look-up of a
host after some seconds. The kernel ends a process here that makes a socket, and shows every file it opens.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import DATA, ROOT

if TYPE_CHECKING:
    from pathlib import Path

GOLDEN = str(DATA / "golden.onnx")
NORRIS = str(DATA / "nist" / "norris.csv")
SECONDS = 15
"""Longer than ONNX Runtime waits before it looks its host up."""

COMMANDS: dict[str, list[tuple[str, ...]]] = {
    "a device": [("lr_runtime.commands.infer", GOLDEN, "4.0")],
    "a look at a file": [("lr_runtime.commands.inspect", GOLDEN, "--self-test")],
    "a workshop": [
        ("lr_trainer.cli", NORRIS, "--target", "y"),
        ("lr_export.cli", "--format", "onnx"),
        ("lr_export.cli", "--format", "pt2"),
        ("lr_runtime.commands.infer", "model.onnx", "4.0"),
    ],
}
"""What each process does, one after the other, before it waits; torch and onnx are imported in the last alone."""

SCRIPT = """\
import ast, importlib, sys, time
from tests.runtime import sealed
if sealed.AVAILABLE:
    sealed.seal("network")
for module, *words in ast.literal_eval(sys.argv[1]):
    sys.argv = [module, *words]
    try:
        importlib.import_module(module).main()
    except SystemExit as end:
        assert not end.code, (module, words, end.code)
assert "onnxruntime" in sys.modules
time.sleep(%d)
"""


def environment(home: Path) -> dict[str, str]:
    """Return what a user's process starts with: none of what linedge has set in this one, and a home of its own.

    With a name for the user: torch asks the system for it otherwise, which may make a socket to do so.
    """
    ours = {name for name in os.environ if name.startswith(("ORT_", "XDG_"))}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "HOME": str(home), "LOGNAME": "someone", "PYTHONPATH": str(ROOT)}


def started(commands: list[tuple[str, ...]], folder: Path, home: Path) -> subprocess.Popen[str]:
    """Start the script in its own folder; strace, where there is one, keeps what is opened in `opened`."""
    folder.mkdir()
    strace = shutil.which("strace")
    calls = "trace=open,openat,openat2,creat,mkdir,mkdirat,socket"
    eye = [strace, "-f", "-qq", "--seccomp-bpf", "-e", calls, "-o", str(folder / "opened")] if strace else []
    return subprocess.Popen(
        [*eye, sys.executable, "-c", SCRIPT % SECONDS, repr(commands)],
        cwd=folder,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a home folder is found otherwise there")
def test_no_command_and_no_import_opens_a_file_under_the_home_folder_or_makes_a_socket(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    running = {name: started(commands, tmp_path / name, home) for name, commands in COMMANDS.items()}
    for name, process in running.items():
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, f"{name}: {said}"
    assert list(home.iterdir()) == []
    for trace in tmp_path.glob("*/opened"):
        lines = trace.read_text().splitlines()
        assert any(str(DATA) in line for line in lines), "nothing was traced"
        assert not [line for line in lines if str(home) in line or "socket(" in line]


@pytest.mark.parametrize("package", ["lr_runtime", "lr_trainer", "lr_export"])
@pytest.mark.parametrize("chosen", [None, "0", ""])
def test_what_the_user_says_of_telemetry_stands(package: str, chosen: str | None, tmp_path: Path) -> None:
    given = {} if chosen is None else {"ORT_DISABLE_TELEMETRY": chosen}
    text = f"import {package}, os, sys\nprint(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", text], env={**environment(tmp_path), **given}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{'1' if chosen is None else chosen} False\n"

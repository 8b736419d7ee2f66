"""Runs the clients that people have against lr-serve, each in an environment of its own, for their pins clash with
each other's and with ours: `python -m tests.serving.protocol.clients FOLDER`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT
from tests.serving.conftest import serving
from tests.serving.protocol.served import export_models

CLIENTS = {"with_triton": "tritonclient[http]==2.73.0", "with_kserve": "kserve==0.21.0"}
"""What each script needs, from the package index."""
INSTALL_SECONDS, SCRIPT_SECONDS = 900, 120
"""After which a download, or a client, is given up: they took 30 to 70 s and under 10 s."""


def environment(folder: Path, package: str) -> Path:
    """Return the Python of an environment that has a package, and print what it holds; it is made where it is not."""
    python, done = folder / "bin" / "python", folder / "done"
    if not (done.exists() and done.read_text() == package):
        print(f"installing {package} into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", package]
        subprocess.run(pip, check=True, timeout=INSTALL_SECONDS)
        done.write_text(package)
    listing = [str(python), "-m", "pip", "--disable-pip-version-check", "list", "--format=freeze"]
    print(*subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split(), flush=True)
    return python


def main() -> None:
    """Run every client; the exit code is the number of those that failed."""
    folder, failed = Path(sys.argv[1]), 0
    with tempfile.TemporaryDirectory() as models:
        export_models(Path(models))
        for script, package in CLIENTS.items():
            python = environment(folder / script, package)
            with serving(Path(models)) as server:
                command = [str(python), "-m", f"tests.serving.protocol.clients.{script}", server.url]
                environ = {**os.environ, "PYTHONPATH": str(ROOT / "runtime")}  # tests/__init__.py looks there
                done = subprocess.run(command, cwd=ROOT, env=environ, check=False, timeout=SCRIPT_SECONDS)
            failed += done.returncode != 0
            print(f"{package}: {'failed' if done.returncode else 'every check holds'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()

"""Brings what a machine without a network lacks, as wheels: `make cuda-wheels`, without those in HAS="scipy pyarrow".

They are downloaded here and unpacked there by the standard library: a wheel is a zip file of what is to be on the path.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "cuda-wheels"
MOST = 64 << 20
"""Bytes of all wheels together: what travels with a repository to a machine that is lent."""

# What a fit imports; then pytest, with what it imports. mpmath comes with torch itself.
NEEDED = ("numpy", "scipy", "safetensors", "threadpoolctl", "click")
TESTS = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
PARQUET = "pyarrow"
"""As large as all others together: without it, nothing is measured from Parquet."""

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
PYTHON = "3.12"


def download(has: tuple[str, ...], folder: Path = FOLDER) -> str:
    """Download the wheels of what the machine does not have; return what came, and what had no room."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    lacking = [name for name in (*NEEDED, *TESTS, PARQUET) if name not in has]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON, "-d", str(folder)]
    command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    subprocess.run([*command, "-c", str(ROOT / "constraints.txt"), *lacking], check=True)
    lines = []
    if _bytes(folder) > MOST:
        for wheel in folder.glob(f"{PARQUET}-*"):
            wheel.unlink()
        lines.append(f"{PARQUET} has no room: nothing is measured from Parquet, unless the machine has it itself")
    sizes = sorted(((wheel.stat().st_size, wheel.name) for wheel in folder.glob("*.whl")), reverse=True)
    lines += [f"{size / 2**20:6.1f} MiB  {name}" for size, name in sizes]
    lines.append(f"{_bytes(folder) / 2**20:6.1f} MiB  in {folder.relative_to(ROOT)}, of at most {MOST >> 20}")
    return "\n".join(lines)


def unpack(target: Path, folder: Path = FOLDER) -> list[str]:
    """Unpack what this Python lacks of the wheels in a folder; return its names."""
    lacking = [wheel for wheel in sorted(folder.glob("*.whl")) if importlib.util.find_spec(_module(wheel)) is None]
    for wheel in lacking:
        with ZipFile(wheel) as content:
            content.extractall(target)  # of wheels that we downloaded ourselves
    return [_module(wheel) for wheel in lacking]


def _module(wheel: Path) -> str:
    return wheel.name.partition("-")[0].lower()


def _bytes(folder: Path) -> int:
    return sum(wheel.stat().st_size for wheel in folder.glob("*.whl"))


if __name__ == "__main__":
    print(download(tuple(sys.argv[1:])))

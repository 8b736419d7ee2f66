"""Where the runtime can be installed without a compiler: for each platform, the wheels that pip finds there."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIREMENTS = ("numpy>=1.26", "onnxruntime>=1.15", "click>=8.1")
PYTHONS = ("3.11", "3.14")
# Tags that a current system takes: https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/
PLATFORMS: dict[str, tuple[str, ...]] = {
    "Linux, 64-bit Arm": ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64"),
    "Linux, x86-64": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"),
    "macOS 14, Apple": ("macosx_14_0_arm64", "macosx_13_0_arm64", "macosx_11_0_arm64", "macosx_10_9_universal2"),
    "macOS 14, Intel": ("macosx_14_0_x86_64", "macosx_13_0_x86_64", "macosx_11_0_x86_64", "macosx_10_9_universal2"),
    "Windows, x86-64": ("win_amd64",),
    "Linux, 32-bit Arm": ("manylinux_2_31_armv7l", "manylinux2014_armv7l", "linux_armv7l"),
    "musl, x86-64": ("musllinux_1_2_x86_64", "musllinux_1_1_x86_64"),
    "musl, 64-bit Arm": ("musllinux_1_2_aarch64", "musllinux_1_1_aarch64"),
}


def report() -> Iterator[str]:
    """Yield the lines."""
    for platform, tags in PLATFORMS.items():
        for python in PYTHONS:
            yield f"{platform}, Python {python}: {_resolved(tags, python)}"


def _resolved(tags: tuple[str, ...], python: str) -> str:
    """Return the wheels for a platform, as pip resolves them without downloading any, or what it misses."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--target", folder, "--only-binary=:all:", "--implementation", "cp", "--python-version", python]
        command += [word for tag in tags for word in ("--platform", tag)]
        done = subprocess.run([*command, "--report", "-", *REQUIREMENTS], capture_output=True, text=True, check=False)
    if done.returncode:
        return "none (" + done.stderr.strip().splitlines()[-1].removeprefix("ERROR: ") + ")"
    found = (package["metadata"] for package in json.loads(done.stdout)["install"])
    return ", ".join(sorted(f"{metadata['name']} {metadata['version']}" for metadata in found))

"""What is promised about equal bytes: on one kind of processor, which OpenBLAS's kernels stand for here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

FIT = """
import hashlib, json
import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_info
from lr_trainer import fit

random = np.random.default_rng(0)
x = random.normal(size=(3000, 6)) + [0, 0, 0, 1e6, 0, 0]
y = x @ random.normal(size=6) + random.normal(size=3000)
checkpoint = fit({"x": x, "y": y}, target="y")
near = fit({"x": np.column_stack([x, x[:, :1] + 1e-6 * random.normal(size=(3000, 1))]), "y": y}, target="y")
kernels = {each["architecture"] for each in threadpool_info() if each["internal_api"] == "openblas"}
print(json.dumps({
    "kernels": sorted(kernels),
    "sha256": [hashlib.sha256(each.to_bytes()).hexdigest() for each in (checkpoint, near)],
    "fits": [checkpoint.fit, near.fit],
}))
"""

KERNELS = {"Haswell": "Haswell", "SkylakeX": "SkylakeX", "Prescott": "Katmai"}
"""What is asked for, and the name that OpenBLAS gives it."""


def fitted(kernel: str) -> dict[str, Any]:
    """Return what a process of its own fits on this kernel; skip where the processor, or the build, lacks it."""
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel}
    done = subprocess.run([sys.executable, "-c", FIT], env=environment, capture_output=True, check=False, text=True)
    if done.returncode < 0:
        pytest.skip(f"this processor does not run the kernel {kernel} (signal {-done.returncode})")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    if found["kernels"] not in ([kernel], [KERNELS[kernel]]):
        pytest.skip(f"OpenBLAS took {', '.join(found['kernels']) or 'no kernel'} where {kernel} was asked for")
    return found


@pytest.fixture(scope="module")
def first() -> dict[str, Any]:
    """Return the fits on the first of the kernels."""
    return fitted(next(iter(KERNELS)))


def test_the_same_kernel_gives_the_same_bytes(first: dict[str, Any]) -> None:
    assert fitted(next(iter(KERNELS)))["sha256"] == first["sha256"]


@pytest.mark.parametrize("kernel", list(KERNELS)[1:])
def test_another_kernel_gives_the_same_figures_within_the_bound(kernel: str, first: dict[str, Any]) -> None:
    other = fitted(kernel)
    for found, expected in zip(other["fits"], first["fits"], strict=True):
        # Each is right to so many digits, nine where the report states no fewer.
        bound = 2 * 10.0 ** -min(expected.get("coefficient_digits", 9), found.get("coefficient_digits", 9))
        for row, wanted in zip(found["coefficients"], expected["coefficients"], strict=True):
            size = max(abs(wanted["estimate"]), wanted["standard_error"])
            assert abs(row["estimate"] - wanted["estimate"]) <= bound * size, row["term"]
            for figure in ("standard_error", "t"):
                assert row[figure] == pytest.approx(wanted[figure], rel=2e-6), row["term"]
        for figure in ("r2", "rmse", "residual_sd", "f", "log_likelihood"):
            assert found[figure] == pytest.approx(expected[figure], rel=2e-6), figure

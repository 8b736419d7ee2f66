"""Fits on a CUDA device against the CPU's, and against exact solutions: `make cuda` runs them where there is one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from lr_trainer import fit
from lr_trainer.descent.options import Descent
from lr_trainer.moments.blocks import block_moments
from tests.trainer.exact_solution import digits_of_fit, exact_solutions
from tests.trainer.ill_conditioned import design, targets

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lr_trainer.choices import Device

pytestmark = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")]

DEVICE: Device = "cuda"
SCALES = {"near 0": (0.0, 1.0), "timestamps": (1.7e9, 3600.0), "tiny": (0.0, 1e-30)}
KINDS: dict[str, dict[str, Any]] = {
    "no intercept": {"intercept": False},
    "weights": {"weight": "w"},
    "powers": {"degree": 3, "category": ["site"]},
    "a category": {"category": ["site"]},
    "several targets": {"target": ["y", "z"]},
    "ridge": {"l2": 0.1},
    "missing values": {"missing": "indicator"},
}


def readings(rows: int = 5_000) -> dict[str, NDArray[np.float64]]:
    random = np.random.default_rng(1)
    time, rh = 1.7e9 + 3600 * random.normal(size=rows), random.normal(size=rows) + 20
    y = (time - 1.7e9) / 3600 - 2 * rh + random.standard_t(3, size=rows)
    site = random.integers(0, 3, size=rows).astype(np.float64)
    return {"time": time, "rh": rh, "site": site, "w": random.uniform(1, 3, size=rows), "y": y, "z": y + rh**2}


@pytest.mark.parametrize("condition", [1.0, 1e4])
@pytest.mark.parametrize("unexplained", [0.5, 1e-4, 1e-9])
def test_a_fit_on_the_device_has_its_digits(condition: float, unexplained: float) -> None:
    x = design(200_000, 6, condition)
    y = targets(x, [unexplained])
    found = fit({"x": x, "y": y[:, 0]}, target="y", device=DEVICE)
    coefficients, errors = digits_of_fit(found, exact_solutions(x, y)[0])
    assert coefficients is not None
    assert errors is not None
    assert min(coefficients, errors) >= 10


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fit_is_the_cpus(kind: str) -> None:
    columns, asked = readings(), {"target": "y", "ignore": ["z"], **KINDS[kind]}
    if kind == "several targets":
        del asked["ignore"]
    if kind == "missing values":
        columns["rh"][::7] = np.nan
    found, expected = fit(columns, **asked, device=DEVICE), fit(columns, **asked)
    assert found.terms == expected.terms
    np.testing.assert_allclose(found.weight, expected.weight, rtol=1e-8)


@pytest.mark.parametrize("kind", SCALES)
def test_moments_are_the_cpus(kind: str) -> None:
    level, spread = SCALES[kind]
    rows = torch.from_numpy(level + spread * np.random.default_rng(7).normal(size=(500, 3)))
    found, expected = block_moments(rows.to(DEVICE)), block_moments(rows)
    size = np.sqrt(np.outer(np.diag(expected.comoment), np.diag(expected.comoment)))
    assert (np.abs(found.comoment - expected.comoment) / size).max() < 1e-13
    np.testing.assert_array_equal(found.minimum, expected.minimum)
    np.testing.assert_array_equal(found.maximum, expected.maximum)


@pytest.mark.parametrize("options", [{"loss": "huber"}, {"loss": "quantile"}, {"batch_size": 256}])
def test_a_descent_ends_where_the_cpus_does(options: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"target": "y", "ignore": ["z", "w"], "descent": Descent(**options)}
    found, expected = fit(readings(), **asked, device=DEVICE), fit(readings(), **asked)
    np.testing.assert_allclose(found.fit["objective"], expected.fit["objective"], rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("columns", [1, 3])
def test_tensors_on_the_device_stay_there(dtype: torch.dtype, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.from_numpy(design(300_000, columns, 1.0)).to(DEVICE, dtype)
    y = x.sum(dim=1) + torch.randn(len(x), device=DEVICE, dtype=dtype)
    expected = fit(x.cpu(), y.cpu())
    moved, cpu = list[int](), torch.Tensor.cpu

    def counted(tensor: torch.Tensor) -> torch.Tensor:
        moved.append(tensor.numel())
        return cpu(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", counted)
    found = fit(x, y)
    assert 0 < max(moved) < x.numel() / 10  # the products, and the first rows for outliers
    np.testing.assert_allclose(found.weight, expected.weight, rtol=1e-8)
    assert found.fit["passes"] == 1


@pytest.mark.parametrize("asked", [{"missing": "mean"}, {"degree": 2}, {"l2": 0.1}, {"device": DEVICE, "degree": 2}])
def test_tensors_on_the_device_take_every_option(asked: dict[str, Any]) -> None:
    x = torch.from_numpy(design(20_000, 3, 1.0)).to(DEVICE)
    y = x.sum(dim=1) + torch.randn(len(x), device=DEVICE)
    expected = fit(x.cpu(), y.cpu(), **{**asked, "device": "cpu"})
    np.testing.assert_allclose(fit(x, y, **asked).weight, expected.weight, rtol=1e-8)


def test_a_worker_of_torchrun_fits_on_its_device(tmp_path: Path) -> None:
    columns = readings()
    np.savetxt(
        tmp_path / "rows.csv", np.column_stack([*columns.values()]), "%.17g", ",", header=",".join(columns), comments=""
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1", "-m", "lr_trainer"]
    asked = ["rows.csv", "--target", "y", "--ignore", "z", "--device", DEVICE]
    for command, name in (([*launch], "one"), ([sys.executable, "-m", "lr_trainer"], "alone")):
        subprocess.run([*command, *asked, "-o", name, "--quiet"], cwd=tmp_path, check=True)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "alone").read_bytes()

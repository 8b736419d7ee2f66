"""Fits of tensors, as a CUDA device has them, against those of arrays; without a device, the tensors lie on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from lr_trainer import fit
from lr_trainer.moments import passes, prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lr_trainer.arithmetic.arrays import Place

WAYS: dict[str, dict[str, Any]] = {
    "numbers": {"ignore": ["w", "kind"]},
    "weights and categories": {"weight": "w"},
    "powers and missing values": {"ignore": ["w"], "degree": 3, "missing": "indicator"},
    "weighted powers in double-double": {"weight": "w", "ignore": ["noise"], "degree": 2},
    "held-out rows": {"ignore": ["w"], "l2": 0.1, "interval": 0.9},
    "folds": {"ignore": ["w"], "penalty": "auto"},
}


def table(*, has_gaps: bool) -> Mapping[str, NDArray[Any]]:
    random = np.random.default_rng(5)
    a, noise, w = random.normal(size=400) + 40, random.normal(size=400), random.uniform(1, 3, size=400)
    given = np.where(random.random(400) < 0.1, np.nan, a) if has_gaps else a
    kind = random.choice(["north", "south", "west"], size=400)
    return {"a": given, "noise": noise, "w": w, "kind": kind, "y": 3 * a + (kind == "west") + 1e-3 * noise}


@pytest.mark.parametrize("way", WAYS)
def test_tensors_give_the_fit_of_arrays(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, options = table(has_gaps="missing" in WAYS[way]), WAYS[way]
    expected = fit(rows, target="y", **options)
    moved: list[Place] = []

    def on(place: Place, array: NDArray[np.float64]) -> torch.Tensor:
        moved.append(place)
        return torch.from_numpy(array.copy())

    for module in (passes, prepared):
        monkeypatch.setattr(module, "on", on)
    found = fit(rows, target="y", **options)
    assert moved
    np.testing.assert_allclose(found.weight, expected.weight, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(found.bias, expected.bias, rtol=1e-9, atol=1e-14)
    assert found.contract.columns == expected.contract.columns

"""Arguments of the functions: every exponent, subnormals, and the neighbours of what one may stumble on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.contract import Dtype


def arguments(dtype: Dtype, each: int = 4) -> NDArray[Any]:
    """Return finite numbers of both signs, `each` of every exponent: (rows,)."""
    random, info = np.random.default_rng(5), np.finfo(dtype)
    exponents = np.repeat(np.arange(info.minexp - info.nmant, info.maxexp), each).astype(np.float64)
    size = random.uniform(1, 2, len(exponents)) * 2.0**exponents
    near = np.concatenate([_neighbours(dtype, 2.0**power) for power in (-30, -1, 0, 0.5, 1, 2, 30)])
    third = _neighbours(dtype, 1.5)  # where one power of two and the next are as near
    ends = np.array([0, info.smallest_subnormal, info.tiny, info.max])
    # Near the ends of exp, and where its k changes.
    of_exp = np.log(2) * np.concatenate([np.arange(-1080, 1026, 3), random.uniform(-2, 2, 200)])
    spread = np.concatenate([random.uniform(0, 3, 500), random.uniform(0, 88, 50 * each)])
    positive = np.concatenate([size, near, third, ends, np.abs(of_exp), spread]).astype(dtype)
    return np.concatenate([positive, -positive])


def _neighbours(dtype: Dtype, number: float) -> NDArray[Any]:
    """Return a number and those next to it, and some further ones on both sides."""
    middle = np.array([number]).astype(dtype)
    steps = np.array([0, 1, 2, 3, 5, 100, 1000]) * np.spacing(middle)
    return np.concatenate([middle - steps, middle + steps])

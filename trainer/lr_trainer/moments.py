"""Centred moments of rows, in blocks: what a least-squares fit needs to know of a table of any length.

A block's moments come from one pass over it on any device; blocks merge in a fixed tree, so the bits depend neither on
how many threads took blocks nor on how the rows arrived.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from lr_trainer.extended import two_sum

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Moments of `count` rows of float64 columns.

    The mean is the unevaluated sum `mean + mean_low`: a column near 1.7e9 keeps the digits that its deviations have.

    Attributes:
        count: float64 (), the number of rows.
        weight: float64 (), the sum of their weights; the number of rows where they have none.
        log_weight: float64 (), the sum of the weights' logarithms.
        mean: float64 (columns,), weighted.
        mean_low: float64 (columns,), what `mean` rounds away.
        comoment: float64 (columns, columns), sum of w (x - mean)(x - mean)^T: the centred Gram matrix.
        minimum: float64 (columns,).
        maximum: float64 (columns,).
    """

    count: NDArray[np.float64]
    weight: NDArray[np.float64]
    log_weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    mean_low: NDArray[np.float64]
    comoment: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.count)

    @property
    def largest(self) -> NDArray[np.float64]:
        """float64 (columns,), the largest absolute values."""
        return np.maximum(np.abs(self.minimum), np.abs(self.maximum))

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The arrays by the names of the fields, as a checkpoint stores them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.float64]]) -> Moments:
        """Return the moments that a checkpoint stores."""
        return Moments(**{field.name: arrays[field.name] for field in fields(Moments)})

    def merge(self, other: Moments) -> Moments:
        """Return the moments of the rows of both (Chan, Golub and LeVeque 1983, eq. 2.1, for a mean in two parts)."""
        weight = np.asarray(self.weight + other.weight)
        delta = (other.mean - self.mean) + (other.mean_low - self.mean_low)
        share = other.weight / weight
        mean, mean_low = two_sum(self.mean, self.mean_low + delta * share)
        between = np.outer(delta, delta) * (self.weight * share)
        return Moments(
            count=np.asarray(self.count + other.count),
            weight=weight,
            log_weight=np.asarray(self.log_weight + other.log_weight),
            mean=mean,
            mean_low=mean_low,
            comoment=self.comoment + other.comoment + between,
            minimum=np.minimum(self.minimum, other.minimum),
            maximum=np.maximum(self.maximum, other.maximum),
        )


def block_moments(block: torch.Tensor, weights: torch.Tensor | None = None) -> Moments:
    """Return the moments of one block, float64 (rows, columns) with at least one row, computed on its device.

    Two passes over a block that is in the cache: deviations from the rounded mean, then the deviations' own mean taken
    out (Chan, Golub and LeVeque 1983, the corrected two-pass algorithm). `weights` is float64 (rows,), positive.
    """
    total = float(block.shape[0]) if weights is None else float(weights.sum())
    mean = _mean(block, weights, total)
    deviations = block - mean
    remainder = _mean(deviations, weights, total)
    weighted = deviations if weights is None else deviations * weights[:, None]
    gram = _array(deviations.T @ weighted - total * remainder.outer(remainder))
    minimum, maximum = block.aminmax(dim=0)
    high, low = two_sum(_array(mean), _array(remainder))
    return Moments(
        count=np.array(float(block.shape[0])),
        weight=np.array(total),
        log_weight=np.array(0.0 if weights is None else float(weights.log().sum())),
        mean=high,
        mean_low=low,
        comoment=(gram + gram.T) / 2,
        minimum=_array(minimum),
        maximum=_array(maximum),
    )


def merged(parts: Iterable[Moments]) -> Moments | None:
    """Return the moments of all parts, merged in a tree whose shape depends on their number alone; None of none."""
    tree: list[tuple[int, Moments]] = []
    for moments in parts:
        # A binary counter: two subtrees of equal height merge at once, so no more than log2 of them wait.
        height, node = 0, moments
        while tree and tree[-1][0] == height:
            node = tree.pop()[1].merge(node)
            height += 1
        tree.append((height, node))
    if not tree:
        return None
    total = tree.pop()[1]
    while tree:
        total = tree.pop()[1].merge(total)
    return total


def _mean(block: torch.Tensor, weights: torch.Tensor | None, total: float) -> torch.Tensor:
    return block.mean(dim=0) if weights is None else (weights @ block) / total


def _array(tensor: torch.Tensor) -> NDArray[np.float64]:
    return np.asarray(tensor.cpu().numpy())

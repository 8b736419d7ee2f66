"""The figures of an epoch, which logs, bars and callers see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """An epoch's figures.

    Attributes:
        number: of epochs so far.
        loss: the objective in the units of the data, summed over the targets, at the epoch's start or, with batches,
            averaged over it.
        validation: the mean loss on the validation rows; None where there are none.
        gradient: the norm of the gradient over all rows; None with batches.
        lr: the learning rate of the last step; None for a line search.
        rows: how many the epoch went through.
    """

    number: int
    loss: float
    validation: float | None = None
    gradient: float | None = None
    lr: float | None = None
    rows: int = 0

"""From a table to a checkpoint: reads rows, takes their moments, solves, writes the model's numbers.

    table -> moments -> checkpoint -> graph -> certificate -> prediction
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    fitting.py         the way through: table -> moments -> solution -> checkpoint
    moments.py         centred moments of blocks of rows, merged in a fixed tree
    least_squares.py   the solution from the moments, its standard errors, its condition number
    cycle.py           the PyTorch cycle on the lesson's data
    checkpoint.py      writing, summary, the eager model (the layout is lr_runtime.checkpoint's)

>>> import lr_trainer
>>> checkpoint = lr_trainer.fit("calibration.csv", target="y")  # doctest: +SKIP
>>> checkpoint.save(Path("model.safetensors"))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.lazy import lazily

if TYPE_CHECKING:
    from lr_trainer.checkpoint import Checkpoint
    from lr_trainer.cycle import lesson
    from lr_trainer.fitting import fit
    from lr_trainer.model import LinearModel

__all__ = ["Checkpoint", "LinearModel", "fit", "lesson"]

__getattr__ = lazily(
    __name__,
    {
        "Checkpoint": "checkpoint",
        "LinearModel": "model",
        "fit": "fitting",
        "lesson": "cycle",
    },
    extra="train",
)

"""From a table to a checkpoint: reads rows, takes their moments, solves, writes the model's numbers.

    table -> moments -> checkpoint -> graph -> certificate -> prediction
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    fitting/      the ways to a checkpoint: a fit, the first lesson, more rows, several checkpoints
    descent/      fits of other losses, by the optimizers of torch or by Newton's method
    statistics/   what is said of a fit
    solvers/      moments to coefficients
    moments/      passes over the rows to moments
    model/        terms, the eager model, the checkpoint
    rows/         tables and arrays to blocks of rows
    formula/      what a fit is asked to make of the columns
    arithmetic/   arrays, double-double, exact products, rounding

>>> import lr_trainer
>>> checkpoint = lr_trainer.fit({"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.0]}, target="y")
>>> checkpoint.save("model.safetensors")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.system.lazy import lazily

if TYPE_CHECKING:
    from lr_trainer.descent.options import Descent
    from lr_trainer.fitting.first_lesson import lesson
    from lr_trainer.fitting.joining import merge, update
    from lr_trainer.fitting.table import fit
    from lr_trainer.model.checkpoint import Checkpoint
    from lr_trainer.model.module import LinearModel
    from lr_trainer.rows.profile import look

__all__ = ["Checkpoint", "Descent", "LinearModel", "fit", "lesson", "look", "merge", "update"]

__getattr__ = lazily(
    __name__,
    {
        "descent.options": "Descent",
        "fitting.first_lesson": "lesson",
        "fitting.joining": "merge update",
        "fitting.table": "fit",
        "model.checkpoint": "Checkpoint",
        "model.module": "LinearModel",
        "rows.profile": "look",
    },
    extra="train",
)

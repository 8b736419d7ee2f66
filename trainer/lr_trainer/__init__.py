"""From a table to a checkpoint: reads rows, takes their moments, solves, writes the model's numbers.

    table -> moments -> checkpoint -> graph -> certificate -> prediction
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    fitting.py         the way through: table -> passes -> solution -> checkpoint;  joining.py  more rows, later,
                       levels.py  on other levels
    sources.py         files, or arrays in memory, as a table
    rows.py            which columns play which part, missing values;  survey.py, looking.py  a look at them
    design.py          the terms of the model, made of the columns
    passes.py          what a fit reads its rows for, in the fixed blocks of blocks.py
    moments.py         centred moments in float64;  gram.py, extended.py  products in double-double
    least_squares.py   the solution from either;  floor.py, condition.py  which columns depend on others, how nearly
    penalised.py, shrunk.py, conformal.py  ridge, lasso, minimum norm
    solving.py         which of them a fit needs;  rounding.py  how far rounding may have moved it
    describing.py      solution -> contract, numbers, report (report.py, student.py, summary.py)
    certainty.py       which figures are left out for want of digits
    cautions.py, outliers.py  what else a user should look at
    cycle.py           the PyTorch cycle on the lesson's data
    splitting.py       rows held out
    descents/          fits by descent: other losses, batches, early stopping
    checkpoint.py      writing, summary (the layout is lr_runtime.contract.checkpoint's);  model.py  the eager model
    __main__.py        lr-train as a program;  cli.py  its words;  choices.py  values of its options
    device.py          CPU or CUDA;  errors.py

>>> import lr_trainer
>>> checkpoint = lr_trainer.fit("calibration.csv", target="y")  # doctest: +SKIP
>>> checkpoint.save(Path("model.safetensors"))  # doctest: +SKIP
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
        "Checkpoint": "model.checkpoint",
        "Descent": "descent.options",
        "LinearModel": "model.module",
        "fit": "fitting.table",
        "lesson": "fitting.first_lesson",
        "look": "rows.profile",
        "merge": "fitting.joining",
        "update": "fitting.joining",
    },
    extra="train",
)

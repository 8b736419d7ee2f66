"""The end of the line, and the part that every other part stands on: what a device runs.

    table -> moments -> checkpoint -> graph -> certificate -> prediction
             (lr_trainer)             (lr_export)             (lr_runtime)

It needs numpy, onnxruntime and click, and imports neither torch nor onnx, at no depth. The contract, the checkpoint's
layout, the reading of tables, the errors and the habits of the commands live here because all three packages share
them.

    commands/     lr-infer, lr-inspect and lr-serve, and what all commands do alike
    serving/      models over HTTP
    spark.py, ray.py  predictions on the workers of these engines
    page/         the page on which a person tries a model
    prediction/   rows and tables to predictions
    inspection/   what any file of linedge says of itself
    onnx_file/    an ONNX file: read, checked, run
    contract/     what a model takes and gives, and the files that say so
    tables/       every table's way in and out
    instants.py   dates and times as numbers
    system/       files, signals, threads, late imports
    options.py    what an option takes, its default and its help; wording.py  what messages call it

>>> import lr_export, lr_trainer
>>> from lr_runtime import Predictor
>>> checkpoint = lr_trainer.fit({"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.0]}, target="y")
>>> certificate = lr_export.export(checkpoint, "model.onnx")
>>> Predictor.load("model.onnx").predict([[4.5]]).values
array([[10.]], dtype=float32)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lr_runtime.system.lazy import lazily

if TYPE_CHECKING:
    from lr_runtime.contract.columns import Column
    from lr_runtime.contract.contract import Contract, GoldenRow, Output
    from lr_runtime.errors import LinedgeError
    from lr_runtime.prediction.batches import predict_batches
    from lr_runtime.prediction.predictor import Predictor
    from lr_runtime.prediction.result import Prediction
    from lr_runtime.prediction.scorer import Scorer

__version__ = "0.1.0"

# ONNX Runtime 1.32 starts telemetry when it is imported, whatever is called afterwards: a device id and a store of
# events under the home folder, a look-up of a host after seconds. All of linedge imports this package first.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "Column",
    "Contract",
    "GoldenRow",
    "LinedgeError",
    "Output",
    "Prediction",
    "Predictor",
    "Scorer",
    "__version__",
    "predict_batches",
]

__getattr__ = lazily(
    __name__,
    {
        "contract.columns": "Column",
        "contract.contract": "Contract GoldenRow Output",
        "errors": "LinedgeError",
        "prediction.batches": "predict_batches",
        "prediction.predictor": "Predictor",
        "prediction.result": "Prediction",
        "prediction.scorer": "Scorer",
    },
)

"""The end of the line, and the part that every other part stands on: what a device runs.

    table -> moments -> checkpoint -> graph -> certificate -> prediction
             (lr_trainer)             (lr_export)             (lr_runtime)

It needs numpy, onnxruntime and click, and imports neither torch nor onnx, at no depth. The contract, the checkpoint's
layout, the reading of tables, the errors and the habits of the commands live here because all three packages share
them.

    contract.py         what a model takes and gives;  terms.py, equation.py  its terms, and it in words
    checkpoint.py       the trainer's file;  embedded.py  the contract in source code;  artefact.py  any file of linedge
    wire.py             an ONNX file, byte by byte;  operators.py, onnx_file.py  what it may hold;  kinds.py  what
                        else it is;  model_file.py  checked, then given to session.py;  foreign.py  of another tool
    predictor.py        rows to predictions: inputs.py, coercion.py  the forms they come in;  one_row.py  the short way;
                        prediction.py, explanation.py, leverage.py  what comes of them
    scoring.py          tables to predictions;  streaming.py  batch by batch;  ahead.py  in threads
    tables/             every table's way in and out
    cli.py              lr-infer;  words.py, answers.py  one row in words
    inspect_cli.py      lr-inspect;  inspecting.py  what it says;  self_test.py  the golden rows here
    console.py          the habits of all commands;  reading_options.py, choices.py  options they share
    errors.py           every error;  wording.py  options in its message, as they are typed or as Python has them
    files.py            what is read whole;  replacement.py  written whole or not at all;  ending.py  by signals;
                        __main__.py  from the first line on;  importing.py  what waits

>>> from lr_runtime import Predictor
>>> Predictor.load("model.onnx").predict([[4.0]]).values  # doctest: +SKIP
array([[8.]], dtype=float32)
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
    "__version__",
    "predict_batches",
]

__getattr__ = lazily(
    __name__,
    {
        "Column": "contract.columns",
        "Contract": "contract.contract",
        "GoldenRow": "contract.contract",
        "LinedgeError": "errors",
        "Output": "contract.contract",
        "Prediction": "prediction.result",
        "Predictor": "prediction.predictor",
        "predict_batches": "prediction.batches",
    },
)

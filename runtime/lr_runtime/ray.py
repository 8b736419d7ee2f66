"""Predictions in Ray Data: `dataset.map_batches(Scorer, fn_constructor_args=[model], batch_format="pyarrow", ...)`.

`model` is a Predictor; Ray takes its bytes to each actor, which reads and checks them once.
"""

from __future__ import annotations

from lr_runtime.prediction.scorer import Scorer

__all__ = ["Scorer"]

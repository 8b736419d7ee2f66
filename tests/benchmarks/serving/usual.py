"""A FastAPI server of an ONNX file, as tutorials write one: `MODEL=model.onnx uvicorn usual:app`."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel


class Rows(BaseModel):
    rows: list[list[float]]


class Predictions(BaseModel):
    predictions: list[list[float]]


session = onnxruntime.InferenceSession(os.environ["MODEL"], providers=["CPUExecutionProvider"])
app = FastAPI()


def predicted(rows: Rows) -> Predictions:
    (y,) = session.run(["y"], {"x": np.array(rows.rows, dtype=np.float32)})
    return Predictions(predictions=y.tolist())


@app.post("/predict")
def predict(rows: Rows) -> Predictions:
    return predicted(rows)


@app.post("/predict-in-the-loop")
async def predict_in_the_loop(rows: Rows) -> Predictions:
    return predicted(rows)

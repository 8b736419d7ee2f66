"""Runs the jobs of a folder (`recording.py`) in the ONNX Runtime of this interpreter, through the runtime package."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from lr_runtime.onnx_file.session import Session

for place, job in enumerate(json.loads(Path("jobs.json").read_text())):
    x = np.fromfile(f"{place}.x", job["dtype"]).reshape(-1, job["columns"])
    try:
        session = Session(Path(f"{place}.onnx").read_bytes())
        results = session.evaluate(x, [name for name, _ in job["results"]])
    except Exception as error:  # whatever it says is what is recorded
        Path(f"{place}.error").write_text(f"{type(error).__name__}: {error}")
    else:
        np.hstack([result.astype("f8") for result in results]).tofile(f"{place}.y")

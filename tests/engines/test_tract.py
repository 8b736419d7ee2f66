"""tract, which has no Gemm of float64: `float32` and `portable` are what it loads."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.engines.holding import check, held, needs_package
from tests.engines.measuring import Engine

if TYPE_CHECKING:
    from lr_export.formats.backend import Engine as Run
    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Precision


def _tract(content: bytes, program: Program) -> Run:
    import tract

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(content)
        model = tract.onnx().load(str(path)).into_model().into_runnable()

    def run(x: Any) -> dict[str, Any]:
        given = model.run([np.ascontiguousarray(x)])
        return dict(zip(program.results, (tensor.to_numpy() for tensor in given), strict=True))

    return run


ENGINES = (
    Engine(
        "tract",
        "onnx",
        {
            "exact": "does not load",
            "float32": "within the bound",
            "float64": "does not load",
            "portable": "same bits",
        },
        _tract,
        lambda: f"tract {version('tract')}",
        absent=needs_package("tract"),
        batches=True,
    ),
)


@held(*ENGINES)
def test_it_keeps_what_the_table_says(engine: Engine, precision: Precision) -> None:
    check(engine, precision)

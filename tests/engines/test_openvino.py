"""OpenVINO, which computes in another type than the file says unless the file is `portable`."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.engines.holding import check, held, needs_package
from tests.engines.measuring import Engine

if TYPE_CHECKING:
    from lr_export.formats.backend import Engine as Run
    from lr_export.program.program import Program
    from lr_runtime.contract.contract import Precision
    from tests.engines.measuring import Kept


@cache
def _core() -> Any:
    # Its import sends an event wherever the package openvino-telemetry is found; None says that it is not.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino.Core()


def _version() -> str:
    _core()
    import openvino

    return f"openvino {openvino.__version__.partition('-')[0]}"


def _default(content: bytes, program: Program) -> Run:
    return _compiled(content, program, {})


def _float32(content: bytes, program: Program) -> Run:
    return _compiled(content, program, {"INFERENCE_PRECISION_HINT": "f32"})


def _compiled(content: bytes, program: Program, hint: dict[str, str]) -> Run:
    model = _core().compile_model(_core().read_model(content), "CPU", hint)

    def run(x: Any) -> dict[str, Any]:
        given = model({"x": x})
        return {name: np.array(given[model.output(name)]) for name in program.results}

    return run


def _has_bfloat16() -> bool:
    """Whether the processor has bfloat16 arithmetic, which the default is then."""
    return not needs_package("openvino") and "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


ABSENT = needs_package("openvino")
_BFLOAT16 = _has_bfloat16()
WITH: dict[Precision, Kept] = {
    "exact": "beyond the bound",
    "float32": "beyond the bound",
    "float64": "beyond the bound",
    "portable": "same bits",
}
WITHOUT: dict[Precision, Kept] = {**WITH, "float32": "within the bound"}
ENGINES = (
    Engine(
        "OpenVINO, default hint, on a processor with bfloat16",
        "onnx",
        WITH,
        _default,
        _version,
        absent=ABSENT or ("" if _BFLOAT16 else "this processor has no bfloat16"),
        batches=True,
    ),
    Engine(
        "OpenVINO, default hint, on a processor without",
        "onnx",
        WITHOUT,
        _default,
        _version,
        absent=ABSENT or ("this processor has bfloat16" if _BFLOAT16 else ""),
        batches=True,
    ),
    Engine("OpenVINO, float32 hint", "onnx", WITHOUT, _float32, _version, absent=ABSENT, batches=True),
)


@held(*ENGINES)
def test_it_keeps_what_the_table_says(engine: Engine, precision: Precision) -> None:
    check(engine, precision)

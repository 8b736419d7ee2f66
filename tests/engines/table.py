"""Every row of docs/engines.md, in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engines import (
    test_c,
    test_javascript,
    test_oldest_onnxruntime,
    test_onnx,
    test_openvino,
    test_torch,
    test_tract,
)

if TYPE_CHECKING:
    from tests.engines.measuring import Engine

ROWS: tuple[Engine, ...] = (
    test_onnx.ENGINES[0],
    test_oldest_onnxruntime.ENGINE,
    *test_onnx.ENGINES[1:],
    *test_openvino.ENGINES,
    *test_tract.ENGINES,
    *test_torch.ENGINES,
    *test_c.ENGINES,
    *test_javascript.ENGINES,
)

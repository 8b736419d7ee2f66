"""The only module that imports onnxruntime: it owns every option of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

import onnxruntime

onnxruntime.disable_telemetry_events()

ENGINE = f"onnxruntime {onnxruntime.__version__}"


class Session:
    """One ONNX Runtime session on the CPU, made from bytes that were already read.

    One thread, no spinning and no arena: the default spins a thread a core at full load for a product of a few numbers.

    Args:
        model: the bytes of an ONNX file.

    Raises:
        ValueError: ONNX Runtime refuses the bytes; its own reason is in the message.
    """

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions share no base
            raise ValueError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error

    @property
    def metadata(self) -> dict[str, str]:
        """The file's `metadata_props`."""
        return cast("dict[str, str]", self._session.get_modelmeta().custom_metadata_map)

    @property
    def signature(self) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, int]]]:
        """(name, dtype, columns) of each input, and of each output; columns -1 where it is no table."""
        return (
            [_described(value) for value in self._session.get_inputs()],
            [_described(value) for value in self._session.get_outputs()],
        )

    def run(self, x: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Evaluate `y` (rows, outputs) for `x` (rows, columns), which has the model's dtype."""
        return cast("NDArray[np.floating[Any]]", self.evaluate(x, ["y"])[0])

    def evaluate(self, x: NDArray[np.floating[Any]], results: Sequence[str]) -> list[NDArray[Any]]:
        """Evaluate the named results, each (rows, its width), for `x` (rows, columns), which has the model's dtype."""
        return cast("list[NDArray[Any]]", self._session.run(list(results), {"x": x}))


def _described(value: Any) -> tuple[str, str, int]:
    shape = value.shape
    columns = shape[1] if len(shape) == 2 and isinstance(shape[1], int) else -1
    dtype = {"tensor(float)": "float32", "tensor(double)": "float64"}.get(value.type, value.type)
    return value.name, dtype, columns

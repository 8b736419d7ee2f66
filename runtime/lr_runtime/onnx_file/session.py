"""The only module that imports onnxruntime: it owns every option of a session."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Literal, cast, get_args
from weakref import WeakSet

import numpy as np
import onnxruntime

from lr_runtime.errors import ForkedError, OptionError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

onnxruntime.disable_telemetry_events()

ENGINE = f"onnxruntime {onnxruntime.__version__}"
CPU = "CPUExecutionProvider"

Optimisation = Literal["none", "basic", "extended", "all"]
"""How far ONNX Runtime rewrites a graph before it runs it."""
OPTIMISATIONS: tuple[Optimisation, ...] = get_args(Optimisation)
_OPTIMISATIONS = {
    "none": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}

NodeArg = tuple[str, str, int]
"""Name, dtype and columns of an input or output; columns are -1 where it is no table."""


class Session:
    """One ONNX Runtime session, made from bytes that were already read.

    One thread, no spinning and no arena: the default spins a thread a core at full load for a product of a few numbers.
    In a forked process it is made again by the first call, from the same bytes: ONNX Runtime's threads are not there,
    and what others of the parent's threads had locked would stay locked.

    Args:
        model: the bytes of an ONNX file.
        threads: how many work on one batch.
        provider: what runs it, as ONNX Runtime names it ("CUDAExecutionProvider") or in short ("cuda").
        rows: the most that are evaluated at once, which bounds the memory; None for no bound.
        optimisation: of the graph.

    Attributes:
        is_foreign: whether it runs a model that linedge did not write.
        local: what a thread keeps of this session; empty after a fork.

    Raises:
        ValueError: ONNX Runtime refuses the bytes; its own reason is in the message.
        OptionError: the provider is not here.
    """

    is_foreign = False

    def __init__(
        self,
        model: bytes,
        *,
        threads: int = 1,
        provider: str = "cpu",
        rows: int | None = None,
        optimisation: Optimisation = "all",
    ) -> None:
        self._rows = rows
        self._make = partial(_made, model, threads, provider, optimisation)
        self._session = self._make()
        self.local = threading.local()
        _ALIVE.add(self)

    def _running(self) -> onnxruntime.InferenceSession:
        """Return ONNX Runtime's session."""
        if self._session is None:
            try:
                self._session = self._make()
            except ValueError as error:
                raise ForkedError(str(error)) from error
        return self._session

    def leave_to_parent(self) -> None:
        """Forget ONNX Runtime's session, which belongs to the process that this one was forked from."""
        # Its end would wait for threads that are not here, so nothing may end it: it is referred to for ever.
        from ctypes import py_object, pythonapi

        for theirs in (self._session, vars(self.local)):
            pythonapi.Py_IncRef(py_object(theirs))
        self._session, self.local = None, threading.local()

    @property
    def signature(self) -> tuple[list[NodeArg], list[NodeArg]]:
        """Each input, and each output."""
        return (
            [_described(value) for value in self._running().get_inputs()],
            [_described(value) for value in self._running().get_outputs()],
        )

    def run(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """Evaluate `y` (rows, outputs) for `x` (rows, columns), which has the model's dtype."""
        return cast("NDArray[np.floating]", self.evaluate(x, ["y"])[0])

    def evaluate(self, x: NDArray[np.floating], results: Sequence[str]) -> list[NDArray[np.generic]]:
        """Evaluate the named results, each (rows, its width), for `x` (rows, columns), which has the model's dtype."""
        session = self._running()
        if self._rows is None or len(x) <= self._rows:
            return cast("list[NDArray[np.generic]]", session.run(list(results), {"x": x}))
        starts = range(0, len(x), self._rows)
        parts = [session.run(list(results), {"x": x[start : start + self._rows]}) for start in starts]
        return [np.concatenate(result) for result in zip(*parts, strict=True)]

    def bound_row(self, results: Sequence[str]) -> BoundRow:
        """Return what evaluates one row at a time; each thread needs its own."""
        inputs, outputs = self.signature
        return BoundRow(self._running(), inputs, [value for name in results for value in outputs if value[0] == name])


_ALIVE: WeakSet[Session] = WeakSet()
_MAKING = threading.RLock()
"""Held while a session is made, and by whoever forks: ONNX Runtime has locks of its own then, one for all sessions."""


def _made(model: bytes, threads: int, provider: str, optimisation: Optimisation) -> object:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = _OPTIMISATIONS[optimisation]
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    wanted = _provider(provider)
    try:
        with _MAKING:
            made = onnxruntime.InferenceSession(model, options, providers=list(dict.fromkeys([wanted, CPU])))
    except Exception as error:  # onnxruntime's own exceptions share no base
        raise ValueError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    if wanted not in made.get_providers():
        raise OptionError(f"--provider {provider}: ONNX Runtime cannot start it here. Leave it out for the CPU")
    return made


def _in_forked_child() -> None:
    _MAKING.release()
    for session in list(_ALIVE):
        session.leave_to_parent()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_MAKING.acquire, after_in_parent=_MAKING.release, after_in_child=_in_forked_child)


class BoundRow:
    """Arrays for one row, bound to a session once: a call costs two thirds of an ordinary one.

    Not to be shared by threads: they would write over each other's row.

    Attributes:
        x: (1, columns), to be filled before each run.
        results: the arrays (1, columns) of the results, overwritten by each run.
        run: evaluates the row that stands in `x`.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, inputs: Sequence[NodeArg], outputs: Sequence[NodeArg]
    ) -> None:
        binding = session.io_binding()
        self.x = _row(inputs[0])
        self.results = tuple(_row(value) for value in outputs)
        binding.bind_input("x", "cpu", 0, self.x.dtype.type, self.x.shape, self.x.ctypes.data)
        for (name, _, _), array in zip(outputs, self.results, strict=True):
            binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        self.run = _bound_run(session, binding)


def _bound_run(session: onnxruntime.InferenceSession, binding: onnxruntime.IOBinding) -> Callable[[], None]:
    """Return what runs a session on bound arrays, past its wrapper in Python, a tenth of a call, where it has one."""
    try:
        return partial(session._sess.run_with_iobinding, binding._iobinding, None)
    except AttributeError:
        return partial(session.run_with_iobinding, binding)


def _row(value: NodeArg) -> NDArray[np.generic]:
    _, dtype, columns = value
    return np.zeros((1, columns), dtype=dtype)


def _described(value: onnxruntime.NodeArg) -> NodeArg:
    shape = value.shape
    columns = shape[1] if len(shape) == 2 and isinstance(shape[1], int) else -1
    dtypes = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(bool)": "bool"}
    return value.name, dtypes.get(value.type, value.type), columns


def _provider(name: str) -> str:
    here = onnxruntime.get_available_providers()
    found = [one for one in here if name.lower() in {one.lower(), one.lower().removesuffix("executionprovider")}]
    if not found:
        short = ", ".join(one.removesuffix("ExecutionProvider").lower() for one in here)
        raise OptionError(f"--provider {escaped(name)} is not in this ONNX Runtime, which has: {short}")
    return str(found[0])

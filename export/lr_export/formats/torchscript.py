"""The TorchScript file: deprecated by PyTorch in favour of torch.export, still what C++ and mobile hosts load."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING

import torch

from lr_export.formats.backend import Backend, Opened
from lr_export.formats.torch_module import ProgramModule, example, opened, repacked
from lr_runtime.contract.contract import METADATA_KEY, Contract

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_export.program.program import Program

_LEFT_OUT = re.compile(r"\.debug_pkl$|/traced_inputs|/serialization_id$")
_COUNTER = re.compile(rb"[./]___torch_mangle_\d+")


def torchscript_bytes(program: Program, contract: Contract) -> bytes:
    """Return the TorchScript archive; equal programs and contracts give equal bytes.

    torch writes the paths of our sources into `*.debug_pkl` records, which nothing needs to run the model; they are
    left out, as are the example that was traced and a number of the saving. Saving to memory keeps the file's own name
    out of it. A class that was traced before in this process has a counter in its name, which is taken out again.
    """
    saved = io.BytesIO()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        trace: Callable[..., torch.jit.ScriptModule] = torch.jit.trace
        traced = trace(ProgramModule(program).eval(), example(program), check_trace=False)
        torch.jit.save(traced, saved, _extra_files={METADATA_KEY: contract.to_json()})
    return repacked(saved, _changed)


def _changed(name: str, content: bytes) -> tuple[str, bytes] | None:
    """Return a record of the archive without the counter in its class's name: in the code, and where it is named."""
    if _LEFT_OUT.search(name):
        return None
    folder, _, rest = name.partition("/")
    if rest != "data.pkl" and not rest.startswith("code/"):
        return name, content
    return f"{folder}/{_COUNTER.sub(b'', rest.encode()).decode()}", _COUNTER.sub(b"", content)


def _reopen(content: bytes, program: Program) -> Opened:
    """Read bytes that were written a moment ago, and no others: torch.jit.load unpickles."""
    extra = {METADATA_KEY: ""}
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        load: Callable[..., torch.jit.ScriptModule] = torch.jit.load
        module = load(io.BytesIO(content), _extra_files=extra)
    return opened(module, extra[METADATA_KEY], program, "torchscript")


BACKEND = Backend(torchscript_bytes, _reopen)

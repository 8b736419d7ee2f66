"""The TorchScript file: deprecated by PyTorch in favour of torch.export, still what C++ and mobile hosts load."""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import torch

from lr_export.module import LinearModel
from lr_runtime.contract import METADATA_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from lr_export.numbers import Numbers
    from lr_runtime.contract import Contract

_EPOCH = (1980, 1, 1, 0, 0, 0)
_DEBUG_SUFFIX = ".debug_pkl"


def torchscript_bytes(numbers: Numbers, contract: Contract) -> bytes:
    """Return the TorchScript archive; equal numbers and contracts give equal bytes.

    torch writes the paths of our sources into `*.debug_pkl` records, which nothing needs to run the model; they are
    left out. Saving to memory keeps the file's own name out of it.
    """
    saved = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`torch.jit", category=DeprecationWarning)
        scripted = torch.jit.script(LinearModel(numbers).eval())
        torch.jit.save(scripted, saved, _extra_files={METADATA_KEY: contract.to_json()})
    stripped = io.BytesIO()
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(stripped, "w", zipfile.ZIP_STORED) as target:
        for record in source.infolist():
            if not record.filename.endswith(_DEBUG_SUFFIX):
                target.writestr(zipfile.ZipInfo(record.filename, _EPOCH), source.read(record))
    return stripped.getvalue()


def read_torchscript(content: bytes) -> tuple[torch.jit.ScriptModule, dict[str, NDArray[np.floating[Any]]], str]:
    """Return the loaded module, its numbers as `Numbers.arrays` names them, and its contract as text.

    Only for bytes that were written a moment ago: torch.jit.load unpickles.
    """
    extra = {METADATA_KEY: ""}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`torch.jit", category=DeprecationWarning)
        load: Callable[..., torch.jit.ScriptModule] = torch.jit.load
        module = load(io.BytesIO(content), _extra_files=extra)
    # An optional buffer comes back as an attribute, so state_dict() alone would miss the origin.
    tensors = {name: getattr(module, name) for name in ("weight", "bias", "origin")}
    numbers = {name: tensor.numpy() for name, tensor in tensors.items() if tensor is not None}
    text = extra[METADATA_KEY]
    return module, numbers, text.decode("utf-8") if isinstance(text, bytes) else text

"""Models in files, recognised by their first bytes: safetensors and JSON, which hold no code. No pickle is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_export.errors import UnsupportedModelError
from lr_export.importing.coefficients import model_of, read_coefficients
from lr_export.importing.torch_layers import source_of
from lr_runtime.errors import OptionError, escaped
from lr_runtime.system.files import is_checkpoint, read_bytes
from lr_runtime.system.signatures import ZIP, what_it_is

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lr_export.importing.coefficients import Coefficients
    from lr_export.importing.folding import Source

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_TORCH, _PICKLES = {".pt", ".pth", ".ckpt", ".bin"}, {".pkl", ".pickle", ".joblib"}


def model_in(file: Path, typed: Coefficients, columns: Sequence[str] | None, target: Sequence[str] | None) -> Source:
    """Return the model in a file, with the training ranges that stand there.

    Args:
        file: safetensors with the state dict of linear layers, or JSON of coefficients.
        typed: the levels and the intercept that go before those in the file.
        columns: the names of a state dict's inputs; None for x1, x2, ...
        target: the names of the outputs; None for those in the file.

    Raises:
        UnsupportedModelError: it is no such file, or a damaged one.
        OptionError: an option goes with another kind of file.
    """
    content = read_bytes(file, "Name a safetensors file, or JSON of coefficients")
    is_state_dict, begin = is_checkpoint(content[:64]), content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    is_json = not is_state_dict and begin in {b"{", b"["}
    if is_state_dict and (typed.levels or typed.intercept is not None):
        raise OptionError("--levels and --intercept go with coefficients; a state dict has its own bias")
    if is_json and columns is not None:
        raise OptionError("--columns names the inputs of a state dict; coefficients have names. Leave it out")
    try:
        if is_state_dict:
            return source_of(_tensors(content), columns, target)
        if is_json:
            return model_of(read_coefficients(content, typed), target, "coefficients in JSON")
        raise UnsupportedModelError(_refusal(file, content[:512]))
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{file}: {error}") from error


def _tensors(content: bytes) -> dict[str, NDArray[np.floating]]:
    """Return the tensors of safetensors by name, those of bfloat16 as float32, which has all their numbers."""
    import safetensors

    try:
        tensors = dict(safetensors.deserialize(content))  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise UnsupportedModelError(f"a damaged safetensors file ({error!s:.80})") from error
    if "origin" in tensors:
        raise UnsupportedModelError("a checkpoint of linedge already. Go on with lr-export")
    for name, each in tensors.items():
        if (kind := each["dtype"]) not in _DTYPES:
            raise UnsupportedModelError(f"the tensor {escaped(name)} holds {kind}; expected {', '.join(_DTYPES)}")
        array = np.frombuffer(each["data"], _DTYPES[kind]).reshape(each["shape"])
        tensors[name] = (array.astype("<u4") << 16).view("<f4") if kind == "BF16" else array  # float32's upper half
    return tensors


def _refusal(file: Path, head: bytes) -> str:
    """Return what a file is that cannot be read here, and the line of Python that imports what may be in it."""
    what = what_it_is(head) or "an unknown kind of file"
    if file.suffix in _TORCH or head.startswith(ZIP):
        call = f'from_torch(torch.load("{file.name}", weights_only=True), ranges=...)'
    elif file.suffix in _PICKLES or head.startswith(b"\x80"):
        call = f'from_sklearn(joblib.load("{file.name}"))'
    else:
        return f"{what}; expected safetensors, or JSON of coefficients"
    return f"{what}: a pickle can run any code, so no command reads one. In Python: lr_export.{call}.save(...)"

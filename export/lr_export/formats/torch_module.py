"""The program as a PyTorch module: run eagerly it is the reference, traced it is what torch writes into its files."""

from __future__ import annotations

import io
import zipfile
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from lr_export.formats.backend import Opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_export.formats.backend import Engine, Results
    from lr_export.model.exact import Floats
    from lr_export.program.program import Operation, Program, ValueType

_EPOCH = (1980, 1, 1, 0, 0, 0)
REFERENCE = f"eager torch {torch.__version__}"
DTYPES: dict[ValueType, torch.dtype] = {"float32": torch.float32, "float64": torch.float64, "bool": torch.bool}


class ProgramModule(nn.Module):
    """The results of a program, in order, for x (rows, columns) of its dtype; a program of `y` alone gives y itself.

    Args:
        program: its constants become buffers under their names.
    """

    # TorchScript and torch.export write the name of this class into their files: it is the same wherever the class is,
    # so that the bytes of a file do not change with the layout of this package.
    __module__ = "lr_export.module"

    def __init__(self, program: Program) -> None:
        super().__init__()
        for name, array in program.constants.items():
            self.register_buffer(name, torch.from_numpy(np.array(array)))
        self._program = program

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Return each result (rows, its width)."""
        results = tuple(self._program.run(x, dict(self.named_buffers()), _OPERATIONS).values())
        return results if len(results) > 1 else results[0]


def eager(program: Program) -> Engine:
    """Return PyTorch, eager: the reference that artefacts are verified beside."""
    return in_torch(ProgramModule(program).eval(), program)


def repacked(saved: io.BytesIO, changed: Callable[[str, bytes], tuple[str, bytes] | None]) -> bytes:
    """Return an archive of torch with every record as `changed` gives its name and content, or without it.

    What says where, when or by whom it was made goes: all records have one date.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as target:
        for record in source.infolist():
            kept = changed(record.filename, source.read(record))
            if kept is not None:
                target.writestr(zipfile.ZipInfo(kept[0], _EPOCH), kept[1])
    return packed.getvalue()


def opened(module: nn.Module, contract: str | bytes, program: Program, engine: str) -> Opened:
    """Return what a file of torch holds: a module, and the contract beside it."""
    numbers = {name: tensor.numpy() for name, tensor in module.named_buffers()}
    text = contract.decode() if isinstance(contract, bytes) else contract
    return Opened(numbers, text, {f"{engine} in torch {torch.__version__}": in_torch(module, program)})


def example(program: Program) -> torch.Tensor:
    """Return rows to trace a program with."""
    return torch.zeros((2, program.x.width), dtype=DTYPES[program.x.dtype])


def in_torch(module: nn.Module, program: Program) -> Engine:
    """Return what runs a module that gives the program's results in order, y itself where that is the only one."""

    def run(x: Floats) -> Results:
        with torch.inference_mode():
            given = module(torch.from_numpy(x))
        tensors = given if isinstance(given, tuple) else (given,)
        return {name: tensor.numpy() for name, tensor in zip(program.results, tensors, strict=True)}

    return run


def _in_order(terms: torch.Tensor) -> torch.Tensor:
    """Return the sums over each row, added from left to right."""
    return reduce(torch.add, terms.unbind(1))[:, None]


def _ordered_affine(value: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return torch.cat([_in_order(value * row) for row in weight.unbind()], dim=1) + bias


def _square_root(value: torch.Tensor) -> torch.Tensor:
    """Return the correctly rounded one; that of torch is off by an ulp at one number in ten (MKL's, torch 2.13).

    Formats that are made of this module have none.
    """
    with np.errstate(invalid="ignore"):
        return torch.from_numpy(np.sqrt(value.numpy()))


_OPERATIONS: dict[Operation, Callable[..., torch.Tensor]] = {
    # TorchScript writes the name of a parameter into a file, but not that of a tuple of them: bytes stay as they were.
    "cast": lambda *given: given[0].to(DTYPES[given[1]]),
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "sqrt": _square_root,
    "log": torch.log,
    "exp": torch.exp,
    "affine": nn.functional.linear,
    "ordered_affine": _ordered_affine,
    "sum": lambda terms: terms.sum(dim=1, keepdim=True),
    "ordered_sum": _in_order,
    "concatenate": lambda *values: torch.cat(values, dim=1),
    "select": lambda *given: torch.cat([given[0][:, column : column + 1] for column in given[1]], dim=1),
    "is_nan": torch.isnan,
    "equal": torch.eq,
    "less": torch.lt,
    "and": torch.logical_and,
    "where": torch.where,
}

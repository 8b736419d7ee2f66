"""The program as a PyTorch module: run eagerly it is the reference, traced it is the TorchScript file."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from lr_export.program.program import Constant

if TYPE_CHECKING:
    from collections.abc import Callable

    from lr_export.program.program import Operand, Program, Step, ValueType

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
        values = {self._program.x.name: x}

        def tensor(operand: Operand) -> torch.Tensor:
            if isinstance(operand, Constant):
                return cast("torch.Tensor", getattr(self, operand.name))
            return values[operand.name]

        for step in self._program.steps:
            values[step.result.name] = self.evaluated(step, *map(tensor, step.operands))
        results = tuple(values[value.name] for value in self._program.results.values())
        return results if len(results) > 1 else results[0]

    def evaluated(self, step: Step, *operands: torch.Tensor) -> torch.Tensor:
        """Return what a step makes of its operands."""
        if step.operation == "cast":
            return operands[0].to(DTYPES[step.result.dtype])
        if step.operation == "select":
            return torch.cat([operands[0][:, column : column + 1] for column in step.columns], dim=1)
        return _FUNCTIONS[step.operation](*operands)


def _sum(terms: torch.Tensor) -> torch.Tensor:
    return terms.sum(dim=1, keepdim=True)


def _in_order(terms: torch.Tensor) -> torch.Tensor:
    """Return the sums over each row, added from left to right."""
    total = terms[:, :1]
    for column in range(1, terms.shape[1]):
        total = total + terms[:, column : column + 1]
    return total


def _ordered_affine(value: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return torch.cat([_in_order(value * row) for row in weight.unbind()], dim=1) + bias


def _square_root(value: torch.Tensor) -> torch.Tensor:
    """Return the correctly rounded one; that of torch is off by an ulp at one number in ten (MKL's, torch 2.13).

    Formats that are made of this module have none.
    """
    with np.errstate(invalid="ignore"):
        return torch.from_numpy(np.sqrt(value.numpy()))


def _side_by_side(*values: torch.Tensor) -> torch.Tensor:
    return torch.cat(values, dim=1)


_FUNCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "sqrt": _square_root,
    "affine": nn.functional.linear,
    "ordered_affine": _ordered_affine,
    "sum": _sum,
    "ordered_sum": _in_order,
    "concatenate": _side_by_side,
    "is_nan": torch.isnan,
    "equal": torch.eq,
    "and": torch.logical_and,
    "where": torch.where,
}

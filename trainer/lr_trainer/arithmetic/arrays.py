"""NumPy's arrays on the CPU and torch's tensors on a CUDA device: what is computed of either is written once.

torch has NumPy's names and arguments for all that `_Names` lists. It takes seconds to import and gigabytes of disk, so
it is imported only where a tensor is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[np.float64]"
A = TypeVar("A", "Array", "torch.Tensor")
Place: TypeAlias = Literal["cpu", "cuda"]
"""Where arrays lie: in memory as NumPy's, or on the CUDA device as tensors."""


class _Names(Protocol[A]):
    """The functions that NumPy and torch have under the same names."""

    def amax(self, array: A, /, *, axis: int) -> A: ...
    def concatenate(self, arrays: Sequence[A], /, *, axis: int = 0) -> A: ...
    def exp(self, array: A, /) -> A: ...
    def isnan(self, array: A, /) -> A: ...
    def log(self, array: A, /) -> A: ...
    def logical_and(self, left: A, right: A, /) -> A: ...
    def ones_like(self, array: A, /) -> A: ...
    def stack(self, arrays: Sequence[A], /, *, axis: int) -> A: ...
    def subtract(self, left: A, right: A, /, *, out: A) -> A: ...
    def where(self, condition: A, one: A | float, other: A | float, /) -> A: ...
    def zeros_like(self, array: A, /) -> A: ...


def names_of(array: A) -> _Names[A]:
    """Return the module, numpy or torch, that the array is of."""
    return cast("_Names[A]", np if isinstance(array, np.ndarray) else import_module("torch"))


def on(place: Place, array: Array) -> Array:
    """Return the array itself, or a tensor on the device with its numbers, which has the type of an array to mypy."""
    if not isinstance(array, np.ndarray):
        return array.double()  # a tensor, which stays where it is
    if place == "cpu":
        return array
    import torch

    # torch takes no steps backwards or between elements, and warns of memory that it may not write to.
    steps = all(stride >= 0 and stride % array.itemsize == 0 for stride in array.strides)
    plain = array if steps and array.flags.writeable else array.copy()
    return cast("Array", torch.from_numpy(plain).to(place))


def beside(like: A, values: NDArray[np.generic]) -> A:
    """Return the values where `like` lies."""
    if isinstance(like, np.ndarray):
        return np.asarray(values)
    import torch

    return torch.from_numpy(values).to(like.device)


def empty(like: A, shape: tuple[int, ...]) -> A:
    """Return float64 of that shape, with arbitrary numbers, where `like` lies."""
    return np.empty(shape) if isinstance(like, np.ndarray) else like.new_empty(shape)


def host(array: A) -> Array:
    """Return the numbers as NumPy's array."""
    return array if isinstance(array, np.ndarray) else np.asarray(array.cpu().numpy())


def matmul(left: A, right: A) -> A:
    """Return left @ right of matrices; of two, NumPy lets other threads run in `dot`, and not in `matmul`."""
    if isinstance(left, np.ndarray) and left.ndim == right.ndim == 2:
        return np.asarray(np.dot(left, right))
    return left @ right

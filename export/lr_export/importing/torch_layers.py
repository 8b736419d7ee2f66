"""From a PyTorch module, or its state dict, to a checkpoint: layers that are affine, folded into one.

A weight of float32, bfloat16 or float16 is a float64 number as it is. Several layers become one, whose numbers are
rounded once. The factor of a BatchNorm1d, gamma / sqrt(variance + eps), is irrational: of 50 digits here, of 5
roundings in torch (eps, sum, root, quotient, product), and 3 more for the way in which it is applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import Feature, dot, exactly, number, term
from lr_export.importing.folding import DOUBLE, SINGLE, Range, Source, SourceColumn, checkpoint_of, names_of
from lr_export.importing.ranges import ranges_of
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import escaped, listed, shown
from lr_runtime.prediction.inputs import as_array

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike, NDArray
    from torch import nn

    from lr_runtime.contract.checkpoint import Checkpoint

    Numbers: TypeAlias = "NDArray[np.floating]"
    StateDict: TypeAlias = "Mapping[str, torch.Tensor | Numbers]"
    Cells: TypeAlias = "Mapping[str, list[object]]"
    Names: TypeAlias = "str | Sequence[str] | None"
    Layer: TypeAlias = "tuple[Mapping[str, Numbers], float]"
    """The tensors of a Linear or a BatchNorm1d by name, and the eps of the latter."""

_KEEPS = frozenset({"AlphaDropout", "Dropout", "Dropout1d", "FeatureAlphaDropout", "Identity", "Sequential"})
"""The layers that do nothing of their own to rows of numbers, in evaluation."""
_KNOWN_BY = {"Linear": "weight", "BatchNorm1d": "running_var"}
"""The layers that have numbers, and the one without which they are not affine, or not as they seem."""
_CAN = "Linear, BatchNorm1d, Dropout, Flatten, Identity and Sequential of these can"
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_NORM_ROUNDINGS = 8
_DIGITS = 50


def from_torch(
    module_or_state_dict: nn.Module | StateDict,
    *,
    ranges: Mapping[str, Range] | None = None,
    X: ArrayLike | Mapping[str, ArrayLike] | None = None,
    columns: Sequence[str] | None = None,
    target: str | Sequence[str] | None = None,
) -> Checkpoint:
    """Return the checkpoint of a linear PyTorch model, held against the model's own forward pass in evaluation.

    Args:
        module_or_state_dict: an nn.Linear, an nn.Sequential of affine layers, or a module that calls one such child and
            nothing else; or the state dict of a Linear.
        ranges: the least and the greatest value of each column in training.
        X: rows to take these from: (rows, columns), or columns by name.
        columns: the names of the inputs; x, or x1, x2, ... of several, by default.
        target: the names of the outputs; y, or y1, y2, ... by default.

    Raises:
        UnsupportedModelError: a layer is not affine; the message names it.
        OptionError: a range is missing, or there are not as many names as inputs or outputs.
        CheckFailedError: what the module computes differs by more than rounding.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(1, 1)
        >>> checkpoint = from_torch(layer, ranges={"x": (0.0, 10.0)})
        >>> checkpoint.weight.item() == layer.weight.item()
        True
    """
    source = source_of(module_or_state_dict, columns, target)
    return checkpoint_of(source, ranges_of(source.columns, ranges, X))


def source_of(given: nn.Module | StateDict, columns: Names, target: Names) -> Source:
    """Return the model of a module, or of a state dict; `from_torch` says of which."""
    kind = type(given).__name__
    if isinstance(given, Mapping):
        name, called, layers = "a PyTorch state dict", "torch.nn.functional.linear", [_linear_in(given)]
        run = partial(_linear_of_torch, layers[0][0]) if find_spec("torch") else None
    elif hasattr(given, "named_parameters") and not isinstance(given, type):
        name, called, layers = f"PyTorch {kind}", "forward", list(_layers(given, kind))
        run = partial(_forward, given)
    else:
        raise UnsupportedModelError(f"expected a module of PyTorch or a state dict, not {kind}")
    if not layers:
        raise UnsupportedModelError(f"{name} has no layer with numbers. {_CAN} be folded")
    tensors, first = [each for numbers, _ in layers for each in numbers.values()], layers[0][0]
    dtype, width = np.result_type(np.float32, *tensors).name, np.atleast_1d(first.get("weight", tensors[0])).shape[-1]
    features = [term(Power(place)) for place in range(width)]
    for numbers, eps in layers:
        features = _normalised(features, numbers, eps) if "running_var" in numbers else _linear(features, numbers)
    inputs = map(SourceColumn, names_of("--columns", columns, "x", width))
    outputs = names_of("--target", target or None, "y", len(features))
    unit, predict = DOUBLE if dtype == "float64" else SINGLE, run and partial(run, dtype)
    return Source(name, tuple(inputs), outputs, tuple(features), predict, f"{called} in {dtype}", unit)


def _layers(module: nn.Module, name: str) -> Iterator[Layer]:
    """Yield the layers of a module that have numbers, in the order in which they are called."""
    for path, each in module.named_modules(prefix=name, remove_duplicate=False):
        kind, is_wrapper = type(each).__name__, len(each._modules) == 1
        own = dict(chain(each.named_parameters(recurse=False), each.named_buffers(recurse=False)))
        own.pop("num_batches_tracked", None)
        numbers = {key: _numbers(f"{path}.{key}", tensor) for key, tensor in own.items()}
        if _KNOWN_BY.get(kind) in numbers:
            yield numbers, getattr(each, "eps", 0.0)
        elif not (kind in _KEEPS or (is_wrapper and not own) or (kind == "Flatten" and each.start_dim == 1)):
            raise UnsupportedModelError(f"{path} is a {kind}, which is not known to be affine. {_CAN} be folded")


def _linear_in(state: StateDict) -> Layer:
    """Return the layer of a state dict, which tells of one alone what is done with its numbers."""
    layers = {str(name).rpartition(".")[0] for name in state}
    numbers = {str(name).rpartition(".")[2]: _numbers(str(name), each) for name, each in state.items()}
    if len(layers) != 1 or {*numbers, "bias"} != {"weight", "bias"}:
        names = listed(list(map(str, state))) or "nothing"
        raise UnsupportedModelError(
            f"a state dict of {names} is not that of one Linear. Of several layers it does not tell what stands "
            "between; import the module itself, in Python: lr_export.from_torch(module)"
        )
    return numbers, 0.0


def _numbers(name: str, tensor: torch.Tensor | Numbers) -> Numbers:
    """Return a tensor as an array of the same numbers."""
    if type(tensor).__name__.startswith("Uninitialized"):
        raise UnsupportedModelError(f"{name} has no numbers yet. Call the module on rows once, or train it")
    array = as_array(tensor, name, UnsupportedModelError)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8 or not np.isfinite(array).all():
        what = "a number that is not finite" if array.dtype.kind == "f" else array.dtype
        raise UnsupportedModelError(f"{name} holds {what}, where finite floats of up to 64 bits were expected")
    return cast("Numbers", array)


def _linear(features: Sequence[Feature], numbers: Mapping[str, Numbers]) -> list[Feature]:
    """Return the outputs of a Linear."""
    weight, outputs = numbers["weight"], numbers["weight"].shape[:1]
    bias = numbers.get("bias", np.zeros(outputs))
    if weight.shape != (*outputs, len(features)) or bias.shape != outputs or not weight.size:
        raise UnsupportedModelError(
            f"a Linear of weight {weight.shape} and bias {bias.shape} stands behind {len(features)} features: "
            f"(outputs, {len(features)}) and (outputs,) were expected"
        )
    return [dot(row, features, shift) for row, shift in zip(weight.tolist(), bias.tolist(), strict=True)]


def _normalised(features: Sequence[Feature], numbers: Mapping[str, Numbers], eps: float) -> list[Feature]:
    """Return (x - mean) gamma / sqrt(variance + eps) + beta of each feature."""
    mean, variance, ones = numbers["running_mean"], numbers["running_var"], np.ones(len(features))
    if mean.shape != ones.shape:
        raise UnsupportedModelError(f"a BatchNorm1d of {mean.size} features stands behind {len(features)}")
    if not (variance.astype(np.float64) + eps > 0).all():
        raise UnsupportedModelError("a BatchNorm1d divides by the root of a variance that is not positive")
    found, given = [], (mean, variance, numbers.get("weight", ones), numbers.get("bias", 0 * ones))
    for feature, *at in zip(features, *(each.tolist() for each in given), strict=True):
        with localcontext(prec=_DIGITS):
            factor = Fraction(Decimal(at[2]) / (Decimal(at[1]) + Decimal(eps)).sqrt())
        scale = exactly({None: factor})._replace(roundings=_NORM_ROUNDINGS)
        found.append(feature.plus(number(-at[0])).times(scale).plus(number(at[3])))
    return found


def _forward(module: nn.Module, dtype: str, columns: Cells) -> ArrayLike:
    """Return the module's own forward pass in evaluation, on the CPU; afterwards it is as it was."""
    import torch

    kind, trained = getattr(torch, dtype), [each for each in module.modules() if each.training]
    tensors = chain(module.named_parameters(), module.named_buffers())
    at = {name: each.detach().to("cpu", kind) for name, each in tensors if each.is_floating_point()}
    rows = torch.tensor([*columns.values()], dtype=kind).T
    try:
        with torch.no_grad():
            return cast("ArrayLike", torch.func.functional_call(module.eval(), at, (rows,)).double().numpy())
    except Exception as error:  # a forward that somebody wrote may raise anything
        raise UnsupportedModelError(f"forward fails on rows of numbers ({shown(str(error), 120)})") from error
    finally:
        for each in trained:
            each.training = True


def _linear_of_torch(numbers: Mapping[str, Numbers], dtype: str, columns: Cells) -> ArrayLike:
    from torch import nn, tensor

    rows, *given = (tensor(each.astype(dtype)) for each in (np.array([*columns.values()]).T, *numbers.values()))
    return cast("ArrayLike", nn.functional.linear(rows, **dict(zip(numbers, given, strict=True))).double().numpy())


def tensors_in(content: bytes) -> dict[str, Numbers]:
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

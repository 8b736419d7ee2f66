"""From a PyTorch module, or its state dict, to a checkpoint: layers that are affine, folded into one.

A weight of float32, bfloat16 or float16 is a float64 number as it is. Several layers become one, whose numbers are
rounded once. The factor of a BatchNorm1d, gamma / sqrt(variance + eps), is irrational: of 120 bits here, of 5 roundings
in torch (eps, sum, root, quotient, product), and 3 more for the way in which it is applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import chain
from math import isqrt
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import Feature, dot, number, term
from lr_export.importing.folding import DOUBLE, SINGLE, Source, SourceColumn, checkpoint_of
from lr_export.importing.ranges import ranges_of
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import OptionError, listed, shown
from lr_runtime.prediction.inputs import as_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import ArrayLike, NDArray
    from torch import nn

    from lr_export.importing.folding import Predict, Range
    from lr_runtime.contract.checkpoint import Checkpoint

    Numbers: TypeAlias = "NDArray[np.floating]"
    StateDict: TypeAlias = "Mapping[str, torch.Tensor | Numbers]"
    Names: TypeAlias = "str | Sequence[str] | None"

_IDENTITIES = frozenset({"AlphaDropout", "Dropout", "Dropout1d", "FeatureAlphaDropout", "Identity"})
"""The layers that leave rows of numbers as they are, in evaluation."""
_CAN = "Linear, BatchNorm1d, Dropout, Flatten, Identity and Sequential of these can"
_WHOLE = "Import the module itself, in Python: lr_export.from_torch(module)"
_NORM_ROUNDINGS = 8
_ROOT_BITS = 120


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
            nothing else; or the state dict of a Linear, or of a Sequential of Linear layers alone.
        ranges: the least and the greatest value of each column in training.
        X: rows to take these from: (rows, columns), or columns by name.
        columns: the names of the inputs; x1, x2, ... by default.
        target: the names of the outputs; y, or y1, y2, ... by default.

    Raises:
        UnsupportedModelError: a layer is not affine; the message names it.
        OptionError: a range is missing, or there are not as many names as inputs or outputs.
        CheckFailedError: what the module computes differs by more than rounding.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(1, 1)
        >>> checkpoint = from_torch(layer, ranges={"x1": (0.0, 10.0)})
        >>> checkpoint.weight.item() == layer.weight.item()
        True
    """
    if isinstance(module_or_state_dict, Mapping):
        source = of_state_dict(module_or_state_dict, columns, target)
    elif hasattr(module_or_state_dict, "named_parameters"):
        source = _of_module(module_or_state_dict, columns, target)
    else:
        kind = type(module_or_state_dict).__name__
        raise UnsupportedModelError(f"expected a module of PyTorch or a state dict, not {kind}")
    return checkpoint_of(source, ranges_of(source.columns, ranges, X))


def of_state_dict(state: StateDict, columns: Names, target: Names) -> Source:
    """Return a model whose weights alone are known: a Linear, or several that stand one behind the other.

    Raises:
        UnsupportedModelError: there may be other layers among them.
        OptionError: there are not as many names as inputs or outputs.
    """
    layers = _numbered({str(name): _numbers(str(name), each) for name, each in state.items()})
    width = layers[0][0].shape[-1] if layers[0][0].ndim else 0
    features = list(map(term, map(Power, range(width))))
    for weight, bias in layers:
        features = _linear(features, weight, bias)
    kind = np.result_type(np.float32, *(each.dtype for each in chain.from_iterable(layers) if each is not None))
    unit, predict = SINGLE if kind == np.float32 else DOUBLE, _linear_of_torch(layers, kind)
    source = Source("a PyTorch state dict", *_named(width, features, columns, target))
    return source._replace(predict=predict, called="torch.nn.functional.linear", unit=unit)


def _of_module(module: nn.Module, columns: Names, target: Names) -> Source:
    widths = (getattr(each, "in_features", getattr(each, "num_features", 0)) for each in module.modules())
    width = next(filter(None, widths), 0)
    if not width:
        raise UnsupportedModelError(f"{type(module).__name__} has no layer of known width. {_CAN} be folded")
    features = _folded(list(map(term, map(Power, range(width)))), module, type(module).__name__)
    kinds = {str(each.dtype) for each in (*module.parameters(), *module.buffers())}
    unit = DOUBLE if "torch.float64" in kinds else SINGLE
    called = "forward" if {"torch.float32", "torch.float64"} & kinds else "forward in float32"
    source = Source(f"PyTorch {type(module).__name__}", *_named(width, features, columns, target))
    return source._replace(predict=_forward(module, unit), called=called, unit=unit)


def _named(
    width: int, features: Sequence[Feature], columns: Names, target: Names
) -> tuple[tuple[SourceColumn, ...], tuple[str, ...], tuple[Feature, ...]]:
    """Return the columns, the names of the outputs and the outputs of a source."""
    names = []
    for option, given, usual, count in (("columns", columns, "x1", width), ("target", target, "y", len(features))):
        numbered = [usual] if count == 1 else [f"{usual[0]}{place}" for place in range(1, count + 1)]
        names.append(numbered if given is None else [given] if isinstance(given, str) else list(map(str, given)))
        if len(set(names[-1])) != count or len(names[-1]) != count:
            raise OptionError(f"--{option} takes {count} different names here, not {listed(names[-1])}")
    return tuple(map(SourceColumn, names[0])), tuple(names[1]), tuple(features)


def _folded(features: list[Feature], module: nn.Module, path: str) -> list[Feature]:
    """Return what a module makes of features."""
    kind, children = type(module).__name__, module._modules  # named_children leaves out a layer that comes twice
    if kind in _IDENTITIES or (kind == "Flatten" and getattr(module, "start_dim", 0) == 1):
        return features
    tensors = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    own = {name: _numbers(f"{path}.{name}", each) for name, each in tensors if name != "num_batches_tracked"}
    if kind == "Linear":
        return _linear(features, own["weight"], own.get("bias"))
    if kind == "BatchNorm1d" and "running_var" in own:
        return _normalised(features, own, float(getattr(module, "eps", 0.0)))
    if kind == "Sequential" or (len(children) == 1 and not own):
        for name, child in children.items():
            features = features if child is None else _folded(features, child, f"{path}.{name}")
        return features
    raise UnsupportedModelError(f"{path} is a {kind}, which is not affine, or not known to be. {_CAN} be folded")


def _linear(features: Sequence[Feature], weight: Numbers, bias: Numbers | None) -> list[Feature]:
    """Return the outputs of a Linear."""
    outputs = weight.shape[0] if weight.ndim == 2 else 0
    shifts = np.zeros(outputs) if bias is None else bias
    if weight.shape != (outputs, len(features)) or not outputs or shifts.shape != (outputs,):
        raise UnsupportedModelError(
            f"a Linear of weight {weight.shape} and bias {shifts.shape} stands behind {len(features)} features: "
            f"(outputs, {len(features)}) and (outputs,) were expected"
        )
    return [dot(row, features, shift) for row, shift in zip(weight.tolist(), shifts.tolist(), strict=True)]


def _normalised(features: Sequence[Feature], own: Mapping[str, Numbers], eps: float) -> list[Feature]:
    """Return (x - mean) / sqrt(variance + eps) gamma + beta of each feature."""
    found = []
    for place, feature in enumerate(features):
        at = {name: each.tolist()[place] for name, each in own.items()}
        squared = Fraction(at["running_var"]) + Fraction(eps)
        if squared <= 0:
            raise UnsupportedModelError("a BatchNorm1d divides by the root of a variance that is not positive")
        factor = Fraction(at.get("weight", 1.0)) * _one_over_root(squared)
        scale = Feature({None: factor}, {None: abs(factor)}, _NORM_ROUNDINGS)
        moved = feature.plus(number(-at["running_mean"]))
        found.append(moved.times(scale).plus(number(at.get("bias", 0.0))))
    return found


def _one_over_root(square: Fraction) -> Fraction:
    """Return 1 / sqrt(square), to `_ROOT_BITS` bits and more."""
    bits = _ROOT_BITS + square.numerator.bit_length()
    return Fraction(isqrt((square.denominator << 2 * bits) // square.numerator), 1 << bits)


def _numbers(name: str, tensor: torch.Tensor | Numbers) -> Numbers:
    """Return a tensor as an array of the same numbers."""
    if type(tensor).__name__.startswith("Uninitialized"):
        raise UnsupportedModelError(f"{name} has no numbers yet. Call the module on rows once, or train it")
    array = as_array(tensor, name, UnsupportedModelError)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise UnsupportedModelError(f"{name} holds {array.dtype}, where floats of up to 64 bits were expected")
    if not np.isfinite(array).all():
        raise UnsupportedModelError(f"{name} holds a number that is not finite")
    return cast("Numbers", array)


def _numbered(state: Mapping[str, Numbers]) -> list[tuple[Numbers, Numbers | None]]:
    """Return the weight and the bias of each layer of a state dict."""
    layers: dict[str, dict[str, Numbers]] = {}
    for name, each in state.items():
        layer, _, kind = name.rpartition(".")
        layers.setdefault(layer, {})[kind] = each
    for layer, found in layers.items():
        if "weight" not in found or found.keys() - {"weight", "bias"}:
            names = listed([f"{layer}.{kind}".lstrip(".") for kind in found])
            raise UnsupportedModelError(f"{names} in the state dict is not the weight and bias of a Linear. {_WHOLE}")
    first = next(iter(layers), "").rpartition(".")[0]
    in_order = [f"{first}.{place}".lstrip(".") for place in range(len(layers))]
    if not layers or (len(layers) > 1 and set(layers) != set(in_order)):
        raise UnsupportedModelError(
            f"a state dict of the layers {listed(list(layers)) or 'none'} does not tell what stands between them, such "
            f"as an activation. {_WHOLE}"
        )
    chosen = layers.values() if len(layers) == 1 else (layers[name] for name in in_order)
    return [(each["weight"], each.get("bias")) for each in chosen]


def _forward(module: nn.Module, unit: Fraction) -> Predict:
    """Return the module's own forward pass in evaluation, on the CPU; afterwards it is as it was."""

    def predict(columns: Mapping[str, list[object]]) -> ArrayLike:
        import torch

        kind = torch.float64 if unit == DOUBLE else torch.float32
        trained = [each for each in module.modules() if each.training]
        at = {name: each.detach().cpu() for name, each in (*module.named_parameters(), *module.named_buffers())}
        at = {name: each.to(kind) if each.is_floating_point() else each for name, each in at.items()}
        module.eval()
        try:
            with torch.no_grad():
                found = torch.func.functional_call(module, at, (torch.tensor([*columns.values()], dtype=kind).T,))
                return cast("ArrayLike", found.double().numpy())
        except Exception as error:  # a forward that somebody wrote may raise anything
            raise UnsupportedModelError(f"forward fails on rows of numbers ({shown(str(error), 120)})") from error
        finally:
            for each in trained:
                each.training = True

    return predict


def _linear_of_torch(layers: Sequence[tuple[Numbers, Numbers | None]], kind: np.dtype[np.floating]) -> Predict | None:
    """Return what torch makes of the layers; None where it is not installed."""
    try:
        import torch
    except ModuleNotFoundError:
        return None

    def predict(columns: Mapping[str, list[object]]) -> ArrayLike:
        found = torch.from_numpy(np.array([*columns.values()], dtype=kind).T.copy())
        for weight, bias in layers:
            shift = None if bias is None else torch.from_numpy(bias.astype(kind))
            found = torch.nn.functional.linear(found, torch.from_numpy(weight.astype(kind)), shift)
        return found.double().numpy()

    return predict

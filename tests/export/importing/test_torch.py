"""Modules and state dicts of PyTorch against their layers in fractions, on rows that the import did not see."""

from __future__ import annotations

import sys
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from lr_export import export, from_torch
from lr_export.errors import UnsupportedModelError
from lr_export.importing import folding
from lr_runtime.errors import CheckFailedError, OptionError
from tests.export.importing.exact_rows import gamma, predicted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lr_runtime.contract.formats import FormatName

Parts = list[tuple[Fraction, Fraction]]
"""The exact number of each feature, and the sum of the sizes of its parts."""

RANGES = {f"x{place}": (-2.0 * place, 3.0 + place) for place in range(1, 7)}


@pytest.fixture(autouse=True)
def few_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "_MOST_PROBED", 300)


class Lesson(nn.Module):
    """The class of a first lesson."""

    def __init__(self, after: Callable[[torch.Tensor], torch.Tensor] = lambda y: y) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)
        self.after = after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.linear(x))


def trained(module: nn.Module, width: int) -> nn.Module:
    """Return a module whose normalisations have seen rows."""
    for _ in range(3):
        module(torch.randn(16, width, dtype=next(module.parameters()).dtype) * 2 + 1)
    return module


def lazy() -> nn.Module:
    layer = nn.LazyLinear(2)
    layer(torch.ones(1, 3))
    return layer


MODULES: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(3, 1),
    "outputs": lambda: nn.Linear(2, 4),
    "no bias": lambda: nn.Linear(4, 2, bias=False),
    "float64": lambda: nn.Linear(3, 2).double(),
    "bfloat16": lambda: nn.Linear(3, 2).bfloat16(),
    "float16": lambda: nn.Linear(3, 2).half(),
    "two": lambda: nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2)),
    "three": lambda: nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4, bias=False), nn.Linear(4, 1)),
    "deep in float64": lambda: nn.Sequential(nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 1)).double(),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Identity()), nn.Sequential(nn.Linear(2, 1))),
    "dropout": lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 2), nn.AlphaDropout(0.1)),
    "flatten": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3, 1)),
    "norm first": lambda: trained(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1)), 3),
    "norm between": lambda: trained(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)), 3),
    "norm last": lambda: trained(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, eps=1e-3)), 2),
    "norm alone": lambda: trained(nn.BatchNorm1d(3), 3),
    "norm in float64": lambda: trained(nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)).double(), 2),
    "norm without weights": lambda: nn.Sequential(nn.BatchNorm1d(2, affine=False), nn.Linear(2, 1)),
    "norm in bfloat16": lambda: trained(nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)), 2).bfloat16(),
    "lazy": lazy,
    "lesson": Lesson,
    "lesson in a sequence": lambda: nn.Sequential(Lesson(), nn.Linear(1, 1)),
    "six": lambda: nn.Linear(6, 3),
    "in evaluation": lambda: nn.Linear(2, 1).eval(),
}


def exact(module: nn.Module, features: Parts) -> tuple[Parts, int]:
    """Return what a module makes of features, and the roundings on its longest path."""
    if isinstance(module, nn.Linear):
        rows = module.weight.double().tolist()
        shifts = [0.0] * len(rows) if module.bias is None else module.bias.double().tolist()
        weights = [list(map(Fraction, row)) for row in rows]
        return [
            (
                sum((w * v for w, (v, _) in zip(row, features, strict=True)), Fraction(shift)),
                sum((abs(w) * s for w, (_, s) in zip(row, features, strict=True)), abs(Fraction(shift))),
            )
            for row, shift in zip(weights, shifts, strict=True)
        ], len(features) + 1
    if isinstance(module, nn.BatchNorm1d):
        assert module.running_mean is not None
        assert module.running_var is not None
        ones = torch.ones(len(features))
        gammas = ones if module.weight is None else module.weight
        betas = 0 * ones if module.bias is None else module.bias
        numbers = (each.double().tolist() for each in (module.running_mean, module.running_var, gammas, betas))
        found = []
        for (value, before), mean, variance, weight, beta in zip(features, *numbers, strict=True):
            with localcontext(prec=60):
                factor = Fraction(Decimal(weight) / (Decimal(variance) + Decimal(module.eps)).sqrt())
            shift = Fraction(beta)
            size = (before + abs(Fraction(mean))) * abs(factor) + abs(shift)
            found.append(((value - Fraction(mean)) * factor + shift, size))
        return found, 11
    roundings = 0
    for child in module.children():
        features, more = exact(child, features)
        roundings += more
    return features, roundings


def width_of(module: nn.Module) -> int:
    return next(
        int(getattr(each, "in_features", 0) or getattr(each, "num_features", 0))
        for each in module.modules()
        if isinstance(each, nn.Linear | nn.BatchNorm1d)
    )


def ranges_of(width: int) -> dict[str, tuple[float, float]]:
    return dict(list(RANGES.items())[:width])


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_its_layers_in_fractions_within_the_rounding_of_its_own_arithmetic(name: str) -> None:
    torch.manual_seed(len(name))
    module = MODULES[name]()
    width, was_training = width_of(module), module.training
    checkpoint = from_torch(module, ranges=ranges_of(width))
    assert module.training == was_training
    is_double = next(module.parameters()).dtype == torch.float64
    unit, kind = (folding.DOUBLE, np.float64) if is_double else (folding.SINGLE, np.float32)
    low, high = np.array(list(ranges_of(width).values())).T
    rows = np.random.default_rng(7).uniform(low, high, (10, width)).astype(kind)
    as_float = module.double() if is_double else module.float()
    with torch.no_grad():
        computed = as_float.eval()(torch.from_numpy(rows)).double().tolist()
    for x, found in zip(rows.astype(np.float64).tolist(), computed, strict=True):
        outputs, roundings = exact(as_float, [(Fraction(value), abs(Fraction(value))) for value in x])
        for (value, size), mine, own in zip(outputs, predicted(checkpoint, x), found, strict=True):
            assert abs(mine - value) <= gamma(width + 3, folding.DOUBLE) * size
            assert abs(Fraction(own) - mine) <= gamma(roundings, unit) * size


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_the_weights_of_one_layer_stay_those_weights(kind: torch.dtype) -> None:
    layer = nn.Linear(3, 2).to(kind)
    for given in (layer, layer.state_dict()):
        checkpoint = from_torch(given, ranges=ranges_of(3))
        assert checkpoint.weight.tolist() == layer.weight.double().tolist()
        assert checkpoint.bias.tolist() == layer.bias.double().tolist()


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "relu": (lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)), "Sequential.1 is a ReLU"),
    "sigmoid": (lambda: nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()), "Sequential.1 is a Sigmoid"),
    "layer norm": (lambda: nn.Sequential(nn.LayerNorm(2), nn.Linear(2, 1)), "Sequential.0 is a LayerNorm"),
    "convolution": (lambda: nn.Sequential(nn.Linear(2, 1), nn.Conv1d(1, 1, 1)), "Sequential.1 is a Conv1d"),
    "no statistics": (lambda: nn.BatchNorm1d(2, track_running_stats=False), "is a BatchNorm1d"),
    "all rows as one": (lambda: nn.Sequential(nn.Flatten(0), nn.Linear(2, 1)), "Sequential.0 is a Flatten"),
    "not yet": (lambda: nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(1)), "Sequential.1.weight has no numbers yet"),
    "two children": (lambda: nn.Bilinear(2, 2, 1), "Bilinear is a Bilinear, which is not known to be affine"),
    "sizes": (lambda: nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 1)), "stands behind 3 features"),
    "sizes of a norm": (lambda: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(2)), "2 features stands behind 3"),
    "a norm of the weights": (lambda: nn.utils.spectral_norm(nn.Linear(2, 1)), "is a Linear, which is not known"),
    "a state dict of nothing": (dict, "of nothing is not that of one Linear"),
    "quantised": (lambda: {"weight": torch.ones(1, 2, dtype=torch.int8)}, "weight holds int8"),
    "complex": (lambda: {"weight": torch.ones(1, 2, dtype=torch.complex64)}, "weight holds complex64"),
    "not finite": (lambda: {"weight": np.array([[np.inf, 1.0]])}, "weight holds a number that is not finite"),
    "a class": (lambda: nn.Linear, "not type"),
    "a list": (lambda: [nn.Linear(2, 1)], "not list"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_folded_is_refused_by_name(name: str) -> None:
    make, said = REFUSED[name]
    with pytest.raises(UnsupportedModelError, match=said) as found:
        from_torch(make(), ranges=ranges_of(2))  # type: ignore[arg-type]
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    "after",
    [torch.sigmoid, torch.relu, lambda y: y.clamp(max=3), lambda y: y * 1.0001],
    ids=["sigmoid", "relu", "clamp", "factor"],
)
def test_a_forward_that_does_more_than_its_layers_is_found_by_running_it(
    after: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    module = Lesson(after)
    with torch.no_grad():
        module.linear.weight.copy_(torch.tensor([[1.0, -2.0]]))
    with pytest.raises(CheckFailedError, match="Nothing was imported"):
        from_torch(module, ranges=ranges_of(2))
    assert module.training


def test_names_are_as_many_as_there_are_and_ranges_come_from_rows() -> None:
    layer = nn.Linear(2, 2)
    rows = {"b": [5.0, 1.0], "a": [0.0, 2.0]}
    checkpoint = from_torch(layer, X=rows, columns=["a", "b"], target=["u", "v"], ranges={"a": (-9.0, 9.0)})
    assert [each[:3] for each in checkpoint.contract.columns] == [("a", -9.0, 9.0), ("b", 1.0, 5.0)]
    assert checkpoint.contract.output_names == ("u", "v")
    assert from_torch(layer, X=np.array([[0.0, 1.0], [2.0, 5.0]])).contract.output_names == ("y1", "y2")
    for wrong in ({"columns": ["a"]}, {"columns": ["a", "a"]}, {"target": "u"}):
        with pytest.raises(OptionError, match="takes 2 different names"):
            from_torch(layer, ranges=ranges_of(2), **wrong)
    with pytest.raises(OptionError, match=r"ranges.*X"):
        from_torch(layer)


def test_a_state_dict_of_one_layer_under_a_name_comes_in_and_several_may_have_an_activation_between() -> None:
    one = from_torch(Lesson().state_dict(), ranges=ranges_of(2))
    assert str(one.report.imported).startswith("torch.nn.functional.linear in float32 of a PyTorch state dict on ")
    layers = nn.ModuleList([nn.Linear(2, 3), nn.Linear(3, 1)])  # what is called between them stands in code alone
    with pytest.raises(UnsupportedModelError, match=r"not that of one Linear\. .*what stands between"):
        from_torch(nn.ModuleDict({"net": layers}).state_dict(), ranges=ranges_of(2))


def test_without_torch_a_state_dict_of_arrays_is_held_against_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    checkpoint = from_torch({"weight": np.array([[1.5, 2.0]], np.float32)}, ranges=ranges_of(2))
    assert checkpoint.report.imported is not None
    assert checkpoint.report.imported.held_against is None


@pytest.mark.parametrize("kind", ["onnx", "torchscript", "c", "js"])
def test_the_certificate_of_every_format_says_what_the_model_was_held_against(tmp_path: Path, kind: FormatName) -> None:
    checkpoint = from_torch(nn.Linear(2, 1), ranges=ranges_of(2))
    certificate = export(checkpoint, tmp_path / "model", format=kind, unverified=True)
    assert certificate.imported == checkpoint.report.imported
    said = certificate.to_json()["imported"]
    assert isinstance(said, dict)
    assert (said["model"], said["held_against"]) == ("PyTorch Linear", "forward in float32")
    assert 0 <= said["share"] <= 1


def test_a_layer_that_comes_twice_is_applied_twice() -> None:
    layer = nn.Linear(2, 2).double()
    checkpoint = from_torch(nn.Sequential(layer, layer), ranges=ranges_of(2))
    assert np.allclose(checkpoint.weight, (layer.weight @ layer.weight).detach().numpy(), rtol=1e-13)


def test_a_forward_that_fails_and_a_norm_of_no_variance_are_one_line() -> None:
    norm = nn.BatchNorm1d(2, eps=0.0)
    norm.running_var = torch.zeros(2)
    for module, said in ((norm, "variance"), (Lesson(lambda y: y @ y), "forward fails on rows of numbers")):
        with pytest.raises(UnsupportedModelError, match=said):
            from_torch(module, ranges=ranges_of(2))
        assert module.training

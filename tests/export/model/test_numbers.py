"""What an artefact holds: the checkpoint's numbers themselves, or their correct rounding, or a refusal."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lr_export.model.build import program_of
from lr_export.model.numbers import numbers_at
from lr_runtime.contract.contract import PRECISIONS
from lr_runtime.errors import CheckFailedError
from tests.conftest import checkpoint_of
from tests.export.oracle import fractions, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import Precision
    from tests.export.oracle import Exact

LOST: dict[str, tuple[Checkpoint, Precision, str]] = {
    "a weight too large": (checkpoint_of([[1e300]], 0.0), "float32", "the weight 1e+300"),
    "a bias too large": (checkpoint_of([[1.0]], -1e39), "float32", "the bias -1e+39"),
    "a weight that becomes subnormal": (checkpoint_of([[1.1e-40]], 0.0), "float32", "the weight 1.1e-40"),
    "a weight that becomes zero": (checkpoint_of([[1e-60]], 0.0), "float32", "the weight 1e-60"),
    "an origin between two numbers": (checkpoint_of([[1.0]], 0.0, origin=2.0**24 + 1), "float32", "an origin"),
    "an origin too large": (checkpoint_of([[1.0]], 0.0, origin=1e300), "float32", "the origin 1e+300"),
    "a scale that takes a weight too high": (checkpoint_of([[1e300]], 0.0, scale=2.0**-100), "exact", "over its scale"),
    "a scale that takes digits": (checkpoint_of([[1 / 3]], 0.0, scale=2.0**1023), "float64", "over its scale"),
    "a range too large": (checkpoint_of([[1e-300]], 0.0, low=-1e300), "exact", '"x1" reaches -1e+300'),
    "a range too large in float32": (checkpoint_of([[1e-3]], 0.0, high=1e39), "float32", '"x1" reaches 1e+39'),
}


@pytest.mark.parametrize(("checkpoint", "precision", "named"), LOST.values(), ids=LOST)
def test_a_number_that_would_be_lost_is_named(checkpoint: Checkpoint, precision: Precision, named: str) -> None:
    with pytest.raises(CheckFailedError) as caught:
        numbers_at(checkpoint, precision)
    assert named in str(caught.value)
    assert caught.value.exit_code == 3


def test_what_float32_loses_float64_keeps() -> None:
    for checkpoint, precision, _ in LOST.values():
        if precision == "float32":
            assert numbers_at(checkpoint, "float64").weight.dtype == np.float64


KEPT: dict[str, Checkpoint] = {
    "a subnormal that float32 holds": checkpoint_of([[2.0**-149]], 2.0**-140),
    "the largest float32": checkpoint_of([[1.0]], float(np.finfo(np.float32).max)),
    "zeros": checkpoint_of([[0.0]], -0.0),
    "a range that float32 rounds to its largest": checkpoint_of(
        [[0.5]], 0.0, high=float(np.nextafter(np.float64(np.finfo(np.float32).max), np.inf))
    ),
}


@pytest.mark.parametrize("checkpoint", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_number_that_fits_is_kept(checkpoint: Checkpoint, precision: Precision) -> None:
    numbers = numbers_at(checkpoint, precision)
    assert numbers.weight.tolist() == checkpoint.weight.tolist()
    assert numbers.bias.tobytes() == checkpoint.bias.astype(numbers.compute).tobytes()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_dtypes_of_a_precision(precision: Precision) -> None:
    numbers = numbers_at(checkpoint_of([[2.0, 3.0]], 1.0, origin=[1.0, 0.0]), precision)
    assert (numbers.input, numbers.compute, numbers.output) == {
        "exact": ("float32", "float64", "float32"),
        "float32": ("float32", "float32", "float32"),
        "float64": ("float64", "float64", "float64"),
        "portable": ("float32", "float32", "float32"),
    }[precision]
    assert {array.dtype.name for array in program_of(numbers).constants.values()} == {numbers.compute}


@settings(max_examples=100, deadline=None)
@given(
    weight=arrays.arrays(np.float64, (2, 3), elements=st.floats(-1e200, 1e200, allow_subnormal=False)),
    exponents=arrays.arrays(np.int64, 3, elements=st.integers(-1000, 1000)),
)
def test_a_scale_is_folded_in_exactly_or_refused(weight: NDArray[np.float64], exponents: NDArray[np.int64]) -> None:
    scale = np.ldexp(1.0, exponents)
    folded: Exact = fractions(weight) / fractions(scale)
    try:
        found = numbers_at(checkpoint_of(weight, 0.0, scale=scale), "float64").weight
    except CheckFailedError:
        # Only what float64 cannot hold is refused.
        assert not all(map(_holds, folded.ravel()))
    else:
        assert (fractions(found) == folded).all()


def _holds(value: Fraction) -> bool:
    try:
        return Fraction(float(value)) == value
    except OverflowError:
        return False


@settings(max_examples=50, deadline=None)
@given(weight=arrays.arrays(np.float64, (1, 4), elements=st.floats(1e-30, 1e30)))
def test_float32_numbers_are_correctly_rounded(weight: NDArray[np.float64]) -> None:
    found = numbers_at(checkpoint_of(weight, 0.0), "float32").weight
    assert found[0].tolist() == [float(nearest(Fraction(value), "float32")) for value in weight[0].tolist()]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_origin_of_zeros_is_left_out(precision: Precision) -> None:
    without = numbers_at(checkpoint_of([[2.0, 1.0]], 1.0, origin=[0.0, -0.0]), precision)
    assert program_of(without).constants.keys() == {
        "weight",
        "bias",
    }
    with_one = numbers_at(checkpoint_of([[2.0, 1.0]], 1.0, origin=[0.0, 4.0]), precision)
    assert program_of(with_one).constants["origin"].tolist() == [
        0.0,
        4.0,
    ]

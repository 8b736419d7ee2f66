"""Arithmetic in a fixed order: as right as the libraries', and with the same bits on other kernels of theirs."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lr_runtime.system.parallel import in_order
from lr_trainer.arithmetic import elementary, linear_algebra
from lr_trainer.arithmetic.fixed_order import fixed_order, in_fixed_order
from lr_trainer.statistics import student

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIZES = (1, 2, 3, 8, 33)

KERNELS = {
    "BLAS": {"OPENBLAS_CORETYPE": "Prescott"},
    "NumPy": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_ICL AVX512_SPR AVX2 FMA3"},
    "libm": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"},
}
"""What makes each library take the ways of a plainer processor."""


def random_matrices(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return a matrix, a positive definite one, and two right sides."""
    random = np.random.default_rng(size)
    matrix = random.normal(size=(size, size))
    return matrix, matrix @ matrix.T + np.eye(size), random.normal(size=(size, 2))


def in_both_ways(call: Callable[[], object]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a call gives in a fixed order, and by the libraries."""
    with fixed_order():
        ours = call()
    return np.asarray(ours), np.asarray(call())


@pytest.mark.parametrize("size", SIZES)
def test_linear_algebra_agrees_with_the_libraries(size: int) -> None:
    matrix, positive, right = random_matrices(size)
    root = np.asarray(np.linalg.cholesky(positive).T, dtype=np.float64)
    square = matrix + size * np.eye(size)
    calls: list[Callable[[], object]] = [
        lambda: linear_algebra.times(matrix, right),
        lambda: linear_algebra.times(matrix, right[:, 0]),
        lambda: linear_algebra.times(right[:, 0], matrix),
        lambda: linear_algebra.times(right[:, 0], right[:, 1]),
        lambda: linear_algebra.dots(matrix, positive, axis=0),
        lambda: linear_algebra.dots(matrix, positive, axis=1),
        lambda: linear_algebra.inner(matrix, positive),
        lambda: linear_algebra.norm(matrix),
        lambda: linear_algebra.hypot(matrix, positive),
        lambda: linear_algebra.cholesky(positive),
        lambda: linear_algebra.solve_triangular(root, right),
        lambda: linear_algebra.solve_triangular(root, right[:, 0], is_transposed=True),
        lambda: linear_algebra.solve_triangular(root / np.diag(root)[:, None], right, has_unit_diagonal=True),
        lambda: linear_algebra.triangular_inverse(root),
        lambda: linear_algebra.cholesky_solve(root, right),
        lambda: linear_algebra.solve(square, right),
        lambda: linear_algebra.solve(square[::-1], right[:, 0]),
        lambda: linear_algebra.solver_of(square)(right),
        lambda: linear_algebra.extreme_eigenvalues(positive),
        lambda: linear_algebra.extreme_eigenvalues(-positive),
        lambda: linear_algebra.largest_eigenvalue(positive),
        lambda: linear_algebra.squared_spectral_norm(matrix),
    ]
    for place, call in enumerate(calls):
        ours, usual = in_both_ways(call)
        assert ours == pytest.approx(usual, rel=1e-11, abs=1e-11 * np.abs(usual).max()), place


@pytest.mark.parametrize("size", SIZES)
def test_the_upper_root_keeps_each_row(size: int) -> None:
    matrix = random_matrices(size)[0] * 10.0 ** -np.arange(size)[:, None]
    with fixed_order():
        found = linear_algebra.upper_root(matrix)
    lengths = np.linalg.norm(matrix, axis=1)
    assert np.array_equal(found, np.triu(found))
    assert found @ found.T / np.outer(lengths, lengths) == pytest.approx(
        matrix @ matrix.T / np.outer(lengths, lengths), abs=1e-14 * size
    )


@pytest.mark.parametrize("size", SIZES)
def test_a_condition_in_the_1_norm_is_that_of_the_inverse(size: int) -> None:
    positive = random_matrices(size)[1]
    norms = [np.abs(each).sum(axis=0).max() for each in (positive, np.linalg.inv(positive))]
    with fixed_order():
        root = linear_algebra.cholesky(positive)
        assert root is not None
        found = linear_algebra.reciprocal_condition(root, norms[0])
    assert found == pytest.approx(1 / (norms[0] * norms[1]), rel=1e-10)


@fixed_order()
def test_what_cannot_be_solved_is_told() -> None:
    assert linear_algebra.cholesky(np.array([[1.0, 2.0], [2.0, 1.0]])) is None
    assert linear_algebra.cholesky(np.full((2, 2), math.nan)) is None
    with pytest.raises(np.linalg.LinAlgError):
        linear_algebra.solve(np.ones((2, 2)), np.ones(2))


@given(st.floats() | st.floats(-1, 1) | st.floats(0.5, 2), st.sampled_from(["log", "log1p", "exp"]))
@settings(max_examples=200, deadline=None)
@example(1e300, "log1p")
@example(2.0**100, "log1p")
@example(1e-15, "log1p")
@example(5e-324, "log")
@example(-745.1, "exp")
def test_elementary_functions_are_the_nearest_numbers(x: float, name: str) -> None:
    with fixed_order(), np.errstate(all="ignore"):
        found = float(getattr(elementary, name)(np.array([x]))[0])
        usual = float(getattr(np, name)(x))
    if not math.isfinite(usual) or not usual:
        assert np.array_equal(found, usual, equal_nan=True)
        return
    with mpmath.workprec(300):
        exact = getattr(mpmath, name)(mpmath.mpf(x))
        assert abs(mpmath.mpf(found) - exact) <= 0.501 * mpmath.mpf(float(np.spacing(abs(usual))))


@given(st.floats(1e-300, 1e300))
@settings(deadline=None)
def test_logarithms_of_single_numbers_are_the_nearest(x: float) -> None:
    with fixed_order(), mpmath.workprec(200):
        assert elementary.ln(x) == float(mpmath.log(x))
        assert elementary.log10(x) == float(mpmath.log10(x))


def test_steps_from_1_to_the_last_are_in_proportion() -> None:
    ours, usual = in_both_ways(lambda: elementary.geometric(1e-10, 100))
    assert ours == pytest.approx(usual, rel=1e-13)
    assert ours[[0, -1]].tolist() == [1.0, 1e-10]
    ours, usual = in_both_ways(lambda: elementary.whole_power(np.array([-3.0, 0.0, 0.1]), 5))
    assert ours == pytest.approx(usual, rel=1e-15)


@given(st.floats(0, 100), st.integers(1, 200), st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_tails_are_the_nearest_numbers(f: float, numerator: int, denominator: int) -> None:
    with mpmath.workdps(40):
        x = denominator / (denominator + numerator * mpmath.mpf(f))
        exact = mpmath.betainc(mpmath.mpf(denominator) / 2, mpmath.mpf(numerator) / 2, 0, x, regularized=True)
    with fixed_order():
        assert student.f_tail(f, numerator, denominator) == pytest.approx(float(exact), rel=3e-16)
        if numerator == 1:
            assert student.two_sided(-math.sqrt(f), denominator) == pytest.approx(float(exact), rel=1e-13)


@pytest.mark.parametrize("degrees", [1, 2, 7, 100, 10**6, 10**12])
@pytest.mark.parametrize("probability", [0.975, 0.2, 0.5])
def test_quantiles_agree_with_scipy(degrees: int, probability: float) -> None:
    ours, usual = in_both_ways(lambda: student.quantile(probability, degrees))
    assert float(ours) == pytest.approx(float(usual), rel=1e-12, abs=1e-15)


def test_tails_far_out_are_0_and_near_0_are_1() -> None:
    with fixed_order():
        assert student.f_tail(math.inf, 3, 10) == student.two_sided(1e5, 10**9) == 0.0
        assert student.f_tail(0.0, 3, 10) == student.two_sided(1e-200, 5) == 1.0


def test_threads_are_in_the_order_of_their_caller() -> None:
    assert not in_fixed_order()
    with fixed_order():
        assert all(in_order(lambda _: in_fixed_order(), range(4), 2))
    with fixed_order(False):
        assert not any(in_order(lambda _: in_fixed_order(), range(4), 2))
    assert not in_fixed_order()


PARTS = """
import sys
import numpy as np
from tests.trainer.arithmetic.test_fixed_order import in_one
print(in_one(bool(int(sys.argv[1]))))
"""


def in_one(is_fixed: bool) -> str:
    """Return the SHA-256 of what many operations give, from numbers that no library computes."""
    i, j = np.arange(80.0)[:, None], np.arange(80.0)
    grid = np.mod((7919 * i * i + 104729 * i * j + 31) * 2.0**-17, 1.0)
    positive = (grid[:, :, None] * grid[:, None, :]).sum(axis=0) + np.eye(80)
    with fixed_order(is_fixed):
        root = linear_algebra.cholesky(positive)
        assert root is not None
        found = [
            root,
            linear_algebra.times(grid, grid),
            linear_algebra.dots(grid, positive, axis=1),
            linear_algebra.solve(grid + np.eye(80), grid),
            linear_algebra.triangular_inverse(root),
            linear_algebra.upper_root(grid),
            np.array(linear_algebra.extreme_eigenvalues(positive)),
            *(function(1 + 9 * grid) for function in (elementary.log, elementary.log1p, elementary.exp)),
            np.array([elementary.ln(each + 0.1) for each in grid[:40].ravel()]),
            np.array([student.two_sided(9 * each, 37) for each in grid.ravel()[:400]]),
            np.array([student.quantile(0.975, each) for each in range(1, 40)]),
        ]
    return hashlib.sha256(b"".join(each.tobytes() for each in found)).hexdigest()


@pytest.mark.parametrize("library", KERNELS)
def test_other_kernels_give_the_same_bits_in_a_fixed_order_alone(library: str) -> None:
    def there(is_fixed: bool) -> str:
        command = [sys.executable, "-c", PARTS, str(int(is_fixed))]
        environment = {**os.environ, **KERNELS[library]}
        done = subprocess.run(command, env=environment, capture_output=True, check=False, text=True)
        if done.returncode < 0:
            pytest.skip(f"this processor does not run these kernels (signal {-done.returncode})")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert there(True) == in_one(True)
    if there(False) == in_one(False):
        pytest.skip(f"the kernels of {library} for plainer processors are those of this one, or give the same bits")

"""Fits by exact sums: the same bytes in any order of the rows and from any parts, and all digits that they hold."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import FitError, LinedgeError
from lr_trainer import Checkpoint, Descent, fit, merge, update
from tests.trainer.exact_solution import digits_of_fit, exact_solutions
from tests.trainer.fitting.test_kernels import KERNELS
from tests.trainer.ill_conditioned import design, targets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from tests.conftest import Run

Table = dict[str, Any]
ROWS = 400


def table() -> Table:
    """Return rows of columns far from 0 and of many sizes, with a category, weights and a group."""
    random = np.random.default_rng(7)
    site = random.choice(["a", "b", "c", "d"], ROWS)
    columns = {
        "x": random.normal(size=ROWS),
        "stamp": 1.7e9 + random.normal(size=ROWS),
        "tiny": 1e-7 * random.standard_cauchy(ROWS),
        "site": site,
        "w": random.exponential(size=ROWS) + 0.1,
        "group": random.integers(0, 9, ROWS).astype(str),
    }
    y = columns["x"] + 3 * columns["stamp"] + (site == "b") + random.normal(size=ROWS)
    return columns | {"y": y, "z": random.normal(size=ROWS)}


def among(rows: Table, chosen: NDArray[Any]) -> Table:
    return {name: values[chosen] for name, values in rows.items()}


def exactly(rows: Table, options: Mapping[str, Any]) -> Checkpoint:
    return fit(rows, **{"target": "y", "exact_sums": True, **options})


JOINED: dict[str, dict[str, Any]] = {
    "numbers": {"features": ["x", "stamp", "tiny"]},
    "weights": {"features": ["x", "stamp"], "weight": "w"},
    "no intercept": {"features": ["x", "tiny"], "intercept": False},
    "categories": {"features": ["x", "site"], "weight": "w", "units": {"x": "m", "y": "kg"}},
    "two targets": {"features": ["x", "site"], "target": ["y", "z"]},
    "bounds": {"features": ["x", "stamp"], "nonpositive": ["x"]},
    "a function": {"features": ["x", "w"], "transforms": {"w": "sqrt"}},
}
SHUFFLED: dict[str, dict[str, Any]] = JOINED | {
    "powers": {"features": ["x", "stamp"], "degree": 3},
    "a formula": {"target": None, "formula": "y ~ stamp * x + C(site)"},
    "gaps": {"features": ["gap", "x"], "missing": "mean"},
    "gaps as terms": {"features": ["gap", "site"], "missing": "indicator"},
    "dropped rows": {"features": ["gap", "x"], "missing": "drop"},
    "a ridge": {"features": ["x", "stamp"], "l2": 0.5},
    "the smallest weights": {"features": ["x", "tiny"], "minimum_norm": True},
    "groups": {"features": ["x", "site"], "cv": 3, "cv_group": "group"},
}


@pytest.mark.parametrize("case", SHUFFLED)
def test_rows_in_another_order_give_the_same_bytes(case: str) -> None:
    rows, random = table(), np.random.default_rng(1)
    rows["gap"] = np.where(random.random(ROWS) < 0.1, np.nan, rows["w"])
    found = exactly(rows, SHUFFLED[case])
    assert exactly(among(rows, random.permutation(ROWS)), SHUFFLED[case]).to_bytes() == found.to_bytes()
    usual = fit(rows, **{"target": "y", **SHUFFLED[case]})
    np.testing.assert_allclose(found.weight, usual.weight, rtol=1e-7, atol=1e-12)


@settings(max_examples=3, deadline=None)
@pytest.mark.parametrize("case", JOINED)
@given(data=st.data())
def test_parts_in_any_order_join_to_the_bytes_of_a_fit_of_all_rows(case: str, data: st.DataObject) -> None:
    rows, random = table(), np.random.default_rng(data.draw(st.integers(0, 99)))
    whole = exactly(rows, JOINED[case]).to_bytes()
    label = random.permutation(np.arange(ROWS) % data.draw(st.integers(2, 5)))
    parts = [among(rows, label == each) for each in data.draw(st.permutations(range(label.max() + 1)))]
    fits = [Checkpoint.from_bytes(exactly(part, JOINED[case]).to_bytes()) for part in parts]
    assert merge(*fits).to_bytes() == whole
    assert merge(merge(*fits[1:]), fits[0]).to_bytes() == whole if len(fits) > 2 else True
    found = fits[0]
    for part in parts[1:]:
        found = update(found, part)
    assert found.to_bytes() == whole


@pytest.mark.parametrize("missing", ["first", "last"])
def test_levels_that_differ_from_part_to_part_are_united(missing: str) -> None:
    rows = table()
    gone = rows["site"] == {"first": "a", "last": "d"}[missing]
    alone = gone | (np.arange(ROWS) < 40)
    options = {"features": ["x", "site"], "weight": "w"}
    parts = [exactly(among(rows, chosen), options) for chosen in (~alone, alone)]
    whole = exactly(rows, options).to_bytes()
    assert [merge(*parts).to_bytes(), merge(*parts[::-1]).to_bytes()] == [whole, whole]
    assert update(parts[0], among(rows, alone)).to_bytes() == whole


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("condition", [1e4, 1e12])
def test_fits_have_all_digits_however_nearly_dependent_the_columns_are(condition: float, *, intercept: bool) -> None:
    x = design(3000, 6, condition)
    y = targets(x, [1e-3])
    found = digits_of_fit(fit(x, y, intercept=intercept, exact_sums=True), *exact_solutions(x, y, intercept=intercept))
    assert found.coefficients is not None
    assert found.errors is not None
    assert min(found.coefficients, found.errors) > 14.5  # the usual fit has 12 where the condition number is 1e12


MOMENTS = """
import hashlib, json, sys
import numpy as np
from lr_trainer import fit
random = np.random.default_rng(0)
rows = {"x": random.normal(size=(9000, 40)), "w": random.random(9000) + 0.5, "y": random.normal(size=9000)}
found = [fit(rows, target="y", exact_sums=True, **options).moments for options in ({"ignore": ["w"]}, {"weight": "w"})]
sums = [[each[name].tobytes() for name in sorted(each) if not name.startswith("fine.")] for each in found]
print(hashlib.sha256(repr(sums).encode()).hexdigest())
"""


def test_any_kernel_of_a_matrix_product_gives_the_same_moments() -> None:
    found = set()
    for kernel in KERNELS:
        environment = {**os.environ, "OPENBLAS_CORETYPE": kernel}
        done = subprocess.run([sys.executable, "-c", MOMENTS], env=environment, capture_output=True, check=False)
        assert done.returncode <= 0, done.stderr.decode()
        found.add(done.stdout if done.returncode == 0 else b"")  # a kernel that the processor lacks ends the process
    assert len(found - {b""}) == 1


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a conformal interval": ({"interval": 0.9, "l2": 1.0}, "interval takes"),
    "folds by row": ({"cv": 3}, "cv_group takes groups"),
    "a penalty by folds": ({"penalty": "auto"}, "penalty=.auto. takes folds"),
    "robust errors": ({"errors": "hc3"}, "errors adds"),
    "influence": ({"influence": True}, "influence tells"),
    "a device": ({"device": "cuda"}, "device cuda adds"),
    "a descent": ({"descent": Descent()}, "exact_sums belongs to"),
    "a function of the target": ({"transforms": {"y": "reciprocal"}}, "targets as they are"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_depends_on_the_order_of_rows_is_refused_in_a_line(case: str) -> None:
    options, words = REFUSED[case]
    rows = among(table(), np.arange(20)) | {"y": np.arange(1.0, 21.0)}
    with pytest.raises(LinedgeError, match=words) as caught:
        exactly(rows, {"features": ["x"], **options})
    assert "\n" not in str(caught.value)


def test_many_columns_are_refused_in_a_line() -> None:
    x = np.random.default_rng(0).normal(size=(20, 256))
    with pytest.raises(FitError, match="256 terms and targets at most, and there are 257"):
        fit(x, x[:, 0] + 1, exact_sums=True)


def test_rounded_and_exact_sums_are_not_joined() -> None:
    rows = {name: table()[name] for name in ("x", "y")}
    with pytest.raises(FitError, match="the sums are exact in the first, rounded here"):
        merge(exactly(rows, {}), fit(rows, target="y"))


def test_what_is_infinite_or_too_large_is_refused_as_ever() -> None:
    rows: Table = {"x": np.array([1.0, 2.0, np.inf, 4.0]), "y": np.arange(4.0)}
    with pytest.raises(LinedgeError) as usual:
        fit(rows, target="y")
    with pytest.raises(LinedgeError) as caught:
        exactly(rows, {})
    assert str(caught.value) == str(usual.value)
    rows["x"] = np.array([1e200, 2e200, 5e200, 4e200])
    with pytest.raises(FitError, match="does not hold their squares"):
        exactly(rows, {})


def test_the_command_fits_joins_and_refuses(tmp_path: Any, run: Callable[..., Run]) -> None:
    random = np.random.default_rng(3)
    lines = [f"{a!r},{b!r}" for a, b in random.normal(size=(60, 2)).tolist()]
    for name, chosen in {"all": lines, "north": lines[40:], "south": lines[:40][::-1]}.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["x,y", *chosen]) + "\n")
        output = tmp_path / f"{name}.safetensors"
        assert run("lr-train", tmp_path / f"{name}.csv", "--target", "y", "--exact-sums", "-o", output).returncode == 0
    both = tmp_path / "both.safetensors"
    parts = [tmp_path / "north.safetensors", tmp_path / "south.safetensors"]
    assert run("lr-train", "--merge", *parts, "-o", both).returncode == 0
    assert both.read_bytes() == (tmp_path / "all.safetensors").read_bytes()

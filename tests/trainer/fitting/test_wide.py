"""Tables with fewer rows than coefficients: refused or solved from their rows, without the products of their terms."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import linalg

import lr_trainer
from lr_runtime.errors import FitError
from lr_trainer.errors import TooFewRowsError
from lr_trainer.fitting import table
from lr_trainer.moments import few_rows

if TYPE_CHECKING:
    from pathlib import Path

    from lr_trainer import Checkpoint

    Array = np.ndarray[Any, np.dtype[np.float64]]

ROWS, COLUMNS = 20, 300


@pytest.fixture
def data() -> dict[str, Array]:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(ROWS, COLUMNS)) * 10.0 ** rng.integers(-4, 5, size=COLUMNS) + 30 * rng.normal(size=COLUMNS)
    x[:, 3], x[:, 5] = 0.1, x[:, 4]
    noise = rng.normal(size=(2, ROWS))
    return {"x": x, "y": x[:, 0] + noise[0], "z": noise[1], "w": rng.uniform(0.1, 4.0, ROWS)}


@pytest.fixture
def no_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the moments of all terms were taken")

    for name in ("take_moments", "take_moments_of_folds"):
        monkeypatch.setattr(table, name, refuse)


def by_lstsq(x: Array, y: Array, weights: Array, l2: float, *, intercept: bool) -> Array:
    """Return the weights of columns that vary: of the least-squares problem that has the penalty as further rows."""
    share = weights / weights.sum()
    if intercept:
        x, y = x - share @ x, y - share @ y
    deviation = np.sqrt(share @ x**2)
    rows, target = x / deviation * np.sqrt(share)[:, None], y * np.sqrt(share)
    if l2:
        rows = np.vstack([rows, np.sqrt(l2) * np.eye(len(deviation))])
        target = np.concatenate([target, np.zeros(len(deviation))])
    return np.asarray(linalg.lstsq(rows, target, cond=1e-10, lapack_driver="gelsy")[0] / deviation)


@pytest.mark.parametrize(("weight", "intercept"), [(None, True), ("w", True), ("w", False)])
@pytest.mark.parametrize(("aim", "l2"), [({"minimum_norm": True}, 0.0), ({"l2": 2.0}, 2.0), ({"l2": 0.01}, 0.01)])
@pytest.mark.usefixtures("no_moments")
def test_it_is_the_solution_of_the_rows(
    data: dict[str, Array], aim: dict[str, Any], l2: float, weight: str | None, *, intercept: bool
) -> None:
    given_data = {name: values for name, values in data.items() if name != "w" or weight}
    found = lr_trainer.fit(given_data, target=["y", "z"], weight=weight, intercept=intercept, **aim)
    weights = data["w"] if weight else np.ones(ROWS)
    varies = np.ones(COLUMNS, dtype=np.bool_)
    varies[3] = not intercept
    for output, name in enumerate(("y", "z")):
        expected = by_lstsq(data["x"][:, varies], data[name], weights, l2, intercept=intercept)
        deviation = data["x"][:, varies].std(axis=0) + 1e-3
        assert found.weight[output, varies] * deviation == pytest.approx(expected * deviation, rel=1e-8, abs=1e-10)
        residuals = data[name] - (data["x"] - found.origin) @ found.weight[output] - found.bias[output]
        rmse = np.sqrt(weights @ residuals**2 / weights.sum())
        assert found.report.quality[output].rmse == pytest.approx(rmse, rel=1e-6, abs=1e-9)
    assert not found.weight[:, ~varies].any()
    assert found.report.constant == (("x4",) if intercept else ())
    assert (found.report.arithmetic, found.report.rows.passes) == ("float64", 1)


@pytest.mark.parametrize("aim", [{"minimum_norm": True}, {"l2": 0.5}, {"l2": 0.5, "interval": 0.5}])
def test_moments_in_double_double_say_the_same(
    data: dict[str, Array], aim: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"target": "y", "ignore": ["z", "w"], **aim}
    found = lr_trainer.fit(data, **options)
    monkeypatch.setattr(table, "few_rows", lambda _: None)
    expected = lr_trainer.fit(data, **options)
    assert found.contract.columns == expected.contract.columns
    for one, other in zip(found.report.conformal or (), expected.report.conformal or (), strict=True):
        assert one == pytest.approx(other, rel=1e-9)
    assert found.weight == pytest.approx(expected.weight, rel=1e-9)
    assert found.report.quality[0].r2 == pytest.approx(expected.report.quality[0].r2, rel=1e-9)


integers = st.integers(-9, 9)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.lists(integers, min_size=6, max_size=6), min_size=3, max_size=5),
    target=st.lists(integers, min_size=5, max_size=5),
    l2=st.sampled_from([0.0, 2.0**-20, 0.5, 8.0]),
)
def test_no_more_digits_are_claimed_than_hold(rows: list[list[int]], target: list[int], l2: float) -> None:
    x, y = np.array(rows, dtype=float), np.array(target[: len(rows)], dtype=float)
    assume((np.ptp(x, axis=0) > 0).all() and not (x == y[:, None]).all(axis=0).any())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few_rows, "_NARROW", 0)
        found = lr_trainer.fit({"x": x, "y": y}, target="y", **({"l2": l2} if l2 else {"minimum_norm": True}))
    assume(found.report.arithmetic == "float64")
    digits = found.report.coefficient_digits or 9.0
    for value, expected in zip(found.weight[0], exactly(x, y, l2), strict=True):
        assert abs(Fraction(float(value)) - expected) <= abs(expected) * Fraction(10) ** -Fraction(digits)


def exactly(x: Array, y: Array, l2: float) -> list[Fraction]:
    """Return the weights in fractions: (K + l2 I + s s') a = c by elimination, w_j = sum_i x_ij a_i / sd_j^2."""
    count = len(x)
    columns = [[Fraction(float(v)) for v in column] for column in (*x.T, y)]
    centred = [[value - sum(column, Fraction(0)) / count for value in column] for column in columns]
    squares = [sum((value * value for value in column), Fraction(0)) / count for column in centred[:-1]]
    matrix = [
        [
            sum((c[i] * c[k] / s for c, s in zip(centred[:-1], squares, strict=True)), Fraction(0)) / count
            + Fraction(1, count)
            + (Fraction(l2) if i == k else 0)
            for k in range(count)
        ]
        + [centred[-1][i]]
        for i in range(count)
    ]
    for i in range(count):
        pivot = next(k for k in range(i, count) if matrix[k][i])
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        matrix[i] = [value / matrix[i][i] for value in matrix[i]]
        for k in range(count):
            if k != i:
                matrix[k] = [a - matrix[k][i] * b for a, b in zip(matrix[k], matrix[i], strict=True)]
    dual = [row[-1] for row in matrix]
    return [
        sum((v * a for v, a in zip(column, dual, strict=True)), Fraction(0)) / square / count
        for column, square in zip(centred[:-1], squares, strict=True)
    ]


@pytest.mark.usefixtures("no_moments")
def test_too_few_rows_are_refused_before_their_moments(data: dict[str, Array]) -> None:
    with pytest.raises(TooFewRowsError, match=r"^20 rows do not determine 300 coefficients \(one a column, and the in"):
        lr_trainer.fit(data, target="y", ignore=["z", "w"])


def test_a_column_that_is_the_target_is_said_first(data: dict[str, Array]) -> None:
    with pytest.raises(FitError, match=r'"x1" holds the same values as the target "y"'):
        lr_trainer.fit({"x": data["x"], "y": data["x"][:, 0]}, target="y")


def test_equal_rows_leave_it_to_double_double(data: dict[str, Array]) -> None:
    twice = {name: np.concatenate([values[:10], values[:10]]) for name, values in data.items()}
    found = lr_trainer.fit(twice, target="y", ignore=["z", "w"], minimum_norm=True)
    assert found.report.arithmetic == "double-double"


def test_no_moments_are_stored_and_no_rows_can_join(data: dict[str, Array], tmp_path: Path) -> None:
    found = lr_trainer.fit(data, target="y", ignore=["z", "w"], l2=1.0)
    found.save(tmp_path / "wide.safetensors")
    loaded: Checkpoint = lr_trainer.Checkpoint.load(tmp_path / "wide.safetensors")
    assert not loaded.moments
    assert np.array_equal(loaded.weight, found.weight)
    with pytest.raises(FitError, match="a penalised or conformal checkpoint depends on more than its moments"):
        lr_trainer.update(loaded, data)
    with pytest.raises(FitError, match="a penalised or conformal checkpoint depends on more than its moments"):
        lr_trainer.merge(loaded, loaded)


def test_as_many_rows_as_coefficients_take_the_moments() -> None:
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(301, COLUMNS)), "y": rng.normal(size=301)}
    assert lr_trainer.fit(data, target="y", l2=1.0).moments
    assert not lr_trainer.fit({name: values[:300] for name, values in data.items()}, target="y", l2=1.0).moments


def test_levels_whose_products_would_not_fit_are_refused() -> None:
    rng = np.random.default_rng(0)
    columns = {name: np.array([f"v{n % 4000}" for n in rng.permutation(9000)]) for name in ("a", "b", "c")}
    columns["b"][:3] = "more"
    with pytest.raises(FitError, match=r'make 11,99\d terms.*"b" alone has 4,001 levels: group them, or leave it out'):
        lr_trainer.fit({**columns, "x": rng.normal(size=9000), "y": rng.normal(size=9000)}, target="y")

"""Tables whose first block is unlike the rest, of which the pilot is a poor guess: the digits hold nevertheless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from lr_trainer import fit, merge
from lr_trainer.moments import passes
from lr_trainer.rows import blocks
from tests.trainer.exact_solution import digits_of_fit, exact_solutions, on_grid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FIRST, ROWS = 64, 300


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (blocks, passes):
        monkeypatch.setattr(module, "block_rows", lambda _: FIRST)


def changed(x: Array, rows: slice, columns: int | slice, value: Any) -> Array:
    x[rows, columns] = value
    return x


START, REST = slice(FIRST), slice(FIRST, None)
TABLES: dict[str, Callable[[Array], Array]] = {
    "sorted by a column": lambda x: x[np.argsort(x[:, 0])],
    "a column 0 there": lambda x: changed(x, START, 1, 0.0),
    "a column constant there": lambda x: changed(x, START, 1, 0.1),
    "all but one constant there": lambda x: changed(x, START, slice(2), 7.0),
    "a column nearly constant there": lambda x: changed(x, START, 1, 0.1 + 1e-9 * x[START, 1]),
    "duplicates there": lambda x: changed(x, START, 1, x[START, 0]),
    "near duplicates there": lambda x: changed(x, START, 1, x[START, 0] + 1e-12 * x[START, 1]),
    "near duplicates later": lambda x: changed(x, REST, 1, x[REST, 0] + 1e-6 * x[REST, 1]),
    "a category that comes last": lambda x: changed(x, slice(None), 1, 1.0 * (np.arange(ROWS) > ROWS - 4)),
    "an outlier there": lambda x: changed(x, slice(3, 4), 0, 1e6),
    "an outlier later": lambda x: changed(x, slice(203, 204), 0, 1e6),
    "a jump of level": lambda x: changed(x, REST, 0, x[REST, 0] + 1e6),
    "a jump of scale": lambda x: changed(x, REST, 0, 1e8 * x[REST, 0]),
    "a trend": lambda x: np.linspace(0, 1, ROWS)[:, None] ** [1, 1, 2] + 1e-5 * x * [0, 1, 0],
    "a time": lambda x: changed(x, slice(None), 0, 1.7e9 + 60 * np.arange(ROWS)),
    "units far apart": lambda x: x * [1e-30, 1.0, 1e30],
}


def table(case: str, condition: float, noise: float) -> tuple[Array, Array]:
    random = np.random.default_rng(3)
    x = random.normal(size=(ROWS, 3))
    x[:, 2] = x[:, 0] + x[:, 2] / condition
    x = on_grid(TABLES[case](x))
    y = (x / x.std(axis=0)) @ [1.0, -2.0, 0.7] + noise * random.normal(size=ROWS)
    return x, on_grid(y[:, None])


def columns_of(x: Array, y: Array) -> dict[str, Any]:
    return {**{f"x{place}": column for place, column in enumerate(x.T)}, "y": y[:, 0]}


@pytest.mark.parametrize("case", TABLES)
@pytest.mark.parametrize(("condition", "noise", "intercept"), [(1, 1.0, True), (1e4, 1e-8, True), (1e6, 1e-4, False)])
def test_a_poor_pilot_costs_a_pass_and_no_digits(case: str, condition: float, noise: float, intercept: bool) -> None:
    x, y = table(case, condition, noise)
    found = fit(columns_of(x, y), target="y", intercept=intercept)
    digits = digits_of_fit(found, exact_solutions(x, y, intercept=intercept)[0])
    assert digits.coefficients is not None
    assert digits.errors is not None
    assert min(digits.coefficients, digits.errors) >= 9
    assert found.fit["passes"] <= 3


@pytest.mark.parametrize("condition", [1, 1e6])
@pytest.mark.parametrize("case", [each for each in TABLES if each not in {"duplicates there", "a time"}])
def test_parts_about_pilots_far_apart_have_the_digits_that_are_stated(case: str, condition: float) -> None:
    x, y = table(case, condition, 1e-8)
    columns, parts = columns_of(x, y), []
    for start in range(0, ROWS, 75):
        parts.append({name: values[start : start + 75] for name, values in columns.items()})
    if any(len(set(values)) == 1 for part in parts for values in part.values()):
        parts = [columns, columns]
        x, y = np.concatenate([x, x]), np.concatenate([y, y])
    joined = merge(*(fit(part, target="y") for part in parts))
    digits = digits_of_fit(joined, exact_solutions(x, y)[0])
    assert digits.coefficients is not None
    assert digits.errors is not None
    assert min(digits.coefficients, digits.errors) >= joined.fit["digits"] - 0.5
    assert joined.fit["digits"] >= 7


@pytest.mark.parametrize("case", ["units far apart", "a jump of level", "near duplicates later"])
def test_the_bits_of_further_passes_depend_on_the_rows_alone(case: str, tmp_path: Path) -> None:
    x, y = table(case, 1e4, 1e-4)
    columns, found = columns_of(x, y), []
    rows = np.ascontiguousarray(np.concatenate([x, y], axis=1))
    found.append(fit(columns, target="y"))
    found.append(fit({name: rows[:, place] for place, name in enumerate(columns)}, target="y"))
    files = []
    for start, stop in ((0, 33), (33, 200), (200, ROWS)):
        files.append(tmp_path / f"{start}.parquet")
        parquet.write_table(pa.table({name: each[start:stop] for name, each in columns.items()}), files[-1])
    found.append(fit(files, target="y"))
    for each in found[1:]:
        assert each.fit["passes"] == found[0].fit["passes"]
        for name, array in each.moments.items():
            assert array.tobytes() == found[0].moments[name].tobytes(), name

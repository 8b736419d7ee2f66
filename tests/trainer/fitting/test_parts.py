"""Tables in parts on other machines: the fit of all rows, to the digits that are stated, however they are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import FitError, LinedgeError, MissingColumnError, OptionError, TableError
from lr_runtime.tables import TableOptions
from lr_trainer import Checkpoint, fit
from lr_trainer.errors import CollinearError, TooFewRowsError
from lr_trainer.fitting.parts import fit_parts, options_of
from tests.trainer.exact_solution import digits_of_fit, exact_solutions, on_grid
from tests.trainer.fitting.in_parts import cut, evenly, fit_in, running
from tests.trainer.fitting.test_fit import sample

if TYPE_CHECKING:
    from collections.abc import Callable


def readings(rows: int = 600, seed: int = 0) -> pa.Table:
    """Rows with numbers far from 0, gaps, a category, weights and two targets."""
    random, columns = np.random.default_rng(seed), sample(rows, seed)
    columns["time"] = np.datetime64("2024-01-01") + random.integers(0, 1000, rows)
    columns["t"] = 1.7e9 + 3600 * random.normal(size=rows)
    columns["gaps"] = np.where(random.random(rows) < 0.1, np.nan, random.random(rows) + 1)
    columns["p"] = random.random(rows) + 1
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


WAYS: dict[str, dict[str, Any]] = {
    "numbers": {"target": "y", "features": ["a", "b", "t"]},
    "without an intercept": {"target": "y", "features": ["a", "b"], "intercept": False},
    "categories, weights, units": {"target": "y", "features": ["a", "site"], "weight": "w", "units": {"a": "m"}},
    "several targets": {"target": ["y", "p"], "features": ["a", "b"]},
    "powers": {"target": "y", "features": ["b", "t"], "degree": 3},
    "functions": {"target": "y", "features": ["p", "b"], "transforms": {"p": "log,linear", "b": "hinge:3"}},
    "products": {"target": "y", "features": ["a", "p", "site"], "interact": ["a:p", "p:site"]},
    "a formula": {"formula": "y ~ a * site + log(p) + I(t**2)"},
    "instants": {"target": "y", "features": ["time", "a"], "time": {"time": "days"}},
    "dropped rows": {"target": "y", "features": ["gaps", "a"], "missing": "drop"},
    "means": {"target": "y", "features": ["gaps", "a"], "missing": "mean"},
    "indicators": {"target": "y", "features": ["gaps", "site"], "missing": "indicator", "degree": 2},
    "targets left out": {"target": "gaps", "features": ["a"], "missing_target": "drop"},
    "ridge": {"target": "y", "features": ["a", "b"], "l2": 0.1},
    "lasso": {"target": "y", "features": ["a", "b", "p"], "l1": 0.3},
    "bounds": {"target": "y", "features": ["a", "b"], "bounds": {"a": (1.2, None)}, "nonnegative": ["b"]},
    "the smallest weights": {"target": "y", "features": ["a", "b"], "minimum_norm": True},
    "an interval": {"target": "y", "features": ["a", "b"], "interval": 0.9},
}


@pytest.mark.parametrize("way", WAYS)
def test_parts_give_the_fit_of_one_table(way: str) -> None:
    table = readings()
    found, whole = fit_in(evenly(table, 4), **WAYS[way]), fit(table, **WAYS[way])
    assert found.report.digits is not None
    assert found.report.digits >= 9
    off = 10.0**-found.report.digits * np.linalg.norm(whole.weight)
    np.testing.assert_allclose(found.weight, whole.weight, rtol=0, atol=off)
    assert found.contract.columns == whole.contract.columns
    assert found.contract.rows == whole.contract.rows
    assert found.terms == whole.terms
    assert found.report.rows == whole.report.rows
    assert found.report.cautions == whole.report.cautions
    assert found.report.bounds == whole.report.bounds
    assert found.report.penalty == whole.report.penalty
    assert [each.r2 for each in found.report.quality] == pytest.approx([each.r2 for each in whole.report.quality])


@settings(max_examples=15, deadline=None)
@given(st.data(), st.integers(0, 99), st.integers(4, 30))
def test_any_cuts_give_the_exact_solution_to_the_digits_that_are_stated(data: st.DataObject, seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2)) * [1.0, 1e3] + random.integers(-2, 3, 2) * [10.0, 1e6]
    x, y = on_grid(x), on_grid(x @ [[1.0], [-0.5]] + random.normal(size=(n, 1)))
    table = pa.table({"u": x[:, 0], "v": x[:, 1], "y": y[:, 0]})
    parts = cut(table, data.draw(st.lists(st.integers(0, n), max_size=8)))
    found = fit_in(data.draw(st.permutations(parts)), target="y")
    digits = digits_of_fit(found, exact_solutions(x, y)[0])
    assert digits.coefficients is not None
    assert found.report.digits is not None
    assert digits.coefficients >= found.report.digits


@pytest.mark.parametrize("cuts", [[0, 0, 600], [1, 2, 3], [600] * 5, range(0, 600, 8)])
def test_parts_without_rows_or_of_one_row_are_parts(cuts: list[int]) -> None:
    table = readings()
    way = WAYS["categories, weights, units"]
    found, whole = fit_in(cut(table, cuts), **way), fit(table, **way)
    np.testing.assert_allclose(found.weight, whole.weight, rtol=10 ** -(found.report.digits or 0))
    assert found.report.rows == whole.report.rows


def test_the_order_of_answers_changes_no_byte() -> None:
    parts = evenly(readings(), 6)
    first = parts[0]
    found = [
        fit_parts(first, running(each), options_of(WAYS["powers"]), None, print).to_bytes()
        for each in (parts, parts[::-1])
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("way", ["categories, weights, units", "functions", "instants", "means", "products", "bounds"])
def test_exact_sums_give_the_bytes_of_one_table_however_it_is_cut(way: str) -> None:
    table, asked = readings(), {**WAYS[way], "exact_sums": True}
    whole = fit(table, **asked).to_bytes()
    shuffled = table.take(np.random.default_rng(0).permutation(table.num_rows))
    assert fit_in(evenly(table, 5), **asked).to_bytes() == whole
    assert fit_in(cut(shuffled, [1, 1, 2, 500]), **asked).to_bytes() == whole


def test_a_level_of_one_part_is_a_level() -> None:
    table = pa.table({"s": ["b"] * 20 + ["a"] * 20, "x": [1.0, 2.0] * 20, "y": [1.0, 3.0] * 10 + [2.0, 4.5] * 10})
    found = fit_in(evenly(table, 4), target="y")
    assert found.contract.columns[0].categories == ("a", "b")
    np.testing.assert_allclose(found.weight, fit(table, target="y").weight, rtol=1e-12)


def test_what_an_answer_takes_does_not_depend_on_rows() -> None:
    sizes: dict[tuple[int, int], int] = {}
    for columns in (5, 50):
        for rows in (100, 3000):
            seen: list[int] = []
            x = np.random.default_rng(0).normal(size=(rows, columns))
            table = pa.table({f"x{place}": each for place, each in enumerate(x.T)})

            def wire(answer: bytes, seen: list[int] = seen) -> bytes:
                seen.append(len(answer))
                return answer

            fit_parts(table, running([table], wire), options_of({"target": "x0"}), None, print)
            sizes[columns, rows] = seen[0]
    assert abs(sizes[50, 3000] - sizes[50, 100]) < 100  # digits of counts in a header
    assert 3 * 8 * 50**2 < sizes[50, 100] < 3 * 8 * 50**2 + 24 * 5**2 * 50


def test_collinear_columns_are_named_or_left_out() -> None:
    table = readings().append_column("a2", pa.compute.multiply(readings()["a"], 2.0))
    asked: dict[str, Any] = {"target": "y", "features": ["a", "b", "a2"]}
    with pytest.raises(CollinearError, match=r'"a2" = 2 \* "a"'):
        fit_in(evenly(table, 3), **asked)
    assert fit_in(evenly(table, 3), drop_collinear=True, **asked).report.collinear == ("a2",)


def test_gross_outliers_are_told_of_and_a_copy_of_the_target_is_refused() -> None:
    table = readings()
    a = np.array(table["a"]).copy()
    a[7] = 1e6
    table = table.set_column(0, "a", pa.array(a))
    found = fit_in(evenly(table, 3), target="y", features=["a", "b"])
    assert found.report.cautions == fit(table, target="y", features=["a", "b"]).report.cautions
    assert any("gross outliers" in line for line in found.report.cautions)
    with pytest.raises(FitError, match="holds the same values as the target"):
        fit_in(evenly(table.append_column("copy", table["y"]), 3), target="y", features=["a", "copy"])


@pytest.mark.parametrize(
    "asked",
    [
        {"cv": 5},
        {"penalty": "auto"},
        {"cv": 5, "cv_group": "site"},
        {"errors": "hc3"},
        {"influence": True},
        {"l2": 1.0, "interval": 0.9},
        {"device": "cuda"},
        {"descent": object()},
        {"surprise": 1},
    ],
)
def test_what_takes_more_than_moments_is_refused_in_one_line(asked: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"takes more than the moments .* Use lr_trainer.fit on one machine, or") as e:
        fit_in([readings()], target="y", **asked)
    assert "\n" not in str(e.value)


LATE = 12_000


def late(change: Callable[[pa.Table], pa.Table]) -> list[pa.Table]:
    """Return a table with something wrong in its second part, behind the rows that are looked at first."""
    table = pa.table({"x": np.arange(LATE) % 7.0, "s": ["a", "b", "c"] * (LATE // 3), "y": np.arange(LATE) % 5.0})
    return [table, change(table.slice(0, 3))]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            lambda: late(lambda t: t.set_column(0, "x", pa.array([1.0, None, 2.0]))),
            "a part of the table row 2, column .x.: the value is missing.*missing=.drop",
        ),
        (
            lambda: late(lambda t: t.set_column(0, "x", pa.array([1.0, np.inf, 2.0]))),
            "a part of the table row 2, column .x.: the value is not finite",
        ),
        (lambda: late(lambda t: t.drop_columns("x")), 'a part of the table has no column "x"'),
        (lambda: late(lambda t: t.set_column(0, "x", pa.array(["p", "q", "r"]))), "is not a number"),
    ],
)
def test_what_is_wrong_with_a_part_is_one_line(parts: Callable[[], list[pa.Table]], said: str) -> None:
    first, second = parts()
    each = running([first, second])
    with pytest.raises(LinedgeError, match=said) as raised:
        fit_parts(first.slice(0, 10_000), each, options_of({"target": "y"}), None, print)
    assert "\n" not in str(raised.value)


def test_bad_rows_of_any_part_are_left_out_and_counted() -> None:
    first, second = late(lambda t: t.set_column(0, "x", pa.array([1.0, np.inf, 2.0])))
    found = fit_in([first, second], TableOptions(skips=True), target="y")
    assert (found.report.rows.rows_read, found.report.rows.rows_skipped) == (LATE + 2, 1)
    whole = fit(pa.concat_tables([first, second]), target="y", options=TableOptions(skips=True), warn=print)
    assert found.report.rows == whole.report.rows


def test_nothing_to_fit_is_one_line() -> None:
    table = readings()
    with pytest.raises(MissingColumnError, match="zzz"):
        fit_in(evenly(table, 2), target="zzz")
    with pytest.raises(TableError, match="has no rows"):
        fit_in(evenly(table.slice(0, 0), 2), target="y")
    gone = pa.table({"x": pa.array([None] * 6, pa.float64()), "y": np.arange(6.0)})
    for missing in ("drop", "mean"):
        with pytest.raises(LinedgeError, match=r"no (rows|values)"):
            fit_in(evenly(gone, 2), target="y", missing=missing)
    with pytest.raises(TooFewRowsError):
        fit_in(evenly(table.slice(0, 3), 2), target="y", features=["a", "b", "t"])


def test_rows_that_come_differently_the_second_time_are_refused() -> None:
    table = readings()
    calls: list[int] = []

    def each(work: Any) -> Any:
        calls.append(1)
        return running([table, table] if len(calls) > 1 else [table])(work)

    with pytest.raises(TableError, match="600 rows came in one pass, 1200 in the next"):
        fit_parts(table, each, options_of(WAYS["powers"]), None, print)


def test_a_checkpoint_of_parts_is_one_like_any_other() -> None:
    found = fit_in(evenly(readings(), 3), **WAYS["categories, weights, units"])
    again = Checkpoint.from_bytes(found.to_bytes())
    assert again.to_bytes() == found.to_bytes()
    assert again.contract.columns[0].unit == "m"

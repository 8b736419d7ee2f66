"""Gross outliers are said in one line; columns with long tails, few values or two states are left in peace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from lr_trainer import Checkpoint, Descent, fit, merge, update
from lr_trainer.cli import main as lr_train
from lr_trainer.rows.outliers import are_outliers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Draw = Callable[[np.random.Generator, int], NDArray[Any]]

QUIET: dict[str, Draw] = {
    "normal": lambda r, n: r.normal(size=n),
    "log-normal, 1": lambda r, n: r.lognormal(0, 1, n),
    "log-normal, 2": lambda r, n: -r.lognormal(0, 2, n),
    "log-normal, 3": lambda r, n: r.lognormal(0, 3, n),
    "exponential": lambda r, n: r.exponential(size=n),
    "Pareto, 1": lambda r, n: 1 + r.pareto(1, n),
    "Pareto, 2.5": lambda r, n: 1 + r.pareto(2.5, n),
    "Cauchy": lambda r, n: r.standard_cauchy(n),
    "Student, 2": lambda r, n: r.standard_t(2, n),
    "0 and 1": lambda r, n: (r.random(n) < 0.4) * 1.0,
    "0 and, rarely, 1": lambda r, n: (r.random(n) < 0.002) * 1.0,
    "1 and, rarely, 1e6": lambda r, n: np.where(r.random(n) < 0.002, 1e6, 1.0),
    "sparse counts": lambda r, n: r.poisson(0.05, n) * 1.0,
    "counts with a tail": lambda r, n: r.zipf(2, n) * 1.0,
    "rain": lambda r, n: r.exponential(size=n) * (r.random(n) < 0.28),
    "sales": lambda r, n: r.lognormal(3, 2, n) * (r.random(n) < 0.3),
    "timestamps": lambda r, n: 1.7e9 + np.cumsum(r.exponential(size=n)),
    "timestamps of two days": lambda r, n: 1.7e9 + np.arange(n) + 86400 * 90.0 * (np.arange(n) > 0.8 * n),
    "a constant but for rounding": lambda r, n: 0.3 + 2.0**-54 * r.integers(0, 3, n) + (r.random(n) < 0.001),
    "a constant": lambda r, n: np.full(n, 7.0),
    "huge": lambda r, n: 1.7e308 * r.uniform(-1, 1, n),
}


@pytest.mark.parametrize("name", QUIET)
@pytest.mark.parametrize("rows", [2000, 10_000])
def test_no_wolf(name: str, rows: int) -> None:
    for seed in range(6):
        assert not are_outliers(QUIET[name](np.random.default_rng(seed), rows) + 0.0).any()


@pytest.mark.parametrize("name", ["normal", "log-normal, 1", "exponential", "sparse counts", "0 and 1", "timestamps"])
def test_no_wolf_in_small_tables(name: str) -> None:
    for seed in range(40):
        for rows in (1, 2, 3, 5, 12, 25, 60):
            assert not are_outliers(QUIET[name](np.random.default_rng(seed), rows)).any()


def test_a_wide_log_normal_column_seldom_has_any_even_in_a_small_table() -> None:
    draws = [QUIET["log-normal, 3"](np.random.default_rng(seed), 60) for seed in range(200)]
    assert sum(are_outliers(values).any() for values in draws) <= 4  # forty without a look at the logarithms


SEEN: dict[str, Draw] = {
    "normal": lambda r, n: r.normal(size=n),
    "far from 0": lambda r, n: r.normal(20, 3, n),
    "negative": lambda r, n: -r.normal(1000, 1, n),
    "uniform": lambda r, n: r.uniform(0, 1, n),
    "whole": lambda r, n: r.integers(1, 100, n) * 1.0,
    "log-normal": lambda r, n: r.lognormal(0, 0.5, n),
    "mostly one value": lambda r, n: np.where(r.random(n) < 0.6, 20.0, r.normal(20, 0.5, n)),
}


@pytest.mark.parametrize("name", SEEN)
def test_a_factor_of_a_hundred_in_eight_cells_of_5000_is_seen(name: str) -> None:
    for seed in range(5):
        random = np.random.default_rng(seed)
        values = SEEN[name](random, 5000)
        # Where the factor leads away at all: a normal value near 0 stays there.
        cells = random.choice(np.flatnonzero(np.abs(values - np.median(values)) >= np.std(values) / 4), 8)
        values[cells] *= 100
        far = np.flatnonzero(are_outliers(values))
        assert set(far) <= set(cells)
        assert len(far) >= 1


@pytest.mark.parametrize("code", [-999.0, 1e9, 0.0])
def test_a_code_for_a_missing_value_is_seen(code: float) -> None:
    values = np.random.default_rng(0).normal(400, 2, size=300)
    values[[7, 100, 205]] = code
    values[3] = np.nan
    assert np.flatnonzero(are_outliers(values)).tolist() == [7, 100, 205]


def columns(rows: int = 5000) -> dict[str, Any]:
    random = np.random.default_rng(9)
    a, b = random.normal(20, 3, rows), random.normal(size=rows)
    found = {"a": a, "s": np.array(["n", "s"])[random.integers(0, 2, rows)], "b": b, "w": random.pareto(0.5, rows) + 1}
    found["y"] = 3 * a + b + 5 * random.normal(size=rows)
    found["a"] = a.copy()
    found["a"][[310, 411, *range(600, 606)]] *= 100
    found["y"][[17, 4000]] = -1e6
    return found


SAID = 'the median: "a" 8 (the first in row 311), "y" 2 (the first in row 18). Another unit'
WAYS: dict[str, dict[str, Any]] = {
    "plain, in memory": {"features": ["a", "b"]},
    "categories": {"features": ["a", "s", "b"]},
    "powers": {"features": ["a", "b"], "degree": 2},
    "weights": {"features": ["a", "b"], "weight": "w"},
    "a penalty": {"features": ["a", "b"], "l2": 0.1},
}


@pytest.mark.parametrize("way", WAYS)
def test_features_and_targets_are_in_one_line(way: str) -> None:
    lines = [line for line in fit(columns(), target="y", **WAYS[way]).fit["cautions"] if "gross outliers" in line]
    assert len(lines) == 1
    assert SAID in lines[0]


def test_rows_are_those_of_the_table_whatever_is_left_out() -> None:
    table = columns()
    table["b"][:100] = np.nan
    dropped = fit(table, target="y", features=["a", "b"], missing="drop").fit["cautions"]
    assert '"a" 8 (the first in row 311), "y" 1 (the first in row 4001)' in dropped[-1]
    descent = Descent(loss="huber", validation=0.05, epochs=2)
    held_out = fit(columns(), target="y", features=["a"], descent=descent).fit["cautions"]
    assert any('(the first in row 311), "y"' in line for line in held_out)


def test_only_the_first_rows_are_looked_at_in_every_way_in(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    a, y = random.normal(size=(2, 10_500))
    a[[9_999, 10_000]] = 1e6
    table = {"a": a, "y": y}
    cut = [{name: values[part] for name, values in table.items()} for part in (slice(0, 300), slice(300, None))]
    for name, part in {"t": table, "0": cut[0], "1": cut[1]}.items():
        rows = np.column_stack([part["a"], part["y"]])
        np.savetxt(tmp_path / f"{name}.csv", rows, "%.17g", ",", header="a,y", comments="")
    ways: list[Any] = [table, tmp_path / "t.csv", [tmp_path / "0.csv", tmp_path / "1.csv"]]
    ways.append({**table, "a": a.astype(object)})
    fits = [fit(way, target="y") for way in ways]
    assert all('"a" 1 (the first in row 10000)' in each.fit["cautions"][0] for each in fits)
    assert len({each.to_bytes() for each in fits[:3]}) == 1
    start = fit(cut[0], target="y")
    assert start.fit["cautions"] == []
    assert '"a" 2 (the first in row 9700)' in update(start, cut[1]).fit["cautions"][0]
    assert merge(start, start).fit["cautions"] == []


def test_many_columns_take_one_line_and_json_has_it(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=(200, 9))
    values[5, :8] = 1e5
    names = [*(f"c{place}" for place in range(8)), "y"]
    np.savetxt(tmp_path / "t.csv", values, "%.17g", ",", header=",".join(names), comments="")
    done = CliRunner().invoke(
        lr_train, [str(tmp_path / "t.csv"), "--target=y", "--json", "--minimum-norm", f"-o{tmp_path / 'm'}"]
    )
    (line,) = (line for line in json.loads(done.stdout)["cautions"] if "gross outliers" in line)
    assert line.count("the first in row 6") == 5
    assert "and 3 columns more" in line
    assert done.stderr.count("gross outliers") == 1
    assert line in Checkpoint.load(tmp_path / "m").fit["cautions"]

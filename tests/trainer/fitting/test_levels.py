"""Checkpoints whose categories have other levels are joined as if all rows had been fitted at once."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import FitError
from lr_trainer import Checkpoint, fit, merge, update
from lr_trainer.cli import main as lr_train

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Columns = dict[str, Any]


def sites(rows: int = 600, seed: int = 0) -> Columns:
    random = np.random.default_rng(seed)
    site = np.array(["n", "s", "e", "æ", "a b"])[random.integers(0, 5, rows)]
    kind = np.array(["x", "w", "z"])[random.integers(0, 3, rows)]
    a, b = random.normal(size=rows), 1e4 + random.normal(size=rows)
    y = 2 * a - b + 3.0 * (site == "s") - (site == "e") + (kind == "w") + 20 * random.normal(size=rows)
    return {"site": site, "a": a, "kind": kind, "b": b, "w": random.uniform(0.5, 2, rows), "y": y}


def some(columns: Columns, chosen: NDArray[np.bool_]) -> Columns:
    return {name: values[chosen] for name, values in columns.items()}


def in_parts(columns: Columns) -> list[Columns]:
    """Return parts with the levels {n, s, æ} x {x, w}, {s} x {z}, and all: the reference level differs in each."""
    site, kind, third = columns["site"], columns["kind"], np.arange(len(columns["y"])) % 3
    first = np.isin(site, ["n", "s", "æ"]) & (kind != "z") & (third == 0)
    second = (site == "s") & (kind == "z")
    return [some(columns, chosen) for chosen in (first, second, ~first & ~second)]


def assert_same(joined: Checkpoint, whole: Checkpoint) -> None:
    assert joined.contract.columns == whole.contract.columns
    assert joined.terms == whole.terms
    for end in ("minimum", "maximum", "count"):
        assert joined.moments[end].tolist() == whole.moments[end].tolist()
    share = 10.0 ** -joined.fit["digits"]
    assert joined.fit["digits"] > 8
    for found, expected in zip(joined.fit["coefficients"], whole.fit["coefficients"], strict=True):
        assert found["term"] == expected["term"]
        size = max(abs(expected["estimate"]), expected["standard_error"])
        assert abs(found["estimate"] - expected["estimate"]) <= share * size
        assert found["standard_error"] == pytest.approx(expected["standard_error"], rel=share)
    for figure in ("r2", "residual_sd", "f", "aic"):
        assert joined.fit[figure] == pytest.approx(whole.fit[figure], rel=share)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weight", [None, "w"])
def test_parts_with_other_levels_are_the_fit_of_all_rows(weight: str | None, intercept: bool) -> None:
    columns = sites()
    options: dict[str, Any] = {
        "target": "y",
        "intercept": intercept,
        "weight": weight,
        "features": ["site", "a", "kind", "b"],
    }
    whole = fit(columns, **options)
    parts = in_parts(columns)
    fits = [fit(part, **options) for part in parts]
    assert_same(merge(*fits), whole)
    assert_same(merge(*fits[::-1]), whole)
    assert_same(update(update(fits[1], parts[0]), parts[2]), whole)
    assert_same(update(merge(fits[2], fits[0]), parts[1]), whole)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("cabd"), st.integers(-9, 9), st.booleans()), min_size=12, max_size=30))
def test_moments_on_the_union_are_those_of_the_rows(rows: list[tuple[str, int, bool]]) -> None:
    cut = len(rows) // 2
    parts = [rows[:cut], rows[cut:]]
    fits = []
    for part in parts:
        # Each part has a missing value and a second level, so that it can be fitted and has the same policy.
        part += [("", 1, True), ("d", -3, False), ("c", 5, True)]
        columns = {"s": np.array([level for level, _, _ in part]), "x": np.array([float(x) for _, x, _ in part])}
        columns["y"] = columns["x"] ** 2 + [float(z) for _, _, z in part]
        fits.append(fit(columns, target="y", features=["s"], missing="indicator"))
    joined = merge(*fits)
    levels = joined.contract.columns[0].categories
    everything = parts[0] + parts[1]
    assert levels == tuple(sorted({level for level, _, _ in everything} - {""}))
    exact = [[Fraction(level == other) for other in (*levels[1:], "")] for level, _, _ in everything]
    for row, (_, x, z) in zip(exact, everything, strict=True):
        row.append(Fraction(x) ** 2 + z)
    count, width = len(exact), len(exact[0])
    mean = [sum(row[i] for row in exact) / count for i in range(width)]
    comoment = [[sum((r[i] - mean[i]) * (r[j] - mean[j]) for r in exact) for j in range(width)] for i in range(width)]
    found = joined.moments
    np.testing.assert_allclose(found["mean"], [float(each) for each in mean], rtol=1e-14)
    size = np.sqrt([float(comoment[i][i]) for i in range(width)])
    away = np.abs(found["comoment"] - np.array([[float(each) for each in row] for row in comoment]))
    assert (away <= 1e-12 * np.outer(size, size)).all()
    assert found["minimum"].tolist() == [float(min(row[i] for row in exact)) for i in range(width)]
    assert found["maximum"].tolist() == [float(max(row[i] for row in exact)) for i in range(width)]


@pytest.mark.parametrize("seed", range(3))
def test_the_stated_digits_hold_where_a_reference_level_is_rare(seed: int) -> None:
    random = np.random.default_rng(seed)
    level = np.array(["a", "b", "c", "d", "e"])[random.choice(5, 4000, p=[0.2, 0.0005, 0.3, 0.2995, 0.2])]
    level[-2:] = "b"
    x = random.normal(size=4000) + 1e3 * (level == "d")
    columns = {"level": level, "x": x, "y": x + 5 * (level == "b") + random.normal(size=4000)}
    first = (level != "a") & (np.arange(4000) > 100)
    joined = merge(*(fit(some(columns, chosen), target="y") for chosen in (first, ~first)))
    whole = fit(columns, target="y")
    away = np.linalg.norm(joined.weight - whole.weight) / np.linalg.norm(whole.weight)
    assert joined.fit["digits"] >= 9  # the rounding of the frequent levels does not count against the rare one
    assert away <= 10 ** -joined.fit["digits"]


def test_the_command_joins_them(tmp_path: Path) -> None:
    files = {"ns": ("n", "s"), "se": ("s", "e")}
    rows = {name: [f"{levels[i % 2]},{i},{3 * i + i * i % 7}\n" for i in range(20)] for name, levels in files.items()}
    rows["all"] = rows["ns"] + rows["se"]
    runner = CliRunner(catch_exceptions=False)
    for name, lines in rows.items():
        (tmp_path / f"{name}.csv").write_text("site,a,y\n" + "".join(lines))
        done = runner.invoke(lr_train, [str(tmp_path / f"{name}.csv"), "--target", "y", "-o", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    done = runner.invoke(lr_train, ["--merge", str(tmp_path / "ns"), str(tmp_path / "se"), "-o", str(tmp_path / "m")])
    assert done.exit_code == 0, done.output
    assert_same(Checkpoint.load(tmp_path / "m"), Checkpoint.load(tmp_path / "all"))


def test_a_category_does_not_join_a_number() -> None:
    columns = sites(60)
    columns["n"] = np.arange(60) % 4
    first = fit(columns, target="y", features=["n", "a"])
    with pytest.raises(FitError, match='the values of "n" are numbers in the first, categories here'):
        merge(first, fit(columns, target="y", features=["n", "a"], category=["n"]))


def test_too_many_levels_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = sites(200)
    monkeypatch.setattr("lr_trainer.fitting.levels.MOST_LEVELS", 4)
    parts = [some(columns, np.isin(columns["site"], list(names))) for names in (("n", "s", "e"), ("æ", "a b"))]
    first = fit(parts[0], target="y", features=["site"])
    with pytest.raises(FitError, match='"site" has over 4 different texts together'):
        merge(first, fit(parts[1], target="y", features=["site"]))

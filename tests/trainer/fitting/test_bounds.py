"""Bounds of coefficients as a user gives them: of which terms, in what units, what is reported, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from scipy.special import stdtrit

from lr_runtime.contract.interval import interval_of
from lr_runtime.errors import FitError, LinedgeError, OptionError, UnsupportedModelError
from lr_trainer import Checkpoint, fit, merge, update
from lr_trainer.descent.options import Descent
from tests.conftest import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Run

    Runner = Callable[..., Run]


def table(rows: int = 300, seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    a, b, site = 20 + 4 * random.normal(size=rows), random.normal(size=rows), random.choice([*"NSE"], rows)
    return {
        "a": a,
        "b": b,
        "site": site,
        "y": 3 - 0.3 * a + a**2 / 20 + b - 2 * (site == "S") + random.normal(size=rows),
    }


def estimates(checkpoint: Checkpoint) -> dict[str, float | None]:
    return {each.term: each.estimate for each in checkpoint.report.coefficients}


def at_bounds(checkpoint: Checkpoint) -> list[str]:
    return [each.term for each in checkpoint.report.coefficients if each.at_bound]


def test_the_command_keeps_names_of_terms_in_their_bounds(run: Runner, tmp_path: Path) -> None:
    rows = table()
    lines = [",".join(map(str, row)) for row in zip(*rows.values(), strict=True)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(rows), *lines]))
    options = ("--nonnegative", "b", "--nonpositive", "site=N", "--bound", "site=S=0:", "--bound", "b=:0.5")
    done = run("lr-train", "t.csv", "--target", "y", *options)
    assert [line.split()[:3] for line in done.stdout.splitlines() if line.startswith("* ")] == [
        ["*", "b", "0.5"],
        ["*", "site=N", "0"],
        ["*", "site=S", "0"],
        ["*", "at", "a"],
    ]
    expected = fit(rows, target="y", nonnegative=["site=S"], nonpositive=["site=N"], bounds={"b": (0, 0.5)})
    found = Checkpoint.load(tmp_path / "model.safetensors")
    assert estimates(found) == estimates(expected)
    assert set(found.report.bounds) == set(expected.report.bounds)
    assert json.dumps(found.fit["bounds"][0]) == '{"term": "b", "lower": 0.0, "upper": 0.5}'
    for texts in (("a=2:1",), ("a=nan:1",), ("a=:",), ("a=1",), ("a",), ("a=0:1", "a=2:")):
        bad = [part for text in texts for part in ("--bound", text)]
        assert "a" in one_line(run("lr-train", "t.csv", "--target", "y", *bad, "-o", "bad.safetensors"), 2)
    assert not (tmp_path / "bad.safetensors").exists()


def test_a_term_of_a_polynomial_is_bounded_on_the_raw_columns() -> None:
    rows = table()
    x = np.stack([rows["a"], rows["a"] ** 2], axis=1)
    for intercept in (True, False):
        found = fit(rows, target="y", features=["a"], degree=2, nonnegative=["a"], intercept=intercept)
        away, y = (each - each.mean(axis=0) * intercept for each in (x, rows["y"]))
        expected = lsq_linear(away, y, ([0, -np.inf], np.inf), method="bvls", tol=1e-15).x
        assert [estimates(found)[name] for name in ("a", "a^2")] == pytest.approx(expected, rel=1e-9)
        assert at_bounds(found) == ["a"]
    bounds = {"a^2": (0.07, None), "a^3": (None, 0.001)}
    found = fit(rows, target="y", features=["a"], degree=3, bounds=bounds)
    assert (at_bounds(found), estimates(found)["a^2"]) == (["a^2"], 0.07)


def test_offsets_and_units_change_no_more_than_the_intercept() -> None:
    rows = table()
    plain = fit(rows, target="y", features=["a", "b"], bounds={"b": (1.5, 2), "a": (0, None)})
    moved = {"a": (rows["a"] + 1e6) * 1024, "b": rows["b"] / 8, "y": rows["y"]}
    found = fit(moved, target="y", bounds={"b": (12, 16), "a": (0, None)})
    assert at_bounds(plain) == at_bounds(found) == ["b"]
    assert estimates(found)["b"] == 12.0
    assert estimates(found)["a"] == pytest.approx(estimates(plain)["a"] / 1024, rel=1e-8)  # type: ignore[operator]


def test_a_weight_of_nothing() -> None:
    rows = table()
    found = fit(rows, target="y", features=["a", "b"], nonnegative=["b"], nonpositive=["b"])
    assert estimates(found) == pytest.approx({**estimates(fit(rows, target="y", features=["a"])), "b": 0.0})
    assert (found.report.df_resid, found.report.collinear) == (298, ())
    none = fit({"x": rows["b"], "y": -(rows["b"] ** 3)}, target="y", nonnegative=["x"])
    assert (none.report.quality[0].r2, none.report.quality[0].adjr2, none.report.df_resid) == (0.0, 0.0, 299)


def test_an_interval_is_conformal_alone() -> None:
    rows = table()
    with pytest.raises(UnsupportedModelError, match="its coefficients were held in bounds"):
        interval_of(fit(rows, target="y", nonnegative=["b"]), 0.9, stdtrit)
    found = fit(rows, target="y", nonnegative=["b"], interval=0.9)
    assert found.leverage is None
    assert found.report.conformal is not None
    assert interval_of(found, 0.9, stdtrit).width[0] == found.report.conformal.half_width[0]
    with pytest.raises(FitError, match="conformal checkpoint"):
        update(found, rows)


@pytest.mark.parametrize("degree", [1, 2])
def test_more_rows_keep_the_bounds(degree: int) -> None:
    rows, more = table(), table(200, seed=1)
    both = {name: np.concatenate([rows[name], more[name]]) for name in rows}
    first, second, whole = (
        fit(each, target="y", degree=degree, nonnegative=["site=S"], bounds={"b": (None, 0.5)})
        for each in (rows, more, both)
    )
    if degree == 1:
        joined = merge(first, second)
        assert estimates(joined) == pytest.approx(estimates(whole), rel=1e-9)
    joined = update(first, more)
    assert at_bounds(joined) == at_bounds(whole) == ["b", "site=S"]
    assert (joined.report.bounds, joined.report.df_resid) == (whole.report.bounds, whole.report.df_resid)
    with pytest.raises(FitError, match="the bounds are"):
        merge(fit(rows, target="y", nonnegative=["b"]), fit(more, target="y", nonpositive=["b"]))
    with pytest.raises(FitError, match="none here"):
        merge(fit(rows, target="y", nonnegative=["b"]), fit(more, target="y"))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a category": ({"nonnegative": ["site"]}, 'no coefficient is called "site". Bound "site=N", "site=S"'),
    "a misprint": ({"nonpositive": ["site=B"]}, 'no coefficient is called "site=B". Bound "site=S", "site=N"'),
    "a stranger": ({"bounds": {"zzz": (0, 1)}}, 'Bound "a", "b", "site=N", "site=S"'),
    "signs": (
        {"nonnegative": ["a"], "bounds": {"a": (-2, -1)}},
        'no coefficient of "a" is both at least 0 and at most -1',
    ),
    "ends": ({"bounds": {"a": (2, 1)}}, "both at least 2 and at most 1"),
    "no number": ({"bounds": {"a": (float("nan"), 1)}}, "bounds takes a lower and an upper end by name"),
    "no ends": ({"bounds": {"a": (None, None)}}, "bounds takes a lower and an upper end by name"),
    "text": ({"bounds": {"a": "0:1"}}, "bounds takes a lower and an upper end by name"),
    "a name": ({"nonnegative": "a"}, "nonnegative takes a list of names"),
    "ridge": (
        {"nonnegative": ["a"], "l2": 1.0},
        "bounds of coefficients are for plain least squares, without a penalty",
    ),
    "minimum norm": ({"nonnegative": ["a"], "minimum_norm": True}, "without minimum_norm"),
    "dropped": ({"nonnegative": ["a"], "drop_collinear": True}, "without drop_collinear"),
    "digits": ({"nonnegative": ["a"], "digits": 12}, "digits is for least squares"),
    "descent": ({"nonnegative": ["a"], "descent": Descent()}, "a bound of a coefficient belongs to descent=None"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_said_in_one_line(case: str) -> None:
    options, said = WRONG[case]
    with pytest.raises(LinedgeError) as error:
        fit(table(), target="y", **options)
    assert said in str(error.value)
    assert isinstance(error.value, OptionError)
    assert "\n" not in str(error.value)


def test_names_of_an_iterator_are_all_kept() -> None:
    rows = table()
    found = fit(rows, target="y", nonpositive=(name for name in "ab"))  # type: ignore[arg-type] # not promised, and not silently lost
    assert at_bounds(found) == ["a", "b"]


def test_a_name_of_two_coefficients_is_not_bounded() -> None:
    """A column may be called as a product, a power or an indicator is, and a bound held the first of them."""
    rows = table()
    named = {"a": rows["a"], "b": rows["b"], "y": rows["y"]}
    for other, terms in (("a:b", {"formula": "y ~ a + a:b + `a:b`"}), ("a^2", {"target": "y", "degree": 2})):
        with pytest.raises(OptionError, match=rf"\"{other[0]}.*\" is the name of 2 coefficients. Rename a column"):
            fit({**named, other: rows["b"] ** 2}, nonnegative=[other], **terms)

"""A fit by a formula: against formulaic and statsmodels, and against the fit of the same options; what it refuses."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from lr_runtime.errors import LinedgeError, OptionError
from lr_trainer import Descent, fit, update
from lr_trainer.sklearn import LinearModelRegressor
from tests.conftest import one_line
from tests.trainer.formula.random_formulas import problems

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lr_trainer import Checkpoint
    from tests.conftest import Run

RANDOM = np.random.default_rng(17)
ROWS = 200
TABLE: dict[str, Any] = {
    "mv": RANDOM.uniform(1.0, 5.0, ROWS),
    "temp": RANDOM.uniform(0.0, 40.0, ROWS),
    "site": RANDOM.choice(["north", "south"], ROWS),
    "day": RANDOM.choice([1.0, 2.0, 3.0], ROWS),
    "n": RANDOM.uniform(1.0, 2.0, ROWS),
}
TABLE["kg"] = TABLE["mv"] * (2.0 + 0.01 * TABLE["temp"]) + RANDOM.normal(size=ROWS)
TABLE["g"] = 1000.0 * TABLE["kg"] + RANDOM.normal(size=ROWS)


def terms(model: Checkpoint) -> list[str]:
    return [line.term for line in model.report.coefficients]


def test_random_formulas_are_the_fits_of_statsmodels_on_formulaics_matrices() -> None:
    for problem in islice(problems(), 40):
        distances = problem.distances()
        assert max(distances) < 1e-9, (problem.formula, distances)


SAME: dict[str, dict[str, Any]] = {
    "kg ~ mv + temp": {"target": "kg", "features": ["mv", "temp"]},
    "kg ~ temp + mv": {"target": "kg", "features": ["mv", "temp"]},
    "kg ~ 0 + mv": {"target": "kg", "features": ["mv"], "intercept": False},
    "kg + g ~ mv": {"target": ["kg", "g"], "features": ["mv"]},
    "kg ~ . - g": {"target": "kg", "ignore": ["g"]},
    "kg ~ site + C(day)": {"target": "kg", "features": ["site", "day"], "category": ["day"]},
    "kg ~ C(site)": {"target": "kg", "features": ["site"]},
    "kg ~ mv + I(mv**2) + I(mv**3)": {"target": "kg", "features": ["mv"], "degree": 3},
    "kg ~ mv * site": {"target": "kg", "features": ["mv", "site"], "interact": ["mv:site"]},
    "kg ~ log(mv) + hinge(temp, 20)": {
        "target": "kg",
        "features": ["mv", "temp"],
        "transforms": {"mv": "log", "temp": "hinge:20"},
    },
}


@pytest.mark.parametrize("formula", SAME)
def test_a_formula_is_the_fit_of_the_options_that_say_the_same(formula: str) -> None:
    by_formula, by_options = fit(TABLE, formula=formula), fit(TABLE, **SAME[formula])
    found, expected = (
        {(line.target, line.term): line.estimate for line in model.report.coefficients}
        for model in (by_formula, by_options)
    )
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert sorted(by_formula.contract.columns) == sorted(by_options.contract.columns)


def test_a_dot_leaves_out_the_weight_an_index_and_the_group_of_folds() -> None:
    table = pd.DataFrame(TABLE).rename_axis("row").reset_index().set_index("row")
    assert terms(fit(table, formula="kg ~ . - site", weight="n")) == ["intercept", "mv", "temp", "day", "g"]
    folds = fit(TABLE, formula="kg ~ . - site - g", cv=3, cv_group="day")
    assert terms(folds) == ["intercept", "mv", "temp", "n"]


def test_the_target_may_come_apart_from_the_formula() -> None:
    x = {name: TABLE[name] for name in ("mv", "temp")}
    expected = fit(TABLE, formula="kg ~ mv*temp").to_bytes()
    assert fit(pd.DataFrame(x), pd.Series(TABLE["kg"], name="kg"), formula="~ mv*temp").to_bytes() == expected
    assert fit(TABLE, target="kg", formula="~ mv*temp").to_bytes() == expected
    assert terms(fit(TABLE, target="kg", formula="~ . - g - site - day - n")) == ["intercept", "mv", "temp"]


def test_options_of_columns_go_with_a_formula() -> None:
    model = fit(TABLE, formula="kg ~ 0 + C(day):mv", units={"kg": "kg"}, digits=5)
    assert sorted(terms(model)) == ["day=1.0:mv", "day=2.0:mv", "day=3.0:mv"]
    assert model.contract.outputs[0].unit == "kg"


def test_the_estimator_takes_a_formula() -> None:
    x = pd.DataFrame({name: TABLE[name] for name in ("mv", "temp", "site")})
    model = LinearModelRegressor(formula="~ mv * temp + site").fit(x, TABLE["kg"])
    expected = fit({**x, "y": TABLE["kg"]}, formula="y ~ mv * temp + site")
    assert model.checkpoint_.to_bytes() == expected.to_bytes()
    assert model.term_names_.tolist() == ["mv", "temp", "site=south", "mv:temp"]
    by_hand = model.intercept_ + np.column_stack([x.mv, x.temp, x.site == "south", x.mv * x.temp]) @ model.coef_
    assert model.predict(x) == pytest.approx(by_hand.to_numpy() if hasattr(by_hand, "to_numpy") else by_hand)
    plain = LinearModelRegressor(formula="~ x1:x2 + x1").fit(x[["mv", "temp"]].to_numpy(), TABLE["kg"])
    assert plain.term_names_.tolist() == ["x1", "x1:x2"]


def test_penalties_and_descents_and_further_rows_take_a_formula() -> None:
    formula = "kg ~ mv * temp + log(mv) + site"
    assert len(fit(TABLE, formula=formula, l2=0.1).report.coefficients) == 6
    descended = fit(TABLE, formula=formula, descent=Descent(optimizer="lbfgs"))
    whole = fit(TABLE, formula=formula)
    assert descended.weight == pytest.approx(whole.weight, rel=1e-6)
    first, second = ({name: column[part] for name, column in TABLE.items()} for part in (np.s_[:120], np.s_[120:]))
    joined = update(fit(first, formula=formula), second)
    assert [line.estimate for line in joined.report.coefficients] == pytest.approx(
        [line.estimate for line in whole.report.coefficients], rel=1e-9
    )


NOT_BESIDE: dict[str, Any] = {
    "target": "kg",
    "features": ["mv"],
    "ignore": ["mv"],
    "category": ["day"],
    "intercept": False,
    "degree": 2,
    "transforms": {"mv": "log"},
    "interact": ["mv:temp"],
}


@pytest.mark.parametrize("name", NOT_BESIDE)
def test_what_a_formula_says_is_not_said_beside_it(name: str) -> None:
    with pytest.raises(OptionError, match=rf"formula.* {name}") as raised:
        fit(TABLE, formula="kg ~ mv", **{name: NOT_BESIDE[name]})
    assert (raised.value.exit_code, len(str(raised.value).splitlines())) == (2, 1)


WRONG = {
    "~ mv": 'which column is to be predicted? Add target="NAME"; the table has "mv"',
    "kg ~ mv + kg": 'the target "kg" is among the features. Name it once',
    "kg + kg ~ mv": 'the column "kg" stands twice, as feature, target, weight, group or ignored',
    "kg ~ mv + n": 'the column "n" stands twice, as feature, target, weight, group or ignored',
    "kg ~ 1": 'the table has no column beside the target "kg" to predict it from',
    "kg ~ mv - mv": 'the table has no column beside the target "kg" to predict it from',
    "kg ~ log(site)": '"site" is a category, and functions are of numbers. Leave it out',
    "kg ~ I(site**2)": '"site" is a category, and functions are of numbers. Leave it out',
    "kg ~ day + C(day):mv": '"day" is a category in some terms alone. Make it one in all',
    "site ~ mv": 'the table row 1, column "site"',
    "kg ~ log(g)": "the table row ",
}


@pytest.mark.parametrize("formula", WRONG)
def test_a_wrong_formula_is_one_line(formula: str) -> None:
    with pytest.raises(LinedgeError) as raised:
        fit(TABLE | {"g": -TABLE["g"]}, formula=formula, weight="n")
    assert str(raised.value).startswith(WRONG[formula])
    assert len(str(raised.value).splitlines()) == 1


def test_the_command_takes_a_formula(run: Callable[..., Run], tmp_path: Path) -> None:
    pd.DataFrame(TABLE).to_csv(tmp_path / "cell.csv", index=False)
    done = run("lr-train", "cell.csv", "--formula", "kg ~ mv * temp + I(mv**2) + C(site)", "-o", "cell.safetensors")
    assert done.returncode == 0, done.stderr
    names = [line.split()[0] for line in done.stdout.splitlines() if line.startswith(("mv", "temp", "site"))]
    assert names == ["mv", "temp", "mv^2", "site=south", "mv:temp"]
    assert "all of the terms, and --degree, too" in one_line(
        run("lr-train", "cell.csv", "--formula", "kg ~ mv", "--degree", "2"), 2
    )
    hostile = "kg ~ mv + __import__('os').system('touch hacked')"
    assert "is unknown. Known are columns" in one_line(run("lr-train", "cell.csv", "--formula", hostile), 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cell.csv", "cell.safetensors"]


FITS = """
import sys
from lr_trainer import fit
table = {"x": [1.0, 2.0, 4.0, 5.0], "y": [1.0, 3.0, 4.0, 7.0]}
fit(table, target="y")
assert not {"formulaic", "pandas", "lr_trainer.formula.parse"} & sys.modules.keys()
fit(table, formula="y ~ log(x)")
assert "formulaic" in sys.modules and "torch" not in sys.modules
"""


def test_a_formula_brings_no_torch_and_nothing_without_it() -> None:
    done = subprocess.run([sys.executable, "-c", FITS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("option", "value"), [("l2", 10**400), ("interval", 10**400), ("degree", 10**400), ("degree", 40_000)]
)
def test_numbers_beyond_all_measure_are_one_line(option: str, value: int) -> None:
    with pytest.raises(OptionError, match=rf"^{option} takes"):
        fit({"a": [1.0, 2.0, 3.0], "b": [2.0, 1.0, 5.0], "y": [1.0, 2.0, 4.0]}, target="y", **{option: value})  # type: ignore[arg-type]

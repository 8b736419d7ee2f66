"""The report of a fit as frozen records: the JSON of a checkpoint comes back to the byte, and damage is said."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from lr_runtime.contract.checkpoint import Checkpoint
from lr_runtime.contract.fit_report import Conformal, FitReport, Penalty, Quality
from lr_runtime.errors import CheckpointError

GOLDEN = Path(__file__).parents[2] / "data" / "golden-0.1.0"
TABLES = ["every-term", "far-from-zero", "huber", "ridge", "weighted"]


def golden(name: str) -> Checkpoint:
    return Checkpoint.load(GOLDEN / f"{name}.safetensors")


@pytest.mark.parametrize("name", TABLES)
def test_the_report_of_a_table_comes_back_to_the_byte(name: str) -> None:
    checkpoint = golden(name)
    assert json.dumps(checkpoint.report.to_json(checkpoint.contract)) == json.dumps(checkpoint.fit)


@pytest.mark.parametrize("name", ["every-term", "weighted"])
def test_figures_are_one_for_each_target_however_many_there_are(name: str) -> None:
    checkpoint = golden(name)
    figures = checkpoint.fit["adjusted_r2"]
    assert [each.adjr2 for each in checkpoint.report.quality] == (figures if isinstance(figures, list) else [figures])
    assert {row.target for row in checkpoint.report.coefficients} == set(checkpoint.contract.output_names)
    assert [row.stderror for row in checkpoint.report.coefficients] == [
        row["standard_error"] for row in checkpoint.fit["coefficients"]
    ]


def test_what_an_exact_fit_has_not_is_not_made_up() -> None:
    report = golden("weighted").report
    assert (report.descent, report.penalty, report.conformal, report.digits) == (None, None, None, None)
    assert report.rows.weight == "w"
    assert report.df_resid == 78


def test_a_penalty_and_an_interval_are_records() -> None:
    report = golden("ridge").report
    assert report.penalty == Penalty((0.01,), (0.5,), folds=0)
    assert report.conformal == Conformal(0.9, (0.995052215359614,), rows=20)


def test_the_lesson_says_what_it_knows() -> None:
    report = golden("lesson").report
    assert report.solver == "descent"
    assert report.descent is None
    assert [(each.rmse, each.residual_sd) for each in report.quality] == [(None, golden("lesson").fit["residual_sd"])]
    assert [row.t for row in report.coefficients] == [None, None]


def test_no_report_is_an_empty_one() -> None:
    assert FitReport.from_json({}) == FitReport()
    assert FitReport.from_json({"rows": 5}) == FitReport()


def test_a_number_that_is_not_finite_is_null() -> None:
    checkpoint = golden("huber")
    assert checkpoint.report.descent is not None
    found = checkpoint.report._replace(
        condition_number=math.inf, descent=checkpoint.report.descent._replace(gap=math.inf), quality=(Quality(),)
    )
    content = found.to_json(checkpoint.contract)
    assert content["condition_number"] is content["gap"] is content["r2"] is None
    assert FitReport.from_json(content) == found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"conformal": 3}, "its conformal interval is damaged. Train the model again"),
        ({"conformal": {"half_width": [1.0]}}, "its conformal interval is damaged. Train the model again"),
        ({"coefficients": 3}, "its report is damaged"),
        ({"coefficients": [3]}, "its report is damaged"),
        ({"rmse": [1.0, 2.0]}, "its report is damaged"),
        ({"validation": {"rows": 3}}, "its report is damaged"),
    ],
)
def test_a_damaged_report_is_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        FitReport.from_json({**golden("huber").fit, **changes})
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)

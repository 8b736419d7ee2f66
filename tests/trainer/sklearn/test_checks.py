"""The checks that scikit-learn has for estimators, and the parameters, which are the options of a fit."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator, check_sample_weight_equivalence_on_dense_data

from lr_trainer import Descent, fit
from lr_trainer.choices import FitOptions
from lr_trainer.sklearn import LinearModelRegressor

_UNDETERMINED = "rows that leave coefficients free are refused, here 27 rows of 30 columns"
_SAME = "the target is one of the columns, which is refused: such a table leaks its target"
_SPLITS = "it gives splits to a parameter cv, which is a number of folds here; without it, see below"
_JOINED = "it fits further rows after `fit`, and a penalised model is more than its moments"

EXPECTED = {
    "as it is": (
        LinearModelRegressor(),
        {
            "check_sample_weight_equivalence_on_dense_data": _UNDETERMINED,
            "check_regressors_no_decision_function": _SAME,
            "check_fit2d_1sample": "the error for one row says rows, as those of `lr_trainer.fit` do, and not samples",
        },
    ),
    "minimum norm": (
        LinearModelRegressor(minimum_norm=True),
        {
            "check_regressors_no_decision_function": _SAME,
            "check_fit_score_takes_y": _JOINED,
            "check_sample_weight_equivalence_on_dense_data": _SPLITS,
        },
    ),
    "ridge": (
        LinearModelRegressor(l2=0.01),
        {
            "check_regressors_no_decision_function": _SAME,
            "check_fit_score_takes_y": _JOINED,
            "check_sample_weight_equivalence_on_dense_data": _SPLITS,
        },
    ),
    "missing values": (
        LinearModelRegressor(missing="indicator", l2=0.01),
        {
            "check_regressors_no_decision_function": _SAME,
            "check_fit_score_takes_y": _JOINED,
            "check_sample_weight_equivalence_on_dense_data": _SPLITS,
        },
    ),
}

NO_PARAMETERS = {
    "workers": "it is of several processes that make the same call",
    "saved": "likewise",
    "source": "it is X",
    "y": "it is an argument of `fit`",
    "target": "it is y",
    "features": "they are the columns of X",
    "ignore": "these are none of the columns of X",
    "weight": "it is sample_weight",
    "options": "of the cells of a text file, while X has values",
    "advance": "of a progress bar",
    "warn": "warnings are Python's",
    "memory": "of the state of a descent on disk",
    "report": "of a progress bar",
}


@pytest.mark.parametrize("case", EXPECTED)
def test_it_passes_the_checks_of_estimators(case: str) -> None:
    estimator, expected = EXPECTED[case]
    results = check_estimator(estimator, expected_failed_checks=expected, on_skip=None, on_fail=None)
    names = {
        status: {each["check_name"] for each in results if each["status"] == status} for status in ("failed", "xfail")
    }
    assert names == {"failed": set(), "xfail": set(expected)}
    assert len(results) > 50


def test_every_option_of_a_fit_is_a_parameter() -> None:
    options = inspect.signature(fit).parameters
    defaults = {name: each.default for name, each in options.items() if name not in NO_PARAMETERS}
    found = {name: each.default for name, each in inspect.signature(LinearModelRegressor).parameters.items()}
    assert found == defaults
    assert {field.name for field in fields(FitOptions)} <= {*found, *NO_PARAMETERS}


def test_parameters_are_set_cloned_and_shown() -> None:
    descent = Descent(loss="huber")
    estimator = LinearModelRegressor(descent=descent).set_params(degree=2, category=["x1"])
    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params()
    assert (copy.get_params()["degree"], copy.get_params()["descent"]) == (2, descent)
    assert repr(LinearModelRegressor(l2=0.5)) == "LinearModelRegressor(l2=0.5)"


class _WithoutFolds(LinearModelRegressor):
    @classmethod
    def _get_param_names(cls) -> list[str]:
        return [name for name in super()._get_param_names() if name != "cv"]


@pytest.mark.parametrize("options", [{"minimum_norm": True}, {"l2": 0.01}, {"missing": "indicator", "l2": 0.01}])
def test_a_weight_is_a_number_of_equal_rows(options: dict[str, Any]) -> None:
    check_sample_weight_equivalence_on_dense_data("LinearModelRegressor", _WithoutFolds(**options))

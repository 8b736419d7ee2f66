"""lr-export --drift: what a file tells of its training rows, against numpy over the rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lr_export
import lr_trainer
from lr_runtime import Contract
from lr_runtime.contract.formats import EXPORT_FORMATS
from lr_runtime.errors import ModelFileError, OptionError, UnsupportedModelError
from lr_runtime.inspection.artefact import Artefact
from tests.conftest import CHECKPOINTS, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.conftest import Run

FORMATS_HERE = [name for name, of in EXPORT_FORMATS.items() if of.tool is None or of.tool.path() is not None]
ROWS = 200
RANDOM = np.random.default_rng(3)
A, FAR = RANDOM.normal(10, 2, ROWS), RANDOM.normal(1.7e9, 50, ROWS)
SITE = RANDOM.choice(["p", "q", "r"], ROWS, p=[0.6, 0.3, 0.1])
Y = 2 * A + (SITE == "q") + RANDOM.normal(size=ROWS)
WEIGHT = RANDOM.integers(1, 5, ROWS).astype(float)
TABLE = {"a": A, "far": FAR, "site": SITE, "y": Y}

MISSING = A.copy()
MISSING[::7] = np.nan


def moments(values: Any, weights: Any = None) -> tuple[float, float]:
    mean = np.average(values, weights=weights)
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))


def shares(values: Any, weights: Any = None) -> tuple[float, ...]:
    return tuple(float(np.average(values == level, weights=weights)) for level in sorted(set(SITE)))


FILLED = np.where(np.isnan(MISSING), np.nanmean(MISSING), MISSING)
FITS: dict[str, tuple[dict[str, Any], list[tuple[float, ...]]]] = {
    "columns": ({}, [moments(A), moments(FAR), shares(SITE)]),
    "powers": ({"degree": 3, "features": ["a", "far"], "ignore": []}, [moments(A), moments(FAR)]),
    "products": ({"interact": ["a:far"], "features": ["a", "far"], "ignore": []}, [moments(A), moments(FAR)]),
    # Without one the moments are about 0, where a column that is far from it keeps few digits of its deviation.
    "no intercept": ({"intercept": False, "ignore": ["b", "w", "far"]}, [moments(A), shares(SITE)]),
    "weights": ({"weight": "w", "ignore": ["b"]}, [moments(A, WEIGHT), moments(FAR, WEIGHT), shares(SITE, WEIGHT)]),
    "ridge": ({"l2": 0.1}, [moments(A), moments(FAR), shares(SITE)]),
    "missing": ({"missing": "mean", "features": ["b", "far"], "ignore": []}, [moments(FILLED), moments(FAR)]),
    "missing and its indicator": (
        {"missing": "indicator", "features": ["b", "far"], "ignore": []},
        [moments(FILLED), moments(FAR)],
    ),
    "a function alone": ({"transforms": {"a": "log"}, "features": ["a", "far"], "ignore": []}, [(), moments(FAR)]),
}


def assert_close(found: Sequence[tuple[float, ...]], expected: Sequence[tuple[float, ...]]) -> None:
    assert [len(each) for each in found] == [len(each) for each in expected]
    for own, oracle in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, oracle, rtol=1e-9)


@pytest.mark.parametrize("name", FITS)
def test_the_moments_are_those_of_the_rows(name: str, tmp_path: Path) -> None:
    options, expected = FITS[name]
    checkpoint = lr_trainer.fit({**TABLE, "b": MISSING, "w": WEIGHT}, target="y", **{"ignore": ["b", "w"], **options})
    lr_export.export(checkpoint, tmp_path / "m.onnx", drift=True, without_eager=True)
    found = Artefact.load(tmp_path / "m.onnx").contract.distributions
    assert_close(found, expected)


def test_a_category_that_may_be_missing_has_the_shares_of_all_rows(tmp_path: Path) -> None:
    site: list[Any] = [None if n % 10 == 0 else each for n, each in enumerate(SITE)]
    checkpoint = lr_trainer.fit({"site": site, "y": Y}, target="y", missing="indicator")
    lr_export.export(checkpoint, tmp_path / "m.onnx", drift=True, without_eager=True)
    ((p, q, r),) = Artefact.load(tmp_path / "m.onnx").contract.distributions
    assert (p, q, r) == pytest.approx([site.count(level) / ROWS for level in "pqr"], rel=1e-12)


def test_the_lesson_and_a_descent_have_moments() -> None:
    from lr_export.model.distributions import distributions_of

    lesson, _ = lr_trainer.lesson()
    assert_close(distributions_of(lesson), [moments(np.array([1.0, 2.0, 3.0]))])
    robust = lr_trainer.fit({"a": A, "y": Y}, target="y", descent=lr_trainer.Descent(loss="huber"))
    assert_close(distributions_of(robust), [moments(A)])


@pytest.mark.parametrize("format_name", EXPORT_FORMATS)
def test_every_format_carries_them_and_only_where_they_are_asked_for(format_name: Any, tmp_path: Path) -> None:
    if format_name not in FORMATS_HERE:
        pytest.skip(f"nothing here runs {format_name}")
    checkpoint, target = lr_trainer.fit({"a": A, "site": SITE, "y": Y}, target="y"), tmp_path / "artefact"
    lr_export.export(checkpoint, target, format=format_name)
    plain = Artefact.load(target).contract
    assert (plain.distributions, "distributions" in plain.to_json()) == ((), False)
    lr_export.export(checkpoint, target, format=format_name, drift=True)
    contract = Artefact.load(target).contract
    assert contract._replace(distributions=()) == plain
    assert_close(contract.distributions, [moments(A), shares(SITE)])


def test_a_model_without_moments_is_refused_in_one_line(run: Callable[..., Run], tmp_path: Path) -> None:
    CHECKPOINTS["two outputs"]().save(tmp_path / "model.safetensors")
    line = one_line(run("lr-export", "model.safetensors", "--drift", "--without-eager"), 1)
    assert "--drift" in line
    assert not (tmp_path / "model.onnx").exists()
    with pytest.raises(UnsupportedModelError, match=r"^drift "):
        lr_export.export(CHECKPOINTS["cancelling"](), tmp_path / "model.onnx", drift=True, without_eager=True)


def test_an_inverse_has_none(tmp_path: Path) -> None:
    checkpoint = lr_trainer.fit({"a": A, "y": Y}, target="y")
    with pytest.raises(OptionError, match=r"inverse.*drift"):
        lr_export.export(checkpoint, tmp_path / "model.onnx", drift=True, inverse="", without_eager=True)


@pytest.mark.parametrize(
    "distributions", [[[1.0]], [[1.0, 2.0], []], [[1.0, 2.0], [0.5], []], [[1.0, None], []], "no", [["1", "2"]], [3]]
)
def test_distributions_that_are_not_of_the_columns_are_damage(distributions: Any) -> None:
    contract = json.loads(CHECKPOINTS["ten columns"]().contract.to_json())
    with pytest.raises(ModelFileError, match="damaged"):
        Contract.from_json(json.dumps({**contract, "distributions": distributions}))
    good = Contract.from_json(json.dumps({**contract, "distributions": [[1.0, 2.0], *[[]] * 9]}))
    assert Contract.from_json(good.to_json()) == good

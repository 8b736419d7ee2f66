"""Rows without a target are left out by choice, counted, as if they had never been in the table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from lr_runtime.errors import TableError
from lr_trainer import Descent, fit, update
from lr_trainer.cli import main as lr_train

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 80


def columns() -> dict[str, Any]:
    """Return rows of which 7 have no target, among them the only one of level "q" and the extremes of `a`."""
    random = np.random.default_rng(3)
    a = random.normal(size=ROWS)
    a[5:15] = np.nan
    site = np.array(["n", "s"])[random.integers(0, 2, ROWS)].astype(object)
    found = {"a": a, "site": site, "b": random.normal(size=ROWS), "w": random.uniform(1, 2, ROWS)}
    found["y"] = 2 * found["b"] + np.nan_to_num(a) + (site == "s") + random.normal(size=ROWS)
    found["z"] = found["y"] ** 2
    site[40], a[41], a[42] = "q", 1e3, -1e3
    found["y"][38:43] = np.nan
    found["z"][[40, 70, 71]] = np.nan
    return found


def without(targets: list[str]) -> dict[str, Any]:
    found = columns()
    kept = ~np.any([np.isnan(found[target]) for target in targets], axis=0)
    return {name: values[kept] for name, values in found.items()}


WAYS: dict[str, dict[str, Any]] = {
    "indicator": {"missing": "indicator"},
    "mean": {"missing": "mean", "degree": 2},
    "drop": {"missing": "drop"},
    "weights": {"missing": "indicator", "weight": "w"},
    "a penalty with an interval": {"missing": "mean", "l2": 0.1, "interval": 0.7},
    "descent": {"missing": "mean", "descent": Descent(loss="huber")},
    "plain": {"features": ["b"]},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("targets", [["y"], ["z", "y"]])
def test_rows_without_a_target_count_for_nothing(way: str, targets: list[str]) -> None:
    options = {"features": ["a", "site", "b"], **WAYS[way]}
    found = fit(columns(), target=targets, missing_target="drop", **options)
    expected = fit(without(targets), target=targets, **options)
    np.testing.assert_array_equal(found.weight, expected.weight)
    np.testing.assert_array_equal(found.bias, expected.bias)
    assert found.terms == expected.terms
    assert found.contract == expected.contract
    assert found.fit["rows_read"] == ROWS
    assert found.fit["rows_dropped"] == expected.fit["rows_dropped"] + ROWS - expected.fit["rows_read"]


def test_a_column_without_gaps_among_the_rows_with_a_target_gets_no_indicator() -> None:
    found = columns()
    found["a"] = np.where(np.isnan(found["y"]), np.nan, found["b"] ** 2)
    checkpoint = fit(found, target="y", features=["a", "b"], missing="indicator", missing_target="drop")
    assert not any(term.is_of_missing for term in checkpoint.terms)


def test_an_update_goes_on_dropping_them() -> None:
    both = {name: np.concatenate([values, values]) for name, values in columns().items()}
    options: dict[str, Any] = {"target": "y", "features": ["b", "site"], "missing_target": "drop"}
    joined, whole = update(fit(columns(), **options), columns()), fit(both, **options)
    np.testing.assert_allclose(joined.weight, whole.weight, rtol=1e-9)
    assert joined.fit["rows"] == 150
    assert joined.fit["rows_dropped"] == 5


def test_without_the_choice_the_line_names_it_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,2\n2,\n3,5\n4,9\n")
    with pytest.raises(TableError, match=r't.csv line 3, column "y": the value is missing.*use missing_target="drop"$'):
        fit(tmp_path / "t.csv", target="y", missing="indicator")
    done = CliRunner().invoke(
        lr_train,
        [str(tmp_path / "t.csv"), "--target=y", "--missing-target=drop", "--json", f"-o{tmp_path / 'm.safetensors'}"],
    )
    report = json.loads(done.stdout)
    assert (report["rows"], report["rows_read"], report["rows_dropped"]) == (3, 4, 1)

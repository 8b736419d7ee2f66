"""Descents on several workers: what all rows decide is what one process finds, to rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lr_trainer import fit
from lr_trainer.descent.options import Descent
from lr_trainer.rows import blocks
from tests.workers.side_by_side import together

if TYPE_CHECKING:
    from pathlib import Path

    from lr_trainer import Checkpoint
    from lr_trainer.rows.workers import Workers

ROWS = (1500, 40, 1111)
CASES: dict[str, dict[str, Any]] = {
    "the squared loss": {"descent": Descent()},
    "Huber's, with delta from a median": {"descent": Descent(loss="huber")},
    "a quantile, with weights": {"descent": Descent(loss="quantile", quantile=0.9), "weight": "w"},
    "the lasso": {"descent": Descent(), "l1": 0.1, "l2": 0.1},
    "adam on all rows": {"descent": Descent(optimizer="adam", epochs=30)},
    "validation and an interval": {"descent": Descent(loss="huber", validation=0.2), "interval": 0.9},
    "rows that are dropped": {"descent": Descent(validation=0.2), "missing": "drop"},
    "a batch of all rows": {"descent": Descent(batch_size=5000, epochs=5, lr=0.1)},
}


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Three files of unequal size, in many blocks."""
    monkeypatch.setattr(blocks, "_MOST_ROWS", 256)
    random = np.random.default_rng(0)
    for number, rows in enumerate(ROWS):
        x = random.normal(size=(rows, 2))
        y = x @ [1, 2] + random.standard_t(3, size=rows)
        values = np.column_stack([x, np.exp(random.normal(size=rows)), y])
        np.savetxt(tmp_path / f"{number}.csv", values, delimiter=",", header="a,b,w,y", comments="")
    return str(tmp_path)


def fitted(table: str, asked: dict[str, Any], workers: int) -> list[Checkpoint]:
    given: dict[str, Any] = {"ignore": [] if "weight" in asked else ["w"], **asked}

    def one(worker: Workers) -> Checkpoint:
        return fit(table, target="y", workers=worker, **given)

    return together(workers, one) if workers > 1 else [fit(table, target="y", **given)]


def numbers_of(checkpoint: Checkpoint) -> list[float]:
    """Return what all rows decide, beside the weights."""
    report = checkpoint.report
    assert report.descent is not None
    found = [float(report.rows.passes), float(report.rows.rows_read), float(report.rows.rows_dropped)]
    found += [*report.descent.objective, *report.descent.delta, float(report.descent.epochs)]
    if report.descent.validation is not None:
        found += [float(report.descent.validation.rows), report.descent.validation.loss]
    if report.conformal is not None:
        found += [float(report.conformal.rows), *(width or 0.0 for width in report.conformal.half_width)]
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_descent_of_three_workers_is_that_of_one(table: str, case: str, tmp_path: Path) -> None:
    if "missing" in CASES[case]:
        text = (tmp_path / "2.csv").read_text().splitlines()
        text[5:900:50] = [f",{line.partition(',')[2]}" for line in text[5:900:50]]
        (tmp_path / "2.csv").write_text("\n".join(text))
    (one,), several = fitted(table, CASES[case], 1), fitted(table, CASES[case], 3)
    assert len({each.weight.tobytes() for each in several}) == 1
    np.testing.assert_allclose(several[0].weight, one.weight, rtol=1e-12)
    np.testing.assert_allclose(numbers_of(several[0]), numbers_of(one), rtol=1e-12)


def test_batches_of_unequal_shares_go_through_all_rows(table: str) -> None:
    """With DistributedDataParallel's semantics three workers' batches of 50 are steps of 150 rows."""
    asked = {"descent": Descent(batch_size=50, epochs=20, seed=3)}
    several, exact = fitted(table, asked, 3), fit(table, target="y", ignore=["w"])
    assert len({each.to_bytes() for each in several}) == 1
    np.testing.assert_allclose(several[0].weight, exact.weight, atol=0.05)
    assert several[0].report.descent is not None
    assert several[0].report.descent.epochs == 20

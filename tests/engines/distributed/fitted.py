"""A table that engines fit in parts, and the fit of it by one process, which theirs is held against."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

import lr_trainer

ROWS = 12_000
"""More than are looked at first, so that what is in later rows is found by the parts."""

ASKED: dict[str, dict[str, Any]] = {
    "numbers": {"features": ["a", "far", "count"]},
    "categories, powers, functions, products, means": {
        "features": ["site", "a", "far", "count", "gaps"],
        "degree": 2,
        "transforms": {"count": "log"},
        "interact": ["site:a"],
        "missing": "mean",
        "weight": "w",
    },
    "dropped rows, instants, a penalty": {
        "features": ["gaps", "day", "a"],
        "missing": "drop",
        "time": {"day": "days"},
        "l2": 0.1,
    },
}


def rows() -> pa.Table:
    """Return the table, in which the last rows alone have a level of their own."""
    random = np.random.default_rng(19)
    a, far = random.normal(size=ROWS), 1.7e9 + 3600 * random.normal(size=ROWS)
    site = np.where(np.arange(ROWS) < ROWS - 50, random.choice(["roof", "yard"], ROWS), "barn").astype(object)
    gaps, count = random.normal(size=ROWS), random.integers(1, 50, ROWS)
    y = 1 + a - (far - 1.7e9) / 1e3 + 0.5 * gaps + (site == "barn") + random.normal(size=ROWS)
    return pa.table(
        {
            "a": a,
            "far": far,
            "count": pa.array(count, pa.int32()),
            "gaps": pa.array(gaps, mask=random.random(ROWS) < 0.1),
            "site": pa.array(site, pa.string()),
            "day": pa.array(np.datetime64("2026-01-01", "us") + random.integers(0, 10**12, ROWS).astype("m8[us]")),
            "w": random.random(ROWS) + 0.5,
            "y": y,
        }
    )


def hold(found: lr_trainer.Checkpoint, **asked: object) -> None:
    """Hold a fit in parts against that of one process: the coefficients to the digits stated, all else as it is."""
    make: Any = lr_trainer.fit
    whole = make(rows(), **asked)
    assert found.report.digits is not None
    assert found.report.digits >= 9
    off = 10.0**-found.report.digits * np.linalg.norm(whole.weight)
    np.testing.assert_allclose(found.weight, whole.weight, rtol=0, atol=off)
    assert found.contract.columns == whole.contract.columns
    assert found.terms == whole.terms
    assert found.report.rows == whole.report.rows
    assert found.report.cautions == whole.report.cautions

"""The numbers of the leverage that an artefact holds: a row of the factor for each term that the fit kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_export.certificate.specification import Blueprint
from lr_trainer import fit
from tests.export.exact.test_interval import table

if TYPE_CHECKING:
    from tests.export.oracle import Floats

SAME, A, B, Y = np.full(60, 3.0), *(table()[name] for name in "aby")
CASES: dict[str, tuple[dict[str, Floats], int]] = {
    "the last left out": ({"a": A, "same": SAME}, 1),
    "the first left out": ({"same": SAME, "a": A}, 1),
    "all left out": ({"same": SAME, "also": SAME}, 1),
    "none left out": ({"a": A, "b": B}, 2),
}


@pytest.mark.parametrize(("columns", "rows"), CASES.values(), ids=CASES)
def test_terms_that_were_left_out_have_no_row(columns: dict[str, Floats], rows: int) -> None:
    held = Blueprint.of(fit({**columns, "y": Y}, target="y"), flags=True).uncertainty.leverage
    assert held is not None
    assert held.factor.shape == (rows, 2)
    assert held.shift.shape == (rows,)

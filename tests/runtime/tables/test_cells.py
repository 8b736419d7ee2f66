"""One cell of a text table: which numbers, dates and missing values there are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.tables import TableOptions, open_table
from lr_runtime.tables.cells.missing import MISSING_TOKENS
from lr_runtime.tables.cells.options import BOOLEANS, NotANumberError
from tests.runtime.tables.reading import DATES, INFINITE, NOT_NUMBERS, NUMBERS, SEMICOLONS, read, table_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

NUMBERS += ["9007199254740993", "2.2250738585072011e-308", "0" * 400 + "1", "1" + "0" * 300, "5e-324", "007"]


NOT_NUMBERS += ["six", "tRUE", "yes", "1:2", "\xa01", "1\u2009000", "nan(1)", "+", "1.2.3", "½"]


@pytest.mark.parametrize("cell", NUMBERS)
def test_a_number_is_pythons(cell: str) -> None:
    for padded in (cell, f" {cell}\t"):
        assert TableOptions().number(padded).hex() == float(cell).hex()
        assert TableOptions().is_number(padded)


@pytest.mark.parametrize("cell", NOT_NUMBERS)
def test_everything_else_is_none(cell: str) -> None:
    with pytest.raises(NotANumberError, match="is not a number"):
        TableOptions().number(cell)
    assert not TableOptions().is_number(cell)


@pytest.mark.parametrize("cell", BOOLEANS)
def test_a_boolean_is_one_or_zero(cell: str) -> None:
    assert TableOptions().number(f" {cell} ") == float(cell.lower() == "true")
    assert TableOptions().text(f" {cell} ") == cell


@pytest.mark.parametrize("cell", DATES)
def test_a_date_is_said_to_be_one(cell: str) -> None:
    with pytest.raises(NotANumberError, match="is a date, not a number"):
        TableOptions().number(cell)
    assert TableOptions().text(cell) == cell


GROUPED = {"1,000": 1e3, "-12,345,678.5": -12345678.5, "999": 999.0, "1,000e3": 1e6, "1234,567": None, "1,00": None}


@pytest.mark.parametrize("cell", GROUPED)
def test_thousands_come_in_groups_of_three(cell: str) -> None:
    for options, written in (
        (TableOptions(thousands=","), cell),
        (TableOptions(thousands="'"), cell.replace(",", "'")),
        (TableOptions(thousands=".", decimal=","), cell.translate(str.maketrans(",.", ".,"))),
    ):
        assert options.is_number(written) == (GROUPED[cell] is not None)
        if options.is_number(written):
            assert options.number(written) == GROUPED[cell]


HINTS = {
    "1,000,000": "--thousands ,",
    "1'000": '--thousands "\'"',
    "1 000": "--thousands ' '",
    "1.299,00": "--decimal ,",
    "1,5": "--decimal ,",
    "1,000": "--thousands , or --decimal ,",
    "?": "--missing-token '?'",
    ".": "--missing-token .",
    "Missing": "--missing-token Missing",
    "not available": "--missing-token 'not available'",
    "#DIV/0!": "--missing-token '#DIV/0!'",
    "#VALUE!": "--missing-token '#VALUE!'",
    "six": "is not a number. Correct it",
    "b1O.5": "Correct it",
    "yes": "Correct it",
}


@pytest.mark.parametrize("cell", HINTS)
def test_what_to_type_for_a_cell_that_is_no_number(cell: str) -> None:
    with pytest.raises(NotANumberError) as caught:
        TableOptions().number(cell)
    assert str(caught.value).endswith(HINTS[cell])


def test_given_missing_tokens_stand_beside_the_usual_ones() -> None:
    options = TableOptions(missing=("-999", "none", "true"))
    for cell in ("-999", " none", "NA", "", "true"):
        assert math.isnan(options.number(cell))
        assert options.text(cell) is None
    assert options.number("-999.0") == -999.0


@pytest.mark.parametrize("cell", INFINITE)
def test_infinity_is_no_number(cell: str) -> None:
    with pytest.raises(NotANumberError, match="is not a finite number"):
        TableOptions().number(cell)


@pytest.mark.parametrize("cell", ["1e400", "-1e309", "1" * 400])
def test_what_float64_cannot_hold_is_refused(cell: str) -> None:
    with pytest.raises(NotANumberError, match="beyond the range of float64"):
        TableOptions().number(cell)


IN_NUMBERS = [
    "NAN",
    "Nan",
    "nAn",
    "-nan",
    "-NaN",
    "NONE",
    "none",
    "Null",
    "na",
    "Na",
    "n/A",
    "#n/a",
    "1.#QNAN",
    "-1.#IND",
]


@pytest.mark.parametrize("cell", IN_NUMBERS)
def test_in_numbers_a_token_may_be_in_any_case(cell: str, reader: str, tmp_path: Path) -> None:
    rows = "".join(f"{row},{row}\n" for row in range(9_000))  # enough for the fast parsers
    path = table_file(tmp_path, f"a,b\n{rows}1, {cell}\n2,{cell}\n")
    assert np.flatnonzero(np.isnan(read(path, columns=["b"]))).tolist() == [9000, 9001]
    (*_, batch) = open_table(path).batches(["a"], ["b"])
    assert batch.categories[0].values[-1] == cell  # a name, where the column holds names
    assert not TableOptions().is_number(cell)


@pytest.mark.parametrize("cell", MISSING_TOKENS)
def test_a_missing_token_is_nan(cell: str) -> None:
    assert math.isnan(TableOptions().number(f" {cell} "))
    assert not TableOptions().is_number(cell)


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None)
def test_a_decimal_comma_is_a_point(value: float) -> None:
    written = repr(value)
    assert SEMICOLONS.number(written.replace(".", ",")).hex() == value.hex()
    if "." in written:
        with pytest.raises(NotANumberError):
            SEMICOLONS.number(written)

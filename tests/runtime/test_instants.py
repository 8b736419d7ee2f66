"""Instants to numbers: held against exact fractions and the calendar of datetime."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.instants import Clock, NotAnInstantError, instant, numbers_of
from tests.optional import needs, optional

pa = optional("pyarrow")

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}
SIZES = (3600, 60, 1)
PARTS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
TOKENS = frozenset({"", "NA"})

offsets = st.builds(
    lambda sign, hours, minutes, form: (
        f"{sign}{hours:02}{form}{minutes:02}" if form is not None else f"{sign}{hours:02}",
        (1 if sign == "+" else -1) * (hours * 60 + (0 if form is None else minutes)),
    ),
    st.sampled_from("+-"),
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from([":", "", None]),
)
zones = st.just(("", 0)) | st.just(("Z", 0)) | offsets


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, Fraction]:
    """Return an instant as text, and its seconds since 1970."""
    day = draw(st.dates(date(1, 1, 1), date(9999, 12, 31)))
    seconds = Fraction((day - date(1970, 1, 1)).days * 86_400)
    depth = draw(st.integers(0, 3))
    if not depth:
        return day.isoformat(), seconds
    parts = [draw(st.integers(0, most)) for most in (23, 59, 59)[:depth]]
    fraction = draw(st.text("0123456789", max_size=9)) if len(parts) == len(SIZES) else ""
    zone, off = draw(zones)
    text = f"{day.isoformat()}{draw(st.sampled_from('T '))}{':'.join(f'{part:02}' for part in parts)}"
    text += f"{draw(st.sampled_from('.,'))}{fraction}" if fraction else ""
    seconds += sum(part * size for part, size in zip(parts, SIZES, strict=False)) - off * 60
    return text + zone, seconds + Fraction(int(fraction or 0), 10 ** len(fraction))


@settings(deadline=None)  # the first imports pyarrow's functions
@given(st.lists(texts(), min_size=1, max_size=4), st.sampled_from([*UNITS]), texts())
def test_a_text_is_the_float_nearest_to_its_units(
    cells: list[tuple[str, Fraction]], unit: str, origin: tuple[str, Fraction]
) -> None:
    clock = Clock.named(f"{unit} since {origin[0]}")
    values, why = numbers_of([None, " NA", *(f" {text}\t" for text, _ in cells)], clock, TOKENS)
    assert not why
    assert np.isnan(values[:2]).all()
    assert values[2:].tolist() == [float((seconds - origin[1]) / UNITS[unit]) for _, seconds in cells]


@needs(pa)
@settings(deadline=None)  # the first imports pyarrow's functions
@given(texts(), st.sampled_from([*PARTS]), st.sampled_from([*UNITS]))
def test_moments_of_numpy_and_of_arrow_are_those_of_their_text(cell: tuple[str, Fraction], unit: str, of: str) -> None:
    from lr_runtime.tables.arrow.memory import as_moments

    ticks = cell[1] * PARTS[unit]
    count = min(max(int(ticks // 1), -(2**63) + 1), 2**63 - 1)
    exact = float(Fraction(count, PARTS[unit] * UNITS[of]))
    moments = np.array([count, np.iinfo(np.int64).min]).view(f"M8[{unit}]")
    held = np.asanyarray(as_moments(pa.array([count, None], pa.timestamp(unit, "Asia/Tokyo")), TOKENS))
    for each in (moments, held):
        values, _ = numbers_of(each, Clock.named(of), TOKENS)
        assert values[0] == exact
        assert np.isnan(values[1])


@needs(pa)
@settings(deadline=None)  # the first imports pyarrow's functions
@given(st.lists(texts().map(lambda cell: cell[0]) | st.sampled_from(sorted(TOKENS)), min_size=1, max_size=4))
def test_what_pyarrow_reads_is_what_the_strict_reader_reads(cells: list[str]) -> None:
    from lr_runtime.tables.arrow.memory import as_moments

    strict = numbers_of(cells, Clock.named("seconds"), TOKENS)[0]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        held = np.asanyarray(as_moments(pa.array(cells, kind), TOKENS))
        np.testing.assert_array_equal(numbers_of(held, Clock.named("seconds"), TOKENS)[0], strict)


@needs(pa)
@settings(deadline=None)  # the first imports pyarrow's functions
@given(texts(), st.integers(0, 40), st.text("0123456789T:.,Z+- ", max_size=2))
def test_pyarrow_takes_no_text_that_the_strict_reader_refuses(
    cell: tuple[str, Fraction], at: int, changed: str
) -> None:
    from lr_runtime.tables.arrow.memory import as_moments

    text = cell[0][:at] + changed + cell[0][at + 1 :]
    held = np.asanyarray(as_moments(pa.array([text]), TOKENS))
    if held.dtype.kind == "M" and text:
        seconds, nanoseconds = instant(text)
        assert held.astype("M8[ns]").astype(np.int64)[0] == seconds * 10**9 + nanoseconds


REFUSED = {
    "24-05-01": "is not an instant in ISO 8601",
    "20240501": "is not an instant in ISO 8601",
    "1714521600": "is not an instant in ISO 8601",
    "05/01/2024": "is not an instant in ISO 8601",
    "2024-05": "is not an instant in ISO 8601",
    "2024-123": "is not an instant in ISO 8601",
    "2024-W18-3": "is not an instant in ISO 8601",
    "2024-05-01Z": "is not an instant in ISO 8601",
    "2024-05-01T24:00": "is not an instant in ISO 8601",
    "2024-05-01T12:00:00+24:00": "is not an instant in ISO 8601",
    "2024-05-01T12:00:00.1234567891": "is not an instant in ISO 8601",
    "2024-05-01T12:00:00\n": "is not an instant in ISO 8601",
    "2016-12-31T23:59:60Z": "is no instant .second must be in 0..59",
    "2024-13-01": "is no instant .month must be in 1..12",
    "2023-02-29": "is no instant .day is out of range for month",
    "1900-02-29": "is no instant .day is out of range for month",
    "0000-01-01": "is no instant .year 0 is out of range",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_instant_says_why(text: str) -> None:
    with pytest.raises(NotAnInstantError, match=REFUSED[text]):
        instant(text)


@pytest.mark.parametrize("words", ["years", "", "days since ", "days since yesterday", "days since 2024-02-30", "day"])
def test_a_unit_or_an_origin_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"is none of|is no"):
        Clock.named(words)


def test_no_rows_are_no_numbers() -> None:
    assert numbers_of([], Clock("days"), TOKENS)[0].shape == (0,)

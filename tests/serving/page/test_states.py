"""What the page says where something is not as it should be: of an input, of the server, of the model."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.page.page import part

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver import Chrome

    from tests.serving.page.conftest import Page

WRONG = {
    "": "A number is needed here.",
    "abc": "Write a number, such as 20.5 or 1e-9.",
    "0x10": "Write a number, such as 20.5 or 1e-9.",
    "3,5": "Write a decimal point: 3.5",
    "1e999": "That is beyond the numbers that a computer holds.",
    "9007199254740993": "A computer does not hold all its digits",
}


def test_what_is_no_number_is_said_at_its_field(page: Callable[[str], Page]) -> None:
    air = page("air")
    for text, why in WRONG.items():
        air.set("#field-0", text)
        assert air.until_says("#field-0-note", why)
        assert air.until_says("#refused", "No prediction: temperature: ")
        assert air.run("return document.querySelector('#field-0').getAttribute('aria-invalid')") == "true"
        assert air.figures(".reading") == []
    air.set("#field-0", "\u22123.5")
    air.until("return document.querySelectorAll('.reading .figure').length === 3")
    assert not air.text("#refused")
    assert not air.text("#field-0-note")


def test_outside_the_training_range_is_said_with_column_and_range(page: Callable[[str], Page]) -> None:
    air = page("air")
    air.set("#field-1", "120.5")
    ends = air.run("return JSON.parse(document.querySelector('#description').textContent)[0].columns[1]")
    said = air.until_says("#outside", "humidity is 120.5 %")
    assert f"(training: {ends['minimum']:g} to {ends['maximum']:g} %)" in said
    assert air.until_says("#field-1-note", "Outside the training range")
    air.run("document.querySelector('button[type=reset]').click()")
    air.until("return document.querySelector('#outside').hidden")


def test_a_server_that_is_gone_is_said_and_asked_again(page: Callable[[str], Page]) -> None:
    air = page("air")
    air.run("window.real = window.fetch; window.fetch = () => Promise.reject(new TypeError('refused'))")
    air.set("#field-0", "11")
    assert air.until_says("#gone", "The server does not answer.", "Trying again")
    air.run("window.fetch = (...all) => real(...all)")
    air.until("return document.querySelector('#gone').hidden")
    assert air.run("return document.querySelector('#field-0').value") == "11"


def test_no_way_back_is_shown_of_inputs_that_are_set_no_longer(page: Callable[[str], Page]) -> None:
    air = page("air")
    air.until("return document.querySelector('#found .figure') !== null")
    air.set("#field-1", "abc")
    assert air.until_says("#found-why", "An input has no value.")
    air.set("#field-1", "57")
    air.until("return document.querySelector('#found .figure') !== null")
    air.set("#reading", "")
    assert air.until_says("#found", "—") == "—"


def test_a_curve_that_is_refused_leaves_no_old_one(page: Callable[[str], Page]) -> None:
    line = page("line")
    line.until("return document.querySelector('#chart-table .figure') !== null")
    line.run(
        'const real = fetch, refused = () => new Response(\'{"error": "x is 0"}\', {status: 422});'
        "fetch = async (url, options) => (JSON.parse(options.body).length > 1 ? refused() : real(url, options))"
    )
    line.set("#field-0", "99")
    assert line.until_says("#chart", "No curve: x is 0")
    assert line.figures("#chart-table") == []
    assert line.run("return document.querySelector('#chart').getAttribute('aria-label')") == "No curve: x is 0"


@pytest.mark.parametrize("year", ["10000", "20240", "275000"])
def test_a_year_beyond_9999_is_refused(page: Callable[[str], Page], year: str) -> None:
    air = page("air")
    air.set("#field-4", f"{year}-01-01T00:00")
    assert air.until_says("#field-4-note", "Set a whole date and time, of a year up to 9999.")
    # The note comes at once, what follows from it with the next frame that the browser draws.
    assert air.until("return !document.querySelector('.reading .figure')")


@pytest.mark.parametrize(
    ("status", "body", "place", "words"),
    [
        (503, '{"error": "not ready"}', "#gone", "The server is busy."),
        (502, "<html>", "#gone", "The server does not answer."),
        (422, '{"error": "row 1: column x: too cold"}', "#refused", "No prediction: column x: too cold"),
        (401, '{"error": "send the token"}', "#refused", "No prediction: send the token"),
        (200, '{"model_sha256": "other"}', "#refused", "another model under this name now. Load this page again."),
    ],
)
def test_what_the_server_says_is_shown(
    page: Callable[[str], Page], status: int, body: str, place: str, words: str
) -> None:
    air = page("line")
    air.run(
        "const [status] = arguments, body = arguments[1]; fetch = async () => new Response(body, {status})",
        status,
        body,
    )
    air.set("#field-0", "2.5")
    assert air.until_says(place, words)


def test_the_newest_change_wins(page: Callable[[str], Page]) -> None:
    line = page("line")
    line.run(
        "const real = window.fetch, now = {}; window.most = {}; window.fetch = async (url, options) => {"
        "const way = new URL(url).pathname; now[way] = (now[way] ?? 0) + 1;"
        "most[way] = Math.max(most[way] ?? 0, now[way]);"
        "await new Promise((done) => setTimeout(done, 40)); const answer = await real(url, options);"
        "now[way] -= 1; return answer; }"
    )
    for step in range(20):
        line.set("#field-0", 1 + step / 10)
    (answer,) = line.asked("/predict", [{"x": 2.9}])["predictions"]
    line.until_figures(".reading", [answer["y"]])
    assert line.run("return most['/explain']") == 1


def test_an_answer_that_comes_late_does_not_hide_what_is_wrong(page: Callable[[str], Page]) -> None:
    line = page("line")
    line.run(
        "const real = fetch; window.late = []; window.answered = 0;"
        "fetch = async (...all) => { await new Promise((done) => late.push(done)); const answer = await real(...all);"
        "setTimeout(() => { answered += 1; }, 100); return answer; }"
    )
    line.set("#field-0", "2.5")
    line.until("return late.length === 3")  # the prediction, its terms, the way back
    line.set("#field-0", "none")
    line.until_says("#refused", "Write a number")
    line.run("late.forEach((done) => done())")
    line.until("return answered >= 3")
    assert line.text("#refused")
    assert line.figures(".reading") == []


def test_a_way_back_that_comes_late_is_not_that_of_another_reading(page: Callable[[str], Page]) -> None:
    line = page("line")
    line.until("return document.querySelector('#found .figure') !== null")
    line.run(
        "const real = fetch; window.late = null; window.answered = 0;"
        "fetch = async (...all) => { await new Promise((done) => { late = done; }); const answer = await real(...all);"
        "setTimeout(() => { answered += 1; }, 100); return answer; }"
    )
    line.set("#reading", "5")
    line.until("return late !== null")
    line.set("#reading", "none")
    line.run("late()")
    line.until("return answered === 1")
    assert line.figures("#found") == []
    assert "Write a number" in line.text("#found-why")


@pytest.fixture(scope="module")
def script(driver: Chrome) -> Callable[..., object]:
    """Call a function of page.js, which knows no model."""
    driver.get("about:blank")
    parts = "\n".join(map(part, ("numbers.js", "drawings.js", "fields.js")))
    return lambda call, *arguments: driver.execute_script(f"{parts}\nreturn {call}", *arguments)


FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=10, deadline=None)
@given(values=st.lists(FLOATS, min_size=50, max_size=300))
def test_numbers_have_the_digits_of_their_float32(script: Callable[..., list[str]], values: list[float]) -> None:
    values += [*values, 1048576.25, -1048576.75, 1048577.25]  # between two numbers of so many digits
    back = script("arguments[0].map((each) => written(each, true).replaceAll('\\u2212', '-'))", values)
    assert [float(np.float32(text)) for text in back] == values
    assert [float(text) for text in back] == [float(str(np.float32(value))) for value in values]


@settings(max_examples=40, deadline=None)
@given(ends=st.tuples(FLOATS, FLOATS).map(sorted), count=st.integers(2, 10))
def test_marks_of_a_scale_are_few_and_enclose_what_is_shown(
    script: Callable[..., list[float]], ends: list[float], count: int
) -> None:
    low, high = ends
    marks = script("ticks(arguments[0], arguments[1], arguments[2])", low, high, count)
    off = 1e-8 * max(abs(low), abs(high))
    assert marks == sorted({*marks})
    assert 2 <= len(marks) <= count + 3
    assert marks[0] <= low + off
    assert marks[-1] >= high - off


@pytest.mark.parametrize(
    "ends", [(-12, 1.3e8), (1e8, 9.5e8), (-1e-7, 3e-7), (0, 7), (9007199254740005, 9007199254740864)]
)
@pytest.mark.parametrize("width", [250, 430, 900])
def test_texts_along_the_axis_do_not_meet(
    script: Callable[..., list[tuple[float, str]]], ends: tuple[float, float], width: int
) -> None:
    labels = script("labelsOf({column: {kind: 'number'}}, arguments[0], arguments[1])", ends, width)
    for (left, text), (right, _) in pairwise(labels):
        assert (right - left) / (ends[1] - ends[0]) * width > 7 * len(text)


@settings(max_examples=40, deadline=None)
@given(low=FLOATS, span=st.floats(1e-30, 1e30), is_single=st.booleans())
def test_a_slider_steps_through_its_range(
    script: Callable[..., list[float]], low: float, span: float, is_single: bool
) -> None:
    column = {"kind": "number", "minimum": low, "maximum": low + span, "time": None}
    stops = script("stopsOf(arguments[0], arguments[1])", column, is_single)
    assert stops == sorted({*stops})
    assert len(stops) <= 252
    assert all(low <= each <= low + span for each in stops)
    if is_single:
        assert all(abs(each) < 2**24 or each == np.float32(each) for each in stops)
    elif low + span > low:
        assert (stops[0], stops[-1]) == (low, low + span)

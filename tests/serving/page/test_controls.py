"""Every control of the page, and that each number that it shows is the server's, to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.serving.page.conftest import Page


def row_of(page: Page) -> dict[str, Any]:
    """Return the row that the controls of `air` are set to."""
    set_to = page.run(
        "return [...document.querySelectorAll('.box > *:first-child')].map((each) => each.disabled ? null : each.value)"
    )
    temperature, humidity, site, battery, since = set_to
    numbers = {"temperature": float(temperature), "humidity": float(humidity)}
    return {**numbers, "site": site or None, "battery": battery and float(battery), "since": since and since + "Z"}


def test_every_control_sets_its_column(page: Callable[[str], Page]) -> None:
    air = page("air")
    first = row_of(air)
    air.shows(first)

    air.set("#field-0", "20.125")
    air.shows({**first, "temperature": 20.125})
    slider = ".field:nth-child(2) input[type=range]"
    air.set(slider, 10)
    assert row_of(air)["humidity"] != first["humidity"]
    air.shows(row_of(air))
    air.set("#field-2", "roof")
    air.shows({**row_of(air), "site": "roof"})
    air.set("#field-2", "")
    air.shows({**row_of(air), "site": None})
    air.run("document.querySelector('#field-3-missing').click()")
    air.shows({**row_of(air), "battery": None})
    air.run("document.querySelector('#field-3-missing').click()")
    air.set("#field-4", "2024-03-01T12:30:15")
    air.shows({**row_of(air), "since": "2024-03-01T12:30:15Z"})
    air.set(".field:nth-child(5) input[type=range]", 0)
    air.shows(row_of(air))

    air.run("document.querySelector('button[type=reset]').click()")
    assert row_of(air) == first
    air.shows(first)
    assert air.log() == []


def test_the_ends_of_a_slider_are_those_of_the_training_range(page: Callable[[str], Page]) -> None:
    for model in ("air", "bare"):
        opened = page(model)
        for end, name in ((0, "minimum"), (10_000, "maximum")):
            for slider in range(opened.run("return document.querySelectorAll('[type=range]').length")):
                opened.run(
                    "const each = document.querySelectorAll('[type=range]')[arguments[0]];"
                    "each.value = arguments[1]; each.dispatchEvent(new Event('input'))",
                    slider,
                    end,
                )
            opened.until("return [...document.querySelectorAll('.reading .figure')].length > 0")
            assert not opened.text("#outside"), (model, name)
            assert not opened.text("#refused"), (model, name)


def test_terms_add_up_as_the_server_says(page: Callable[[str], Page]) -> None:
    air = page("air")
    air.set("#field-0", "3.3")
    (said,) = air.asked("/explain", [row_of(air)])["explanations"]
    expected = [said["intercept"], *(share["contribution"] for share in said["shares"]), said["total"]]
    air.until_figures("#term-table", expected)
    names = air.run("return [...document.querySelectorAll('.term')].map((each) => each.textContent)")
    assert names == ["intercept", *(share["term"] for share in said["shares"])]
    is_less = air.run("return [...document.querySelectorAll('.bar')].map((each) => each.classList.contains('less'))")
    assert is_less == [value < 0 for value in expected[:-1]]


def test_terms_of_a_function_say_what_is_taken_back(page: Callable[[str], Page]) -> None:
    bare = page("bare")
    assert "log(y)" in bare.until_says("#term-table", "log(y)")
    (y,) = bare.figures(".reading")
    bare.until_figures("#terms-sum", [y])
    assert "is added to the sum for the mean" in bare.text("#terms-sum")
    bare.set("#field-0", "-1", "input")
    said = bare.until_says("#refused", "column")
    assert said == 'No prediction: column "r": -1.0 is outside the domain of "log(r)". Give a number above 0'


def test_the_curve_is_the_model_against_any_column(page: Callable[[str], Page]) -> None:
    air = page("air")
    columns = air.run("return JSON.parse(document.querySelector('#description').textContent)[0].columns")
    numeric = [column for column in columns if column["kind"] != "category"]
    for place, column in enumerate(numeric):
        air.set("#against", place, "change")
        for row, end in (("first", "minimum"), ("last", "maximum")):
            (answer,) = air.asked("/predict", [{**row_of(air), column["name"]: column[end]}])["predictions"]
            expected = [answer["ozone" + suffix] for suffix in ("", "_lower", "_upper")]
            air.until_figures(f"#chart-table tbody tr:{row}-child", expected)
    assert len(numeric) == 4
    assert air.run("return document.querySelectorAll('#chart .band, #chart .curve, #chart .point').length") == 3
    air.set("#field-0", "60")
    air.until("return document.querySelector('#chart .beyond') === null")  # against another column
    air.set("#against", 0, "change")
    air.until("return document.querySelector('#chart .beyond') !== null")


def test_dragging_in_the_picture_moves_the_input(page: Callable[[str], Page]) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    air = page("air")
    air.looks(1280, "light")
    air.until("return document.querySelector('#chart svg') !== null")
    before, chart = row_of(air), air.driver.find_element(By.ID, "chart")
    air.run("document.querySelector('#chart').scrollIntoView({block: 'center'})")
    ActionChains(air.driver, 10).move_to_element_with_offset(chart, 60, 0).click_and_hold().move_by_offset(
        80, 0
    ).release().perform()
    air.until("return document.querySelector('#field-0').value !== arguments[0]", str(before["temperature"]))
    assert row_of(air)["temperature"] > before["temperature"]
    air.shows(row_of(air))


def test_a_reading_is_taken_back_to_a_column(page: Callable[[str], Page]) -> None:
    air = page("air")
    air.set("#reading", "20")
    at = {name: value for name, value in row_of(air).items() if name != "temperature"}
    found = air.asked("/invert", {"reading": {"ozone": 20}, "at": at})["inverse"]
    limits = [found.get(f"temperature{end}") for end in ("_lower", "_upper")]
    air.until_figures("#found", [found["temperature"]])
    assert air.figures("#found-why") == [limit for limit in limits if isinstance(limit, float)]
    air.run("document.querySelector('#take').click()")
    air.shows(row_of(air))
    assert abs(air.figures(".value")[0] - 20) < 1e-5
    air.set("#reading", "1e6")
    assert "outside" in air.until_says("#found-why", "goes from")
    air.set("#reading", "no")
    air.until_says("#found-why", "Write a number")


def test_each_of_several_outputs_has_its_reading(page: Callable[[str], Page]) -> None:
    evil = page("evil")
    description = evil.run("return JSON.parse(document.querySelector('#description').textContent)[0]")
    values = evil.run("return [...document.querySelectorAll('.box > input')].map((each) => +each.value)")
    names = [column["name"] for column in description["columns"]]
    (answer,) = evil.asked("/predict", [dict(zip(names, values, strict=True))])["predictions"]
    evil.until_figures(
        ".readout", [answer[f"{name}{end}"] for name in ("<i>a</i>", 'b"') for end in ("", "_lower", "_upper")]
    )
    evil.set("#of", "1", "change")
    evil.until_says("#term-table tfoot", 'Sum: b"')
    assert evil.figures("#term-table tfoot") != []


def test_an_inverse_file_shows_the_quantity_and_its_limits(page: Callable[[str], Page]) -> None:
    back = page("back")
    back.set("#field-0", "6.5")
    back.shows({"y": 6.5}, "x")
    assert "95 % limits" in back.text(".interval")
    hidden = back.run("return ['terms', 'inverse', 'equation'].filter((id) => document.getElementById(id).hidden)")
    assert {"terms", "inverse"} <= {*hidden}
    assert back.log() == []

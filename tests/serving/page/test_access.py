"""Who can use the page, and what it may do: everyone, and nothing but ask its own server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import DATA
from tests.serving.page.conftest import EVIL, LONG, Page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from selenium.webdriver import Chrome

    from tests.serving.conftest import Serving
AXE = DATA / "axe" / "axe.min.js"
LOOKS = [(width, scheme) for width in (360, 1280) for scheme in ("light", "dark")]


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong, at any of its levels, best practices too."""
    page.run(f"if (!window.axe) {{ {AXE.read_text()} }}")
    found = page.driver.execute_async_script(
        "const done = arguments[0];"
        "axe.run(document, {resultTypes: ['violations']}).then((found) => done(found.violations.map((each) =>"
        "`${each.id}: ${each.help}: ${each.nodes.map((node) => node.html + node.failureSummary).join(' ')}`)))"
    )
    return [str(each) for each in found]


@pytest.mark.parametrize("model", ["air", "evil", "back"])
def test_axe_finds_nothing_wrong_in_any_look(page: Callable[[str], Page], model: str) -> None:
    opened = page(model)
    opened.run("for (const each of document.querySelectorAll('details')) each.open = true")
    if model == "air":
        opened.set("#field-0", "99")
        opened.set("#field-1", "none")
        opened.until_says("#refused", "humidity")
    for width, scheme in LOOKS if model == "air" else LOOKS[:1] + LOOKS[-1:]:
        opened.looks(width, scheme)
        assert violations(opened) == [], (model, width, scheme)
        assert opened.run("return document.documentElement.scrollWidth <= innerWidth"), (model, width)


def test_a_token_in_the_address_is_sent_with_what_the_page_asks(
    driver: Chrome, start: Callable[..., Serving], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    server = start("--token-file", token, model="line.onnx")
    opened = Page(driver, server._replace(url=server.url.replace("://", "://user:s3cret@")), "line")
    opened.until("return document.querySelectorAll('#term-table .figure').length === 3")
    assert opened.log() == []


def test_the_list_of_models_leads_to_each(driver: Chrome, pages: Serving, page: Callable[[str], Page]) -> None:
    from selenium.webdriver.common.by import By

    opened = page("line")
    driver.get(pages.url)
    links = driver.find_elements(By.CSS_SELECTOR, "#model-list a")
    assert [each.text for each in links] == pages.models
    assert violations(opened) == []
    links[pages.models.index("back")].click()
    opened.until("return document.querySelector('#title').textContent === 'back'")


def test_names_are_text_whatever_they_are(page: Callable[[str], Page]) -> None:
    evil = page("evil")
    labels = evil.run("return [...document.querySelectorAll('.field > label')].map((each) => each.textContent)")
    assert labels[:3] == [EVIL, LONG, "__proto__"]
    assert evil.driver.title == "evil: try the model"
    assert evil.run("return document.querySelectorAll('b, i').length") == 0
    assert evil.log() == []


def test_it_asks_its_own_server_alone(page: Callable[[str], Page]) -> None:
    air = page("air")
    asked = air.run("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert asked
    assert all(each.startswith(air.server.url) for each in asked)
    air.run(
        "const each = document.createElement('script'); each.textContent = 'window.foreign = 1';"
        "document.body.append(each); setTimeout('window.foreign = 1')"
    )
    assert air.run("return window.foreign") is None
    assert all("Content Security Policy" in line for line in air.log())
    head = air.server.ask("/?model=air").headers
    assert head["content-type"] == "text/html; charset=utf-8"
    assert head["content-security-policy"] == "frame-ancestors 'none'"
    assert head["x-content-type-options"] == "nosniff"


def test_the_keyboard_alone_reaches_and_sets_every_control(page: Callable[[str], Page]) -> None:
    from selenium.webdriver import ActionChains, Keys

    def press(*keys: str) -> None:
        ActionChains(air.driver, 0).send_keys(*keys).perform()

    air = page("air")
    air.looks(1280, "light")
    air.until("return !document.querySelector('#take').hidden")
    controls = "button, input:not(:disabled), select, summary, [tabindex='0']"
    wanted = air.run(
        "return [...document.querySelectorAll(arguments[0])].filter((each) => each.checkVisibility()).length", controls
    )
    at_focus = (
        "const at = document.activeElement, style = getComputedStyle(at);"
        "return [at.id || at.type || at.tagName, at.getAttribute('aria-label'), style.outlineStyle]"
    )
    reached = []
    for _ in range(wanted + 8):  # a clock has a stop for each of its parts
        press(Keys.TAB)
        at = tuple(air.run(at_focus))
        if at[0] == "BODY":
            break
        assert at[2] == "solid", at
        if at not in reached:
            reached.append(at)
    assert len(reached) == wanted, (reached, wanted)

    air.run("document.querySelector('#field-0').focus()")
    air.run("document.activeElement.select()")
    press("7.5", Keys.TAB, Keys.ARROW_RIGHT)
    value = float(air.run("return document.querySelector('#field-0').value"))
    assert 7.5 < value < 8.5
    press(Keys.TAB, " ")
    air.until("return document.querySelector('#field-0').disabled")


def test_the_result_is_said_once_a_change_is_over(page: Callable[[str], Page]) -> None:
    air = page("air")
    air.run(
        "window.said = []; new MutationObserver(() => said.push(document.querySelector('#spoken').textContent))"
        ".observe(document.querySelector('#spoken'), {childList: true})"
    )
    air.until("return said.length === 1")
    for value in ("1", "1.5", "60"):
        air.set("#field-0", value)
    assert "Outside the training range: temperature" in air.until("return said[1]")
    assert air.run("return said.length") == 2
    label = air.run("return document.querySelector('#chart').getAttribute('aria-label')")
    assert label.startswith("ozone against temperature in °C: ")
    assert label.count("µg/m³ at") == 3

"""The page in Chromium, and models of every kind that it shows, behind one lr-serve."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.serving.conftest import Serving, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

SECONDS = 15
"""After which a test gives up waiting for what takes milliseconds."""
PROGRAMS = ("chromium", "chromedriver")
EVIL = '</script><script>document.title = "injected"</script>'
LONG = 'a "quoted" name & <b>bold</b>, of sixty characters or so, größe'


class Page:
    """The page of one model in the browser, as a person has it."""

    def __init__(self, driver: Chrome, server: Serving, model: str) -> None:
        self.driver, self.server, self.model = driver, server, model
        self.run: Callable[..., Any] = driver.execute_script
        driver.get(f"{server.url}/?model={model}")
        self.until("return document.querySelector('.value .figure') !== null")

    def until(self, script: str, *arguments: object) -> Any:
        """Wait until a script gives something true, and return that."""
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.driver, SECONDS, 0.02).until(lambda _: self.run(script, *arguments))

    def set(self, selector: str, value: object, event: str = "input") -> None:
        """Give a control a value, with the event that a browser sends for it."""
        self.run(
            "const each = document.querySelector(arguments[0]); each.value = arguments[1];"
            "each.dispatchEvent(new Event(arguments[2], {bubbles: true}))",
            selector,
            value,
            event,
        )

    def text(self, selector: str) -> str:
        """Return the text of an element, empty where it is hidden."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def until_says(self, selector: str, *words: str) -> str:
        """Wait until an element has all these words."""
        script = (
            "const text = document.querySelector(arguments[0]).innerText;"
            "return arguments[1].every((word) => text.includes(word)) && text"
        )
        return str(self.until(script, selector, words))

    def figures(self, selector: str) -> list[float]:
        """Return the numbers in an element, with all their digits."""
        found = self.run(
            "return [...document.querySelectorAll(arguments[0] + ' .figure')].map((each) => each.dataset.value)",
            selector,
        )
        return [float(each) for each in found]

    def until_figures(self, selector: str, expected: list[float]) -> None:
        """Wait until an element has these numbers, to the last bit."""
        script = (
            "const found = [...document.querySelectorAll(arguments[0])].map((each) => Number(each.dataset.value));"
            "return JSON.stringify(found) === JSON.stringify(arguments[1])"
        )
        self.until(script, f"{selector} .figure", expected)

    def asked(self, path: str, body: object) -> Any:
        """Return what the server itself answers."""
        answer = self.server.ask(f"{path}?model={self.model}", body, headers={"content-type": "application/json"})
        assert answer.status == 200, answer
        return answer.json

    def shows(self, row: dict[str, object], output: str = "ozone") -> None:
        """Hold the reading against the server's answer for a row, to the last bit."""
        (answer,) = self.asked("/predict", [row])["predictions"]
        self.until_figures(".reading", [answer[output + end] for end in ("", "_lower", "_upper")])

    def log(self) -> list[str]:
        """Return what the browser's console said since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def looks(self, width: int, scheme: str) -> None:
        """Set the width of the window in pixels, and the scheme of colours that the system prefers."""
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.fixture(scope="session")
def driver() -> Iterator[Chrome]:
    """Give the browser, started once."""
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        pytest.skip(f"{missing[0]} is not installed here: apt-get install chromium chromium-driver")
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en-GB"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = shutil.which("chromium") or ""
    chrome = Chrome(options, ChromeService(shutil.which("chromedriver")))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Serve the models of `export_all`."""
    folder = tmp_path_factory.mktemp("pages")
    export_all(folder)
    with serving(folder) as running:
        yield running


@pytest.fixture
def page(driver: Chrome, pages: Serving) -> Callable[[str], Page]:
    """Open the page of a model by its name."""
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    return partial(Page, driver, pages)


def export_all(folder: Path) -> None:
    """Export `air`, of columns of every kind; `line`, of one; `evil`, by its names; `back`, an inverse; `bare`."""
    from lr_export import export
    from lr_trainer import fit

    random, rows = np.random.default_rng(18), 60
    temperature, battery = random.uniform(-12, 38, rows).round(2), random.uniform(3.2, 4.2, rows).round(3)
    humidity, site = random.uniform(15, 98, rows).round(1), random.choice(["park", "ring road", "roof"], rows)
    since = np.datetime64("2024-01-01T00:00:00") + random.integers(0, 300 * 86_400, rows)
    ozone = 22 + 1.1 * temperature - 0.22 * humidity + 3 * (site == "roof") + random.normal(0, 2, rows)
    battery[::7] = np.nan
    table = {"temperature": temperature, "humidity": humidity, "site": site, "battery": battery, "since": since}
    units = {"temperature": "°C", "humidity": "%", "battery": "V", "ozone": "µg/m³"}
    air = fit({**table, "ozone": ozone}, target="ozone", units=units, time={"since": "days"}, missing="indicator")
    export(air, folder / "air.onnx", interval=0.95, flags=True, without_eager=True)

    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    line = fit({"x": x, "y": 2 * x + np.array([0.1, -0.1, 0.05, 0.0, -0.05])}, target="y")
    export(line, folder / "line.onnx", without_eager=True)
    export(line, folder / "back.onnx", inverse="x", interval=0.95, without_eager=True)

    names = [EVIL, LONG, "__proto__", *(f"channel {each}" for each in range(4, 41))]
    many = {name: random.normal(10, 3, rows) for name in names}
    values = np.array([*many.values()])
    outputs = {"<i>a</i>": random.normal(size=40) @ values, 'b"': random.normal(size=40) @ values}
    noisy = {name: each + random.normal(0, 0.5, rows) for name, each in outputs.items()}
    evil = fit({**many, **noisy}, target=[*outputs])
    export(evil, folder / "evil.onnx", interval=0.9, without_eager=True)

    wide = {"r": 10.0 ** random.uniform(-9, 12, rows), "n": 2e9 + random.integers(-900, 900, rows) * 1.0}
    y = np.exp(np.log10(wide["r"]) / 8 + (wide["n"] - 2e9) / 1000 + random.normal(0, 0.05, rows))
    bare = fit({**wide, "y": y}, target="y", transforms={"r": "log", "y": "log"})
    export(bare, folder / "bare.onnx", input_dtype="float32", mean=True, without_eager=True)

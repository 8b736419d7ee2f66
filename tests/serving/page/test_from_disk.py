"""The page as one file, opened from disk in Chromium: the bits of lr-infer, and nothing fetched."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lr_export import export
from lr_runtime import Predictor
from lr_trainer import fit
from tests.export.present import runs
from tests.serving.page.conftest import EVIL, Page

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver import Chrome

pytestmark = pytest.mark.skipif(not runs("html"), reason="no node on PATH, which verifies the page: apt install nodejs")
SITES = ["park", "ring </script> road", "<!--<script>"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with columns of every kind, as a page and as an ONNX file."""
    random, rows, folder = np.random.default_rng(7), 40, tmp_path_factory.mktemp("disk")
    t, site = random.uniform(-12, 38, rows).round(2), random.choice(SITES, rows)
    since = np.datetime64("2024-01-01T00:00:00") + random.integers(0, 300 * 86_400, rows)
    evil = np.where(np.arange(rows) % 7 == 3, np.nan, random.normal(size=rows))
    y = 22 + 1.1 * t + 3 * (site == "park") + random.normal(0, 2, rows)
    table = {"t": t, "site": site, "since": since, EVIL: evil, "ozone": y}
    model = fit(table, target="ozone", time={"since": "days"}, missing="indicator")
    write = partial(export, model, interval=0.95, flags=True, without_eager=True)
    write(folder / "model.onnx")
    write(folder / "model.html", format="html")
    return folder


class FromDisk(Page):
    """The page of a file."""

    def __init__(self, driver: Chrome, path: Path) -> None:
        self.driver, self.run = driver, driver.execute_script
        driver.get(path.as_uri())
        self.until("return document.querySelector('.value .figure') !== null")


def test_the_page_from_disk_gives_the_bits_of_the_runtime_and_fetches_nothing(folder: Path, driver: Chrome) -> None:
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    page, predictor = FromDisk(driver, folder / "model.html"), Predictor.load(folder / "model.onnx")
    row = {"t": 21.25, "site": SITES[2], "since": "2024-03-01T12:30:15Z", EVIL: None}
    for field, value in enumerate([row["t"], row["site"], "2024-03-01T12:30:15"]):
        page.set(f"#field-{field}", value)
    page.run("document.querySelector('#field-3-missing').click()")
    (found,) = predictor.predict([row]).rows()
    page.until_figures(".reading", [found["ozone"], found["ozone_lower"], found["ozone_upper"]])
    (explained,) = predictor.explain([row])
    page.until_figures(
        "#term-table",
        [explained.intercept, *(share.contribution for share in explained.shares), explained.total],
    )
    assert page.text("#sha").startswith("SHA-256 of the JavaScript inside: ")
    assert page.run("return document.scripts.length") == 2
    assert page.run("return document.title") != "injected"
    assert page.run("return performance.getEntriesByType('resource').map((each) => each.name)") == []
    assert page.log() == []

"""What the page is told of a model: JSON, whatever the contract, and sentences that a technician understands."""

from __future__ import annotations

import json
import math

import pytest

from lr_runtime import Column, Contract, Output
from lr_runtime.contract.contract import PRECISIONS, Equation, GoldenRow, Precision
from lr_runtime.contract.derived import Derived
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.product import Product
from lr_runtime.inspection.report import within
from lr_runtime.instants import Clock
from lr_runtime.page.description import described, numbers_of
from lr_runtime.page.page import in_script, page_of

CONTRACT = Contract(
    columns=(
        Column("t", 1.0, 40.0, unit="°C", missing="mean"),
        Column("site", 0.0, 1.0, kind="category", categories=("a", "b")),
        Column("since", 0.0, 9.0, unit="hours", time=Clock("hours", "1969-12-31T23:59:59.25Z")),
    ),
    outputs=(Output("ozone", 0.9, 1.5, unit="ppb"),),
    rows=10,
    linedge="0.1.0",
    input_dtype="float32",
    results=("y", "y_lower", "y_upper"),
    interval_level=0.95,
    bound=(1.25e-6,),
    input_rounding=(0.125,),
    equation=Equation(
        terms=(Power(3), Product([Level(1, 1), Power(0, 2)])),
        weight=((2.0, -0.5),),
        bias=(1.0,),
        origin=(16.0, 0.0, 0.0, 0.0),
        scale=(4.0, 1.0, 1.0, 1.0),
        fill=(20.0, 0.0, 0.0, 3.0),
    ),
    golden_rows=(GoldenRow((1.0, 0.0, 2.0), (1.0,)),) * 5,
    derived=(Derived(0, "log"),),
)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_certificate_is_said_in_sentences(precision: Precision) -> None:
    contract = CONTRACT._replace(precision=precision)
    said = described(contract, "air", "ab" * 32)["certificate"]
    assert isinstance(said, list)
    assert all(each[0].isupper() or each.startswith("linedge") for each in said)
    assert all(each.endswith(".") for each in said)
    text = " ".join(said)
    assert within(contract, (1.25e-6,)) in text
    assert "Rounding the inputs to float32 changes ozone by at most 0.125 ppb." in said
    assert "5 golden rows" in text
    assert "ONNX Runtime, and the ONNX reference evaluator, and by eager PyTorch" in text
    assert ("float64" in text) == (precision in {"exact", "float64"})
    assert ("same bits" in text) == (precision == "portable")


def test_inputs_that_are_not_rounded_change_nothing() -> None:
    contract = CONTRACT._replace(input_dtype="float64", input_rounding=(0.0,))
    assert "Rounding the inputs to float64 changes nothing." in str(described(contract, "air", "")["certificate"])


def test_what_was_not_run_is_not_claimed() -> None:
    without = str(described(CONTRACT._replace(eager="not run"), "air", "", "html")["certificate"])
    assert "eager" not in without
    assert "run by Node.js, and held" in without
    assert "--unverified" in without
    foreign = Contract((Column("x1", -math.inf, math.inf),), (Output("y1", None, None),), rows=None, linedge="")
    found = described(foreign, "foreign", "")
    assert found["certificate"] == ["linedge did not write this file, and proves nothing of it."]
    assert found["invertible"] == []
    assert "Infinity" not in json.dumps(found)


def test_columns_say_what_a_field_needs() -> None:
    t, site, since = json.loads(json.dumps(described(CONTRACT, "air", "")))["columns"]
    assert (t["kind"], t["minimum"], t["maximum"], t["unit"], t["missing"]) == ("number", 1.0, 40.0, "°C", "mean")
    assert (site["kind"], site["categories"], site["time"]) == ("category", ["a", "b"], None)
    assert (since["kind"], since["time"]["seconds"]) == ("time", 3600)
    assert (since["time"]["since"], since["time"]["beyond"]) == (-1, 250_000_000)
    assert described(CONTRACT, "air", "")["invertible"] == ["t", "since"]


def test_an_inverse_says_what_it_holds() -> None:
    found = described(CONTRACT._replace(inverse=("rh=50",)), "back", "")
    assert (found["inverse"], found["invertible"]) == ({"reading": "t", "held": ("rh=50",)}, [])


def test_a_product_names_its_numbers_first() -> None:
    equation = json.loads(json.dumps(numbers_of(CONTRACT)))["equation"]
    assert [term["name"] for term in equation["terms"]] == ["log(t)", "((t - 16) / 4)^2:site=b"]
    assert equation["terms"][1]["factors"] == [{"column": 0, "power": 2}, {"column": 1, "category": 1}]
    assert numbers_of(CONTRACT._replace(equation=None))["equation"] is None


def test_the_page_holds_its_parts_once_and_no_placeholder() -> None:
    evil = {"name": "<!--script--></script>"}
    page = page_of([evil], ["const backendOf = 1; // </SCRIPT><!--"], asks_server=True)
    assert page.count("<!--") == 0
    assert page.lower().count("</script") == 2
    assert "connect-src 'self'" in page
    assert "connect-src" not in page_of([], [])
    assert in_script("a < b; a <s") == "a < b; a \\u003cs"

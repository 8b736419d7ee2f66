"""The HTML page as a file: what damage is seen, names that mean harm, what the module and the page have in common."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pytest

import lr_trainer
from lr_export import export
from lr_export.certificate.certify import certify
from lr_export.certificate.specification import Blueprint
from lr_export.formats.registry import BACKENDS
from lr_runtime.errors import CheckFailedError, LinedgeError
from lr_runtime.inspection.artefact import Artefact
from tests.export.formats.test_formats import CHECKPOINT
from tests.export.in_page import scripts_of
from tests.export.present import runs

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = ["</script><script>document.title=1</script>", "<!--<script>", "<!--style-->", "--> & <b>", '"\\', "a\u2028b"]


@pytest.fixture(scope="module")
def sound() -> tuple[Blueprint, bytes]:
    blueprint = Blueprint.of(CHECKPOINT, without_eager=True)
    return blueprint, BACKENDS["html"].build(blueprint.program, blueprint.contract)


DAMAGE: dict[str, tuple[bytes, bytes]] = {
    "a number": (b"const c_bias /* (1) */ = Float64Array.of(", b"const c_bias /* (1) */ = Float64Array.of(1"),
    "a number of an explanation": (b'"bound": [', b'"bound": [1'),
    "a step": (b" - c_origin[i]", b""),
    "the contract": (b'"rows":10', b'"rows":11'),
    "the description": (b'"minimum": 1000.0', b'"minimum": 100.0'),
    "the script": (b"function main(", b"function  main("),
    "the rules of rows": (b"function localBackend(", b"function  localBackend("),
    "the policy": (b"default-src 'none'", b"default-src *"),
    "the style": (b"<style>", b"<style>*{}"),
    "another script": (b"</body>", b"<script>0</script></body>"),
    "the end": (b"</html>", b""),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_page_is_refused(damage: str, sound: tuple[Blueprint, bytes]) -> None:
    blueprint, page = sound
    right, wrong = DAMAGE[damage]
    assert right in page
    with pytest.raises(CheckFailedError, match=r"the file as written does not load|in the file as written is not"):
        certify(page.replace(right, wrong, 1), blueprint, "html", unverified=True)


def test_a_page_of_another_model_is_refused(sound: tuple[Blueprint, bytes]) -> None:
    other = Blueprint.of(lr_trainer.fit({"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 8.0]}, target="y"))
    with pytest.raises(CheckFailedError, match="the file as written holds"):
        certify(sound[1], other, "html", unverified=True)


def test_the_module_inside_is_the_one_that_the_format_js_writes(sound: tuple[Blueprint, bytes]) -> None:
    blueprint, page = sound
    module = BACKENDS["js"].build(blueprint.program, blueprint.contract).decode()
    assert scripts_of(page.decode())["module"].startswith(module)


def test_the_policy_allows_what_stands_in_the_file_and_nothing_else(sound: tuple[Blueprint, bytes]) -> None:
    page = sound[1].decode()
    (policy,) = re.findall('<meta http-equiv="Content-Security-Policy" content="(.*)">', page)
    (style,) = re.findall("<style>(.*)</style>", page, re.DOTALL)
    head = page.partition("<script")[0]
    hashes = [b64encode(sha256(each.encode()).digest()).decode() for each in (style, scripts_of(page)["module"])]
    assert policy.split("; ") == [
        "default-src 'none'",
        *(f"{kind}-src 'sha256-{digest}'" for kind, digest in zip(("style", "script"), hashes, strict=True)),
        *("img-src data:", "base-uri 'none'", "form-action 'none'"),
    ]
    assert all(each.startswith("data:") for each in re.findall(r"""(?:src|href|url)[=(]["']?([^"')>]*)""", head))


@pytest.mark.skipif(not runs("html"), reason="no node on PATH")
def test_no_name_ends_a_script(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    table = {name: random.normal(size=20) for name in [*HOSTILE, "y </script>"]}
    table["kind"] = np.where(np.arange(20) % 2, HOSTILE[0], HOSTILE[1])
    model = lr_trainer.fit(table, target="y </script>", units={HOSTILE[0]: HOSTILE[1]})
    export(model, tmp_path / "page", format="html", without_eager=True)
    page = (tmp_path / "page").read_text(encoding="utf-8")
    lowered = page.lower()
    assert (lowered.count("<script"), lowered.count("</script"), lowered.count("<style")) == (2, 2, 1)
    assert "<!--" not in page
    (described,) = json.loads(scripts_of(page)["application/json"])
    assert [column["name"] for column in described["columns"]] == [*HOSTILE, "kind"]
    assert Artefact.load(tmp_path / "page").contract.column_names == (*HOSTILE, "kind")


def test_a_page_of_something_else_is_no_file_of_linedge() -> None:
    for page in (b"<!DOCTYPE html><p>x", b"<!DOCTYPE html>\n// linedge c contract\n// |{}|\n", b"<html><p>x"):
        with pytest.raises(LinedgeError, match=r"a web page|its linedge metadata is damaged"):
            Artefact.of(page)

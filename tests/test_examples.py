"""The examples in docstrings run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
from typing import TYPE_CHECKING

import pytest

from tests.test_house import PACKAGES, modules

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = {
    test.name: test
    for package in PACKAGES
    for module in [package, *modules(package)]
    if not module.endswith("__main__")
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module))
    if test.examples
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_what_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(EXAMPLES[name], out=said.append, clear_globs=False)
    assert not said, "".join(said)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_one(package: str) -> None:
    module = importlib.import_module(package)
    public = [getattr(module, name) for name in module.__all__ if not name.startswith("__")]
    assert [each.__qualname__ for each in public if f"{each.__module__}.{each.__qualname__}" not in EXAMPLES] == []

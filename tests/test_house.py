"""The maps of the packages: every module stands in the docstring of its package, and no other."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

PACKAGES = ["lr_trainer", "lr_trainer.descents", "lr_export", "lr_runtime", "lr_runtime.tables"]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_module_is_on_the_map(name: str) -> None:
    package = import_module(name)
    modules = {path.name for path in Path(package.__path__[0]).glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"\w+\.py\b", package.__doc__ or "")) == modules

"""Libraries that tests need and a bare runtime has not: there, what uses them is skipped, and everything else runs."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Absent:
    """Stands in for a module that is not installed: a test that calls anything of it is skipped.

    Tables of cases are built while a test module is imported; they hold stand-ins then.
    """

    def __init__(self, package: str) -> None:
        self._package = package

    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __iter__(self) -> Iterator[Absent]:
        yield self()

    def __str__(self) -> str:
        return self._package

    def __call__(self, *_: object, **__: object) -> Absent:
        if "PYTEST_CURRENT_TEST" in os.environ:
            pytest.skip(f"{self} is not installed here")
        return self


def needs(module: object) -> pytest.MarkDecorator:
    """Skip a test where this module is a stand-in, for tests that call nothing of it."""
    absent = isinstance(module, Absent)
    return pytest.mark.skipif(absent, reason=f"{module} is not installed here" if absent else "")


def optional(name: str) -> Any:
    """Return the module, or its stand-in where its package is not installed."""
    package = name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        return Absent(package)

"""Imports that wait until they are needed: a command that prints its help must not import torch."""

from __future__ import annotations

import gc
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING

from lr_runtime.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


_ALONE = {"torch": "torch"}
"""Packages that no other extra brings than this one: gigabytes, which a device that fits exactly does without."""


def lazily(package: str, offered: Mapping[str, str], extra: str | None = None) -> Callable[[str], object]:
    """Return the `__getattr__` of `package` (PEP 562).

    Args:
        package: its `__name__`.
        offered: by module inside the package, the names that it defines, with blanks between them.
        extra: what installs the third-party packages that those modules need.
    """
    homes = {name: module for module, names in offered.items() for name in names.split()}

    def getattribute(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = f"{package}.{homes[name]}"
        with nullcontext() if extra is None else needs_extra(extra):
            return getattr(import_module(module), name)

    return getattribute


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn a failed import of a third-party package inside the block into MissingExtraError.

    Args:
        extra: what installs the package; torch, which is left out of the extras of every stage, has its own.
    """
    try:
        with uncollected():
            yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package.startswith("lr_") or not package:
            raise
        raise MissingExtraError(package, _ALONE.get(package, extra)) from error


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python from looking for garbage among what is imported inside the block: there is none.

    A fifteenth of the time that ONNX Runtime takes to start, a seventh of what torch takes.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()

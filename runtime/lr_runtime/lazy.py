"""Names that a package offers and imports only when asked: a command that prints its help must not import torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from lr_runtime.errors import needs_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazily(package: str, homes: Mapping[str, str], extra: str | None = None) -> Callable[[str], object]:
    """Return the `__getattr__` of `package` (PEP 562).

    Args:
        package: its `__name__`.
        homes: the name of the module, inside the package, that defines each offered name.
        extra: what installs the third-party packages that those modules need.
    """

    def getattribute(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = f"{package}.{homes[name]}"
        if extra is None:
            return getattr(import_module(module), name)
        with needs_extra(extra):
            return getattr(import_module(module), name)

    return getattribute

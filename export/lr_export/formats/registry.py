"""The backends of the formats in the table: the module of each format's name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from lr_runtime.system.lazy import needs_extra

if TYPE_CHECKING:
    from lr_export.formats.backend import Backend
    from lr_runtime.contract.formats import FormatName


class _Backends(dict["FormatName", "Backend"]):
    """Those that were asked for, imported only then: C and JavaScript need no onnx, and only two formats need torch."""

    def __missing__(self, name: FormatName) -> Backend:
        with needs_extra("export"):
            backend: Backend = import_module(f"{__package__}.{name}").BACKEND
        return self.setdefault(name, backend)


BACKENDS = _Backends()

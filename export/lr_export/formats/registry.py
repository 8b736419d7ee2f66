"""The backends of the formats in the table: the module of each format's name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from lr_runtime.contract.formats import EXPORT_FORMATS

if TYPE_CHECKING:
    from lr_export.formats.backend import Backend
    from lr_runtime.contract.formats import FormatName

BACKENDS: dict[FormatName, Backend] = {name: import_module(f"{__package__}.{name}").BACKEND for name in EXPORT_FORMATS}

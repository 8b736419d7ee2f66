"""The errors of the export stage; those that it shares stand in `lr_runtime.errors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.contract.formats import WITHOUT_TORCH, Tool
from lr_runtime.errors import CheckFailedError, MissingExtraError, UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["MissingReferenceError", "MissingToolError", "UnsupportedModelError"]


class MissingToolError(CheckFailedError, FileNotFoundError):
    """The program that would run a file for its certificate is not on PATH. Nothing was written."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        absent = " and ".join(f"{tool.what} ({' or '.join(tool.names)}; try: {tool.install})" for tool in tools)
        super().__init__(
            f"not verified, because {absent} {'is' if len(tools) == 1 else 'are'} not on PATH. Nothing was kept. "
            "To keep a file that was not run, say --unverified"
        )


class MissingReferenceError(CheckFailedError, ImportError):
    """PyTorch, the eager reference, is not installed. Nothing was written."""

    def __init__(self, missing: MissingExtraError) -> None:
        way = f"{', '.join(WITHOUT_TORCH)} can be verified without it: --without-eager"
        super().__init__(f"not verified, because the eager reference, PyTorch, cannot run: {missing}. {way}")

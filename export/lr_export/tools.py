"""Programs that verify a format, and the error where one is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lr_runtime.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Tool:
    """A program that has to be on PATH for a format to be verified: any of `names`; `install` says how to get one."""

    what: str
    names: tuple[str, ...]
    install: str

    def path(self) -> str | None:
        """Return where it is, None where it is not."""
        import shutil

        return next((path for path in map(shutil.which, self.names) if path is not None), None)


class MissingToolError(CheckFailedError, FileNotFoundError):
    """The program that would run a file for its certificate is not on PATH. Nothing was written."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        absent = " and ".join(f"{tool.what} ({' or '.join(tool.names)}; try: {tool.install})" for tool in tools)
        super().__init__(
            f"not verified, because {absent} {'is' if len(tools) == 1 else 'are'} not on PATH. Nothing was kept. "
            "To keep a file that was not run, say --unverified"
        )

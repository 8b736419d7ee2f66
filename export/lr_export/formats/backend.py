"""What the module of a format offers: a `BACKEND`, which writes an artefact, reads it back and runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lr_export.model.exact import Floats
    from lr_export.program.program import Array, Program

    Results = Mapping[str, Array]
    Engine = Callable[[Floats], Results]


@dataclass(frozen=True)
class Opened:
    """An artefact read back from its bytes.

    Attributes:
        numbers: under the names of the program's constants.
        contract: its JSON.
        engines: what evaluates x (rows, columns) to the program's results by name, each (rows, its width); by name, the
            artefact's own first; none where its own is not on this machine.
        self_test: 0, or the number of the first row of its own that an artefact finds wrong; None of one that has none,
            or whose engine is not on this machine.
        optimised: the artefact's own engine where it rewrites what it runs more or less than it does by itself.
    """

    numbers: Mapping[str, Array]
    contract: str
    engines: Mapping[str, Engine]
    self_test: Callable[[], int] | None = None
    optimised: Mapping[str, Engine] = field(default_factory=dict)


@dataclass(frozen=True)
class Backend:
    """How a format is written, and read back for a check: `build` gives the bytes of a program and its contract, and
    takes the format's options as keywords; `reopen` takes the program beside the bytes, for the names of its results.
    """

    build: Callable[..., bytes]
    reopen: Callable[[bytes, Program], Opened]

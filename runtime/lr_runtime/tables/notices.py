"""What a reader has to say beside its rows: which it skipped, and which numbers float64 cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

_MOST_FAULTS = 5
_SPARSE = 2.0**53


class Notices:
    """Says each thing once, however many passes a table is read in.

    Args:
        say: takes a line; None where nobody listens.
    """

    def __init__(self, say: Callable[[str], None] | None) -> None:
        self._say = say
        self._faults: set[str] = set()
        self._looked_at: set[str] = set()

    def skipped(self, fault: str) -> None:
        """Say what is wrong with a row that is left out, for the first few of them."""
        if self._say is not None and len(self._faults) < _MOST_FAULTS and fault not in self._faults:
            self._faults.add(fault)
            self._say(f"skipped: {fault}")

    def large(self, values: NDArray[np.float64], columns: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Yield the row and column of the first value of 2^53 or more of each column, once a column."""
        if self._say is None or not ((values >= _SPARSE).any() or (values <= -_SPARSE).any()):
            return
        for index, name in enumerate(columns):
            if name not in self._looked_at:
                rows = np.flatnonzero(np.abs(values[:, index]) >= _SPARSE)
                if len(rows):
                    self._looked_at.add(name)
                    yield int(rows[0]), index

    def rounded_integer(self, place: str, column: str, integer: str) -> None:
        """Say that a column holds integers that float64 rounds."""
        if self._say is not None:
            self._say(
                f"warning: {place}, column {escaped(column)}: {escaped(integer)} is beyond 2^53, where float64 rounds "
                "integers. Are these identifiers? Leave them out with --ignore, or take them as --category"
            )

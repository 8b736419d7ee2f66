"""What a reader has to say beside its rows: which it skipped, which columns, and which numbers float64 cannot hold."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.errors import escaped
from lr_runtime.tables.batch import Batch, Named, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MOST_FAULTS = 5
_MOST_PLACES = 12
_SPARSE = 2.0**53
_SKIPPED = "skipped"


class Notices:
    """Says each thing once, however many passes a table is read in. Nobody listens where `say` is None; in the rows of
    a fit a large integer may be an identifier, and an index a feature.
    """

    def __init__(self, say: Callable[[str], None] | None, *, for_fit: bool = True) -> None:
        self._say = say
        self._for_fit = for_fit
        self._looked_at: set[str] = set()
        self._told: dict[str, list[str]] = {}

    def __reduce__(self) -> tuple[Callable[..., Notices], tuple[None]]:
        """Pickle without whoever listens, who is in this process."""
        return partial(Notices, for_fit=self._for_fit), (None,)

    def listen(self) -> None:
        """Note what there is to say where nobody listens: `told` has it, for another process to say."""
        self._say = lambda _: None

    def say(self, line: str) -> None:
        """Say something, where somebody listens."""
        if self._say is not None:
            self._say(line)

    @property
    def told(self) -> dict[str, list[str]]:
        """The lines that were said, by what they are about."""
        return {about: list(lines) for about, lines in self._told.items()}

    def tell(self, told: Mapping[str, Sequence[str]]) -> None:
        """Say what is new of the lines that were said elsewhere, where other rows of the table are read."""
        for about, lines in told.items():
            for line in lines:
                self._tell(about, line)

    def join(self, other: Notices) -> None:
        """Become one with those of the same table: what either says is said once."""
        self.__dict__ = other.__dict__

    def _tell(self, about: str, line: str) -> None:
        """Say a line, unless enough of them about the same have been said."""
        lines = self._told.setdefault(about, [])
        if self._say is not None and line not in lines and len(lines) < (_MOST_FAULTS if about == _SKIPPED else 1):
            lines.append(line)
            self._say(line)

    def passed_over(self, table: Named, columns: Sequence[str], indexes: Sequence[str], wanted: Sequence[str]) -> None:
        """Say which of a table's columns, "" without a name, nothing takes that wants others: those without a name, and
        indexes, which tell rows apart; of several files, for the first.
        """
        unnamed = [str(place) for place, name in enumerate(columns, 1) if not name]
        left = [name for name in indexes if name not in wanted] if self._for_fit else []
        if not (unnamed or left):
            return
        places = f"{', '.join(unnamed[:_MOST_PLACES])}{', ...' if len(unnamed) > _MOST_PLACES else ''}"
        said = [f"column {places} has no name" if len(unnamed) == 1 else f"columns {places} have no names"]
        said = (said if unnamed else []) + [f"{escaped(name)} is an index that nothing asks for" for name in left]
        self._tell("passed over", f"{table.name}: passed over: {', '.join(said)}")

    def skipped(self, fault: str) -> None:
        """Say what is wrong with a row that is left out, for the first few of them."""
        self._tell(_SKIPPED, f"skipped: {fault}")

    def numbers_in_text(self, column: str) -> None:
        """Say that a column of text holds numbers, which may be names to those who wrote it."""
        self._tell(
            f"numbers in text: {column}",
            f"warning: the column {escaped(column)} is text and holds numbers; it is taken as a number. "
            f"If they are names: --category {column}",
        )

    def large_integers(self, table: Named, batch: Batch, columns: Sequence[str], among: Sequence[int]) -> None:
        """Say where a batch of a table first has an integer that float64 rounds: `columns` are the names of its
        numbers, `among` the positions of those that can hold integers, and `Batch.integer` tells how one is written.
        """
        listens = self._say is not None and self._for_fit
        if not listens or not among or batch.integer is None or batch.square_sum < _SPARSE**2:
            return
        for index in among:
            rows = np.flatnonzero(np.abs(batch.values[:, index]) >= _SPARSE)
            if not len(rows) or columns[index] in self._looked_at:
                continue
            self._looked_at.add(columns[index])
            if (integer := batch.integer(int(rows[0]), index)) is not None:
                place = f"{place_of(table, batch, int(rows[0]))}, column {escaped(columns[index])}"
                self._tell(
                    f"integers: {columns[index]}",
                    f'warning: {place}: "{integer}" is beyond 2^53, where float64 rounds integers. Are these '
                    "identifiers? Leave them out with --ignore, or take them as --category",
                )

"""Passes over the rows of a fit: blocks of numbers by the roles of the columns, missing values by their policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.fit_report import RowCounts
from lr_runtime.errors import FitError, TableError, escaped, listed
from lr_runtime.tables import Batch, Table, TableOptions, place_of
from lr_runtime.tables.pieces import pieces_of, rows_of
from lr_runtime.tables.table import without_faults
from lr_trainer.arithmetic.arrays import Array, host
from lr_trainer.rows.blocks import block_rows
from lr_trainer.rows.dealing import Counts, Share, dealt
from lr_trainer.rows.domain import with_computed
from lr_trainer.rows.holdout import Part
from lr_trainer.rows.numbered import NUMBERS, Numbered
from lr_trainer.rows.outliers import FirstRows, Found
from lr_trainer.rows.sources import ArrayTable
from lr_trainer.rows.workers import ALONE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.tables.batch import Coded
    from lr_trainer.rows.roles import Missing, Roles
    from lr_trainer.rows.workers import Workers

MOST_LEVELS = 4096
"""The most levels of a category: the moments of as many terms take 128 MiB."""


@dataclass
class Tally:
    """The number of passes over a table, whole or in part."""

    passes: int = 0


class Rows:
    """Passes over a table: every pass gives the same rows, as float64 (rows, variables + targets + weight).

    A category is given as its index in `levels`, a missing feature with a fill as NaN. `counts` has the numbers of rows
    of the last pass, `outliers` the gross outliers among the first rows of the first pass. Of several workers, passes
    give the rows of the `share` of this one; `counts` and `outliers` are those of all rows.
    """

    def __init__(
        self,
        table: Table,
        roles: Roles,
        missing: Missing,
        advance: Callable[[int], None] = lambda _: None,
        share: Share | None = None,
    ) -> None:
        self.table = table
        self.roles = roles
        self.share = share
        self._levels: Mapping[str, tuple[str, ...]] = {}
        self._read = self._dropped = self._skipped = 0
        self._outliers: tuple[Found, ...] | None = None
        self.missing = missing
        self._advance = advance
        self._tally = Tally()

    def numbered(self, table: Numbered) -> Rows:
        """Return the same rows with the columns beside them of their table, numbered."""
        rows = Rows(table, replace(self.roles, beside=NUMBERS), self.missing, self._advance, self.share)
        rows._tally, rows._outliers = self._tally, ()
        return rows

    def part(self, share: float, seed: Sequence[int], *, held_out: bool) -> Rows:
        """Return the rows of a random share of the table that is held out, or all other rows."""
        whole = self.table if self.share is None else self.share.whole
        part = Rows(Part(whole, share, seed, held_out=held_out), self.roles, self.missing, self._advance)
        part._tally = self._tally
        if self.share is None:
            return part
        pieces = [Part(piece, share, seed, held_out=held_out, before=start) for piece, start in self.share.pieces]
        return part._shared(pieces, self.share.workers)

    def dealt(self, workers: Workers) -> Rows:
        """Return the rows of this worker; the first looks where the table can be cut, and says what there is to say."""
        workers.notices = self.table.notices
        pieces = workers.agreed("the pieces of the table", lambda: pieces_of(self.table))
        for piece in pieces:
            piece.notices.join(self.table.notices)
        return self._shared(pieces, workers)

    def _shared(self, pieces: Sequence[Table], workers: Workers) -> Rows:
        block = block_rows(self.roles.width)  # those of passes over more terms have a part of that
        table, share = dealt(self.table, pieces, self._counted, block, workers)
        rows = Rows(table, self.roles, self.missing, self._advance, share)
        rows._tally = self._tally
        return rows

    def _counted(self, piece: Table) -> Counts:
        """Return the numbers of rows of a piece, in a pass over it if nothing else tells them."""
        may_lose = self.missing.drops or self.missing.drops_targets or piece.options.skips
        if not may_lose and (known := rows_of(piece)) is not None:
            return Counts(known, known, 0, 0)
        rows, given, read, kept, skipped = Rows(piece, self.roles, self.missing), 0, 0, 0, 0
        for each in piece.batches(self.roles.read, self.roles.coded):
            batch = rows._sound(each)
            given, read, skipped = given + len(each.values), read + len(batch.values), skipped + batch.skipped
            chosen = rows._chosen(batch)
            kept += len(batch.values) if chosen is None else len(chosen)
        return Counts(given, read, read - kept, skipped)

    @property
    def workers(self) -> Workers:
        """Those who take the passes."""
        return ALONE if self.share is None else self.share.workers

    @property
    def first(self) -> int:
        """The number of the first row of a pass among all rows that are kept, from 0 on."""
        return 0 if self.share is None else self.share.first

    def aside(self) -> Rows:
        """Return all rows for a pass that may end early: it counts and shows progress for itself alone."""
        aside = Rows(self.table if self.share is None else self.share.whole, self.roles, self.missing)
        aside._tally, aside._levels = Tally(self._tally.passes), self._levels
        return aside

    @property
    def counts(self) -> RowCounts:
        """The numbers of rows that the last pass read, dropped and skipped, and the number of passes so far."""
        dropping = self.missing.drops, self.missing.drops_targets
        counts = (self._read, self._dropped, self._skipped) if self.share is None else self.share.counts[1:]
        return RowCounts(*counts, *dropping, self._tally.passes, self.roles.weight)

    @property
    def outliers(self) -> list[Found]:
        """The gross outliers among the first rows of the first pass, by their rows in the whole table."""
        if self.share is not None:
            return self.workers.agreed("the outliers", self.aside()._sought)
        table, found = self.table, self._outliers or ()
        return [each._replace(row=table.row_of(each.row)) if isinstance(table, Part) else each for each in found]

    def _sought(self) -> list[Found]:
        """Begin a pass for the outliers alone."""
        for _ in self.arrays(self._levels):
            if self._outliers is not None:
                break
        return self.outliers

    def levels(self) -> dict[str, tuple[str, ...]]:
        """Take one pass for the categories' values, sorted; the first of each is its reference level.

        Raises:
            FitError: a column has more than MOST_LEVELS.
        """
        self._tally.passes += 1
        found = {name: set[str]() for name in self.roles.coded}
        for part in self.workers.gathered("the levels", self._values):
            for name, values in part.items():
                found[name] |= values
                self._check_levels(name, found[name])
        return {name: tuple(sorted(values)) for name, values in found.items()}

    def _values(self) -> dict[str, set[str]]:
        """Take one pass for the categories' values."""
        found: dict[str, set[str]] = {name: set() for name in self.roles.coded}
        # The numbers are read too, so that a row left out for a bad number gives no level either.
        for batch in self._batches():
            for name, coded in zip(self.roles.coded, self._kept(batch).categories, strict=True):
                found[name].update(coded.values)
                self._check_levels(name, found[name])
        return found

    def _check_levels(self, name: str, levels: Collection[str]) -> None:
        if len(levels) > MOST_LEVELS and name in self.roles.features:
            raise FitError(
                f"the column {escaped(name)} has over {MOST_LEVELS:,} different texts, too many for categories. If "
                "these are identifiers, leave them out: --ignore"
            )

    def _batches(self) -> Iterator[Batch]:
        """Read the table without the rows that have a number in a category of text, or one outside a domain."""
        return map(self._sound, self.table.batches(self.roles.read, self.roles.coded))

    def _sound(self, read: Batch) -> Batch:
        batch, faults = with_computed(read, self.roles) if self.roles.computes else (read, dict[int, str]())
        for index, name in enumerate(self.roles.coded):
            if name in self.roles.words:
                faults |= numbers_among(batch.categories[index], name, self.table.options)
        return without_faults(self.table, replace(batch, faults=faults), self.roles.numbers) if faults else batch

    def _kept(self, batch: Batch) -> Batch:
        """Return the rows of a batch that are not dropped for a missing value."""
        chosen = self._chosen(batch)
        return batch if chosen is None else batch.rows(chosen)

    def _chosen(self, batch: Batch) -> NDArray[np.intp] | None:
        """Return the places of the rows that are not dropped; None where none is."""
        if not (self.missing.drops or self.missing.drops_targets) or (batch.is_full and not batch.categories):
            return None
        first = 0 if self.missing.drops else self.roles.numbers.index(self.roles.targets[0])
        stop = None if self.missing.drops else first + len(self.roles.targets)
        missing = np.isnan(batch.values[:, first:stop]).any(axis=1)
        for coded in batch.categories if self.missing.drops else ():
            missing |= coded.codes < 0
        return np.flatnonzero(~missing) if missing.any() else None

    def views(self, rows: int) -> Iterator[tuple[Array, ...]] | None:
        """Return unchecked views of the numeric columns, `rows` rows at a time; None where memory has no such views."""
        if self.roles.computes or self.share is not None or not isinstance(self.table, ArrayTable):
            return None
        return self.table.views(self.roles.numbers, rows)

    def count_views(self, read: int) -> None:
        """Count a pass that read so many rows by `views`, and seek outliers among the first rows of the first pass."""
        self._read = read
        self._tally.passes += 1
        if self._outliers is None:
            first = self._first_rows()
            block = [host(part) for part in next(self.views(first.left) or iter(()))]
            first.take(block, np.arange(len(block[0])))
            self._outliers = first.outliers()

    def _first_rows(self) -> FirstRows:
        """Return an empty sample of first rows, for outliers in the numeric variables and targets."""
        columns = enumerate((*self.roles.variables, *self.roles.targets))
        return FirstRows({place: name for place, name in columns if name not in self.roles.categories})

    def arrays(self, levels: Mapping[str, tuple[str, ...]]) -> Iterator[Array]:
        """Yield the rows of one pass, categories by their index in `levels`.

        Raises:
            TableError: a value is missing, or not finite, where it may not be; the message has its place.
        """
        self._levels = levels
        self._tally.passes += 1
        arrays = self._arrays(levels)
        return arrays if self.share is None else self.share.of(arrays)

    def _arrays(self, levels: Mapping[str, tuple[str, ...]]) -> Iterator[Array]:
        self._read = self._dropped = self._skipped = 0
        first = self._first_rows() if self._outliers is None else None
        for batch in self._batches():
            chosen = self._chosen(batch)
            kept = batch if chosen is None else batch.rows(chosen)
            values = self._placed(kept, levels)
            if first is not None and first.left > 0:
                first.take([values], self._read + (np.arange(len(values)) if chosen is None else chosen))
            self._read += len(batch.values)
            self._dropped += len(batch.values) - len(values)
            self._skipped += batch.skipped
            if self.roles.categories or not kept.is_full:
                self._check_missing(kept, values)
            if first is not None and first.left <= 0:
                self._outliers, first = first.outliers(), None
            yield values
            self._advance(batch.size)
        if first is not None:
            self._outliers = first.outliers()

    def _placed(self, batch: Batch, levels: Mapping[str, tuple[str, ...]]) -> Array:
        roles = self.roles
        if not roles.categories:
            return batch.values
        values = np.empty((len(batch.values), roles.width))
        numbers, categories = iter(batch.values.T), iter(batch.categories)
        for index, name in enumerate(roles.columns):
            is_category = name in roles.categories
            values[:, index] = self._indexes(batch, name, next(categories), levels) if is_category else next(numbers)
        return values

    def _indexes(self, batch: Batch, name: str, coded: Coded, levels: Mapping[str, tuple[str, ...]]) -> Array:
        """Return the values of a category by their index in `levels`, NaN where one is missing."""
        places = {level: place for place, level in enumerate(levels[name])}
        if unknown := [value for value in coded.values if value not in places]:
            raise TableError(
                f"{batch.file or self.table.name}, column {escaped(name)}: the category {escaped(unknown[0])} is new; "
                f"the fit knows {listed(levels[name])}. Fit all rows at once"
            )
        known = np.array([*(places[value] for value in coded.values), np.nan])
        return np.asarray(known[coded.codes])  # the code -1, missing, takes the NaN at the end

    def _check_missing(self, batch: Batch, values: Array) -> None:
        """Raise TableError for the first missing value that is not filled in."""
        missing = np.isnan(values)
        if not missing.any():
            return
        names = self.roles.columns
        left = missing & ~np.array([name in self.missing.filled for name in names])
        if not left.any():
            return
        row, column = (int(index) for index in np.argwhere(left)[0])
        count = int(np.count_nonzero(left[:, column]))
        more = f" ({count} in the {len(left)} rows read with it)" if count > 1 else ""
        is_category = names[column] in self.roles.categories
        ways = "--missing drop" + (" or indicator" if is_category else ", mean or indicator")
        if column >= len(self.roles.variables):
            ways = "--missing-target drop" if names[column] in self.roles.targets else "--missing drop"
        raise TableError(
            f"{place_of(self.table, batch, row)}, column {escaped(names[column])}: the value is missing{more}. "
            f"Fill it in, or use {ways}"
        )


def numbers_among(words: Coded, name: str, options: TableOptions) -> dict[int, str]:
    """Return the faults, by row, of the numbers in a column of text."""
    numbers = {code: escaped(value) for code, value in enumerate(words.values) if options.is_number(value)}
    rows = np.flatnonzero(np.isin(words.codes, list(numbers))).tolist()
    return {row: f"column {escaped(name)}: {numbers[words.codes[row]]} is a number among text" for row in rows}


def check_weights(weights: Array) -> None:
    """Raise FitError unless every weight is positive."""
    if not (weights > 0).all():
        raise FitError(f"a weight is {float(weights[~(weights > 0)][0])!r}; weights are positive. Leave such rows out")

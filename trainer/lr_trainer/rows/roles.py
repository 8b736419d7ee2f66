"""The rows of a fit: the role of each column, and the policy for missing values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lr_runtime.contract.fit_report import RowCounts
from lr_runtime.errors import FitError, MissingColumnError, OptionError, TableError, escaped, listed
from lr_runtime.system.text import composed
from lr_runtime.tables import place_of
from lr_runtime.tables.cells.options import DATE
from lr_runtime.tables.kinds import kinds_of
from lr_runtime.tables.table import without_faults
from lr_trainer.arithmetic.arrays import host
from lr_trainer.formula.options import specified
from lr_trainer.formula.specification import functions_in
from lr_trainer.rows.domain import with_computed
from lr_trainer.rows.holdout import Part
from lr_trainer.rows.numbered import NUMBERS
from lr_trainer.rows.outliers import FirstRows
from lr_trainer.rows.sources import ArrayTable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lr_runtime.contract.derived import Derived
    from lr_runtime.tables import Batch, Table, TableOptions
    from lr_runtime.tables.batch import Coded
    from lr_trainer.choices import FitOptions, MissingPolicy, MissingTarget
    from lr_trainer.formula.specification import Specification
    from lr_trainer.rows.numbered import Numbered
    from lr_trainer.rows.outliers import Found


MOST_LEVELS = 4096
"""The most levels of a category: the moments of as many terms take 128 MiB."""


@dataclass(frozen=True)
class Roles:
    """The columns of a table by their role in the fit, and the categories among the features.

    `words` are the categories whose cells are text: a number among them is a bad cell. `group` is the column whose
    groups each lie in one fold, a category too. `derived` are the functions of features of which the terms of
    `specification` are made, too. `beside` are the columns that a table of numbered rows has more.
    """

    features: tuple[str, ...]
    targets: tuple[str, ...]
    weight: str | None
    categories: frozenset[str]
    specification: Specification
    words: frozenset[str] = frozenset()
    group: str | None = None
    derived: tuple[Derived, ...] = ()
    beside: tuple[str, ...] = ()

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The features, and behind them the derived variables."""
        return (*self.features, *(each.named(self.features[each.column]) for each in self.derived))

    @property
    def columns(self) -> list[str]:
        """The columns of the arrays of `Rows`: variables, targets, a group that is no feature, the weight, `beside`."""
        group = [] if self.group is None or self.group in self.features else [self.group]
        weight = [] if self.weight is None else [self.weight]
        return [*self.variables, *self.targets, *group, *weight, *self.beside]

    @property
    def computes(self) -> bool:
        """Whether arrays hold functions of columns, too."""
        return bool(self.derived) or any(target.function for target in self.specification.targets)

    @property
    def width(self) -> int:
        """Their number."""
        return len(self.columns)

    @property
    def numbers(self) -> list[str]:
        """The numeric columns, in the same order."""
        return [name for name in self.columns if name not in self.categories]

    @property
    def read(self) -> list[str]:
        """Those of them that a table has."""
        return [name for name in self.numbers if name not in self.variables[len(self.features) :]]

    @property
    def coded(self) -> list[str]:
        """The categories, in the columns' order."""
        return [name for name in self.columns if name in self.categories]


@dataclass(frozen=True)
class Missing:
    """The policy for missing values: `filled` are the features whose missing values the design fills in.

    `drops` leaves out rows with any other missing value, `drops_targets` rows without a target, which has no fill.
    """

    filled: frozenset[str] = frozenset()
    drops: bool = False
    drops_targets: bool = False

    @staticmethod
    def under(policy: MissingPolicy, roles: Roles, target: MissingTarget = "error") -> Missing:
        """Return the policies for these columns; a category has no mean to fill in."""
        numeric = frozenset(roles.variables) - roles.categories
        filled = {"mean": numeric, "indicator": frozenset(roles.variables)}.get(policy, frozenset())
        return Missing(filled, drops=policy == "drop", drops_targets=target == "drop")


def roles_of(table: Table, asked: FitOptions, given: Specification | None = None) -> Roles:
    """Return the roles, after checking that the columns are in the table and have one role each.

    Where a specification is given, it says what the targets, features and terms are.

    Raises:
        OptionError: no target, a column in two roles, or no feature left.
        MissingColumnError: a column is not in the table.
    """
    if given is not None:
        asked = _with_columns_of(given, asked)
    named = () if asked.target is None else [asked.target] if isinstance(asked.target, str) else asked.target
    targets, ignore, category = (list(map(composed, names)) for names in (named, asked.ignore, asked.category))
    weight, group = (None if name is None else composed(name) for name in (asked.weight, asked.cv_group))
    groups = [] if group is None else [group]
    if not targets:
        raise OptionError(f"which column is to be predicted? Add --target NAME; the table has {listed(table.names)}")
    taken = [*targets, *ignore, *([] if weight is None else [weight])]
    cluster = [] if asked.cluster is None else [asked.cluster]
    beside = {*taken, *table.indexes, *groups, *cluster}
    others = [name for name in table.names if name not in beside]
    names = others if asked.features is None else list(map(composed, asked.features))
    known = frozenset(table.names)
    if missing := [name for name in (*taken, *names, *category, *groups, *cluster) if name not in known]:
        raise MissingColumnError(table.name, missing, table.names)
    if not names:
        raise OptionError(f"{table.name} has no column beside the target {listed(targets)} to predict it from")
    _check_once(names, targets, [*taken, *(name for name in groups if name in targets or name == weight)])
    _check_features(asked, names, category)
    numeric = [*targets, *([] if weight is None else [weight])]
    told = {*category, *asked.clocks}
    kinds = kinds_of(table, [name for name in (*names, *numeric) if name not in told], numeric)
    if dates := [name for name in names if kinds.of.get(name) == "date"]:
        ways = f"To take it as instants: --time {dates[0]}=days, as names: --category {dates[0]}"
        raise TableError(f"{table.name}, column {escaped(dates[0])}: it {DATE[0]}. {ways}")
    texts = [name for name in names if kinds.of.get(name) == "category"]
    categories = frozenset([*texts, *category, *(name for name in groups if name not in names)])
    if group in names and group not in categories:
        raise OptionError(f"--cv-group {escaped(str(group))} is a feature of numbers. Name it in --category, too")
    specification = (given or _of_options(asked, targets, names, categories)).with_categories(categories)
    derived = functions_in(specification, names)
    roles = Roles(tuple(names), tuple(targets), weight, categories, specification, kinds.words, group, derived)
    if twice := [name for name, count in Counter(roles.columns).items() if count > 1]:
        raise OptionError(f"{escaped(twice[0])} is a function and a column of the table. Rename one: --map NEW=OLD")
    return roles


def _check_once(names: Sequence[str], targets: Sequence[str], others: Sequence[str]) -> None:
    """Raise OptionError where a column has two parts in the fit."""
    if twice := [name for name in names if name in targets]:
        raise OptionError(f"the target {escaped(twice[0])} is among the features. Name it once")
    if twice := [name for name, count in Counter([*names, *others]).items() if count > 1]:
        raise OptionError(f"the column {escaped(twice[0])} stands twice, as feature, target, weight, group or ignored")


def _check_features(asked: FitOptions, names: Sequence[str], category: Sequence[str]) -> None:
    """Raise OptionError where an option says something of what is no feature."""
    if strangers := [name for name in category if name not in names]:
        raise OptionError(f"--category {escaped(strangers[0])} is not among the features {listed(names)}")
    if strangers := [name for name in asked.clocks if name not in names or name in category]:
        raise OptionError(f"--time {escaped(strangers[0])} is not among the features that are no categories")


def _with_columns_of(given: Specification, asked: FitOptions) -> FitOptions:
    columns = {factor.column: None for factor in given.factors}
    coded = {factor.column: None for factor in given.factors if factor.is_category}
    return replace(asked, target=[each.column for each in given.targets], features=[*columns], category=[*coded])


def _of_options(
    asked: FitOptions, targets: Sequence[str], names: Sequence[str], categories: Collection[str]
) -> Specification:
    return specified(
        targets,
        names,
        categories,
        degree=asked.degree,
        transforms=dict(asked.transforms or ()),
        interact=asked.interact,
        intercept=asked.intercept,
    )


@dataclass
class Tally:
    """The number of passes over a table, whole or in part."""

    passes: int = 0


class Rows:
    """Passes over a table: every pass gives the same rows, as float64 (rows, variables + targets + weight).

    A category is given as its index in `levels`, a missing feature with a fill as NaN. `counts` has the numbers of rows
    of the last pass, `outliers` the gross outliers among the first rows of the first pass.
    """

    def __init__(
        self, table: Table, roles: Roles, missing: Missing, advance: Callable[[int], None] = lambda _: None
    ) -> None:
        self.table = table
        self.roles = roles
        self._read = self._dropped = self._skipped = 0
        self._outliers: tuple[Found, ...] | None = None
        self.missing = missing
        self._advance = advance
        self._tally = Tally()

    def numbered(self, table: Numbered) -> Rows:
        """Return the same rows with the columns beside them of their table, numbered."""
        rows = Rows(table, replace(self.roles, beside=NUMBERS), self.missing, self._advance)
        rows._tally, rows._outliers = self._tally, ()
        return rows

    def part(self, share: float, seed: Sequence[int], *, held_out: bool) -> Rows:
        """Return the rows of a random share of the table that is held out, or all other rows."""
        part = Rows(Part(self.table, share, seed, held_out=held_out), self.roles, self.missing, self._advance)
        part._tally = self._tally
        return part

    def aside(self) -> Rows:
        """Return the same rows for a pass that may end early: it counts and shows progress for itself alone."""
        aside = Rows(self.table, self.roles, self.missing)
        aside._tally = Tally(self._tally.passes)
        return aside

    @property
    def counts(self) -> RowCounts:
        """The numbers of rows that the last pass read, dropped and skipped, and the number of passes so far."""
        dropping = self.missing.drops, self.missing.drops_targets
        return RowCounts(self._read, self._dropped, self._skipped, *dropping, self._tally.passes, self.roles.weight)

    @property
    def outliers(self) -> list[Found]:
        """The gross outliers among the first rows of the first pass, by their rows in the whole table."""
        table, found = self.table, self._outliers or ()
        return [each._replace(row=table.row_of(each.row)) if isinstance(table, Part) else each for each in found]

    def levels(self) -> dict[str, tuple[str, ...]]:
        """Take one pass for the categories' values, sorted; the first of each is its reference level.

        Raises:
            FitError: a column has more than MOST_LEVELS.
        """
        found: dict[str, set[str]] = {name: set() for name in self.roles.coded}
        self._tally.passes += 1
        # The numbers are read too, so that a row left out for a bad number gives no level either.
        for batch in self._batches():
            for name, coded in zip(self.roles.coded, self._kept(batch).categories, strict=True):
                found[name].update(coded.values)
                if len(found[name]) > MOST_LEVELS and name in self.roles.features:
                    raise FitError(
                        f"the column {escaped(name)} has over {MOST_LEVELS:,} different texts, too many for "
                        "categories. If these are identifiers, leave them out: --ignore"
                    )
        return {name: tuple(sorted(values)) for name, values in found.items()}

    def _batches(self) -> Iterator[Batch]:
        """Read the table without the rows that have a number in a category of text, or one outside a domain."""
        words = [(index, name) for index, name in enumerate(self.roles.coded) if name in self.roles.words]
        for read in self.table.batches(self.roles.read, self.roles.coded):
            batch, faults = with_computed(read, self.roles) if self.roles.computes else (read, dict[int, str]())
            for index, name in words:
                coded = batch.categories[index]
                faults |= numbers_among(coded, name, self.table.options)
            yield without_faults(self.table, replace(batch, faults=faults), self.roles.numbers) if faults else batch

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

    def views(self, rows: int) -> Iterator[tuple[NDArray[np.float64], ...]] | None:
        """Return unchecked views of the numeric columns, `rows` rows at a time; None where memory has no such views."""
        if self.roles.computes or not isinstance(self.table, ArrayTable):
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

    def arrays(self, levels: Mapping[str, tuple[str, ...]]) -> Iterator[NDArray[np.float64]]:
        """Yield the rows of one pass, categories by their index in `levels`.

        Raises:
            TableError: a value is missing, or not finite, where it may not be; the message has its place.
        """
        self._read = self._dropped = self._skipped = 0
        self._tally.passes += 1
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

    def _placed(self, batch: Batch, levels: Mapping[str, tuple[str, ...]]) -> NDArray[np.float64]:
        roles = self.roles
        if not roles.categories:
            return batch.values
        values = np.empty((len(batch.values), roles.width))
        numbers, categories = iter(batch.values.T), iter(batch.categories)
        for index, name in enumerate(roles.columns):
            is_category = name in roles.categories
            values[:, index] = self._indexes(batch, name, next(categories), levels) if is_category else next(numbers)
        return values

    def _indexes(
        self, batch: Batch, name: str, coded: Coded, levels: Mapping[str, tuple[str, ...]]
    ) -> NDArray[np.float64]:
        """Return the values of a category by their index in `levels`, NaN where one is missing."""
        places = {level: place for place, level in enumerate(levels[name])}
        if unknown := [value for value in coded.values if value not in places]:
            raise TableError(
                f"{batch.file or self.table.name}, column {escaped(name)}: the category {escaped(unknown[0])} is new; "
                f"the fit knows {listed(levels[name])}. Fit all rows at once"
            )
        known = np.array([*(places[value] for value in coded.values), np.nan])
        return np.asarray(known[coded.codes])  # the code -1, missing, takes the NaN at the end

    def _check_missing(self, batch: Batch, values: NDArray[np.float64]) -> None:
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


def check_weights(weights: NDArray[np.float64]) -> None:
    """Raise FitError unless every weight is positive."""
    if not (weights > 0).all():
        raise FitError(f"a weight is {float(weights[~(weights > 0)][0])!r}; weights are positive. Leave such rows out")

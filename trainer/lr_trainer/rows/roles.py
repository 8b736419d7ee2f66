"""The role of each column of a table in a fit, and the policy for missing values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lr_runtime.errors import MissingColumnError, OptionError, TableError, escaped, listed
from lr_runtime.system.text import composed
from lr_runtime.tables.cells.options import DATE
from lr_runtime.tables.kinds import kinds_of
from lr_trainer.formula.options import specified
from lr_trainer.formula.specification import Specification, functions_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.contract.derived import Derived
    from lr_runtime.tables import Table
    from lr_trainer.choices import FitOptions, MissingPolicy, MissingTarget


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
    given = _of_formula(asked, table) or given
    if given is not None:
        asked = _with_columns_of(given, asked)
    named = () if asked.target is None else [asked.target] if isinstance(asked.target, str) else asked.target
    targets, ignore, category = (list(map(composed, names)) for names in (named, asked.ignore, asked.category))
    weight, group, cluster = (name and composed(name) for name in (asked.weight, asked.cv_group, asked.cluster))
    weights, groups, clusters = ([] if name is None else [name] for name in (weight, group, cluster))
    if not targets:
        raise OptionError(f"which column is to be predicted? Add --target NAME; the table has {listed(table.names)}")
    taken = [*targets, *ignore, *weights]
    beside = {*taken, *table.indexes, *groups, *clusters}
    others = [name for name in table.names if name not in beside]
    names = others if asked.features is None else list(map(composed, asked.features))
    known = frozenset(table.names)
    if missing := [name for name in (*taken, *names, *category, *groups, *clusters) if name not in known]:
        raise MissingColumnError(table.name, missing, table.names)
    if not names:
        raise OptionError(f"{table.name} has no column beside the target {listed(targets)} to predict it from")
    _check_once(names, targets, [*taken, *(name for name in groups if name in targets or name == weight)])
    _check_features(asked, names, category)
    numeric = [*targets, *weights]
    told = {*category, *asked.clocks}
    kinds = kinds_of(table, [name for name in (*names, *numeric) if name not in told], numeric)
    if dates := [name for name in names if kinds.of.get(name) == "date"]:
        ways = f"To take it as instants: --time {dates[0]}=days, as names: --category {dates[0]}"
        raise TableError(f"{table.name}, column {escaped(dates[0])}: it {DATE[0]}. {ways}")
    texts = [name for name in names if kinds.of.get(name) == "category"]
    categories = frozenset([*texts, *category, *(name for name in groups if name not in names)])
    if group in names and group not in categories:
        raise OptionError(f"--cv-group {escaped(str(group))} is a feature of numbers. Name it in --category, too")
    specification = (given or specified(asked, targets, names, categories)).with_categories(categories)
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
    targets = [each.column for each in given.targets]
    return replace(asked, formula=None, target=targets, features=[*columns], category=[*coded])


def _of_formula(asked: FitOptions, table: Table) -> Specification | None:
    if asked.formula is None:
        return None
    from lr_trainer.formula.parse import parsed

    target = [asked.target] if isinstance(asked.target, str) else asked.target or ()
    beside = [composed(name) for name in (asked.weight, asked.cv_group) if name is not None]
    return parsed(asked.formula, table.names, [*map(composed, target)], [*table.indexes, *beside])

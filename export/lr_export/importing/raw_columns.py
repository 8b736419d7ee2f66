"""What the steps of a model tell of its raw columns: ranges, categories, what stands for a missing value.

While steps are folded, a power of a missing value counts as 0, and what a step puts in its place is a term of its own:
the value times the indicator. So every step folds alike, in whatever order they come. In the end a missing value counts
as `fill`, and what was x^p becomes x^p less fill^p times the indicator; where one step fills the column and nothing
else depends on whether the value is missing, the indicators cancel exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import Feature, columns_of, exactly, term
from lr_export.importing.folding import Range, SourceColumn
from lr_runtime.contract.columns import Column
from lr_runtime.contract.derived import Derived, FunctionName
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.contract.terms.term import Term, factors_of
from lr_runtime.errors import quoted
from lr_runtime.system.text import is_missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lr_runtime.contract.contract import TargetFunction


@dataclass
class RawColumns:
    """What steps have told so far, by the number of the column.

    Attributes:
        names: of all columns.
        ranges: the least and the greatest value.
        values: the categories.
        fills: what the first step that fills a column puts in the place of a missing value.
        complete: columns in which the model takes no missing value, whatever one of its branches does.
        derived: functions of raw columns, which are the variables behind these.
        functions: those of the outputs that the model fits in their place, in order.
    """

    names: tuple[str, ...]
    ranges: dict[int, Range] = field(default_factory=dict)
    values: dict[int, tuple[object, ...]] = field(default_factory=dict)
    fills: dict[int, float] = field(default_factory=dict)
    complete: set[int] = field(default_factory=set)
    derived: list[Derived] = field(default_factory=list)
    functions: tuple[TargetFunction | None, ...] = ()

    def takes_no_missing(self, features: Sequence[Feature]) -> None:
        """Note that a step takes no missing value among its features."""
        self.complete |= {column for each in features if (column := open_column(each)) is not None}

    def function(self, feature: Feature, name: FunctionName, knot: float | None = None) -> Feature:
        """Return a function of a feature, which has to be a raw column.
        Raises UnsupportedModelError where it is what an earlier step computed.
        """
        column = raw_column(feature)
        if column is None or column >= len(self.names) or column in self.values or _is_filled(feature):
            what = f"it takes the {name} of what was computed of {self.listed(feature)}"
            raise refused(what, f"the {name} of a column as it comes")
        self.takes_no_missing([feature])
        if (derived := Derived(column, name, knot)) not in self.derived:
            self.derived.append(derived)
        # A library's own function is off by an ulp or two.
        return term(Power(len(self.names) + self.derived.index(derived)))._replace(roundings=feature.roundings + 4)

    def coded(self, feature: Feature, categories: Sequence[object], codes: NDArray[np.float64]) -> list[Feature]:
        """Return the columns of a coding (categories, columns): a linear map of the indicators of the levels.
        The feature is a raw column, or the codes that another coding gave to the levels of one. Raises
        UnsupportedModelError where a category stands for missing values, or the feature has no categories.
        """
        columns, levels = columns_of(feature), tuple(categories)
        column, value = min(columns, default=-1), feature.value
        if any(map(is_missing, levels)):
            what = f"a category of {self.listed(feature)} stands for missing values, which have none here"
            raise refused(what, "SimpleImputer, then the encoder")
        if raw_column(feature) is not None:
            levels = self.values.setdefault(column, levels)
        elif columns == {column} & self.values.keys() and not feature.roundings:
            places = range(len(self.values[column]))
            levels = tuple(value.get(None, 0) + value.get(Level(column, place), 0) for place in places)
        else:
            what = f"an encoder takes what an earlier step computed of {self.listed(feature)}"
            raise refused(what, "an encoder of the column itself")
        rows = dict(zip(categories, codes, strict=True))
        coded = [(Level(column, n), rows[level]) for n, level in enumerate(levels) if level in rows]
        return [exactly({each: Fraction(row[k]) for each, row in coded if row[k]}) for k in range(codes.shape[1])]

    def closed(self, predictions: Sequence[Feature]) -> tuple[tuple[SourceColumn, ...], tuple[Feature, ...]]:
        """Return the columns, and predictions in which a missing value counts as what stands for it."""
        terms = {each for found in predictions for each in found.value if each is not None}
        indicators = {each for term in terms for each in factors_of(term) if isinstance(each, MissingIndicator)}
        may_miss = {each.columns[0] for each in indicators} - self.complete - self.values.keys()
        found = [each.substituted(lambda given: self._closed(given, may_miss)) for each in predictions]
        kept = (
            each._replace(value={t: c for t, c in each.value.items() if c or t is None or not _is_flagged(t)})
            for each in found
        )
        fills = {column: self.fills.get(column, 0.0) for column in may_miss}
        told = ((name, self.ranges.get(n), self.values.get(n, ()), fills.get(n)) for n, name in enumerate(self.names))
        return tuple(SourceColumn(*each) for each in told), tuple(kept)

    def _closed(self, given: Term, may_miss: set[int]) -> Feature:
        if given.factors:
            return reduce(Feature.times, [self._closed(each, may_miss) for each in given.factors])
        (column,) = given.columns
        match given:
            case Power() if column in self.values:
                numbers = [Fraction(code) for code in self.values[column] if isinstance(code, int | float)]
                if len(numbers) < len(self.values[column]):
                    raise UnsupportedModelError(f"column {self.listed(term(given))} is text that a step computes with")
                return exactly({Level(column, place): value**given.power for place, value in enumerate(numbers)})
            case Power() if column in may_miss:
                one, missing = Fraction(1), MissingIndicator(column)
                away = Fraction(self.fills[column]) ** given.power
                return Feature({given: one, missing: -away}, {given: one, missing: -abs(away)})
            case MissingIndicator() if column not in may_miss:
                return exactly({})
        return term(given)

    def listed(self, *features: Feature) -> str:
        """Return the names of the columns that features depend on."""
        columns = [Column(name, 0.0, 0.0) for name in self.names]
        names = [*self.names, *(each.name(columns) for each in self.derived)]
        return quoted([names[place] for place in sorted(columns_of(*features))])


def _is_flagged(given: Term) -> bool:
    return any(isinstance(each, MissingIndicator) for each in factors_of(given))


def raw_column(feature: Feature) -> int | None:
    """Return the column that a feature is as it came, but for what stands for missing values; None for another one."""
    rest = {each: factor for each, factor in feature.value.items() if factor and not isinstance(each, MissingIndicator)}
    return next((each.columns[0] for each in rest if each is not None and rest == {Power(each.columns[0]): 1}), None)


def _is_filled(feature: Feature) -> bool:
    return any(each is not None and _is_flagged(each) for each in feature.value)


def open_column(feature: Feature) -> int | None:
    """Return the column whose missing values make the feature missing, as no step has filled them; None without one.

    Before they are filled, a feature is made of one column: those that sum over columns take no missing value.
    """
    powers = {each.columns[0] for each in feature.value if isinstance(each, Power)}
    return next((column for column in powers if MissingIndicator(column) not in feature.value), None)


def refused(what: str, nearest: str) -> UnsupportedModelError:
    """Return the error for what cannot be folded."""
    return UnsupportedModelError(f"{what}. The nearest that can be imported: {nearest}")

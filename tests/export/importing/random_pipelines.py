"""Seeded pipelines of scikit-learn, of random columns and random nesting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tests.export.importing.exact_sklearn import given
from tests.optional import optional

if TYPE_CHECKING:
    from tests.export.importing.exact_sklearn import Table

compose, decomposition, impute = map(optional, ["sklearn.compose", "sklearn.decomposition", "sklearn.impute"])
linear, pipeline, prep = map(optional, ["sklearn.linear_model", "sklearn.pipeline", "sklearn.preprocessing"])
selection = optional("sklearn.feature_selection")
ROWS = 30
LEVELS: list[list[Any]] = [["a", "b", "c d"], [False, True], [3, 5, 8, 13], [0.5, 1.5, 2.5]]


class Case(NamedTuple):
    table: Table
    model: Any
    as_array: bool


class Draw:
    """The draws of one case."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def one_of(self, *choices: Any) -> Any:
        return choices[self.random.integers(len(choices))]

    def often(self, share: float) -> bool:
        return bool(self.random.uniform() < share)

    def number_column(self, *, misses: bool) -> list[Any]:
        offset = self.one_of(0.0, 1.0, -300.0, 1.7e9, -1e9)
        values: list[Any] = (offset + 10.0 ** self.one_of(-3, 0, 3, 9) * self.random.normal(size=ROWS)).tolist()
        for row in self.random.choice(ROWS, 5, replace=False) if misses else []:
            values[row] = None
        return values

    def category_column(self) -> list[Any]:
        levels: list[Any] = self.one_of(*LEVELS)
        return levels + [levels[place] for place in self.random.integers(0, len(levels), ROWS - len(levels))]

    def scaler(self) -> Any:
        return self.one_of(
            prep.StandardScaler(),
            prep.StandardScaler(with_std=False),
            prep.StandardScaler(with_mean=False),
            prep.MinMaxScaler(self.one_of((0, 1), (-3, 5))),
            prep.MaxAbsScaler(),
            prep.RobustScaler(),
            prep.RobustScaler(with_centering=False),
            prep.FunctionTransformer(),
            "passthrough",
        )

    def imputer(self) -> Any:
        strategy = self.one_of("mean", "median", "constant", "most_frequent")
        return impute.SimpleImputer(strategy=strategy, fill_value=7.5, add_indicator=self.often(0.4))

    def of_numbers(self, count: int, *, misses: bool) -> Any:
        """Return a chain of steps for some columns of numbers."""
        steps = [self.scaler() for _ in range(self.random.integers(0, 2))]
        if misses:
            steps += [self.imputer()]
        steps += [self.scaler() for _ in range(self.random.integers(0, 2))]
        if self.often(0.6 if count == 1 else 0.3):
            degree, only_products = self.one_of(2, 3), count > 1 and self.often(0.3)
            steps += [prep.PolynomialFeatures(degree, include_bias=self.often(0.5), interaction_only=only_products)]
        elif self.often(0.3):
            steps += [decomposition.PCA(1)]
        return pipeline.make_pipeline(*steps, "passthrough")

    def of_categories(self) -> Any:
        one_hot = prep.OneHotEncoder(drop=self.one_of(None, "first", "if_binary"), sparse_output=self.often(0.5))
        ordinal = prep.OrdinalEncoder()
        return self.one_of(
            one_hot,
            prep.OneHotEncoder(handle_unknown="ignore"),
            ordinal,
            pipeline.make_pipeline(ordinal, one_hot),
            pipeline.make_pipeline(ordinal, prep.StandardScaler()),
            pipeline.make_pipeline(one_hot, prep.MaxAbsScaler()),
        )

    def part(self, places: list[int], table: Table) -> Any:
        """Return the steps for columns of one kind."""
        cells = [list(table.values())[place] for place in places]
        if not all(isinstance(cell, float | None) for each in cells for cell in each) or set(cells[0]) <= {
            0.5,
            1.5,
            2.5,
        }:
            return self.of_categories()
        misses = any(cell is None for each in cells for cell in each)
        if self.often(0.25):
            parts = [(name, self.of_numbers(len(places), misses=misses), list(range(len(places)))) for name in "pq"]
            return compose.ColumnTransformer(parts)
        return self.of_numbers(len(places), misses=misses)

    def columns(self, places: list[int], table: Table, *, as_array: bool) -> Any:
        """Return how the columns are named to a ColumnTransformer."""
        names, mask = [list(table)[place] for place in places], [place in places for place in range(len(table))]
        kinds: list[Any] = [places, mask, lambda _: places]
        if places == list(range(places[0], places[-1] + 1)):
            kinds += [slice(places[0], places[-1] + 1), *([] if as_array else [slice(names[0], names[-1])])]
        return self.one_of(*kinds, *([] if as_array else [names]))

    def case(self) -> Case:
        numbers, categories, as_array = (
            int(self.random.integers(1, 5)),
            int(self.random.integers(0, 3)),
            self.often(0.4),
        )
        table = {f"n{place}": self.number_column(misses=self.often(0.3)) for place in range(numbers)}
        table |= {f"c{place}": self.category_column() for place in range(categories)}
        cut = int(self.random.integers(1, numbers + 1))
        groups = [list(range(cut)), list(range(cut, numbers)), *([numbers + place] for place in range(categories))]
        named = [(f"part{n}", self.part(each, table), each) for n, each in enumerate(groups) if each]
        named = [part for part in named if len(part[2]) != 1 or part[2] == [0] or not self.often(0.15)]
        steps = compose.ColumnTransformer(
            [(name, each, self.columns(places, table, as_array=as_array)) for name, each, places in named]
        )
        after = self.one_of(
            [],
            [prep.StandardScaler(with_mean=False)],
            [decomposition.TruncatedSVD(1)],
            [selection.SelectKBest(selection.f_regression, k=1)],
            [selection.VarianceThreshold()],
        )
        model: Any = pipeline.make_pipeline(steps, *after, self.one_of(linear.Ridge(), linear.LinearRegression()))
        if self.often(0.3):
            model = compose.TransformedTargetRegressor(model, transformer=prep.StandardScaler())
        y = self.random.normal(size=(ROWS, 2) if self.often(0.3) and "SelectKBest" not in repr(after) else ROWS)
        return Case(table, model.fit(given(table, as_array=as_array), y), as_array)

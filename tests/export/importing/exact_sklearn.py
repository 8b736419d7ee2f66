"""scikit-learn's pipelines a second time, a row at a time in fractions, each number with a running bound of its error.

What floating point may be off is carried along with each number (Higham 2002, 3.3), not derived from its last form.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from tests.export.oracle import magnitudes, outputs
from tests.optional import optional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.columns import Column

UNIT = Fraction(1, 2**53)


class Near(NamedTuple):
    """A number, and how far its computed value may be from it."""

    value: Fraction
    error: Fraction = Fraction(0)

    def rounded(self, times: int = 1) -> Near:
        share = times * UNIT / (1 - times * UNIT)
        return Near(self.value, self.error + share * (abs(self.value) + self.error))

    def plus(self, other: float) -> Near:
        return Near(self.value + Fraction(other), self.error).rounded()

    def times(self, other: float) -> Near:
        return Near(self.value * Fraction(other), self.error * abs(Fraction(other))).rounded()

    def over(self, other: float) -> Near:
        return Near(self.value / Fraction(other), self.error / abs(Fraction(other))).rounded(2)


Cell: TypeAlias = Near | str | bool | None


def dot(weights: Sequence[float], cells: Sequence[Cell], bias: float) -> Near:
    """Return a sum of products in any order."""
    pairs = [(Fraction(weight), near(cell)) for weight, cell in zip(weights, cells, strict=True)]
    share = (len(pairs) + 1) * UNIT / (1 - (len(pairs) + 1) * UNIT)
    size = sum(abs(weight) * (abs(cell.value) + cell.error) for weight, cell in pairs) + abs(Fraction(bias))
    error = sum(abs(weight) * cell.error for weight, cell in pairs) + share * size
    return Near(sum((weight * cell.value for weight, cell in pairs), Fraction(bias)), Fraction(error))


def near(cell: Cell) -> Near:
    assert not isinstance(cell, str | None), "a number is missing"
    return cell if isinstance(cell, Near) else Near(Fraction(cell))


def cell_of(value: object) -> Cell:
    """Return a cell of a table."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value if isinstance(value, str | bool) else Near(Fraction(float(value)))  # type: ignore[arg-type]


def same(cell: Cell, category: object) -> bool:
    other = cell_of(category)
    if isinstance(cell, str) or isinstance(other, str):
        return cell == other
    return cell is not None and near(cell).value == near(other).value


def transform(step: Any, row: list[Cell]) -> list[Cell]:
    """Return what a fitted transformer makes of a row."""
    if step is None or isinstance(step, str):
        return [] if step == "drop" else row
    if hasattr(step, "get_support"):
        return [cell for cell, kept in zip(row, step.get_support(), strict=True) if kept]
    return _TRANSFORMERS[type(step).__name__](step, row)


def piped(step: Any, row: list[Cell]) -> list[Cell]:
    for _, each in step.steps:
        row = transform(each, row)
    return row


def by_column(step: Any, row: list[Cell]) -> list[Cell]:
    names, made = list(getattr(step, "feature_names_in_", [])), list[Cell]()
    for _, each, columns in step.transformers_:
        if cells := [row[place] for place in places(columns, names, len(row))]:
            made += transform(each, cells)
    return made


def scaled(row: list[Cell], center: Any, scale: Any) -> list[Cell]:
    made: list[Cell] = []
    for place, cell in enumerate(row):
        if cell is None:
            made.append(None)
            continue
        moved = near(cell) if center is None else near(cell).plus(-float(center[place]))
        made.append(moved if scale is None else moved.over(float(scale[place])))
    return made


def spread(step: Any, row: list[Cell]) -> list[Cell]:
    pairs = zip(row, step.scale_.tolist(), step.min_.tolist(), strict=True)
    return [None if cell is None else near(cell).times(a).plus(b) for cell, a, b in pairs]


def components(step: Any, row: list[Cell]) -> list[Cell]:
    mean = getattr(step, "mean_", np.zeros(len(row))).tolist()
    return [projected(axis, row, mean) for axis in step.components_.tolist()]


def codes(step: Any, row: list[Cell]) -> list[Cell]:
    return [Near(Fraction(index_of(cell, known))) for cell, known in zip(row, step.categories_, strict=True)]


def product(row: Sequence[Cell], powers: Sequence[int]) -> Near:
    found = Near(Fraction(1))
    for cell, power in zip(row, powers, strict=True):
        for _ in range(power):
            other = near(cell)
            error = found.error * abs(other.value) + abs(found.value) * other.error + found.error * other.error
            found = Near(found.value * other.value, error).rounded()
    return found


def projected(axis: Sequence[float], row: Sequence[Cell], mean: Sequence[float]) -> Near:
    first, second = dot(axis, row, 0.0), dot(axis, [Near(Fraction(each)) for each in mean], 0.0)
    return Near(first.value - second.value, first.error + second.error).rounded()


def index_of(cell: Cell, categories: Any) -> int:
    return next(place for place, each in enumerate(categories.tolist()) if same(cell, each))


def one_hot(step: Any, row: Sequence[Cell]) -> list[Cell]:
    made: list[Cell] = []
    for place, (cell, known) in enumerate(zip(row, step.categories_, strict=True)):
        out = None if step.drop_idx_ is None else step.drop_idx_[place]
        made += [Near(Fraction(same(cell, each))) for n, each in enumerate(known.tolist()) if n != out]
    return made


def imputed(step: Any, row: Sequence[Cell]) -> list[Cell]:
    made = [
        cell_of(value) if cell is None else cell for cell, value in zip(row, step.statistics_.tolist(), strict=True)
    ]
    shown = step.indicator_.features_.tolist() if step.add_indicator else []
    return made + [Near(Fraction(row[place] is None)) for place in shown]


def places(columns: Any, names: Sequence[str], count: int) -> list[int]:
    """Return the numbers of columns that are given by name, number, slice or mask."""
    if isinstance(columns, slice):
        if isinstance(columns.start, str):
            return list(range(names.index(columns.start), names.index(columns.stop) + 1))
        return list(range(count))[columns]
    chosen = np.asarray(columns)
    if chosen.dtype == bool:
        return np.flatnonzero(chosen).tolist()
    return [names.index(each) if isinstance(each, str) else int(each) for each in chosen.tolist()]


_TRANSFORMERS: dict[str, Callable[[Any, list[Cell]], list[Cell]]] = {
    "Pipeline": piped,
    "ColumnTransformer": by_column,
    "FunctionTransformer": lambda step, row: row,
    "StandardScaler": lambda step, row: scaled(row, step.mean_ if step.with_mean else None, step.scale_),
    "RobustScaler": lambda step, row: scaled(row, step.center_, step.scale_),
    "MaxAbsScaler": lambda step, row: scaled(row, None, step.scale_),
    "MinMaxScaler": spread,
    "PolynomialFeatures": lambda step, row: [product(row, powers) for powers in step.powers_.tolist()],
    "OrdinalEncoder": codes,
    "OneHotEncoder": one_hot,
    "SimpleImputer": imputed,
    "PCA": components,
    "TruncatedSVD": components,
}


def predict(model: Any, row: list[Cell]) -> list[Near]:
    """Return what a fitted regressor predicts of a row."""
    if type(model).__name__ == "Pipeline":
        for _, step in model.steps[:-1]:
            row = transform(step, row)
        return predict(model.steps[-1][1], row)
    if type(model).__name__ == "TransformedTargetRegressor":
        return inverse(model.transformer_, predict(model.regressor_, row))
    if hasattr(model, "estimators_"):
        return [output for each in model.estimators_ for output in predict(each, row)]
    inner = getattr(model, "estimator_", getattr(model, "best_estimator_", None))
    if inner is not None:
        return predict(inner, row)
    if hasattr(model, "_x_mean"):
        row = [near(cell).plus(-mean) for cell, mean in zip(row, model._x_mean.tolist(), strict=True)]
    weights = np.asarray(model.coef_, dtype=np.float64).reshape(-1, len(row)).tolist()
    bias = (np.zeros(len(weights)) + np.ravel(model.intercept_)).tolist()
    return [dot(each, row, shift) for each, shift in zip(weights, bias, strict=True)]


def inverse(step: Any, outputs: Sequence[Near]) -> list[Near]:
    """Return what the inverse of a target's transformer makes of outputs."""
    if type(step).__name__ == "MinMaxScaler":
        pairs = zip(outputs, step.min_.tolist(), step.scale_.tolist(), strict=True)
        return [each.plus(-a).over(b) for each, a, b in pairs]
    center = getattr(step, "mean_", getattr(step, "center_", None))
    grown = [
        each.times(float(by)) for each, by in zip(outputs, getattr(step, "scale_", np.ones(len(outputs))), strict=True)
    ]
    return grown if center is None else [each.plus(float(by)) for each, by in zip(grown, center, strict=True)]


Table: TypeAlias = "dict[str, list[Any]]"


def given(table: Table, *, as_array: bool = False) -> Any:
    """Return a table as a frame, or as an array without names."""
    if not as_array:
        return optional("pandas").DataFrame(table)
    filled = [[np.nan if cell is None else cell for cell in cells] for cells in table.values()]
    is_number = all(isinstance(cells[0], int | float) for cells in filled)
    return np.array(filled, dtype=np.float64 if is_number else object).T


def check(model: Any, checkpoint: Checkpoint, table: Table, rows: Sequence[int]) -> None:
    """Hold a checkpoint and its source's own predictions against the exact pipeline, on rows of a table."""
    contract, unnamed = checkpoint.contract, not hasattr(model, "feature_names_in_")
    numbered = {"x" if len(table) == 1 else f"x{place}": cells for place, cells in enumerate(table.values(), 1)}
    known = numbered if unnamed else table
    x = np.array([[encoded(each, known[each.name][row]) for each in contract.columns] for row in rows])
    exact, slack = outputs(checkpoint, x), magnitudes(checkpoint, x)
    taken = given({name: [cells[row] for row in rows] for name, cells in table.items()}, as_array=unnamed)
    predicted = np.asarray(model.predict(taken)).reshape(len(rows), -1)
    for place, row in enumerate(rows):
        wanted = predict(model, [cell_of(table[name][row]) for name in table])
        for output, each in enumerate(wanted):
            rounding = 2 * UNIT * slack[place, output]  # of each number of the checkpoint, once
            assert abs(exact[place, output] - each.value) <= rounding
            own = Fraction(float(predicted[place, output]))
            assert abs(own - exact[place, output]) <= each.error + rounding


def encoded(column: Column, value: object) -> float:
    """Return a value as the model takes it; an array of numbers has made floats of all."""
    if column.kind == "category":
        texts = {str(value), *([] if isinstance(value, str) else [str(float(value))])}  # type: ignore[arg-type]
        return next(float(place) for place, each in enumerate(column.categories) if each in texts)
    return float("nan") if value is None else float(value)  # type: ignore[arg-type]

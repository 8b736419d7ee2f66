"""Fitted regressors and pipelines of scikit-learn to checkpoints."""

from __future__ import annotations

import warnings
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import term
from lr_export.importing.folding import Source, checkpoint_of, of_used_columns
from lr_export.importing.ranges import ranges_of
from lr_export.importing.raw_columns import RawColumns
from lr_export.importing.scikit_steps import predicted
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import OptionError, listed, shown
from lr_runtime.prediction.inputs import given
from lr_runtime.system.text import composed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lr_export.importing.folding import Range
    from lr_export.importing.scikit_steps import Step
    from lr_runtime.contract.checkpoint import Checkpoint


def from_sklearn(
    model: Step,
    *,
    ranges: Mapping[str, Range] | None = None,
    X: object = None,
    target: str | Sequence[str] | None = None,
) -> Checkpoint:
    """Return the checkpoint of a fitted linear regressor of scikit-learn, or of a pipeline that ends with one.

    Its steps are folded exactly, and each number of the model is rounded once. Its own `predict` is then held against
    the checkpoint on rows of the training box, within the bound of its rounding.

    Args:
        model: the regressor, or a pipeline; a fitted estimator of linedge alone gives its own checkpoint.
        ranges: the least and the greatest value of columns of numbers in training, by name; they go before `X`, and
            `X` before what a MinMaxScaler knows.
        X: the training rows, (rows, columns) or columns by name, to take ranges from.
        target: the names of the outputs; `y`, or `y1`, `y2`, ... by default.

    Returns:
        The checkpoint, of the columns in `feature_names_in_` (else `x`, or `x1`, `x2`, ...) that an output depends on.

    Raises:
        UnsupportedModelError: a part of the model cannot be folded, or is not fitted.
        OptionError: the training range of a column is not known, or `target` does not match the outputs.
        CheckFailedError: the model's own predictions differ by more than rounding.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> model = LinearRegression().fit([[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0])
        >>> from_sklearn(model, ranges={"x": (1.0, 3.0)}).contract.column_names
        ('x',)
    """
    own: Checkpoint | None = getattr(model, "checkpoint_", None)
    if own is not None and ranges is X is target is None:
        return own
    steps = [each for _, each in getattr(model, "steps", ()) if not isinstance(each, str)]
    parts = [model, *steps]  # a pipeline may begin with "passthrough", which does not count columns
    count = next((each.n_features_in_ for each in parts if hasattr(each, "n_features_in_")), 0)  # 0 before a fit
    told = RawColumns(_numbered("x", count, getattr(model, "feature_names_in_", None)))
    columns, predictions = told.closed(predicted(model, [term(Power(place)) for place in range(count)], told))
    outputs = _numbered("y", len(predictions), [target] if isinstance(target, str) else target)
    of_steps = f"({', '.join(type(each).__name__ for each in steps)})" if steps else ""
    name = f"scikit-learn {type(model).__name__}{of_steps}"
    source = Source(name, columns, outputs, predictions, partial(_predicted, model, told), unit=told.unit)
    used = of_used_columns(source).columns
    unused = set(told.names) - {column.name for column in used}
    wanted = {each: ends for each, ends in (ranges or {}).items() if each not in unused}
    if isinstance(X, np.ndarray | list | tuple):
        rows = given(X, told.names)
        X = dict(zip(told.names, rows.columns if rows.matrix is None else rows.matrix.T, strict=True))
    return checkpoint_of(source, ranges_of(used, wanted, X))


def _numbered(letter: str, count: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """Return names, or the letter with a number where there are none; one alone has no number."""
    if names is None:
        return (letter,) if count == 1 else tuple(f"{letter}{place + 1}" for place in range(count))
    found = tuple(map(composed, names))
    if (len(found), len(set(found))) != (count, count):
        raise OptionError(f"the model's names, or those of --target, are not {count} different ones: {listed(found)}")
    return found


def _predicted(model: Step, told: RawColumns, columns: Mapping[str, list[object]]) -> NDArray[np.float64]:
    """Return the model's own prediction, called as its user would."""
    rows, names = len(next(iter(columns.values()))), getattr(model, "feature_names_in_", None)
    unused = [[told.values.get(place, (0.0,))[0]] * rows for place in range(len(told.names))]
    taken = [columns.get(name, rest) for name, rest in zip(told.names, unused, strict=True)]
    is_number = all(
        name in columns and isinstance(cells[0], float) for name, cells in zip(told.names, taken, strict=True)
    )
    x: object = np.array(taken, dtype=np.float64 if is_number else object).T
    if names is not None:
        with suppress(ModuleNotFoundError):
            from pandas import DataFrame

            x = DataFrame(dict(zip(names, taken, strict=True)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(model.predict(x), dtype=np.float64)
        except Exception as error:  # a step may raise anything
            what = f"{type(model).__name__} takes no rows of its own columns: {shown(str(error), 200)}"
            raise UnsupportedModelError(what) from error

"""Fitted regressors and pipelines of scikit-learn to checkpoints: a row in a table for each step, and its function."""

from __future__ import annotations

import warnings
from contextlib import suppress
from fractions import Fraction
from functools import partial, reduce
from itertools import compress
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import Feature, dot, number, term
from lr_export.importing.folding import Range, Source, checkpoint_of, names_of, of_used_columns
from lr_export.importing.ranges import ranges_of
from lr_export.importing.raw_columns import RawColumns, open_column, raw_column, refused
from lr_runtime.contract.derived import FUNCTIONS, FunctionName
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import listed, shown
from lr_runtime.prediction.inputs import given
from lr_runtime.system.text import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from sklearn.base import BaseEstimator

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.contract import TargetFunction

    Floats: TypeAlias = NDArray[np.float64]
    Step: TypeAlias = BaseEstimator
    Features: TypeAlias = Sequence[Feature]
    Fold: TypeAlias = Callable[[Step, Features, RawColumns], list[Feature]]


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
    told = RawColumns(names_of("feature_names_in_", getattr(model, "feature_names_in_", None), "x", count))
    x = [term(Power(place)) for place in range(count)]
    columns, predictions = told.closed(_folded(_MODELS, model, x, told))
    outputs = names_of("--target", target, "y", len(predictions))
    of_steps = f"({', '.join(type(each).__name__ for each in steps)})" if steps else ""
    name = f"scikit-learn {type(model).__name__}{of_steps}"
    predict = partial(_predicted, model, told)
    source = Source(name, columns, outputs, predictions, predict, derived=tuple(told.derived), functions=told.functions)
    used = of_used_columns(source).columns
    dropped = set(told.names) - {column.name for column in used}
    if isinstance(X, np.ndarray | list | tuple):
        rows = given(X, told.names)
        X = dict(zip(told.names, rows.columns if rows.matrix is None else rows.matrix.T, strict=True))
    found = ranges_of(used, ranges, X)
    return checkpoint_of(source, {each: ends for each, ends in found.items() if each not in dropped})


def _predicted(model: Step, told: RawColumns, columns: Mapping[str, list[object]]) -> Floats:
    """Return the model's own prediction, called as its user would."""
    rows = len(next(iter(columns.values())))
    unused = ([next(iter(told.values.get(place, ())), 0.0)] * rows for place in range(len(told.names)))
    taken = [columns.get(name, rest) for name, rest in zip(told.names, unused, strict=True)]
    is_number = all(isinstance(cells[0], float) for cells in taken)
    x: object = np.array(taken, dtype=np.float64 if is_number else object).T
    if hasattr(model, "feature_names_in_"):
        with suppress(ModuleNotFoundError):
            from pandas import DataFrame

            x = DataFrame(dict(zip(model.feature_names_in_, taken, strict=True)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(model.predict(x), dtype=np.float64)
        except Exception as error:  # a step may raise anything
            what = f"{type(model).__name__} takes no rows of its own columns: {shown(str(error), 200)}"
            raise UnsupportedModelError(what) from error


def _folded(table: Mapping[str, Fold], step: Step, x: Features, told: RawColumns) -> list[Feature]:
    """Return what a fitted step makes of features x, and note what it tells of the raw columns. Raises
    UnsupportedModelError where it is none of scikit-learn's own in the table, is not fitted, or cannot be folded.
    """
    if isinstance(step, str) and step in {"passthrough", "drop"}:
        return [] if step == "drop" else list(x)
    name = type(step).__name__
    if not (name in table and type(step).__module__.startswith("sklearn.")):
        raise refused(f"{name} is no step that linedge can fold", _NEAREST.get(name, listed(list(table), 6)))
    if not (told.names and hasattr(step, "steps" if name == "Pipeline" else "n_features_in_")):
        raise UnsupportedModelError(f"{name} is not fitted. Call its fit first")
    for option, plain in _PLAIN.items():
        if (given := repr(getattr(step, option, None))) not in {"None", plain}:
            raise refused(f"{name} has {option}={shown(given)}, which linedge does not know", f"{option}={plain}")
    return table[name](step, x, told)


def _scaled(step: Step, x: Features, told: RawColumns, *, is_inverse: bool = False) -> list[Feature]:
    """Return (x - center) / scale of features x, or the inverse; of a MinMaxScaler x * scale + center."""
    name, is_spread = type(step).__name__, hasattr(step, "data_min_")
    for each, *ends in zip(x, step.data_min_.tolist(), step.data_max_.tolist(), strict=True) if is_spread else ():
        if (column := raw_column(each)) is not None:
            told.ranges.setdefault(column, (ends[0], ends[1]))
    center = getattr(step, _CENTERS[name], None) if getattr(step, "with_mean", True) else None
    parts = (0.0 if center is None else center), (1.0 if step.scale_ is None else step.scale_)
    by = zip(x, *(np.broadcast_to(each, len(x)).tolist() for each in parts), strict=True)
    if is_inverse != is_spread:
        return [each.times(number(b)).plus(number(a)) for each, a, b in by]
    return [each.plus(number(-a)).divided(b) for each, a, b in by]


def _imputed(step: Step, x: Features, told: RawColumns) -> list[Feature]:
    keeps = step.strategy == "constant" or step.keep_empty_features
    pairs = zip(x, step.statistics_.tolist(), strict=True)
    made = [_filled(each, value, told) for each, value in pairs if keeps or not is_missing(value)]
    return made + (_missing(step.indicator_, x, told) if step.add_indicator else [])


def _filled(feature: Feature, value: object, told: RawColumns) -> Feature:
    column = open_column(feature)
    if column is None or not isinstance(value, int | float):  # text is left to the encoder
        return feature
    away, slope = Fraction(value) - feature.value.get(None, 0), feature.value[Power(column)]
    told.fills.setdefault(column, float(away / slope) if slope else 0.0)
    more, missing = abs(Fraction(value)) - feature.size.get(None, 0), MissingIndicator(column)
    return feature._replace(value=feature.value | {missing: away}, size=feature.size | {missing: more})


def _missing(step: Step, x: Features, _: RawColumns) -> list[Feature]:
    columns = [open_column(x[place]) for place in step.features_.tolist()]
    return [number(0.0) if column is None else term(MissingIndicator(column)) for column in columns]


def _encoded(step: Step, x: Features, told: RawColumns, *, codes: Callable[[int], Floats]) -> list[Feature]:
    """Return the columns of the codes (levels, columns) of each category, but for those that the step drops."""
    dropped, made = getattr(step, "drop_idx_", None), []
    for place, (each, known) in enumerate(zip(x, step.categories_, strict=True)):
        out = [] if dropped is None or dropped[place] is None else [dropped[place]]
        made += told.coded(each, known.tolist(), np.delete(codes(len(known)), out, axis=1))
    return made


def _powers(step: Step, x: Features, told: RawColumns) -> list[Feature]:
    told.takes_no_missing(x)
    factors = ([each for each, power in zip(x, powers, strict=True) for _ in range(power)] for powers in step.powers_)
    return [reduce(Feature.times, each, number(1.0)) for each in factors]


def _function(step: Step, x: Features, told: RawColumns) -> list[Feature]:
    if step.func is None:
        return list(x)
    if (name := _FUNCTIONS.get(step.func)) is None or step.kw_args:
        known = ", ".join(f"np.{each}" for each in _FUNCTIONS.values())
        raise refused(f"FunctionTransformer has func={shown(repr(step.func))}, which linedge does not know", known)
    return [told.function(each, name) for each in x]


def _inverted(step: Step, x: Features, told: RawColumns) -> list[Feature]:
    """Return what is fitted of the targets, and note of which function it is; with no function, the targets."""
    if step.inverse_func is not None:
        if step.inverse_func not in _INVERSES or step.inv_kw_args:
            what = f"the target has inverse_func={shown(repr(step.inverse_func))}, which linedge does not know"
            raise refused(what, "func=np.log with inverse_func=np.exp")
        told.functions = (_INVERSES[step.inverse_func],) * len(x)
    return list(x)


def _transformed_target(step: Step, x: Features, told: RawColumns) -> list[Feature]:
    made = _folded(_MODELS, step.regressor_, x, told)
    if any(told.functions):
        raise refused("what is made of a function of the target is transformed once more", "one function of a target")
    return _folded(_BACK, step.transformer_, made, told)


def _side_by_side(step: Step, x: Features, told: RawColumns) -> list[Feature]:
    """Return the outputs of its models one after another, and note the function of each."""
    made: list[Feature] = []
    functions: list[TargetFunction | None] = []
    for each in step.estimators_:
        told.functions = ()
        own = _folded(_MODELS, each, x, told)
        made, functions = [*made, *own], [*functions, *(told.functions or (None,) * len(own))]
    told.functions = tuple(functions) if any(functions) else ()
    return made


def _by_column(step: Step, x: Features, told: RawColumns) -> list[Feature]:
    places = step._transformer_to_input_indices  # of names, masks, slices and callables alike
    parts = [(each, [x[place] for place in places[name]]) for name, each, _ in step.transformers_]
    return [made for each, given in parts if given for made in _folded(TRANSFORMERS, each, given, told)]


def _in_a_row(steps: Sequence[tuple[str, Step]], x: Features, told: RawColumns) -> list[Feature]:
    return reduce(lambda x, each: _folded(TRANSFORMERS, each[1], x, told), steps, list(x))


def _mapped(step: Step, x: Features, told: RawColumns, weights: str = "coef_", mean: str = "_x_mean") -> list[Feature]:
    """Return weights (x - mean) + intercept, of these attributes of the step."""
    told.takes_no_missing(x)
    if hasattr(step, mean):
        x = [each.plus(number(-by)) for each, by in zip(x, getattr(step, mean).tolist(), strict=True)]
    matrix = getattr(step, weights)  # sparse after `sparsify`
    rows = np.reshape(matrix.toarray() if hasattr(matrix, "toarray") else matrix, (-1, len(x))).tolist()
    bias = np.broadcast_to(np.ravel(getattr(step, "intercept_", 0.0)), len(rows)).tolist()
    return [dot(row, x, by) for row, by in zip(rows, bias, strict=True)]


_CENTERS = {"StandardScaler": "mean_", "RobustScaler": "center_", "MaxAbsScaler": "", "MinMaxScaler": "min_"}
"""What a scaler calls its center: it gives (x - center) / scale, but MinMaxScaler x * scale + center."""
_PLAIN = {"clip": "False", "whiten": "False", "missing_values": "nan"}
_PLAIN |= dict.fromkeys(["min_frequency", "max_categories"], "None")
"""Options with which alone a step is folded."""
_FUNCTIONS: dict[object, FunctionName] = {getattr(np, each): each for each in FUNCTIONS if each != "hinge"}
_INVERSES: dict[object, TargetFunction] = {np.exp: "log", np.square: "sqrt", np.reciprocal: "reciprocal"}
"""The function of a target by its inverse, with which predictions are made."""
_SELECTORS = "SelectKBest SelectPercentile SelectFromModel RFE RFECV VarianceThreshold"
_WITH_COEFFICIENTS = """
    LinearRegression Ridge RidgeCV Lasso LassoCV ElasticNet ElasticNetCV MultiTaskLasso MultiTaskLassoCV
    MultiTaskElasticNet MultiTaskElasticNetCV Lars LarsCV LassoLars LassoLarsCV LassoLarsIC OrthogonalMatchingPursuit
    OrthogonalMatchingPursuitCV BayesianRidge ARDRegression HuberRegressor QuantileRegressor TheilSenRegressor
    SGDRegressor PassiveAggressiveRegressor LinearSVR PLSRegression PLSCanonical CCA
"""

TRANSFORMERS: dict[str, Fold] = {
    **dict.fromkeys(_CENTERS, _scaled),
    "FunctionTransformer": _function,
    "SimpleImputer": _imputed,
    "MissingIndicator": _missing,
    "OneHotEncoder": partial(_encoded, codes=np.eye),
    "OrdinalEncoder": partial(_encoded, codes=lambda count: np.arange(float(count))[:, None]),
    "PolynomialFeatures": _powers,
    **dict.fromkeys(["PCA", "IncrementalPCA", "TruncatedSVD"], partial(_mapped, weights="components_", mean="mean_")),
    **dict.fromkeys(_SELECTORS.split(), lambda step, x, _: list(compress(x, step.get_support()))),
    "ColumnTransformer": _by_column,
    "Pipeline": lambda step, x, told: _in_a_row(step.steps, x, told),
}
"""How each transformer is folded; another one is a row here and a function above."""
_BACK: dict[str, Fold] = dict.fromkeys(_CENTERS, partial(_scaled, is_inverse=True))
_BACK["FunctionTransformer"] = _inverted
"""The same of the inverse of a target's transformer."""
_MODELS: dict[str, Fold] = {
    **dict.fromkeys(_WITH_COEFFICIENTS.split(), _mapped),
    "GridSearchCV": lambda step, x, told: _folded(_MODELS, step.best_estimator_, x, told),
    "RANSACRegressor": lambda step, x, told: _folded(_MODELS, step.estimator_, x, told),
    "MultiOutputRegressor": _side_by_side,
    "TransformedTargetRegressor": _transformed_target,
    "Pipeline": lambda step, x, told: _folded(_MODELS, step.steps[-1][1], _in_a_row(step.steps[:-1], x, told), told),
}
"""The same of regressors."""
_NEAREST = {
    **dict.fromkeys(["IterativeImputer", "KNNImputer"], "SimpleImputer"),
    **dict.fromkeys(["Binarizer", "KBinsDiscretizer", "CountVectorizer"], "OneHotEncoder"),
    "SVR": "LinearSVR",
    "SplineTransformer": "PolynomialFeatures",
    "FeatureUnion": "ColumnTransformer",
    "LinearModelRegressor": "it alone, without ranges, X or target",
}
"""What to take for a step that cannot be folded."""

"""How the transformers and regressors of scikit-learn are folded: a row in a table for each, and its function."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import Feature, dot, exactly, number, term, total
from lr_export.importing.raw_columns import columns_of, open_column, raw_column
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import listed
from lr_runtime.system.text import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sklearn.base import BaseEstimator

    from lr_export.importing.raw_columns import RawColumns

    Step: TypeAlias = BaseEstimator
    Fold: TypeAlias = Callable[[Step, Sequence[Feature], RawColumns], list[Feature]]


def folded(table: Mapping[str, Fold], step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    """Return what a fitted step makes of features, and note what it tells of the raw columns.

    Raises:
        UnsupportedModelError: it is none of scikit-learn's own in the table, is not fitted, or cannot be folded.
    """
    if step is None or (isinstance(step, str) and step in {"passthrough", "drop"}):
        return [] if step == "drop" else list(features)
    name, is_own = type(step).__name__, type(step).__module__.startswith("sklearn.")
    if not (is_own and name in table):
        known = [each.__name__ for each in type(step).__mro__ if each.__name__ in table]
        raise refused(step, "is no step that linedge can fold", _NEAREST.get(name, listed(known or list(table), 6)))
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(step)
    except NotFittedError as error:
        raise UnsupportedModelError(f"{name} is not fitted. Call its fit first") from error
    if not is_missing(getattr(step, "missing_values", None)):
        raise refused(step, f"takes {step.missing_values!r} for a missing value", "missing_values=numpy.nan")
    return table[name](step, features, told)


def refused(step: object, why: str, nearest: str) -> UnsupportedModelError:
    """Return the error for a step that cannot be folded."""
    return UnsupportedModelError(f"{type(step).__name__} {why}. The nearest that can be imported: {nearest}")


def _scaled(step: Step, features: Sequence[Feature], _: RawColumns) -> list[Feature]:
    return _by_scale(step, features, is_back=False)


def _spread(step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    for feature, low, high in zip(features, step.data_min_.tolist(), step.data_max_.tolist(), strict=True):
        if raw_column(feature) is not None and isfinite(low):
            told.ranges.setdefault(min(columns_of(feature)), (low, high))
    return _by_scale(step, features, is_back=True)


def _by_scale(step: Step, features: Sequence[Feature], *, is_back: bool) -> list[Feature]:
    """Return (x - center) / scale of features x, or the way back."""
    if getattr(step, "clip", False):
        raise refused(step, "clips what it gives", "clip=False")
    center = getattr(step, _CENTERS[type(step).__name__], None) if getattr(step, "with_mean", True) else None
    parts = (0.0 if center is None else center), (1.0 if step.scale_ is None else step.scale_)
    by = (np.broadcast_to(each, len(features)).tolist() for each in parts)
    if is_back:
        return [each.times(number(b)).plus(number(a)) for each, a, b in zip(features, *by, strict=True)]
    return [each.plus(number(-a)).divided(b) for each, a, b in zip(features, *by, strict=True)]


def _imputed(step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    keeps = step.strategy == "constant" or step.keep_empty_features
    pairs = zip(features, step.statistics_.tolist(), strict=True)
    made = [_filled(each, value, told) for each, value in pairs if keeps or not is_missing(value)]
    return made + (_missing(step.indicator_, features, told) if step.add_indicator else [])


def _filled(feature: Feature, value: object, told: RawColumns) -> Feature:
    column = open_column(feature)
    if column is None or not isinstance(value, int | float):  # text is left to the encoder
        return feature
    away, slope = Fraction(value) - feature.value.get(None, 0), feature.value[Power(column)]
    told.fills.setdefault(column, float(away / slope) if slope else 0.0)
    more, missing = abs(Fraction(value)) - feature.size.get(None, 0), MissingIndicator(column)
    return feature._replace(value=feature.value | {missing: away}, size=feature.size | {missing: more})


def _missing(step: Step, features: Sequence[Feature], _: RawColumns) -> list[Feature]:
    columns = [open_column(features[place]) for place in step.features_.tolist()]
    return [number(0.0) if column is None else term(MissingIndicator(column)) for column in columns]


def _levels(step: Step, features: Sequence[Feature], told: RawColumns) -> list[list[Feature]]:
    if any(each is not None for each in getattr(step, "infrequent_categories_", None) or ()):
        raise refused(step, "joins infrequent categories", "one without min_frequency and max_categories")
    if np.dtype(step.dtype).kind == "f" and np.dtype(step.dtype).itemsize < 8:
        # Later steps may compute in this dtype, of numbers that they round to it.
        told.unit = max(told.unit, Fraction(float(np.finfo(step.dtype).eps)))
    return [told.levels(each, values.tolist()) for each, values in zip(features, step.categories_, strict=True)]


def _one_hot(step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    found = _levels(step, features, told)
    without = [None] * len(found) if step.drop_idx_ is None else step.drop_idx_
    return [each for levels, out in zip(found, without, strict=True) for n, each in enumerate(levels) if n != out]


def _ordinal(step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    found = _levels(step, features, told)
    return [exactly({each: Fraction(n) for n, level in enumerate(levels) for each in level.value}) for levels in found]


def _powers(step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    told.takes_no_missing(features)
    made = []
    for powers in step.powers_.tolist():
        factors = [each for each, power in zip(features, powers, strict=True) for _ in range(power)]
        if len(factors) > 1 and len(columns_of(*factors)) > 1:
            nearest = "PolynomialFeatures of each column alone, in a ColumnTransformer"
            raise refused(step, f"multiplies {told.listed(*factors)}, for which linedge has no term yet", nearest)
        made.append(reduce(Feature.times, factors, number(1.0)))
    return made


def _projected(step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    told.takes_no_missing(features)
    center = [number(-each) for each in getattr(step, "mean_", np.zeros(len(features))).tolist()]
    sd = np.sqrt(step.explained_variance_) if getattr(step, "whiten", False) is True else np.ones(len(step.components_))
    rows = zip(step.components_.tolist(), sd.clip(np.finfo(sd.dtype).eps).tolist(), strict=True)
    return [total([dot(row, features, 0.0), dot(row, center, 0.0)]).divided(by) for row, by in rows]


def _by_column(step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    places = step._transformer_to_input_indices  # of names, masks, slices and callables alike
    parts = [(each, [features[place] for place in places[name]]) for name, each, _ in step.transformers_]
    return [made for each, given in parts if given for made in folded(TRANSFORMERS, each, given, told)]


def _side_by_side(step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    weights, made = step.transformer_weights or {}, []
    for name, each in step.transformer_list:
        weight = number(weights.get(name, 1.0))
        made += [part.times(weight) for part in folded(TRANSFORMERS, each, features, told)]
    return made


def _in_a_row(steps: Sequence[tuple[str, Step]], x: Sequence[Feature], told: RawColumns) -> list[Feature]:
    return reduce(lambda x, each: folded(TRANSFORMERS, each[1], x, told), steps, list(x))


def _unchanged(step: Step, features: Sequence[Feature], _: RawColumns) -> list[Feature]:
    if step.func is not None or step.inverse_func is not None:
        raise refused(step, "computes what only its code says", "what it computes as a column of the table")
    return list(features)


def _selected(step: Step, features: Sequence[Feature], _: RawColumns) -> list[Feature]:
    return [each for each, is_kept in zip(features, step.get_support(), strict=True) if is_kept]


def _linear(step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    if getattr(step, "link", "identity") != "identity" and not (step.link == "auto" and step.power <= 0):
        raise refused(step, "predicts an exponential", "link='identity'")
    told.takes_no_missing(features)
    coef = step.coef_.toarray() if hasattr(step.coef_, "toarray") else step.coef_  # sparse after `sparsify`
    weights = np.reshape(coef, (-1, len(features)))
    bias = np.broadcast_to(np.ravel(step.intercept_), len(weights))
    return [dot(row, features, each) for row, each in zip(weights.tolist(), bias.tolist(), strict=True)]


def _centred(step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    mean = step._x_mean.tolist()
    return _linear(step, [each.plus(number(-by)) for each, by in zip(features, mean, strict=True)], told)


def predicted(step: Step, features: Sequence[Feature], told: RawColumns) -> list[Feature]:
    """Return what a fitted regressor makes of features, or an estimator of ours: its numbers are its checkpoint's."""
    if not hasattr(step, "checkpoint_"):
        return folded(_REGRESSORS, step, features, told)
    equation = step.checkpoint_.equation
    told.takes_no_missing(features)
    if len(features) != len(equation.origin) or not all(isinstance(each, Power) for each in equation.terms):
        raise refused(step, "encodes or fills behind other steps", "OneHotEncoder or SimpleImputer among these")
    basis = zip(features, equation.origin, equation.scale, strict=True)
    u = [each.plus(number(-origin)).divided(scale) for each, origin, scale in basis]
    terms = [reduce(Feature.times, [u[each.columns[0]]] * each.power) for each in equation.terms]
    return [dot(row, terms, bias) for row, bias in zip(equation.weight, equation.bias, strict=True)]


_CENTERS = {"StandardScaler": "mean_", "RobustScaler": "center_", "MaxAbsScaler": "", "MinMaxScaler": "min_"}
"""What a scaler calls its center: it gives (x - center) / scale, but MinMaxScaler x * scale + center."""
_SELECTORS = """
    SelectKBest SelectPercentile SelectFpr SelectFdr SelectFwe GenericUnivariateSelect SelectFromModel RFE RFECV
    VarianceThreshold SequentialFeatureSelector
"""
_WITH_COEFFICIENTS = """
    LinearRegression Ridge RidgeCV Lasso LassoCV ElasticNet ElasticNetCV MultiTaskLasso MultiTaskLassoCV
    MultiTaskElasticNet MultiTaskElasticNetCV Lars LarsCV LassoLars LassoLarsCV LassoLarsIC OrthogonalMatchingPursuit
    OrthogonalMatchingPursuitCV BayesianRidge ARDRegression HuberRegressor QuantileRegressor TheilSenRegressor
    SGDRegressor PassiveAggressiveRegressor LinearSVR TweedieRegressor
"""

TRANSFORMERS: dict[str, Fold] = {
    **dict.fromkeys(["StandardScaler", "RobustScaler", "MaxAbsScaler"], _scaled),
    "MinMaxScaler": _spread,
    "SimpleImputer": _imputed,
    "MissingIndicator": _missing,
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
    "PolynomialFeatures": _powers,
    **dict.fromkeys(["PCA", "IncrementalPCA", "TruncatedSVD", "FastICA"], _projected),
    **dict.fromkeys(_SELECTORS.split(), _selected),
    "ColumnTransformer": _by_column,
    "FeatureUnion": _side_by_side,
    "Pipeline": lambda step, x, told: _in_a_row(step.steps, x, told),
    "FunctionTransformer": _unchanged,
}
"""How each transformer is folded; another one is a row here and a function above."""
_BACK: dict[str, Fold] = {
    **dict.fromkeys(_CENTERS, lambda step, y, _: _by_scale(step, y, is_back=type(step).__name__ != "MinMaxScaler")),
    "Pipeline": lambda step, y, told: reduce(
        lambda y, each: folded(_BACK, each[1], y, told), step.steps[::-1], list(y)
    ),
    "FunctionTransformer": _unchanged,
}
"""The same of the inverse of a target's transformer."""
_REGRESSORS: dict[str, Fold] = {
    **dict.fromkeys(_WITH_COEFFICIENTS.split(), _linear),
    **dict.fromkeys(["PLSRegression", "PLSCanonical", "CCA"], _centred),
    **dict.fromkeys(["RFE", "RFECV"], lambda step, x, told: predicted(step.estimator_, _selected(step, x, told), told)),
    "GridSearchCV": lambda step, x, told: predicted(step.best_estimator_, x, told),
    "RandomizedSearchCV": lambda step, x, told: predicted(step.best_estimator_, x, told),
    "RANSACRegressor": lambda step, x, told: predicted(step.estimator_, x, told),
    "MultiOutputRegressor": lambda step, x, told: [y for each in step.estimators_ for y in predicted(each, x, told)],
    "TransformedTargetRegressor": lambda step, x, told: folded(
        _BACK, step.transformer_, predicted(step.regressor_, x, told), told
    ),
    "Pipeline": lambda step, x, told: predicted(step.steps[-1][1], _in_a_row(step.steps[:-1], x, told), told),
}
"""The same of regressors."""
_NEAREST = {
    **dict.fromkeys(["IterativeImputer", "KNNImputer"], "SimpleImputer"),
    **dict.fromkeys(["PowerTransformer", "QuantileTransformer", "Normalizer"], "StandardScaler"),
    **dict.fromkeys(["Binarizer", "KBinsDiscretizer", "CountVectorizer"], "OneHotEncoder"),
    **dict.fromkeys(["PoissonRegressor", "GammaRegressor"], "TweedieRegressor(link='identity')"),
    "SVR": "LinearSVR",
    "SplineTransformer": "PolynomialFeatures",
}

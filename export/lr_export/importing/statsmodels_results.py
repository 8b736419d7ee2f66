"""From the results of a linear fit of statsmodels to a checkpoint: its coefficients, its figures, its training ranges.

The prediction interval comes along where statsmodels has the same one, from Student's t and the leverage: of OLS and
WLS with their own covariance. For WLS it is that of a new observation of weight 1.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import partial, reduce
from itertools import product
from math import isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import Feature, dot, number, term
from lr_export.importing.folding import (
    Basis,
    Range,
    Source,
    checkpoint_of,
    names_of,
    of_used_columns,
    on_basis,
    used_variables,
)
from lr_export.importing.ranges import ranges_of
from lr_export.importing.raw_columns import RawColumns
from lr_runtime.contract.derived import FUNCTIONS
from lr_runtime.contract.fit_report import Coefficient, FitReport, Quality
from lr_runtime.contract.leverage import Leverage
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import escaped, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray
    from pandas import DataFrame
    from patsy import DesignInfo
    from patsy.design_info import SubtermInfo
    from statsmodels.base.model import LikelihoodModel
    from statsmodels.base.model import LikelihoodModelResults as Results

    from lr_runtime.contract.checkpoint import Checkpoint

    Floats = NDArray[np.float64]

_MODELS = ("OLS", "WLS", "GLS", "GLSAR", "RLM", "QuantReg")
_WITH_INTERVAL = ("OLS", "WLS")
_FIGURES = ("rows", "degrees_of_freedom", "intercept", "r2", "adjusted_r2", "residual_sd", "coefficients")
"""Those that go into the report."""
_CAN = (
    "Columns can be, and powers as I(x**2), sums and products in I(...), np.log(x), np.log1p(x), np.exp(x), np.sqrt(x) "
    "and I(1 / x) of a column, categories as C(site)"
)

_HIGHEST = 50
"""The highest power that is folded: beyond it float64 has no digits left of any power but that one."""


def from_statsmodels(
    results: Results,
    *,
    ranges: Mapping[str, Range] | None = None,
    X: ArrayLike | Mapping[str, ArrayLike] | None = None,
    target: str | Sequence[str] | None = None,
) -> Checkpoint:
    """Return the checkpoint of a linear fit of statsmodels, held against its own `predict`.

    Rows, R2, residual standard deviation and the table of coefficients come along where the fit has them; prediction
    interval and leverage from OLS and WLS alone.

    Args:
        results: what `fit` returned, of OLS, WLS, GLS, GLSAR, RLM or QuantReg, with a formula or without. Of a formula
            powers of one column, sums and products with numbers, and categories can be folded.
        ranges: training ranges that go before those of the data.
        X: rows to take these from: (rows, columns), or columns by name.
        target: the name of the output; by default the one that the fit has.

    Raises:
        UnsupportedModelError: another model, or a term that cannot be folded; the message names it.
        OptionError: the data were removed from the results, and a range is missing.
        CheckFailedError: `predict` differs by more than rounding.

    Example:
        >>> import numpy as np
        >>> import statsmodels.api as sm
        >>> x = np.arange(10.0)
        >>> results = sm.OLS(2 * x + 1 + (x % 2), sm.add_constant(x)).fit()
        >>> checkpoint = from_statsmodels(results)
        >>> checkpoint.contract.column_names, checkpoint.contract.rows
        (('x1',), 10)
    """
    model, without_interval = _model_of(results), _without_interval(results)
    table, told, design = _training(model)
    columns, features = told.closed(design)
    whole = Source(  # the name of the output goes with the data
        name=f"statsmodels {type(model).__name__}{without_interval or ''}",
        columns=columns,
        outputs=names_of("--target", target or str(getattr(model, "endog_names", "y")), "y", 1),
        predictions=(dot(np.asarray(results.params).tolist(), features, 0.0),),
        predict=partial(_predicted, results),
        derived=tuple(told.derived),
    )
    source = of_used_columns(whole)
    of_data = ranges_of(source.columns, None, table if len(table) else None)
    checkpoint = checkpoint_of(source, of_data | ranges_of(source.columns, ranges, X))
    if model.exog is None or not hasattr(results, "df_resid"):
        return checkpoint
    if without_interval is None:
        used = used_variables(whole)
        cells = (
            table[each.name].map(each.values.index) if each.values else table[each.name] for each in source.columns
        )
        rows = [np.array(each, dtype=np.float64) for each in cells]
        rows += [np.array(list(map(each.value, rows[each.column].tolist()))) for each in source.derived]
        leverage = _leverage(checkpoint, [each.moved(used) for each in features], rows, model.weights)
        checkpoint = replace(checkpoint, leverage=leverage)
    return _with_figures(checkpoint, results)


def _model_of(results: Results) -> LikelihoodModel:
    """Return the model of the results of a fit."""
    model = getattr(results, "model", None)
    if model is None or np.ndim(getattr(results, "params", 0.0)) != 1:
        raise UnsupportedModelError(f"expected the results of a fit of statsmodels, not {type(results).__name__}")
    if type(model).__name__ not in _MODELS:
        what = f"statsmodels {type(model).__name__} is no linear model to import"
        raise UnsupportedModelError(f"{what}; {', '.join(_MODELS)} are")
    return model


def _without_interval(results: Results) -> str | None:
    """Return what keeps a fit's interval from being that of Student's t and the leverage; None where it is that."""
    if type(results.model).__name__ not in _WITH_INTERVAL:
        return ""
    covariance = getattr(results, "cov_type", "of a penalty")
    if covariance != "nonrobust":
        return f" with the covariance {covariance}"
    if results.model.rank < len(results.params):
        return " of collinear columns"
    return None if results.use_t else " with normal intervals"


def _training(model: LikelihoodModel) -> tuple[DataFrame, RawColumns, list[Feature]]:
    """Return the training rows of the raw columns, none where they are gone, and the columns of the design matrix."""
    from pandas import DataFrame

    data, names = model.data, list(map(str, model.exog_names))
    if len(set(names)) < len(names):
        raise UnsupportedModelError(f"two columns have one name among {listed(names)}")
    if getattr(data, "model_spec", None) is not None:
        table = DataFrame(data.frame).rename(columns=str)  # a formula takes a dictionary, too
        table = table.iloc[np.delete(np.arange(len(table)), data.missing_row_idx or [])]
        told = RawColumns(tuple(table))
        return table, told, _of_formula(data.model_spec, told)
    table = DataFrame([] if model.exog is None else model.exog, columns=names)
    features = [term(Power(place)) for place in range(len(names))]
    if (constant := data.const_idx) is not None and (table[names[constant]] == 1).all():
        features[constant] = number(1.0)  # otherwise it is a column like others, of one value
    return table, RawColumns(tuple(names)), features


def _of_formula(design: DesignInfo, told: RawColumns) -> list[Feature]:
    """Return the columns of the design matrix of a formula, as patsy has parsed it, and note the categories."""
    if not hasattr(design, "term_codings"):
        raise UnsupportedModelError("the formula is one of formulaic. Set statsmodels' formula_engine to 'patsy'")
    features: list[Feature] = []
    for each, codings in design.term_codings.items():
        try:
            features += [column for coding in codings for column in _of_coding(design, coding, told)]
        except UnsupportedModelError as error:
            raise UnsupportedModelError(f"the term {escaped(each.name())} cannot be folded: {error}. {_CAN}") from error
    return features


def _of_coding(design: DesignInfo, coding: SubtermInfo, told: RawColumns) -> Iterator[Feature]:
    """Return the products of the columns of each factor."""
    parts = []
    for factor in coding.factors:
        found = _number(ast.parse(factor.code, mode="eval").body, told)
        codes = coding.contrast_matrices.get(factor)
        categories = design.factor_infos[factor].categories
        parts.append([found] if codes is None else told.coded(found, categories, codes.matrix))
    return (reduce(Feature.times, each) if each else number(1.0) for each in product(*parts))


def _number(code: ast.expr, told: RawColumns) -> Feature:
    """Return what an expression makes of columns: sums, products with numbers, whole powers."""
    match code:
        case ast.Name(name) | ast.Call(ast.Name("Q"), [ast.Constant(value=str() as name)]) if name in told.names:
            found = term(Power(told.names.index(name)))
        case ast.Constant(value=int() | float() as value):
            found = number(value)
        case ast.Call(ast.Name("I" | "C"), [inside, *_]):
            found = _number(inside, told)
        case ast.UnaryOp(ast.USub(), operand):
            found = _number(operand, told).times(number(-1))
        case ast.BinOp(left, ast.Sub(), right):
            found = _number(left, told).plus(_number(right, told).times(number(-1)))
        case ast.BinOp(left, ast.Add() | ast.Mult() as sign, right):
            join = Feature.plus if isinstance(sign, ast.Add) else Feature.times
            found = join(_number(left, told), _number(right, told))
        case ast.BinOp(left, ast.Div(), ast.Constant(value=int() | float() as value)) if value:
            found = _number(left, told).divided(value)
        case ast.BinOp(base, ast.Pow(), ast.Constant(value=int() as power)) | ast.Call(
            ast.Attribute(attr="power"), [base, ast.Constant(value=int() as power)]
        ) if 0 < power <= _HIGHEST:
            found = reduce(Feature.times, [_number(base, told)] * power)
        case _:
            found = _function(code, told)
    return found


def _function(code: ast.expr, told: RawColumns) -> Feature:
    """Return a function of a column, or a number over it."""
    match code:
        case ast.Call(ast.Attribute(ast.Name("np"), name), [inside], []) if name in FUNCTIONS:
            return told.function(_number(inside, told), name)
        case ast.BinOp(ast.Constant(value=int() | float() as value), ast.Div(), ast.Name() | ast.Call() as inside):
            return told.function(_number(inside, told), "reciprocal").times(number(value))
        case _:
            raise UnsupportedModelError(
                f"{escaped(ast.unparse(code))} is neither a column of the data nor code that linedge knows"
            )


def _predicted(results: Results, columns: Mapping[str, list[object]]) -> ArrayLike:
    """Return `predict` of columns by name; of a design matrix the constant is not among them."""
    from pandas import DataFrame

    rows = DataFrame(columns)
    if getattr(results.model.data, "model_spec", None) is None:
        rows = rows.reindex(columns=list(map(str, results.model.exog_names)), fill_value=1.0).to_numpy()
    return np.asarray(results.predict(rows))


def _with_figures(checkpoint: Checkpoint, results: Results) -> Checkpoint:
    """Return the checkpoint with the rows, the figures and the coefficients of the fit."""
    from statsmodels.iolib.summary2 import summary_params

    table = summary_params(results)  # with the fields of `Coefficient`
    r2, adjr2 = _finite([getattr(results, name, np.nan) for name in ("rsquared", "rsquared_adj")])
    has_sd = type(results.model).__name__ in _WITH_INTERVAL and results.df_resid > 0
    quality = Quality(r2=r2, adjr2=adjr2, residual_sd=sqrt(results.mse_resid) if has_sd else None)
    (output,) = checkpoint.contract.outputs
    outputs = (output._replace(r2=r2, residual_sd=quality.residual_sd),)
    contract = checkpoint.contract._replace(rows=len(results.model.exog), outputs=outputs)
    said = FitReport(
        df_resid=int(results.df_resid),
        intercept=bool(results.model.k_constant),
        quality=(quality,),
        coefficients=tuple(
            Coefficient._make((output.name, str(name), *_finite(row), None, None)) for name, *row in table.itertuples()
        ),
    ).to_json(contract)
    fit = {key: said[key] for key in _FIGURES if said[key] is not None} | dict(checkpoint.fit)
    return replace(checkpoint, contract=contract, fit=fit)


def _finite(values: Sequence[float]) -> list[float | None]:
    return [float(value) if isfinite(value) else None for value in values]


def _leverage(checkpoint: Checkpoint, design: list[Feature], rows: list[Floats], weights: Floats) -> Leverage | None:
    """Return the leverage of a fit whose columns are not collinear; None where it has more of them than terms.

    With W the rows' weights, T the terms of the checkpoint at these rows and X = T B + 1 a' the source's design, which
    has the same span as B does, h is as in `lr_runtime.contract.leverage`. Where both have as many columns, T takes
    the place of X: on its origin and scale it keeps digits that powers of raw columns lose. X = Q R (Householder), so
    M = B R^-1, and M = F P, with F upper triangular and orthogonal P (Golub and Van Loan 2013, Matrix Computations,
    5.2), gives the factor.
    """
    from scipy import linalg

    basis = [Basis(*each) for each in zip(checkpoint.origin.tolist(), checkpoint.scale.tolist(), strict=True)]
    columns = [on_basis(each.value, basis) for each in design if each.value != {None: 1}]
    mixed = np.array([[float(column.get(each, 0)) for column in columns] for each in checkpoint.terms])
    shift = np.array([float(column.get(None, 0)) for column in columns])
    weights = np.broadcast_to(np.asarray(weights, dtype=np.float64), len(rows[0]))
    u = [(x - origin) / scale for x, (origin, scale) in zip(rows, basis, strict=True)]
    terms = np.column_stack([np.asarray(each.value(rows, u), dtype=np.float64) for each in checkpoint.terms])
    (width, count), mean, constant = mixed.shape, np.zeros(len(mixed)), 0.0
    if count > width:
        return None
    if len(columns) < len(design):
        mean, shift, constant = np.average(terms, axis=0, weights=weights), 0 * shift, 1 / weights.sum()
    if count == width and not shift.any():
        mixed = np.eye(width)
    r = np.linalg.qr(np.sqrt(weights)[:, None] * ((terms - mean) @ mixed + shift), mode="r")
    solved = linalg.solve_triangular(r, np.vstack([mixed, shift]).T, trans="T").T
    *m, moved = np.pad(solved, ((0, 0), (0, width - count)))
    factor, turned = linalg.rq(np.array(m))
    return Leverage(np.array(constant), mean, np.triu(factor), moved @ turned.T)

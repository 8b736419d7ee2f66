"""The columns of the design matrix of a formula, as patsy has parsed it, as exact combinations of terms of raw columns.

A number is a column, or what sums, products with numbers and whole powers make of one. A category has the columns of
its contrast matrix, whatever the coding.
"""

from __future__ import annotations

import ast
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import Feature, number, term
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from patsy import DesignInfo
    from patsy.design_info import SubtermInfo

    from lr_export.importing.raw_columns import RawColumns

_CAN = "Columns can be, and powers as I(x**2), sums and products with numbers in I(...), categories as C(site)"

_HIGHEST = 50
"""The highest power that is folded: beyond it float64 has no digits left of any power but that one."""

_JOINED: dict[type[ast.operator], Callable[[Feature, Feature], Feature]] = {
    ast.Add: Feature.plus,
    ast.Sub: lambda left, right: left.plus(right.times(number(-1))),
    ast.Mult: Feature.times,
}


def features_of(design: DesignInfo, told: RawColumns) -> list[Feature]:
    """Return a feature for each column of the design matrix, and note the categories of raw columns.

    Raises:
        UnsupportedModelError: a term cannot be folded; the message names it.
    """
    features: list[Feature] = []
    for each, codings in design.term_codings.items():
        try:
            features += [column for coding in codings for column in _columns(design, coding, told)]
        except UnsupportedModelError as error:
            raise UnsupportedModelError(f"the term {escaped(each.name())} cannot be folded: {error}. {_CAN}") from error
    return features


def _columns(design: DesignInfo, coding: SubtermInfo, told: RawColumns) -> Iterator[Feature]:
    """Return the products of the columns of each factor."""
    parts = []
    for factor in coding.factors:
        found = _number(ast.parse(factor.code, mode="eval").body, told)
        codes = coding.contrast_matrices.get(factor)
        categories = design.factor_infos[factor].categories
        parts.append([found] if codes is None else told.coded(found, categories, codes.matrix.tolist()))
    return (reduce(Feature.times, each) if each else number(1.0) for each in product(*parts))


def _number(code: ast.expr, told: RawColumns) -> Feature:
    """Return what an expression makes of columns."""
    match code:
        case ast.Name(name) | ast.Call(ast.Name("Q"), [ast.Constant(value=str() as name)]):
            if name not in told.names:
                raise UnsupportedModelError(f"{escaped(name)} is no column of the data")
            found = term(Power(told.names.index(name)))
        case ast.Constant(value=int() | float() as value):
            found = number(value)
        case ast.Call(ast.Name("I" | "C"), [inside, *_]):
            found = _number(inside, told)
        case ast.UnaryOp(ast.USub(), operand):
            found = _number(operand, told).times(number(-1))
        case ast.BinOp(left, sign, right) if type(sign) in _JOINED:
            found = _JOINED[type(sign)](_number(left, told), _number(right, told))
        case ast.BinOp(left, ast.Div(), ast.Constant(value=int() | float() as value)) if value:
            found = _number(left, told).divided(value)
        case ast.BinOp(base, ast.Pow(), ast.Constant(value=int() as power)) | ast.Call(
            ast.Attribute(attr="power"), [base, ast.Constant(value=int() as power)]
        ) if 0 < power <= _HIGHEST:
            found = reduce(Feature.times, [_number(base, told)] * power)
        case _:
            raise UnsupportedModelError(f"{escaped(ast.unparse(code))} is computed by code that linedge does not know")
    return found

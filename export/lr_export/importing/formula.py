"""The columns of a formula's design matrix, of patsy or formulaic, as exact combinations of terms of raw columns.

A number is a column, or what sums, products with numbers and whole powers make of one. A category has the columns of
its contrast matrix, whatever the coding.
"""

from __future__ import annotations

import ast
from fractions import Fraction
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lr_export.errors import UnsupportedModelError
from lr_export.importing.combination import Feature, number, term
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.power import Power
from lr_runtime.errors import escaped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from formulaic import ModelSpec
    from patsy import DesignInfo

    from lr_export.importing.combination import Combination

    Levels: TypeAlias = "tuple[object, ...]"

_CAN = "Columns can be, and powers as I(x**2), sums and products with numbers in I(...), categories as C(site)"

_HIGHEST = 50
"""The highest power that is folded: beyond it float64 has no digits left of any power but that one."""


class Factor(NamedTuple):
    """A factor of a term: its code, and of a category its levels with the row of the contrast matrix of each."""

    code: str
    levels: Levels = ()
    contrasts: Sequence[Sequence[float]] = ()


class Formula:
    """The design of a formula.

    Args:
        spec: the right side, as patsy or formulaic has parsed it.
        known: the names of the columns of the data; None where the data are gone.

    Attributes:
        levels: the levels of each raw column by its name; none of a column of numbers.
        features: one for each column of the design matrix.

    Raises:
        UnsupportedModelError: a term is none that can be folded; the message names it.
    """

    def __init__(self, spec: DesignInfo | ModelSpec, known: Collection[str] | None) -> None:
        self._known = known
        self.levels: dict[str, Levels] = {}
        self.features: list[Feature] = []
        for name, factors in _of_patsy(spec) if hasattr(spec, "term_codings") else _of_formulaic(spec):
            try:
                columns = [self._columns(factor) for factor in factors]
                self.features += [reduce(Feature.times, each) if each else number(1.0) for each in product(*columns)]
            except UnsupportedModelError as error:
                raise UnsupportedModelError(f"the term {escaped(name)} cannot be folded: {error}. {_CAN}") from error

    def _columns(self, factor: Factor) -> list[Feature]:
        """Return the columns that a factor has, each in one raw column."""
        is_column = self._known is not None and factor.code in self._known
        code = ast.Name(factor.code) if is_column else _parsed(factor.code)
        if not factor.levels:
            return [self._number(code)]
        while isinstance(code, ast.Call) and ast.unparse(code.func) == "C" and code.args:
            code = code.args[0]
        place = self._place(code, factor.levels)
        coded = zip(*([Fraction(float(each)) for each in row] for row in factor.contrasts), strict=True)
        return [_of_levels({Level(place, level): each for level, each in enumerate(row) if each}) for row in coded]

    def _number(self, code: ast.expr) -> Feature:
        """Return what an expression makes of one column."""
        match code:
            case ast.Constant(value=int() | float() as value):
                found = number(value)
            case ast.Call(ast.Name("I"), [inside]):
                found = self._number(inside)
            case ast.UnaryOp(ast.USub(), operand):
                found = number(-1).times(self._number(operand))
            case ast.BinOp(left, ast.Add() | ast.Sub() as sign, right):
                other = self._number(right)
                found = self._number(left).plus(other if isinstance(sign, ast.Add) else number(-1).times(other))
            case ast.BinOp(left, ast.Mult(), right):
                found = self._number(left).times(self._number(right))
            case ast.BinOp(left, ast.Div(), ast.Constant(value=int() | float() as value)) if value:
                found = self._number(left).divided(value)
            case ast.BinOp(base, ast.Pow(), ast.Constant(value=int() as power)) | ast.Call(
                ast.Attribute(attr="power"), [base, ast.Constant(value=int() as power)]
            ) if 0 < power <= _HIGHEST:
                found = reduce(Feature.times, [self._number(base)] * power)
            case _:
                found = term(Power(self._place(code, ())))
        return found

    def _place(self, code: ast.expr, levels: Levels) -> int:
        """Return the number of a raw column."""
        match code:
            case ast.Name(name) | ast.Call(ast.Name("Q"), [ast.Constant(value=str() as name)]):
                if self._known is not None and name not in self._known:
                    raise UnsupportedModelError(f"{escaped(name)} is no column of the data")
                if self.levels.setdefault(name, levels) != levels:
                    raise UnsupportedModelError(f"{escaped(name)} is a category here, and something else elsewhere")
                return list(self.levels).index(name)
        raise UnsupportedModelError(f"{escaped(ast.unparse(code))} is computed by code that linedge does not know")


def _parsed(code: str) -> ast.expr:
    try:
        return ast.parse(code.strip(), mode="eval").body
    except SyntaxError:
        return ast.Constant(code)  # which no column is called


def _of_levels(value: Combination) -> Feature:
    return Feature(value, {level: abs(each) for level, each in value.items()})


def _of_patsy(spec: DesignInfo) -> Iterator[tuple[str, list[Factor]]]:
    for each, codings in spec.term_codings.items():
        for coding in codings:
            rows = {factor: matrix.matrix.tolist() for factor, matrix in coding.contrast_matrices.items()}
            kinds = ((factor, tuple(spec.factor_infos[factor].categories or ())) for factor in coding.factors)
            yield each.name(), [Factor(factor.name(), levels, rows.get(factor, ())) for factor, levels in kinds]


def _of_formulaic(spec: ModelSpec) -> Iterator[tuple[str, list[Factor]]]:
    for each in spec.structure:
        for scoped in each.scoped_terms:
            factors = [Factor(repr(scoped.scale))] if scoped.scale != 1 else []
            for part in scoped.factors:
                code = part.factor.expr
                coded = spec.encoder_state.get(code, (None, {}))[1].get("contrasts")
                levels = () if coded is None else tuple(coded.levels)
                rows = coded and coded.get_coding_matrix(reduced_rank=part.reduced).to_numpy().tolist()
                factors.append(Factor(code, levels, rows or ()))
            yield str(each.term), factors

"""A formula in the grammar of R and formulaic, read into a specification; nothing of it is evaluated.

formulaic's parser does the algebra. It may see no Python text, because it runs the arguments of some calls: Python's
own parser reads such parts into syntax trees, and formulaic's gets them as quoted names.
"""

from __future__ import annotations

import ast
import math
import re
import unicodedata
import warnings
from itertools import chain
from typing import TYPE_CHECKING

from lr_runtime.errors import OptionError, escaped, listed, quoted, shown
from lr_runtime.system.lazy import needs_extra
from lr_runtime.system.text import composed
from lr_trainer.formula.specification import Factor, Specification, Target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from formulaic.parser.types import ASTNode, Token

    Product = tuple[Factor, ...]
    Columns = Mapping[str, str]

_MOST_CHARACTERS = 30_000
"""As many name thousands of columns, for which the parser takes seconds: its time grows with the square."""
_MOST_PRODUCTS = 20_000
"""The most products that an operator forms: the parser takes half a second for them, and (a + b + c)**30 has 2e14."""
_MOST_POWER = 30
"""As of --degree."""
_KNOWN = """Known are columns, log(x), log1p(x), exp(x), sqrt(x), hinge(x, 25), C(x), and products, quotients and \
powers of these such as I(x**2 * z) or I(1/x). A name that is no word stands in backquotes"""


def parsed(text: str, names: Sequence[str], beside: Collection[str] = ()) -> Specification:
    """Return what a formula specifies, with its terms in formulaic's order, by degree.

    Args:
        text: `kg ~ mv * temp + I(mv**2) + log(r) + C(site)`; without a left side there are no targets.
        names: the columns of the table.
        beside: those that `.` leaves out, as it does the targets.

    Raises:
        OptionError: it is no formula, has what no formula knows, or names a column that is not there.

    Example:
        >>> asked = parsed("log(kg) ~ mv + I(mv**2)", ["mv", "kg"])
        >>> asked.targets, [[(factor.column, factor.power) for factor in term] for term in asked.terms]
        ((Target(column='kg', function='log'),), [[('mv', 1)], [('mv', 2)]])
    """
    if len(text) > _MOST_CHARACTERS:
        raise OptionError(f"--formula has {len(text):,} characters, over {_MOST_CHARACTERS:,}. Use . for all columns")
    # Python normalises the names in syntax trees.
    columns = {unicodedata.normalize("NFKC", name): name for name in names} | {name: name for name in names}
    plain = re.sub("`([^`]*)`", lambda quote: _word(quote[1], columns), composed(text))
    left, _, right = plain.partition("~")
    try:
        if plain.count("~") != 1:
            raise SyntaxError("It takes one ~, with what is predicted before it: y ~ x + z")
        targets = tuple(map(_target, _summands(left, columns))) if left.strip() else ()
        taken = {*beside, *(target.column for target in targets)}
        return Specification(targets, *_terms(right, columns, [name for name in names if name not in taken]))
    except SyntaxError as error:
        raise OptionError(f"--formula {escaped(text)} cannot be read. {error.msg}") from error


def _word(name: str, columns: dict[str, str]) -> str:
    """Return a word for a name in backquotes, which is added to the columns."""
    column, word = _column(name, columns), re.sub(r"\W", "_", name)
    while not word.isidentifier() or columns.setdefault(word, column) != column:
        word = f"_{word}"
    return f" {word} "


def _column(word: str, columns: Columns) -> str:
    if word in columns:
        return columns[word]
    from difflib import get_close_matches

    names = list(dict.fromkeys(columns.values()))
    near = get_close_matches(word, names)
    known = f"Did you mean {quoted(near)}?" if near else f"There are {listed(names)}"
    raise OptionError(f"--formula: there is no column {escaped(word)}. {known}")


def _summands(text: str, columns: Columns) -> list[Product]:
    """Return the products that are summed in Python text; raise SyntaxError where it is anything else."""
    found = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python about text such as "1if", which is refused in any case
            node = ast.parse(f"({text})", mode="eval").body
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            found.append(_multiplied(_product(node.right, columns)))
            node = node.left
        return [_multiplied(_product(node, columns)), *reversed(found)]
    except OptionError:
        raise
    except (SyntaxError, ValueError, ArithmeticError, MemoryError, RecursionError) as error:
        raise SyntaxError(f"{escaped(text.strip())} is unknown. {_KNOWN}") from error


def _product(node: ast.expr, columns: Columns) -> Product:
    """Return the factors that a syntax tree stands for; raise SyntaxError or ValueError where it is unknown."""
    match node:
        case ast.Name(word):
            return (Factor(_column(word, columns)),)
        case ast.BinOp(left, ast.Mult() | ast.Div() as by, right):
            before = () if isinstance(left, ast.Constant) and left.value == 1 else _product(left, columns)
            return (*before, *_raised(_product(right, columns), -1 if isinstance(by, ast.Div) else 1))
        case ast.BinOp(base, ast.Pow(), power):
            return _raised(_product(base, columns), ast.literal_eval(power))
        case ast.Call(ast.Name("I"), [inner], []):
            return _product(inner, columns)
        case ast.Call(ast.Name(called) | ast.Attribute(ast.Name("np"), called), [ast.Name(word), *others], []):
            return (_function(called, _column(word, columns), *map(ast.literal_eval, others)),)
    raise SyntaxError


def _function(called: str, column: str, *others: object) -> Factor:
    match called, others:
        case "C", ():
            return Factor(column, is_category=True)
        case "hinge", (int() | float() as knot,) if math.isfinite(knot):
            return Factor(column, "hinge", float(knot))
        case "log" | "log1p" | "exp" | "sqrt" as function, ():
            return Factor(column, function)
    raise SyntaxError


def _raised(product: Product, power: object) -> Product:
    """Return a power of a product; a negative one has reciprocals, which are of columns themselves."""
    if type(power) is not int or not 1 <= abs(power) <= _MOST_POWER or any(each.is_category for each in product):
        raise SyntaxError
    if power < 0:
        if any(each.function for each in product):
            raise SyntaxError
        product = tuple(each._replace(function="reciprocal") for each in product)
    return tuple(each._replace(power=each.power * abs(power)) for each in product)


def _multiplied(factors: Iterable[Factor]) -> Product:
    """Return a product with each variable once: its powers add, and an indicator times itself is itself."""
    powers: dict[Factor, int] = {}
    for factor in factors:
        variable = factor._replace(power=1)
        powers[variable] = 1 if factor.is_category else powers.get(variable, 0) + factor.power
    return tuple(variable._replace(power=power) for variable, power in powers.items())


def _target(product: Product) -> Target:
    match product:
        case (Factor(column, None | "log" | "sqrt" | "reciprocal" as function, power=1, is_category=False),):
            return Target(column, function)
    raise SyntaxError("Targets are y, log(y), sqrt(y) or 1/y, with + between them")


def _terms(right: str, columns: Columns, others: Sequence[str]) -> tuple[tuple[Product, ...], bool]:
    """Return the terms of the right side, each once, and whether there is an intercept; `others` is what `.` means."""
    with needs_extra("formula"):
        from formulaic.errors import FormulaicError
        from formulaic.parser import DefaultFormulaParser

    parser = DefaultFormulaParser(feature_flags=set())
    parts: dict[str, Product] = {f".{name}": (Factor(name),) for name in columns.values()}
    dot = {"__formulaic_variables_available__": [f".{name}" for name in others]}
    try:
        algebra = " ".join(_in_names(right, columns, parts))
        _check_size(parser.get_ast(algebra), len(others))
        terms = sorted(parser.get_terms(algebra, context=dot), key=lambda term: term.degree)
    except FormulaicError as error:
        raise SyntaxError(shown(str(error).partition("\n")[0], 200).replace("`.", "`")) from error
    except (AttributeError, TypeError) as error:  # of formulaic, at [a) and at (a - a)/b
        raise SyntaxError("A bracket has no other end, or / and %in% nothing to nest in") from error
    if any(0 < term.degree < len(term.factors) for term in terms):
        raise SyntaxError("A number stands beside a variable: 1/x is written I(1/x)")
    products = [_multiplied(chain.from_iterable(parts.get(part.expr, ()) for part in term.factors)) for term in terms]
    return tuple({frozenset(product): product for product in products if product}.values()), () in products


def _in_names(right: str, columns: Columns, parts: dict[str, Product]) -> Iterator[str]:
    """Yield each token, variables as quoted names: a dot and the column, or code, which is added to the parts."""
    from formulaic.parser.algos.tokenize import tokenize

    for token in tokenize(right):
        name = "".join(str(token).split())
        if token.kind is token.Kind.NAME and name in columns:
            yield f"`.{columns[name]}`"
        elif token.kind in {token.Kind.NAME, token.Kind.PYTHON}:
            parts[name], *more = _summands(str(token), columns)
            if more:
                raise SyntaxError(f"{escaped(name)} is a sum inside a term")
            yield f"`{name}`"
        else:
            yield "%in%" if name == "in" else name


def _check_size(tree: Token | ASTNode | None, dot: int) -> None:
    """Raise SyntaxError where an operator would form too many products; `.` stands for `dot` columns."""
    nodes, sizes = [tree], dict[int, int]()
    for node in nodes:  # those below a node are added behind it
        nodes += getattr(node, "args", ())
    for node in reversed(nodes):
        match str(getattr(node, "operator", "")), [sizes[id(each)] for each in getattr(node, "args", ())]:
            case ".", _:
                size = dot
            case "*" | ":", [left, right]:
                size = (1 + left) * (1 + right)
            case "**" | "^", [base, _]:
                power = str(node.args[1])
                size = (1 + base) ** int(power) if re.fullmatch("[0-9]{1,2}", power) else _MOST_PRODUCTS + 1
            case _, below:
                size = sum(below) or 1
        sizes[id(node)] = size
        if size > _MOST_PRODUCTS:
            raise SyntaxError(f"It has over {_MOST_PRODUCTS:,} products, or a power that is none of 1, 2, ... 99")

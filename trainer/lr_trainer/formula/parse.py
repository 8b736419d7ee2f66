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
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from lr_runtime.contract.derived import FUNCTIONS
from lr_runtime.errors import OptionError, escaped, shown
from lr_runtime.system.lazy import needs_extra
from lr_runtime.system.text import composed
from lr_trainer.formula.options import near
from lr_trainer.formula.specification import Factor, Specification, Target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from formulaic.parser.types import ASTNode, Token

    Product = tuple[Factor, ...]

_KNOWN = """Known are columns, log(x), log1p(x), exp(x), sqrt(x), hinge(x, 25), C(x), and products, quotients and \
powers of these such as I(x**2 * z) or I(1/x). A name that is no word stands in backquotes"""
_MOST_CHARACTERS = 30_000
"""As many name thousands of columns, for which the parser takes seconds: its time grows with their square."""
_MOST_PRODUCTS = 20_000
"""The most products that an operator forms: the parser takes half a second for them, and (a + b + c)**30 has 2e14."""


def parsed(text: str, names: Sequence[str], target: Sequence[str] = (), beside: Collection[str] = ()) -> Specification:
    """Return what a formula specifies, with its terms in formulaic's order, by degree.

    Args:
        text: `kg ~ mv * temp + I(mv**2) + log(r) + C(site)`.
        names: the columns of the table.
        target: what is predicted where the formula does not say it.
        beside: columns that `.` leaves out, as it does the targets.

    >>> parsed("log(kg) ~ mv", ["mv", "kg"]).targets
    (Target(column='kg', function='log'),)
    """
    with needs_extra("formula"):
        from formulaic.errors import FormulaicError
    try:
        return _parsed(composed(text), names, target, beside)
    except Exception as error:  # Python's parser and formulaic's raise a dozen kinds, of which few say anything here
        is_told = isinstance(error, FormulaicError) or getattr(error, "filename", text) is None
        why = str(getattr(error, "msg", error)).partition("\n")[0].replace("`.", "`") if is_told else _KNOWN
        raise OptionError(f"--formula {escaped(text)} cannot be read. {shown(why, 500)}") from error


def _parsed(text: str, names: Sequence[str], target: Sequence[str], beside: Collection[str]) -> Specification:
    if len(text) > _MOST_CHARACTERS:
        raise SyntaxError(f"It has {len(text):,} characters, over {_MOST_CHARACTERS:,}. Use . for all columns")
    # Python normalises the names in syntax trees.
    columns = {unicodedata.normalize("NFKC", name): name for name in names} | {name: name for name in names}
    plain = re.sub("`([^`]*)`", lambda quote: _word(quote[1], columns), text)
    left, _, right = plain.partition("~")
    if plain.count("~") != 1:
        raise SyntaxError("It takes one ~, with what is predicted before it: y ~ x + z")
    if target and left.strip():
        raise SyntaxError("It predicts what is before its ~, and --target says it, too. Leave one of them out")
    targets = [_target(each, columns) for each in left.split("+")] if left.strip() else [*map(Target, target)]
    taken = {*beside, *(each.column for each in targets)}
    return Specification(tuple(targets), *_terms(right, columns, [f".{name}" for name in names if name not in taken]))


def _word(name: str, columns: dict[str, str]) -> str:
    """Return a word for a name in backquotes, which is added to the columns."""
    column, word = _column(name, columns), re.sub(r"\W", "_", name)
    while not word.isidentifier() or columns.setdefault(word, column) != column:
        word = f"_{word}"
    return f" {word} "


def _column(word: str, columns: Mapping[str, str]) -> str:
    if word not in columns:
        raise SyntaxError(f"There is no column {escaped(word)}, but{near(word, dict.fromkeys(columns.values()))}")
    return columns[word]


def _tree(text: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python about text such as "1if", which is refused in any case
        return ast.parse(f"({text})", mode="eval").body


def _target(text: str, columns: Mapping[str, str]) -> Target:
    match _multiplied(_product(_tree(text), columns)):
        case (Factor(column, None | "log" | "sqrt" | "reciprocal" as function, power=1, is_category=False),):
            return Target(column, function)
    raise SyntaxError("Before the ~ stand y, log(y), sqrt(y) or 1/y, with + between them")


def _product(node: ast.expr, columns: Mapping[str, str]) -> Product:
    """Return the factors that a syntax tree stands for."""
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
        case ast.Call(ast.Name("C"), [ast.Name(word)], []):
            return (Factor(_column(word, columns), is_category=True),)
        case ast.Call(ast.Name(called) | ast.Attribute(ast.Name("np"), called), [ast.Name(word), *others], []):
            knots = [float(ast.literal_eval(each)) for each in others]
            if called in FUNCTIONS and len(knots) == (called == "hinge") and all(map(math.isfinite, knots)):
                return (Factor(_column(word, columns), called, knots[0] if knots else None),)
    raise SyntaxError(f"{escaped(ast.unparse(node))} is unknown. {_KNOWN}")


def _raised(product: Product, power: object) -> Product:
    """Return a power of a product; a negative one has reciprocals, which are of columns themselves."""
    if (
        type(power) is not int
        or not 1 <= abs(power) <= 30  # as of --degree
        or any(each.is_category or (power < 0 and each.function) for each in product)
    ):
        raise SyntaxError("A power is a whole number up to 30, of no category, and a negative one of columns alone")
    product = product if power > 0 else tuple(each._replace(function="reciprocal") for each in product)
    return tuple(each._replace(power=each.power * abs(power)) for each in product)


def _multiplied(factors: Iterable[Factor]) -> Product:
    """Return a product with each variable once: its powers add, and an indicator times itself is itself."""
    powers = Counter[Factor]()
    for factor in factors:
        powers[factor._replace(power=1)] += factor.power
    return tuple(each._replace(power=1 if each.is_category else power) for each, power in powers.items())


def _terms(right: str, columns: Mapping[str, str], others: Sequence[str]) -> tuple[tuple[Product, ...], bool]:
    """Return the terms of the right side, each once, and whether there is an intercept; `others` is what `.` means."""
    from formulaic.parser import DefaultFormulaParser
    from formulaic.parser.algos.tokenize import tokenize

    parser = DefaultFormulaParser(feature_flags=set())
    parts: dict[str, Product] = {f".{name}": (Factor(name),) for name in columns.values()}
    algebra = " ".join(_in_names(tokenize(right), columns, parts))
    _check_size(parser.get_ast(algebra), len(others))
    terms = parser.get_terms(algebra, context={"__formulaic_variables_available__": others})
    # A number beside a variable, as in 1/x, is no part: KeyError.
    products = [
        _multiplied(chain.from_iterable(parts[part.expr] for part in term.factors if term.degree))
        for term in sorted(terms, key=lambda term: term.degree)
    ]
    return tuple({frozenset(product): product for product in products if product}.values()), () in products


def _in_names(tokens: Iterable[Token], columns: Mapping[str, str], parts: dict[str, Product]) -> Iterator[str]:
    """Yield each token, variables as quoted names: a dot and the column, or code, which is added to the parts."""
    for token in tokens:
        name = "".join(str(token).split())
        if token.kind is token.Kind.NAME and name in columns:
            yield f"`.{columns[name]}`"
        elif token.kind in {token.Kind.NAME, token.Kind.PYTHON}:
            parts[name] = _product(_tree(str(token)), columns)
            yield f"`{name}`"
        else:
            yield "%in%" if name == "in" else name


def _check_size(tree: Token | ASTNode | None, dot: int) -> None:
    """Raise SyntaxError where an operator would form too many products; `.` stands for `dot` columns."""
    nodes, sizes = [tree], dict[int, int]()
    for node in nodes:
        nodes += getattr(node, "args", ())  # the list grows until all are in it, those below a node behind it
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

"""What a formula stands for: its terms are those of formulaic, in formulaic's order, and its parts are variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from formulaic import Formula
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import OptionError
from lr_trainer.formula.parse import parsed
from lr_trainer.formula.specification import Factor, Specification, Target
from tests.absent import Without

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["a", "b", "c", "d", "my col", "µV", "Sepal.Length", "y"]


def in_words(asked: Specification) -> list[str]:
    """The terms as formulaic writes them, 1 first where there is an intercept."""
    terms = [":".join(factor.column for factor in term) for term in asked.terms]
    assert all(factor == Factor(factor.column) for term in asked.terms for factor in term)
    return [*(["1"] if asked.intercept else []), *terms]


ALGEBRA = [
    "a + b",
    "a*b*c",
    "a:b + a + b:a",
    "(a + b + c)**2 - a:b",
    "(a + b)^3",
    "a/b/c",
    "(a + b)/c",
    "a %in% b",
    "0 + a",
    "a - 1",
    "-1 + a:b",
    "a - 1 + 1",
    "a + 0 + b",
    "-a + b",
    "a +- b + c",
    "a*(b + c) - b",
    "`my col`*a",
    "Sepal.Length + µV:a",
    "a +\n b",
    "[a + b]:c",
]


@pytest.mark.parametrize("right", ALGEBRA)
def test_the_algebra_is_formulaics(right: str) -> None:
    terms = Formula(f"y ~ {right}").rhs
    assert in_words(parsed(f"y ~ {right}", NAMES)) == [str(term).replace("`", "") for term in terms]


WORDS = st.sampled_from(["a", "b", "c", "d"])
SIDES = st.recursive(
    WORDS,
    lambda side: st.builds("({0} {1} {2})".format, side, st.sampled_from(["+", "-", "*", ":", "/", "%in%"]), side),
)


@settings(deadline=None)
@given(SIDES)
def test_the_algebra_of_any_formula_is_formulaics(right: str) -> None:
    try:
        terms = list(map(str, Formula(f"y ~ {right}").rhs))
    except TypeError:  # its reduce() of no terms
        with pytest.raises(OptionError, match=r"cannot be read\. Known are columns"):
            parsed(f"y ~ {right}", NAMES)
    else:
        assert in_words(parsed(f"y ~ {right}", NAMES)) == terms


def test_a_dot_is_every_other_column() -> None:
    assert in_words(parsed("log(y) ~ .", NAMES, beside=["b", "d"])) == ["1", "a", "c", "my col", "µV", "Sepal.Length"]
    assert in_words(parsed("y ~ a:. - a - `my col`", NAMES, beside=["µV", "Sepal.Length"])) == [
        "1",
        "a:b",
        "a:c",
        "a:d",
        "a:my col",
    ]


A, B = Factor("a"), Factor("b")
PARTS = {
    "I(a**2)": [A._replace(power=2)],
    "{a**2}": [A._replace(power=2)],
    "I(a*a*b)": [A._replace(power=2), B],
    "I(a**2 * b)": [A._replace(power=2), B],
    "I(a):a": [A._replace(power=2)],
    "I((a*b)**2)": [A._replace(power=2), B._replace(power=2)],
    "I(1/a)": [Factor("a", "reciprocal")],
    "I(1/a**2)": [Factor("a", "reciprocal", power=2)],
    "I(a**-2)": [Factor("a", "reciprocal", power=2)],
    "I(a/b)": [A, Factor("b", "reciprocal")],
    "log(a)": [Factor("a", "log")],
    "np.log(a)": [Factor("a", "log")],
    "log1p(a)": [Factor("a", "log1p")],
    "exp(a)": [Factor("a", "exp")],
    "sqrt(a)": [Factor("a", "sqrt")],
    "I(log(a)**3)": [Factor("a", "log", power=3)],
    "log(a):a": [Factor("a", "log"), A],
    "hinge(a, 25)": [Factor("a", "hinge", 25.0)],
    "hinge(a, -2.5e3)": [Factor("a", "hinge", -2500.0)],
    "C(a)": [Factor("a", is_category=True)],
    "C(a):b": [Factor("a", is_category=True), B],
    "log( `my col` )": [Factor("my col", "log")],
    "log(µV)": [Factor("µV", "log")],
    "exp(`Sepal.Length`)": [Factor("Sepal.Length", "exp")],
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_a_product_of_variables(part: str) -> None:
    assert set(parsed(f"y ~ 0 + {part}", NAMES).terms[-1]) == set(PARTS[part])


def test_the_same_term_comes_once() -> None:
    asked = parsed("y ~ log(a) + np.log( a ) + a:b + I(b*a) + I(a) + a", NAMES)
    assert [len(term) for term in asked.terms] == [1, 2, 1]
    assert parsed("y ~ log(a):log( a )", NAMES).terms == ((Factor("a", "log"),),)


TARGETS = {
    "y": [Target("y")],
    "a + `my col`": [Target("a"), Target("my col")],
    "log(y)": [Target("y", "log")],
    "np.sqrt(y) + log(a)": [Target("y", "sqrt"), Target("a", "log")],
    "1/y": [Target("y", "reciprocal")],
    "I(1/y) + 1/`Sepal.Length`": [Target("y", "reciprocal"), Target("Sepal.Length", "reciprocal")],
    "": [],
}


@pytest.mark.parametrize("left", TARGETS)
def test_the_left_side_is_targets(left: str) -> None:
    assert parsed(f"{left} ~ b", NAMES).targets == tuple(TARGETS[left])


def test_a_column_of_the_name_of_a_call_stands_in_backquotes() -> None:
    names = ["y", "a", "log(a)"]
    assert parsed("y ~ log(a) + `log(a)`", names).terms == ((Factor("a", "log"),), (Factor("log(a)"),))


def test_names_in_backquotes_that_become_the_same_word_stay_apart() -> None:
    names = ["y", "a b", "a-b", "a_b", "_a_b"]
    asked = parsed("y ~ I(`a b`*`a-b`*a_b*_a_b)", names)
    assert [factor.column for factor in asked.terms[0]] == ["a b", "a-b", "a_b", "_a_b"]


FAULTS = {
    "y": "It takes one ~, with what is predicted before it: y ~ x + z",
    "y ~ a ~ b": "It takes one ~, with what is predicted before it: y ~ x + z",
    "y ~ 1/a": "Known are columns, log(x)",
    "y ~ a + 1:b": "Known are columns, log(x)",
    "y ~ 2:a": "Known are columns, log(x)",
    "y - a ~ b": '"y - a" is unknown. Known are columns, log(x)',
    "y*a ~ b": "Before the ~ stand y, log(y), sqrt(y) or 1/y, with + between them",
    "exp(y) ~ b": "Before the ~ stand y, log(y), sqrt(y) or 1/y, with + between them",
    "y ~ a & b": "Unknown operator '&'.",
    "y ~ a b": "Missing operator between `a` and `b`",
    "y ~ log(a) b": "Missing operator between `log(a)` and `b`",
    "y ~ a +": "Operator `+` has",
    "y ~ (a": "Could not find matching context marker.",
    "y ~ `a": "Formula ended before quote context was closed.",
    "y ~ a**1.5": "It has over 20,000 products, or a power that is none of 1, 2, ... 99",
    "y ~ a | b": "Operator `|` is at least partially disabled",
    "y ~ [a)": "Known are columns, log(x)",
    "y ~ (a - a)/b": "Known are columns, log(x)",
    "y ~ a in b": "Known are columns, log(x)",
    "y ~ 2a": "Known are columns, log(x)",
    "y ~ C(a, contr.treatment)": "Known are columns, log(x)",
    "y ~ hinge(a, 'b')": "Known are columns, log(x)",
    "y ~ I(a + b)": '"a + b" is unknown. Known are columns',
    "y ~ {a + b}": '"a + b" is unknown. Known are columns',
    "y ~ I(2*a)": '"2" is unknown. Known are columns',
    "y ~ I(a == b)": '"a == b" is unknown. Known are columns',
    "y ~ hinge(a, 1e999)": '"hinge(a, 1e309)" is unknown. Known are columns',
    "y ~ I(a**2.5)": "A power is a whole number up to 30, of no category, and a negative one of columns alone",
    "y ~ I(a**31)": "A power is a whole number up to 30, of no category, and a negative one of columns alone",
    "y ~ I(a**0)": "A power is a whole number up to 30, of no category, and a negative one of columns alone",
    "y ~ I(1/log(a))": "A power is a whole number up to 30, of no category, and a negative one of columns alone",
    "y ~ I(C(a)**2)": "A power is a whole number up to 30, of no category, and a negative one of columns alone",
    "y ~ 'a'": "String literals are not valid in formulae.",
    **{
        f"y ~ {part}": f'"{part}" is unknown. Known are columns, log(x), log1p(x), exp(x), sqrt(x), hinge(x, 25), C(x)'
        for part in [
            "poly(a, 2)",
            "bs(a)",
            "log10(a)",
            "np.cbrt(a)",
            "C(a, levels=3)",
            "hinge(a)",
            "log(a, 2)",
            "log(log(a))",
            "log(a * b)",
            "a[0]",
            "a.b",
            "log(Sepal.Length)",
        ]
    },
}


@pytest.mark.parametrize("formula", FAULTS)
def test_what_is_no_formula_is_a_usage_error_of_one_line(formula: str) -> None:
    with pytest.raises(OptionError) as raised:
        parsed(formula, NAMES)
    message = str(raised.value)
    assert message.startswith(f'formula="{formula}" cannot be read. {FAULTS[formula]}')
    assert (raised.value.exit_code, len(message.splitlines())) == (2, 1)


UNKNOWN = ["y ~ tmp", "y ~ log(tmp)", "tmp ~ a", "y ~ `tmp`", "y ~ hinge(`tmp`, 2)", "y ~ C(tmp)"]


@pytest.mark.parametrize("formula", UNKNOWN)
def test_an_unknown_column_brings_those_of_a_name_like_it(formula: str) -> None:
    with pytest.raises(OptionError, match=r'There is no column "tmp", but "y", "a", "temp"\. Did you mean "temp"\?$'):
        parsed(formula, ["y", "a", "temp"])
    with pytest.raises(OptionError, match=r'There is no column "tmp", but "y", "q"$'):
        parsed(formula.replace("a", "q"), ["y", "q"])


def test_without_formulaic_there_is_the_way_to_it(tmp_path: Path) -> None:
    (blocker := tmp_path / "blocker").mkdir()
    lines = "from lr_trainer.formula.parse import parsed\nparsed('y ~ a', ['y', 'a'])"
    done = Without(tmp_path, blocker, "formulaic").python(lines)
    assert done.stderr.rstrip().endswith(
        "the package 'formulaic' is not installed. Run: pip install 'linedge[formula]'"
    )

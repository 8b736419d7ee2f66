"""The specification that options give: --degree, --transform, --interact."""

from __future__ import annotations

from difflib import get_close_matches
from math import isfinite
from typing import TYPE_CHECKING, cast, get_args

from lr_runtime.contract.contract import TargetFunction
from lr_runtime.contract.derived import FUNCTIONS, Derived
from lr_runtime.errors import OptionError, escaped, listed
from lr_runtime.system.text import composed
from lr_trainer.formula.specification import Factor, Specification, Target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from lr_trainer.choices import FitOptions

_MOST_TERMS = 1 << 16
"""Their moments take 32 GiB: far more than there is, and soon told."""


def specified(
    asked: FitOptions, targets: Sequence[str], features: Sequence[str], categories: Collection[str]
) -> Specification:
    """Return the terms of options: the powers of each column, or of its functions in its place, then the products.

    A function of a target is what is fitted.

    Raises:
        OptionError: an option names none of the features, no function, or a column twice.
    """
    given = {composed(name): text for name, text in (asked.transforms or {}).items()}
    known = (*features, *targets)
    if strangers := [name for name in given if name not in known]:
        raise OptionError(f"--transform {escaped(strangers[0])} is none of the columns{near(strangers[0], known)}")
    mains = [main for name in features for main in _functions(name, given.get(name, "linear"))]
    if asked.degree * len(mains) > _MOST_TERMS:
        raise OptionError(
            f"--degree takes powers that are {_MOST_TERMS:,} terms in all at most, of {len(mains)} columns"
        )
    terms: list[tuple[Factor, ...]] = [
        (main._replace(power=power),)
        for main in mains
        for power in range(1, (1 if main.column in categories else asked.degree) + 1)
    ]
    named = {name_of(main): main for main in mains}
    terms += dict.fromkeys(_product(composed(text), named) for text in asked.interact)
    fitted = tuple(_target(name, given.get(name)) for name in targets)
    return Specification(fitted, tuple(terms), asked.intercept, leaves_reference=True)


def name_of(factor: Factor) -> str:
    """Return the name of the variable that a factor is of, such as `log(r)`."""
    return factor.column if factor.function is None else Derived(0, factor.function, factor.knot).named(factor.column)


def _target(name: str, text: str | None) -> Target:
    allowed = get_args(TargetFunction)
    if text is not None and text not in allowed:
        raise OptionError(f"--transform {escaped(name)}, a target, takes {' or '.join(allowed)}, not {escaped(text)}")
    return Target(name, cast("TargetFunction | None", text))


def _functions(name: str, text: str) -> list[Factor]:
    found = [_function(name, each.strip()) for each in text.split(",")]
    if len(set(found)) < len(found):
        raise OptionError(f"--transform {escaped(name)} takes a function twice: {escaped(text)}. Name each once")
    return found


def _function(name: str, text: str) -> Factor:
    function, colon, knot = text.partition(":")
    if text == "linear":
        return Factor(name)
    try:
        number = float(knot) if function == "hinge" else None
    except ValueError:
        number = float("nan")
    if function not in FUNCTIONS or (number is None and colon) or not isfinite(number or 0.0):
        ways = "linear (the column itself), log, log1p, exp, sqrt, reciprocal or hinge:KNOT"
        raise OptionError(f"--transform {escaped(name)} takes {ways}, not {escaped(text)}")
    return Factor(name, function, number)


def _product(text: str, named: Mapping[str, Factor]) -> tuple[Factor, ...]:
    """Return the factors of `a:b`, in the order of the terms; a name may have a colon itself."""
    found = next(_splits(text, named), None)
    if found is None:
        unknown = next((part for part in text.split(":") if part not in named), text)
        raise OptionError(f"--interact {escaped(text)}: {escaped(unknown)} is none of the terms{near(unknown, named)}")
    if len(found) < 2 or len(set(found)) < len(found):
        what = "is no product of two or more different columns. Write it as A:B; powers are --degree"
        raise OptionError(f"--interact {escaped(text)} {what}")
    return tuple(named[name] for name in named if name in found)


def _splits(text: str, names: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Yield the ways to take a text for names with colons between them."""
    if text in names:
        yield (text,)
    for place in (place for place, letter in enumerate(text) if letter == ":" and text[:place] in names):
        yield from ((text[:place], *rest) for rest in _splits(text[place + 1 :], names))


def near(name: str, names: Collection[str]) -> str:
    """Return what else there is, and which of it the name may have been meant for."""
    like = get_close_matches(name, names, 2)
    return f" {listed([*names])}" + (f". Did you mean {listed(like)}?" if like else "")

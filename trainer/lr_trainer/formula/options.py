"""The specification that options give: --degree, --transform, --interact."""

from __future__ import annotations

from difflib import get_close_matches
from math import isfinite
from typing import TYPE_CHECKING

from lr_runtime.contract.derived import FUNCTIONS, Derived
from lr_runtime.errors import OptionError, escaped, listed
from lr_runtime.system.text import composed
from lr_trainer.formula.specification import Factor, Specification, Target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_SPELLINGS = "linear (the column itself), log, log1p, exp, sqrt, reciprocal or hinge:KNOT"


def specified(
    targets: Sequence[str],
    features: Sequence[str],
    categories: Collection[str],
    *,
    degree: int,
    transforms: Mapping[str, str],
    interact: Sequence[str],
    intercept: bool,
) -> Specification:
    """Return the terms of options: the powers of each column, or of its functions in its place, then the products.

    Raises:
        OptionError: an option names none of the features, no function, or a column twice.
    """
    given = {composed(name): text for name, text in transforms.items()}
    for name in given:
        if name not in features:
            raise OptionError(f"--transform {escaped(name)} is not among the features {_near(name, features)}")
        if name in categories:
            raise OptionError(f"--transform {escaped(name)} is a category, and functions are of numbers. Leave it out")
    mains = [
        main
        for name in features
        for main in (
            [Factor(name, is_category=True)] if name in categories else _functions(name, given.get(name, "linear"))
        )
    ]
    named = {name_of(main): main for main in mains}
    powers = [
        (main._replace(power=power),) for main in mains for power in range(1, (1 if main.is_category else degree) + 1)
    ]
    products = dict.fromkeys(_product(composed(text), named) for text in interact)
    return Specification(tuple(map(Target, targets)), (*powers, *products), intercept, leaves_reference=True)


def name_of(factor: Factor) -> str:
    """Return the name of the variable that a factor is of, such as `log(r)`."""
    return factor.column if factor.function is None else Derived(0, factor.function, factor.knot).named(factor.column)


def _functions(name: str, text: str) -> Iterator[Factor]:
    """Yield the functions of a column that an option names, with commas between them."""
    found = [_function(name, each.strip()) for each in text.split(",")]
    if len(set(found)) < len(found):
        raise OptionError(f"--transform {escaped(name)} takes a function twice: {escaped(text)}. Name each once")
    yield from found


def _function(name: str, text: str) -> Factor:
    function, _, knot = text.partition(":")
    if text == "linear":
        return Factor(name)
    try:
        number = float(knot) if function == "hinge" else None
    except ValueError:
        number = float("nan")
    is_odd = knot and function != "hinge"
    if function not in FUNCTIONS or is_odd or (number is not None and not isfinite(number)):
        raise OptionError(f"--transform {escaped(name)} takes {_SPELLINGS}, not {escaped(text)}")
    return Factor(name, function, number)


def _product(text: str, named: Mapping[str, Factor]) -> tuple[Factor, ...]:
    """Return the factors of `a:b`; a name may have a colon itself."""
    found = next(_splits(text, named), None)
    if found is None:
        unknown = next((part for part in text.split(":") if part not in named), text)
        raise OptionError(
            f"--interact {escaped(text)}: {escaped(unknown)} is none of the terms {_near(unknown, named)}"
        )
    if len(found) < 2 or len(set(found)) < len(found):
        raise OptionError(
            f"--interact {escaped(text)} is no product of two or more different columns. Write it as A:B; powers are "
            "--degree"
        )
    return tuple(sorted((named[name] for name in found), key=list(named.values()).index))


def _splits(text: str, names: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Yield the ways to take a text for names with colons between them."""
    if text in names:
        yield (text,)
    for place in (place for place, letter in enumerate(text) if letter == ":" and text[:place] in names):
        yield from ((text[:place], *rest) for rest in _splits(text[place + 1 :], names))


def _near(name: str, names: Collection[str]) -> str:
    """Return what else there is, and which of it the name may have been meant for."""
    near = get_close_matches(name, names, 2)
    return listed(tuple(names)) + (f". Did you mean {listed(near)}?" if near else "")

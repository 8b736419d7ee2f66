"""The single lists of what an option may be: types, help and checks all read them here, without importing torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Literal, get_args

from lr_runtime.errors import OptionError, escaped
from lr_runtime.instants import Clock
from lr_runtime.options import (
    AT_LEAST_1,
    CHECKPOINT,
    COUNT,
    ENDS,
    FLAG,
    LEVEL,
    NAME_OR_NAMES,
    NAMES,
    NOT_NEGATIVE,
    PAIRS,
    POSITIVE,
    REPEATED,
    TEXT,
    Kind,
    Number,
    OneOf,
    check_options,
    option,
    options_in,
)
from lr_runtime.system.text import composed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lr_runtime.contract.checkpoint import Checkpoint
    from lr_runtime.contract.fit_report import Bound

Device = Literal["cpu", "cuda", "auto"]
SolverName = Literal["exact", "descent"]
Optimizer = Literal["sgd", "adam", "adamw", "lbfgs"]
LossName = Literal["squared", "huber", "absolute", "quantile"]
Schedule = Literal["constant", "linear", "cosine", "exponential"]

DEVICES: tuple[Device, ...] = get_args(Device)
SOLVERS: tuple[SolverName, ...] = get_args(SolverName)
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
LOSSES: tuple[LossName, ...] = get_args(LossName)
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)

RATIO = Number("a number from 0 to 1", 0, 1)
SEED = Number(COUNT.expected, 0, is_whole=True, most_typed=2**63 - 1)
FOLDS = Number("a whole number of folds of 2 or more", 2, is_whole=True, most_typed=10_000)
DIGITS = Number("a whole number of digits from 1 to 13", 1, 13, is_whole=True)
DEGREE = Number(AT_LEAST_1.expected, 1, is_whole=True, most_typed=30)

MissingPolicy = Literal["error", "drop", "mean", "indicator"]
MISSING_POLICIES: tuple[MissingPolicy, ...] = get_args(MissingPolicy)
MissingTarget = Literal["error", "drop"]
MISSING_TARGETS: tuple[MissingTarget, ...] = get_args(MissingTarget)
_TERMS = frozenset({"features", "ignore", "category", "degree", "transforms", "interact", "intercept"})
"""The options that a formula takes the place of."""

ROBUST = Kind(
    "hc0, hc1, hc2, hc3 or cluster:COLUMN",
    lambda value: isinstance(value, str) and re.fullmatch(r"hc[0-3]|cluster:.+", value) is not None,
)


@dataclass(frozen=True)
class FitOptions:
    """The options of `lr_trainer.fit` that say which model is fitted, by whichever solver; see there."""

    target: str | Sequence[str] | None = option(None, NAME_OR_NAMES, "The column to predict, or several, with commas.")
    features: Sequence[str] | None = option(None, NAMES, "The columns to predict from. [default: all others]")
    ignore: Sequence[str] = option((), NAMES, "Columns to leave out.")
    category: Sequence[str] = option((), NAMES, "Columns of numbers to take as categories.")
    weight: str | None = option(None, TEXT, "A column of positive row weights.")
    units: Mapping[str, str] | None = option(
        None, PAIRS, "The unit of a column or target; may be repeated.", "--unit NAME=UNIT"
    )
    time: Mapping[str, str] | None = option(
        None,
        PAIRS,
        "A column of instants, and what to count: seconds, minutes, hours, days or weeks, since 1970 or as in 'days "
        "since 2024-01-01'; may be repeated.",
        "--time NAME=UNIT",
    )
    missing: MissingPolicy = option("error", OneOf(MISSING_POLICIES), "What a missing feature does.")
    missing_target: MissingTarget = option("error", OneOf(MISSING_TARGETS), "What a row without a target does.")
    degree: int = option(1, DEGREE, "The highest power of numeric columns.")
    transforms: Mapping[str, str] | None = option(
        None,
        PAIRS,
        "A function in place of a column, or of a target (log, sqrt, reciprocal): log, log1p, exp, sqrt, reciprocal, "
        "hinge:KNOT, or several with commas, of which linear is the column itself; may be repeated.",
        "--transform NAME=FUNCTION",
    )
    interact: Sequence[str] = option((), REPEATED, "A product of columns; may be repeated.", "--interact A:B")
    intercept: bool = option(True, FLAG, "Fit no intercept; R2 is then about 0.", "--no-intercept")
    drop_collinear: bool = option(False, FLAG, "Leave out columns that depend on others.")
    minimum_norm: bool = option(False, FLAG, "Of all best fits, the smallest weights, on columns at unit deviation.")
    l1: float = option(0.0, NOT_NEGATIVE, "The lasso penalty, on columns at unit deviation.")
    l2: float = option(0.0, NOT_NEGATIVE, "The ridge penalty, on columns at unit deviation.")
    penalty: Literal["auto"] | None = option(None, OneOf(("auto",)), "Choose the penalty by cross-validation.")
    l1_ratio: float | None = option(None, RATIO, "The share of l1 in --penalty auto. [default: 0, ridge]")
    nonnegative: Sequence[str] = option((), NAMES, "Terms whose coefficients are to be 0 or more.")
    nonpositive: Sequence[str] = option((), NAMES, "Terms whose coefficients are to be 0 or less.")
    bounds: Mapping[str, tuple[float | None, float | None]] | None = option(
        None, ENDS, "The range of a coefficient, an end may be left out; may be repeated.", "--bound TERM=LOW:HIGH"
    )
    interval: float | None = option(None, LEVEL, "The level of a conformal interval: not for plain least squares.")
    cv: int | None = option(None, FOLDS, "Cross-validate the model in so many folds.")
    cv_group: str | None = option(None, TEXT, "A column whose groups of rows each lie in one fold.")
    seed: int | None = option(
        None, SEED, "The seed of folds, of a descent's order, of all else by chance. [default: 0]"
    )
    digits: int = option(9, DIGITS, "Digits that coefficients and standard errors should have: more may take longer.")
    errors: str | None = option(
        None, ROBUST, "Robust errors: hc0, hc1, hc2, hc3 or cluster:COLUMN. One more pass.", "--errors KIND"
    )
    influence: bool = option(False, FLAG, "Find the rows that move the fit most. One more pass.")
    formula: str | None = option(None, TEXT, "Targets and terms in one: 'kg ~ mv * temp + log(r) + C(site)'.")
    exact_sums: bool = option(
        False,
        FLAG,
        "Add products exactly: the same bytes in any order and from any parts. Takes longer.",
    )
    device: Device = option("cpu", OneOf(DEVICES), "Where blocks of rows are computed.")

    def __post_init__(self) -> None:
        check_options(self)
        for name in ("nonnegative", "nonpositive"):  # an iterator gives its names once
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if both := [name for name in self.clocks if name in (self.units or {})]:
            raise OptionError(f"--time says the unit of {escaped(both[0])}. Leave --unit out for it")
        for each in options_in(self) if self.formula is not None else ():
            if each.name in _TERMS and str(getattr(self, each.name)) != str(each.default):  # text, as of any sequence
                raise OptionError(f"--formula says all of the terms, and {each.typed}, too. Leave one of them out")
        self._check_folds()
        self._check_solution()
        self._check_exact_sums()

    def _check_folds(self) -> None:
        """Raise OptionError where what chooses a penalty, or folds, contradicts another option."""
        if self.is_auto and (self.l1 or self.l2):
            raise OptionError("--penalty auto chooses --l1 and --l2. Leave them out, or --penalty")
        if self.l1_ratio is not None and not self.is_auto:
            raise OptionError("--l1-ratio belongs to --penalty auto")
        if self.is_auto and self.cv:
            raise OptionError("--penalty auto is chosen on folds, which --cv would flatter. Leave one of them out")
        if not (self.cv or self.is_auto or (self.cv_group, self.seed) == (None, None)):
            raise OptionError(
                "--cv-group and --seed are for folds: add --cv. A descent has a seed, too: --solver descent"
            )

    def _check_solution(self) -> None:
        """Raise OptionError where two options ask for different solutions."""
        if self.shrinks and (given := self.of_least_squares):
            why = f"{given[0]} is for least squares, without bounds, penalty or --minimum-norm"
            raise OptionError(f"{why}. Leave it out")
        ways = {
            "--minimum-norm": self.minimum_norm,
            "--drop-collinear": self.drop_collinear,
            "a penalty": bool(self.l1 or self.l2 or self.is_auto),
        }
        if len(chosen := [way for way, taken in ways.items() if taken]) > 1:
            raise OptionError(f"{' and '.join(chosen)} are different ways out of collinear columns. Choose one")
        if self.limits and chosen:
            raise OptionError(f"bounds of coefficients are for plain least squares, without {chosen[0]}. Choose one")

    def _check_exact_sums(self) -> None:
        """Raise OptionError where sums over rows are asked for that depend on the order of the rows."""
        ways = {
            "--interval takes a random tenth of the rows, by their order": self.interval is not None,
            "--cv takes folds by the order of the rows; --cv-group takes groups": bool(self.cv and not self.cv_group),
            "--penalty auto takes folds by the order of the rows": self.is_auto,
            "--errors adds float64 residuals": self.errors is not None,
            "--influence tells rows by their order": self.influence,
            "--device cuda adds no integers": self.device == "cuda",
        }
        for why in [why for why, given in ways.items() if given and self.exact_sums]:
            raise OptionError(f"--exact-sums gives the same in any order of the rows, and {why}. Leave one of them out")

    @property
    def of_least_squares(self) -> list[str]:
        """The options that were given and that no other solution takes."""
        given = {"--digits": self.digits != FitOptions.digits, "--errors": self.errors, "--influence": self.influence}
        return [name for name, value in given.items() if value]

    @property
    def cluster(self) -> str | None:
        """The column that tells clusters apart; None without errors by cluster."""
        return composed((self.errors or "").partition(":")[2]) or None

    @property
    def clocks(self) -> dict[str, Clock]:
        """What the columns of instants are counted in, by their names as tables have them (NFC)."""
        try:
            return {composed(name): Clock.named(words) for name, words in dict(self.time or {}).items()}
        except ValueError as error:
            raise OptionError(f"--time takes NAME=days or 'NAME=days since 2024-01-01': {error}") from error

    @property
    def is_auto(self) -> bool:
        """Whether cross-validation chooses the penalty."""
        return self.penalty == "auto"

    @property
    def shrinks(self) -> bool:
        """Whether the weights are not the least-squares ones."""
        return bool(self.l1 or self.l2 or self.is_auto or self.minimum_norm or self.limits)

    @property
    def limits(self) -> tuple[Bound, ...]:
        """The bounds of coefficients, those of one that were given in several ways together."""
        from lr_runtime.contract.fit_report import Bound

        given = [(name, 0.0, inf) for name in self.nonnegative] + [(name, -inf, 0.0) for name in self.nonpositive]
        for name, (low, high) in (self.bounds or {}).items():
            given.append((name, -inf if low is None else low, inf if high is None else high))
        found: dict[str, Bound] = {}
        for name, low, high in given:
            term, lower, upper = found.get(composed(name), Bound(composed(name)))
            found[term] = Bound(term, lower := max(lower, low + 0.0), upper := min(upper, high + 0.0))  # no -0.0
            if lower > upper:
                raise OptionError(f"no coefficient of {escaped(name)} is both at least {lower:g} and at most {upper:g}")
        return tuple(found.values())


@dataclass(frozen=True)
class LessonOptions:
    """The options of `lr_trainer.lesson`, whose help on the command line is that of a descent's."""

    epochs: int = option(500, COUNT, "")
    lr: float = option(0.01, POSITIVE, "")
    optimizer: Optimizer = option("sgd", OneOf(("sgd", "adam", "adamw")), "")
    loss: LossName = option("squared", OneOf(("squared", "huber", "absolute")), "")
    seed: int = option(0, SEED, "")
    init: Checkpoint | None = option(None, CHECKPOINT, "")

    def __post_init__(self) -> None:
        check_options(self)

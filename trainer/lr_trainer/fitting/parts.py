"""A fit of a table whose parts stand on other machines: each gives its moments, as one row of bytes, which are joined.

    the first rows -> Reading                the role of each column, told as those of one table are
    every part     -> looked_at -> Survey    levels, means and ranges, where the design needs them
                      Agreed                 the design, the same for all parts
    every part     -> moments_in -> Moments  about a pilot of the part's own
                      joined, solved         within the bound of `update` and `merge`

An engine is one function, `Each`, that runs another on every part and returns its answers in any order. A part is read
once, into a temporary file, from which the passes over it are taken; so each job gives one row of bytes for a part, and
a task that is tried again gives the same one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lr_runtime.contract.checkpoint import safetensors, split, tensors_in
from lr_runtime.contract.fit_report import Penalty, RowCounts
from lr_runtime.errors import LinedgeError, OptionError, TableError
from lr_runtime.options import dashed, options_in
from lr_runtime.tables.notices import Notices
from lr_runtime.tables.timed import timed
from lr_trainer.arithmetic.fixed_order import fixed_order
from lr_trainer.choices import FitOptions
from lr_trainer.fitting.joining import report_of_joined
from lr_trainer.fitting.levels import union
from lr_trainer.fitting.table import check_exact_sums, rows_of, units_of
from lr_trainer.fitting.wide import check_levels
from lr_trainer.moments.exact import moments_of
from lr_trainer.moments.exact_rows import ExactRows
from lr_trainer.moments.moments import Moments, joined, stacked
from lr_trainer.moments.passes import moments_if_any
from lr_trainer.moments.prepared import Prepared, Seen, prepare
from lr_trainer.moments.terms import needs_survey
from lr_trainer.moments.training_data import training_data
from lr_trainer.rows import outliers
from lr_trainer.rows.blocks import in_blocks, one_thread
from lr_trainer.rows.device import device_named
from lr_trainer.rows.reading import Rows
from lr_trainer.rows.sources import ArrowStream, opened
from lr_trainer.rows.survey import Sums, sums_of, surveyed
from lr_trainer.rows.tree import Tree
from lr_trainer.solvers.aim import aim_of
from lr_trainer.solvers.strategy import solve
from lr_trainer.statistics.assembly import checkpoint_of
from lr_trainer.statistics.cautions import NEEDLESS

if TYPE_CHECKING:
    from lr_runtime.instants import Clock
    from lr_runtime.tables import Table, TableOptions
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.model.checkpoint import Checkpoint
    from lr_trainer.model.design import Design
    from lr_trainer.rows.roles import Missing, Roles

_TOGETHER = 64
"""Moments that are joined at once: of 11 columns, their transforms stay in a core's cache."""

Work: TypeAlias = Callable[[Iterator[ArrowStream]], bytes]
"""What is made of a part, given as record batches or frames of Arrow: one row of bytes."""
Each: TypeAlias = Callable[[Work], Iterable[bytes]]
"""Has an engine do some work on every part."""

_BY_ROW = ("penalty", "l1_ratio", "cv", "cv_group", "seed", "errors", "influence", "device")
"""The options that need the rows in an order, or once more, or a device that an engine knows nothing of."""


def options_of(given: Mapping[str, object]) -> FitOptions:
    """Return the options of a fit in parts.

    Raises:
        OptionError: an option needs more than moments, or is none of a fit.
    """
    known = {each.name: each for each in options_in(FitOptions)}
    make: Callable[..., FitOptions] = FitOptions
    asked = make(**{name: value for name, value in given.items() if name in known})
    others = [dashed(name) for name in given if name not in known]
    others += [known[name].typed for name in _BY_ROW if getattr(asked, name) != known[name].default]
    others += ["--interval"] if asked.interval is not None and asked.shrinks else []
    if others:
        raise OptionError(
            f"{others[0]} takes more than the moments that an engine gives of each part. Use lr_trainer.fit on one "
            "machine, or torchrun -m lr_trainer"
        )
    return asked


class Answer(NamedTuple):
    """What a part answers: arrays, none of a part without rows; the rows that it read; its levels, by column."""

    arrays: Mapping[str, Array]
    counts: RowCounts = RowCounts()
    levels: Mapping[str, Sequence[str]] = {}

    def to_bytes(self) -> bytes:
        """Return it as a safetensors file."""
        return safetensors(self.arrays, {"rows": json.dumps(self.counts), "levels": json.dumps(self.levels)})

    @staticmethod
    def of(content: bytes) -> Answer:
        """Read it; TableError with the line of a part that could not be read."""
        header, data = split(content)
        said = header.pop("__metadata__")
        if "fault" in said:
            raise TableError(said["fault"])
        return Answer(tensors_in(header, data), RowCounts(*json.loads(said["rows"])), json.loads(said["levels"]))


@dataclass(frozen=True)
class Reading:
    """How every part is read; it travels to them.

    Attributes:
        roles: the columns by their part in the fit.
        missing: the policy for missing values.
        options: of the table.
        clocks: of the columns of instants.
    """

    roles: Roles
    missing: Missing
    options: TableOptions
    clocks: Mapping[str, Clock]

    def rows(self, table: Table) -> Rows:
        """Return the rows of a table."""
        return Rows(timed(table, self.clocks), self.roles, self.missing)

    def answer(self, batches: Iterator[ArrowStream], of: Callable[[Rows], Answer]) -> bytes:
        """Return what is made of the rows of a part, or the line that says why it cannot be read."""
        from lr_runtime.tables.frames import open_frame

        parts = (each for each in batches if len(each))  # type: ignore[arg-type] # all have a length
        try:
            if (first := next(parts, None)) is None:
                return Answer({}).to_bytes()
            table = open_frame(chain([first], parts), "a part of the table", self.options, Notices(None))
            return of(self.rows(table)).to_bytes()
        except LinedgeError as error:  # a second try would find the same
            return safetensors({}, {"fault": str(error)})


@dataclass(frozen=True)
class Agreed:
    """What the moments of every part are taken of; it travels to them.

    Attributes:
        reading: how they are read.
        levels: the categories of all parts.
        design: what is made of the columns.
        asked: the model.
    """

    reading: Reading
    levels: Mapping[str, tuple[str, ...]]
    design: Design
    asked: FitOptions


def looked_at(reading: Reading, asked: FitOptions, batches: Iterator[ArrowStream]) -> bytes:
    """Return the levels of a part, and the sums and ranges of its columns where the design needs them."""

    def look(rows: Rows) -> Answer:
        levels, width, sums = rows.levels() if rows.roles.coded else {}, rows.roles.width, None
        if needs_survey(rows.roles.specification, asked.missing):
            with fixed_order(asked.exact_sums):
                sums = sums_of(in_blocks(rows.arrays(levels), width), 0, exact_sums=asked.exact_sums).total()
        return Answer({} if sums is None else sums.arrays(), rows.counts, levels)

    return reading.answer(batches, look)


def moments_in(agreed: Agreed, batches: Iterator[ArrowStream]) -> bytes:
    """Return the moments of a part."""

    def take(rows: Rows) -> Answer:
        asked, place, intercept = agreed.asked, device_named("cpu"), rows.roles.specification.intercept
        prepared = Prepared(rows, place, intercept, agreed.levels, agreed.design, exact_sums=asked.exact_sums)
        with fixed_order(asked.exact_sums):
            found = moments_if_any(prepared, asked.digits)
        return Answer({} if found is None else found.arrays() | {"others": found.others}, rows.counts)

    return agreed.reading.answer(batches, take)


def fit_parts(
    first: object, each: Each, asked: FitOptions, options: TableOptions | None, warn: Callable[[str], None]
) -> Checkpoint:
    """Return the fit of all parts of a table.

    Args:
        first: its first rows, which tell the kinds of its columns, and of which gross outliers are told.
        each: the engine.
        asked: the model.
        options: of the table.
        warn: called with what there is to say of the first rows.

    Raises:
        LinedgeError: as `lr_trainer.fit` and `lr_trainer.update` do, of any part.
    """
    with fixed_order(asked.exact_sums):
        return _fitted(opened(first, options, warn), each, asked)


def _fitted(table: Table, each: Each, asked: FitOptions) -> Checkpoint:
    sample = rows_of(table, asked)
    for _ in sample.arrays(sample.levels() if sample.roles.coded else {}):
        pass  # what is wrong with the first rows is told before a job is started
    reading = Reading(sample.roles, sample.missing, table.options, asked.clocks)
    looks, seen = _seen_in(reading, each, asked)
    place, shifts, exact_sums = device_named("cpu"), not asked.limits, asked.exact_sums
    prepared = prepare(sample, place, missing=asked.missing, shifts=shifts, exact_sums=exact_sums, seen=seen)
    if exact_sums:
        check_exact_sums(prepared)
    check_levels(prepared)
    answers = _answers(each, partial(moments_in, Agreed(reading, prepared.levels, prepared.design, asked)))
    return solved_from(prepared, _joined(prepared, answers), _counts(sample.counts, looks, answers), asked)


def _answers(each: Each, work: Work) -> list[Answer]:
    """Return the answers of all parts in an order of their own, whatever order they come in."""
    return [Answer.of(content) for content in sorted(each(work))]


def _seen_in(reading: Reading, each: Each, asked: FitOptions) -> tuple[list[Answer], Seen]:
    """Return what the parts say of their columns, where the design needs it: levels, means and ranges."""
    roles, surveys = reading.roles, needs_survey(reading.roles.specification, asked.missing)
    if not (surveys or roles.coded):
        return [], Seen({}, None)
    looks = _answers(each, partial(looked_at, reading, asked))
    named = ({name: tuple(levels) for name, levels in look.levels.items()} for look in looks)
    levels, sums = union(dict.fromkeys(roles.coded, ()), *named), Tree(Sums.merge)
    for look in looks:
        sums.push(Sums.from_arrays(look.arrays) if look.arrays else None)
    return looks, Seen(levels, surveyed([sums], roles.width) if surveys else None)


def _counts(first: RowCounts, looks: Sequence[Answer], answers: Sequence[Answer]) -> RowCounts:
    """Return the numbers of rows of all parts; TableError where the engine made other rows the second time."""
    read, dropped, skipped = (sum(each) for each in zip(*(answer.counts[:3] for answer in answers), strict=True))
    before = sum(look.counts.rows_read for look in looks)
    if before not in {0, read}:  # a look at levels alone counts no rows
        raise TableError(f"the table: {before} rows came in one pass, {read} in the next. Save it first")
    passes = sum(max((each.counts.passes for each in parts), default=0) for parts in (looks, answers))
    return first._replace(rows_read=read, rows_dropped=dropped, rows_skipped=skipped, passes=passes)


def _joined(prepared: Prepared, answers: Sequence[Answer]) -> Moments:
    """Return the moments of all rows: of their exact sums where asked, else joined in a tree."""
    parts = [replace(Moments.from_arrays(a.arrays), others=a.arrays["others"]) for a in answers if a.arrays]
    if not parts:
        raise TableError(f"the table has no rows ({sum(a.counts.rows_dropped for a in answers)} rows were dropped)")
    exact = [each.exact for each in parts if each.exact is not None]
    if len(exact) == len(parts):
        return moments_of(reduce(ExactRows.merge, exact), prepared.design, intercept=prepared.intercept)
    terms, at_once = len(prepared.design.terms), _TOGETHER
    while len(parts) > 1:
        groups = [parts[start : start + at_once] for start in range(0, len(parts), at_once)]
        parts = [joined(stacked(group, terms), terms, intercept=prepared.intercept) for group in groups]
    return parts[0]


@one_thread()
def solved_from(prepared: Prepared, moments: Moments, counts: RowCounts, asked: FitOptions) -> Checkpoint:
    """Return the fit of rows from their moments; `prepared` has the first of them."""
    data = training_data(prepared, moments)
    aim = aim_of(asked, len(data.targets))
    solved = solve(moments, data.design, data.names, aim, intercept=data.intercept)
    first = [] if asked.exact_sums else outliers.caution(prepared.rows.outliers)  # these depend on the order of rows
    needless = [NEEDLESS] if asked.interval is not None else []
    report = report_of_joined(data, solved, counts, *first, *needless)._replace(
        penalty=aim if isinstance(aim, Penalty) else "minimum norm" if asked.minimum_norm else None,
        bounds=asked.limits,
    )
    if asked.shrinks:
        report = report._replace(collinear=())  # a weight that is 0 is no sign of a dependent column
    return checkpoint_of(data, solved, report).with_units(units_of(asked), asked.clocks)

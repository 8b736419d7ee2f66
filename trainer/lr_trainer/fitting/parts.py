"""A fit of a table whose parts stand on other machines: each gives its moments, as one row of bytes, which are joined.

    the first rows -> Reading                the role of each column, told as those of one table are
    every part     -> looked_at -> Seen      levels, means and ranges, where the design needs them
    every part     -> moments_in -> Moments  of one design, about a pilot of the part's own
                      joined, solved         within the bound of `update` and `merge`

An engine is one function, `Each`, that runs another on every part and returns its answers in any order. A part is read
once, into a temporary file, from which all passes over it are taken; a task that is tried again answers the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lr_runtime.contract.checkpoint import safetensors, split, tensors_in
from lr_runtime.contract.fit_report import Penalty, RowCounts
from lr_runtime.errors import LinedgeError, OptionError, TableError
from lr_runtime.options import dashed, options_in
from lr_runtime.tables.frames import open_frame
from lr_runtime.tables.notices import Notices
from lr_runtime.tables.timed import timed
from lr_trainer.arithmetic.fixed_order import fixed_order
from lr_trainer.choices import FitOptions
from lr_trainer.fitting.joining import joined_in_tree, report_of_joined
from lr_trainer.fitting.levels import union
from lr_trainer.fitting.table import check_exact_sums, rows_of, units_of
from lr_trainer.fitting.wide import check_levels
from lr_trainer.moments.exact import moments_of
from lr_trainer.moments.moments import Moments
from lr_trainer.moments.passes import moments_if_any
from lr_trainer.moments.prepared import Prepared, Seen, prepare
from lr_trainer.moments.terms import needs_survey
from lr_trainer.moments.training_data import TrainingData, check_not_the_target, check_values, described
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
    from lr_runtime.tables import TableOptions
    from lr_trainer.arithmetic.arrays import Array
    from lr_trainer.model.checkpoint import Checkpoint
    from lr_trainer.model.design import Design
    from lr_trainer.rows.roles import Missing, Roles

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
        asked: the model.
    """

    roles: Roles
    missing: Missing
    options: TableOptions
    asked: FitOptions

    def answer(self, batches: Iterator[ArrowStream], of: Callable[[Rows], Answer]) -> bytes:
        """Return what is made of the rows of a part, or the line that says why it cannot be read."""
        parts = (each for each in batches if len(each))  # type: ignore[arg-type] # all have a length
        try:
            if (first := next(parts, None)) is None:
                return Answer({}).to_bytes()
            table = open_frame(chain([first], parts), "a part of the table", self.options, Notices(None))
            with fixed_order(self.asked.exact_sums):
                return of(Rows(timed(table, self.asked.clocks), self.roles, self.missing)).to_bytes()
        except LinedgeError as error:  # a second try would find the same
            return safetensors({}, {"fault": str(error)})


def looked_at(reading: Reading, batches: Iterator[ArrowStream]) -> bytes:
    """Return the levels of a part, and the sums and ranges of its columns where the design needs them."""

    def look(rows: Rows) -> Answer:
        levels, width, sums = rows.levels() if rows.roles.coded else {}, rows.roles.width, None
        if needs_survey(rows.roles.specification, reading.asked.missing):
            sums = sums_of(in_blocks(rows.arrays(levels), width), 0, exact_sums=reading.asked.exact_sums).total()
        return Answer({} if sums is None else sums.arrays(), rows.counts, levels)

    return reading.answer(batches, look)


def moments_in(
    reading: Reading, levels: Mapping[str, tuple[str, ...]], design: Design, batches: Iterator[ArrowStream]
) -> bytes:
    """Return the moments of a part, of this design on these levels."""

    def take(rows: Rows) -> Answer:
        place, intercept = device_named("cpu"), rows.roles.specification.intercept
        prepared = Prepared(rows, place, intercept, levels, design, exact_sums=reading.asked.exact_sums)
        found = moments_if_any(prepared, reading.asked.digits)
        return Answer({} if found is None else found.arrays() | {"others": found.others}, rows.counts)

    return reading.answer(batches, take)


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
    table = opened(first, options, warn)
    sample = rows_of(table, asked)
    for _ in sample.arrays(sample.levels() if sample.roles.coded else {}):
        pass  # what is wrong with the first rows is told before a job is started
    reading, exact_sums = Reading(sample.roles, sample.missing, table.options, asked), asked.exact_sums
    looks, seen = _seen_in(reading, each)
    with fixed_order(exact_sums):
        place, shifts = device_named("cpu"), not asked.limits
        prepared = prepare(sample, place, missing=asked.missing, shifts=shifts, exact_sums=exact_sums, seen=seen)
        if exact_sums:
            check_exact_sums(prepared)
        check_levels(prepared)
        answers = _answers(each, partial(moments_in, reading, seen.levels, prepared.design))
        return _solved(prepared, _joined(prepared, answers), _counts(sample.counts, looks, answers), asked)


def _answers(each: Each, work: Work) -> list[Answer]:
    """Return the answers of all parts in an order of their own, whatever order they come in."""
    return [Answer.of(content) for content in sorted(each(work))]


def _seen_in(reading: Reading, each: Each) -> tuple[list[Answer], Seen]:
    """Return what the parts say of their columns, where the design needs it: levels, means and ranges."""
    roles, surveys = reading.roles, needs_survey(reading.roles.specification, reading.asked.missing)
    if not (surveys or roles.coded):
        return [], Seen({}, None)
    looks = _answers(each, partial(looked_at, reading))
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


def _joined(prepared: Prepared, answers: Sequence[Answer]) -> TrainingData:
    """Return the moments of all rows with their columns."""
    parts = [replace(Moments.from_arrays(a.arrays), others=a.arrays["others"]) for a in answers if a.arrays]
    if not parts:
        raise TableError(f"the table has no rows ({sum(a.counts.rows_dropped for a in answers)} rows were dropped)")
    assert len({each.exact is None for each in parts}) == 1, "what is not finite is refused, or is so in all parts"
    data = joined_in_tree(described(prepared, each) for each in parts)
    if data.moments.exact is not None:
        data = replace(data, moments=moments_of(data.moments.exact, data.design, intercept=data.intercept))
    check_values(data)
    check_not_the_target(data, prepared)
    return data


@one_thread()
def _solved(prepared: Prepared, data: TrainingData, counts: RowCounts, asked: FitOptions) -> Checkpoint:
    aim = aim_of(asked, len(data.targets))
    solved = solve(data.moments, data.design, data.names, aim, intercept=data.intercept)
    more = [] if asked.exact_sums else outliers.caution(prepared.rows.outliers)  # these depend on the order of rows
    more += [] if asked.interval is None else [NEEDLESS]
    report = report_of_joined(data, solved, counts, *more)._replace(
        penalty=aim if isinstance(aim, Penalty) else "minimum norm" if asked.minimum_norm else None,
        bounds=asked.limits,
    )
    if asked.shrinks:
        report = report._replace(collinear=())  # a weight that is 0 is no sign of a dependent column
    return checkpoint_of(data, solved, report).with_units(units_of(asked), asked.clocks)

"""lr-train: the first PyTorch lesson, or a table, to a checkpoint."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lr_runtime import __version__
from lr_runtime.commands.console import (
    FilePath,
    FiniteRange,
    argument,
    check_output,
    command,
    is_stdout,
    note,
    option,
    output_option,
    progress,
)
from lr_runtime.commands.record_options import options_of, values_of
from lr_runtime.errors import OptionError, TableError, escaped
from lr_runtime.options import NOT_NEGATIVE, dashed, options_in
from lr_runtime.system.lazy import needs_extra
from lr_runtime.tables import TableOptions
from lr_trainer.choices import SOLVERS, Device, FitOptions, LessonOptions
from lr_trainer.descent.options import Descent
from lr_trainer.errors import LostWorkerError
from lr_trainer.rows.workers import ALONE
from lr_trainer.torchrun import restarts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lr_runtime.tables import Table
    from lr_trainer.model.checkpoint import Checkpoint
    from lr_trainer.moments.saved import Saved
    from lr_trainer.rows.workers import Workers

    Say = Callable[[str], None]
    Given = dict[str, Any]  # options by their names, as click has them

_EPOCHS_BETWEEN_LINES = 100
_OUTPUT = "model.safetensors"

_CHECKPOINT_EVERY = 30.0
"""The seconds from state to state: the most work that a descent which is killed loses, without --checkpoint-every."""

_LESSON = frozenset(each.key for each in options_in(LessonOptions))
_RESUME = ("checkpoint_every", "resume", "log")
_DESCENT = frozenset([*(each.key for each in options_in(Descent)), *_RESUME])


@command("lr-train")
@argument("tables", nargs=-1)
@options_of(FitOptions)
@option("--update", type=click.Path(path_type=Path), help="Add TABLE's rows to this checkpoint's.")
@option("--merge", is_flag=True, help="TABLES are checkpoints, or folders of them: join their rows.")
@option("--manifest", type=FilePath(readable=False), help="Write what --merge joined to this file, as JSON.")
@option("--min-rows", type=click.IntRange(min=2), help="Refuse what tells of fewer rows, in all or of a category.")
@option(
    "--on-error", type=click.Choice(["stop", "skip"]), default="stop", show_default=True, help="What a bad row does."
)
@option("--dry-run", is_flag=True, help="Show the columns, fit nothing.")
@option("--solver", type=click.Choice(SOLVERS), help="Exact, or a descent. [default: as the next options imply]")
@options_of(Descent, without=["seed"])
@option(
    "--checkpoint-every",
    type=FiniteRange(NOT_NEGATIVE),
    help=f"The seconds between two states of a descent. [default: {_CHECKPOINT_EVERY:g}]",
)
@option("--resume", is_flag=True, default=None, help="Go on from the state that a stopped descent left.")
@option("--log", type=FilePath(readable=False), help="Write a line of JSON for each epoch to this file.")
@output_option(f"The checkpoint. [default: {_OUTPUT}]")
@options_of(TableOptions, without=["format"])
def main(
    *,
    tables: tuple[str, ...],
    update: Path | None,
    merge: bool,
    manifest: Path | None,
    min_rows: int | None,
    on_error: str,
    dry_run: bool,
    output: Path | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Fit a linear model to TABLES and write a checkpoint; without any, the first PyTorch lesson.

    TABLES are CSV, JSON lines, Parquet or Arrow files, folders of them, quoted patterns, or "-" for standard input:
    together one table, fitted exactly, by least squares, or by descent.

    \b
    Examples:
      lr-train
      lr-train calibration.csv --target y
      lr-train monday.csv tuesday.csv --target y --on-error skip
      lr-train readings.parquet --target y --features rh,temp --degree 2 -o sensor.safetensors
      lr-train cell.csv --formula 'kg ~ mv * temp + I(mv**2) + C(site)'
      lr-train readings.csv --target y --loss huber
      lr-train huge.parquet --target y --loss quantile --quantile 0.9 --batch-size 1024 --validation 0.1
      lr-train today.csv --update sensor.safetensors -o sensor.safetensors
      lr-train --merge north.safetensors south.safetensors -o both.safetensors
      lr-train --merge fleet/ --min-rows 50 --manifest fleet.json -o all.safetensors
    """
    output = output or Path(_OUTPUT)
    say = partial(click.echo, err=is_stdout(output))
    started = time.perf_counter()
    options = TableOptions(**values_of(TableOptions, given), skips=on_error == "skip")
    way = "merge" if merge else "update" if update else "fit" if tables else "lesson"
    _check_ways(way, options, update=update, dry_run=dry_run, manifest=manifest)
    workers: Workers = click.get_current_context().obj or ALONE
    if workers.rank and (dry_run or way != "fit"):
        return  # the first worker does it, alone
    workers = workers if way == "fit" else ALONE
    if dry_run:
        _look(tables, options, given["category"] or [], say, as_json=as_json)
        return
    device: Device = given.pop("device") or FitOptions.device
    chosen = _belonging(way, given)
    check_output(chosen.get("log"), tables=tables, option="--log")
    check_output(output, tables=tables if way in {"fit", "update"} else ())
    if way == "merge":
        checkpoint = _merge(tables, output, manifest, min_rows)
    elif way == "update":
        checkpoint = _update(tables, update, options, device, min_rows, quiet=quiet)
    elif way == "fit":
        fitted = _descend if _descends(chosen) else _fit
        checkpoint = fitted(_Typed(tables, chosen, options, device, output, workers, quiet))
    else:
        checkpoint = _lesson(chosen, device, silent=as_json, say=say)
    workers.gathered("the end of the fit", lambda: None)  # nothing is written where any worker has failed
    workers.agreed("what is written", lambda: _save(checkpoint, output, min_rows))
    if checkpoint.report.solver == "descent" and not workers.rank:
        _remove(_state_of(output))
    if as_json:
        also = {"workers": workers.dealt._asdict()} if workers.dealt else {}
        seconds = time.perf_counter() - started
        say(json.dumps({**checkpoint.fit, **also, "seconds": seconds}, ensure_ascii=False))
    elif way != "lesson":
        say(checkpoint.summary())
    _warn(checkpoint)
    note(f"wrote {output}", quiet=quiet)


def _check_ways(way: str, options: TableOptions, *, update: Path | None, dry_run: bool, manifest: Path | None) -> None:
    if manifest is not None and way != "merge":
        raise OptionError("--manifest lists the checkpoints that --merge joins. Leave it out")
    if way == "merge" and (update or dry_run):
        other = "--update" if update else "--dry-run"
        raise OptionError(f"--merge joins checkpoints; {other} takes tables. Choose one")
    if way in {"merge", "lesson"} and options != type(options)() and not dry_run:
        what = "--merge joins checkpoints" if way == "merge" else "there is no table: lr-train TABLE"
        raise OptionError(f"an option says how a table is read, and {what}. Leave it out, or name the table")


def _belonging(way: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, all of which must belong to what is done."""
    chosen = {name: value for name, value in given.items() if value is not None and value != ()}
    solver = chosen.get("solver")
    if way == "fit" and solver == "exact" and (chosen.get("loss", "squared") != "squared" or "optimizer" in chosen):
        raise OptionError("--solver exact is for the squared loss, without an optimizer. Leave it out for a descent")
    for name in chosen:
        shared = name in _LESSON or name == "solver"
        if not (way == "fit" or (shared and way == "lesson")):
            where = "the lesson, or a table: lr-train TABLE" if shared else "fitting a table: lr-train TABLE"
            beside = "" if way == "lesson" else f", not to --{way}"
            raise OptionError(f"{dashed(name)} belongs to {where}{beside}. Leave it out")
        if way == "fit" and name in (*_LESSON, *_DESCENT) and name not in {"loss", "seed"} and not _descends(chosen):
            home = f"{'the lesson, or ' * (name in _LESSON)}a table with --solver descent"
            raise OptionError(f"{dashed(name)} belongs to a descent ({home}). Add that, or leave it out")
    of_tables = {"solver": "exact", "optimizer": "lbfgs", "loss": "quantile"}
    if way == "lesson" and any(chosen.get(name) == value for name, value in of_tables.items()):
        raise OptionError("--solver exact, --optimizer lbfgs and --loss quantile belong to fitting a table: TABLE")
    return chosen


def _descends(chosen: Mapping[str, object]) -> bool:
    """Whether a table is fitted by descent."""
    implied = "optimizer" in chosen or chosen.get("loss", "squared") != "squared"
    return bool(chosen.get("solver", "descent" if implied else "exact") == "descent")


def _state_of(output: Path) -> Path:
    return Path(f"{output}.resume.safetensors")


def _remove(state: Path) -> None:
    try:
        state.unlink(missing_ok=True)
    except OSError as error:  # the model is there, and the next descent begins anew unless --resume is given
        note(f"lr-train: warning: {state}: cannot be removed ({error.strerror})", quiet=False)


class _Typed(NamedTuple):
    """What was typed of a fit of tables, and who fits them."""

    tables: tuple[str, ...]
    chosen: Given
    options: TableOptions
    device: Device
    output: Path
    workers: Workers
    quiet: bool


def _descend(typed: _Typed) -> Checkpoint:
    _, chosen, _, _, output, workers, quiet = typed
    if not is_stdout(output):
        check_output(_state_of(output), option="-o")
    seed = chosen.pop("seed", None)
    table, asked = _asked(typed)
    with needs_extra("train"):
        from lr_trainer.descent.progress import Log, watching
        from lr_trainer.descent.resume import Resume, interruptible
        from lr_trainer.fitting.table import fit
        from lr_trainer.model.checkpoint import Checkpoint
    every, resumes, log = (chosen.get(name) for name in _RESUME)
    count, most = restarts()
    if most and not (count or resumes or workers.rank):
        _remove(_state_of(output))  # of another descent, from which this one must not go on when it is started again
    goes_on = bool(resumes or count)
    if is_stdout(output) and (resumes or every is not None):
        raise OptionError("--resume and --checkpoint-every need a file to keep the state beside: -o FILE")
    init = chosen.pop("init", None)
    start = None if init is None else Checkpoint.load(init)
    descent = Descent(**values_of(Descent, chosen | {"seed": seed}), init=start)
    also = None if log is None or workers.rank else Log(log, goes_on=goes_on)
    with ExitStack() as stack:
        memory = None
        if not is_stdout(output):
            every = _CHECKPOINT_EVERY if every is None else every
            interruption = stack.enter_context(interruptible())
            memory = Resume(_state_of(output), every, interruption, goes_on=goes_on)
            if resumes and not memory.path.exists():
                note(f"lr-train: there is no {memory.path}: starting at the start", quiet=quiet)
        advance, report = stack.enter_context(watching(table.size, descent.most_epochs, quiet=quiet, also=also))
        return fit(
            table, **vars(asked), advance=advance, descent=descent, memory=memory, report=report, workers=workers
        )


def _fit(typed: _Typed) -> Checkpoint:
    table, asked = _asked(typed)
    with needs_extra("train"):
        from lr_trainer.fitting.table import fit
    with (
        progress("reading", table.size, quiet=typed.quiet) as advance,
        _saving(typed.output, [typed.tables, table.size, typed.options, asked], typed.workers) as saved,
    ):
        return fit(table, **vars(asked), advance=advance, workers=typed.workers, saved=saved)


@contextmanager
def _saving(output: Path, job: list[object], workers: Workers) -> Iterator[Saved | None]:
    """Yield where a worker that torchrun may start again keeps its moments; removed unless that is to come."""
    count, most = restarts()
    if not most or is_stdout(output):
        yield None
        return
    from lr_trainer.moments.saved import Saved

    path = Path(f"{output}.resume.{workers.rank}.safetensors")
    saved = Saved(path, repr([__version__, *job]), reads=count > 0, writes=count < most)
    try:
        yield saved
    except (LostWorkerError, SystemExit):
        raise  # the workers are started again
    except BaseException:
        _remove(path)
        raise
    _remove(path)


def _asked(typed: _Typed) -> tuple[Table, FitOptions]:
    """Return the open table and the options of its fit; what is wrong with its header is said before heavy imports."""
    tables, chosen, options, device, _, workers, _ = typed
    if workers.count > 1 and (pipe := next((name for name in tables if name == "-" or Path(name).is_fifo()), None)):
        raise OptionError(f"{pipe} is a pipe, which one process reads. Write it to a file, or leave torchrun out")

    def asked() -> tuple[Table, FitOptions]:
        table, values = _opened(tables, options), values_of(FitOptions, chosen)
        pairs = {name: dict(pairs) for name, pairs in values.items() if name in {"units", "time", "transforms"}}
        asked = FitOptions(**{**values, **pairs}, device=device)
        with needs_extra("train"):
            from lr_trainer.rows.roles import roles_of
        roles_of(table, asked)
        return table, asked

    return workers.own("the table", asked)


def _opened(tables: tuple[str, ...], options: TableOptions) -> Table:
    from lr_runtime.tables import open_table

    return open_table(tables, options, warn=lambda line: note(f"lr-train: {line}", quiet=False))


def _update(
    tables: tuple[str, ...],
    update: Path | None,
    options: TableOptions,
    device: Device,
    min_rows: int | None,
    *,
    quiet: bool,
) -> Checkpoint:
    with needs_extra("train"):
        from lr_trainer.fitting import joining
        from lr_trainer.fitting.disclosure import check_rows
        from lr_trainer.model.checkpoint import Checkpoint
    if not tables or update is None:
        raise OptionError("--update needs a table with the new rows: lr-train TABLE --update CHECKPOINT")
    checkpoint, table = Checkpoint.load(update), _opened(tables, options)
    with progress("reading", table.size, quiet=quiet) as advance:
        updated = joining.update(checkpoint, table, device=device, advance=advance)
    check_rows(updated, min_rows, before=checkpoint)
    return updated


def _merge(tables: tuple[str, ...], output: Path, manifest: Path | None, min_rows: int | None) -> Checkpoint:
    with needs_extra("train"):
        from lr_trainer.fitting.fleet import checkpoints_in, merge_files, write_manifest
    if not is_stdout(output) and output.suffix == ".safetensors":
        place = output.resolve().parent
        if inside := [each for each in tables if Path(each).resolve() == place]:
            raise OptionError(f"-o {output} would be one of the checkpoints in {inside[0]}. Name a file elsewhere")
    files = checkpoints_in(tables)
    if len(files) < 2:
        raise OptionError("--merge joins two checkpoints or more: lr-train --merge A B")
    check_output(output, tables=sorted({*files}.difference(tables)))
    check_output(manifest, output, tables=files, option="--manifest")
    checkpoint, listed = merge_files(files, min_rows)
    if manifest is not None:
        write_manifest(manifest, checkpoint, listed)
    return checkpoint


def _look(tables: tuple[str, ...], options: TableOptions, category: list[str], say: Say, *, as_json: bool) -> None:
    if not tables:
        raise OptionError("--dry-run shows a table: lr-train TABLE --dry-run")
    table = _opened(tables, replace(options, marks=True))
    with needs_extra("train"):
        from lr_trainer.rows.profile import look
    seen = look(table, category)
    say(json.dumps(seen.to_json(), ensure_ascii=False) if as_json else "\n".join(seen.lines()))
    for name in table.indexes:
        note(f"lr-train: {escaped(name)} is no feature unless --features names it", quiet=False)
    if seen.stopped is not None:
        raise TableError(seen.stopped)


def _lesson(chosen: Given, device: Device, *, silent: bool, say: Say) -> Checkpoint:
    from lr_runtime.contract.checkpoint import Checkpoint as Stored

    with needs_extra("train"):
        from lr_trainer.fitting.first_lesson import ASKED, lesson

    def report(epoch: int, loss: float) -> None:
        if not silent and epoch % _EPOCHS_BETWEEN_LINES == 0:
            say(f"Epoch: {epoch} | Loss: {loss}")

    init = chosen.pop("init", None)
    start = None if init is None else Stored.load(init)
    checkpoint, asked = lesson(**values_of(LessonOptions, chosen), init=start, device=device, report=report)
    if not silent:
        say(f"Prediction at {ASKED:g}: {asked}")
    return checkpoint


def _save(checkpoint: Checkpoint, output: Path, min_rows: int | None) -> None:
    with needs_extra("train"):
        from lr_trainer.fitting.disclosure import check_rows
    check_rows(checkpoint, min_rows)
    if is_stdout(output):
        sys.stdout.buffer.write(checkpoint.to_bytes())
    else:
        checkpoint.save(output)


def _warn(checkpoint: Checkpoint) -> None:
    report = checkpoint.report
    for reason, names in (("constant", report.constant), ("collinear", report.collinear)):
        for name in names:
            note(f"lr-train: warning: {escaped(name)} is {reason}: dropped, its weight is 0", quiet=False)
    for caution in report.cautions:
        note(f"lr-train: warning: {caution}", quiet=False)
    if skipped := report.rows.rows_skipped:
        rows = f"{skipped} bad {'row was' if skipped == 1 else 'rows were'} skipped"
        note(f"lr-train: warning: {rows}, beside {checkpoint.contract.rows} fitted", quiet=False)

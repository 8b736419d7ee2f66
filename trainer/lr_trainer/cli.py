"""lr-train: the first PyTorch lesson, or a table, to a checkpoint."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lr_runtime.console import command, is_stdout, note, output_option, progress, read_as, table_options
from lr_runtime.errors import OptionError, needs_extra
from lr_trainer.choices import DEVICES, LOSSES, OPTIMIZERS

if TYPE_CHECKING:
    from lr_runtime.tables import TableOptions
    from lr_trainer.checkpoint import Checkpoint
    from lr_trainer.choices import Device

_EPOCHS_BETWEEN_LINES = 100


@command("lr-train")
@click.argument("table", required=False)
@click.option("--target", help="The column to predict.")
@click.option("--features", help="The columns to predict it from, separated by commas; default: all others.")
@click.option("--epochs", type=click.IntRange(min=0), help="Lesson: training steps (500).")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="Lesson: learning rate (0.01).")
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), help="Lesson: of torch.optim (sgd).")
@click.option("--loss", type=click.Choice(LOSSES), help="Lesson: summed over rows (squared).")
@click.option("--seed", type=click.IntRange(min=0, max=2**63 - 1), help="Lesson: of the initial weights (0).")
@click.option("--init", type=click.Path(path_type=Path), help="Lesson: start from this checkpoint's weights.")
@click.option("--device", type=click.Choice(DEVICES), default="cpu", show_default=True)
@output_option("The checkpoint; default: model.safetensors.")
@table_options
def main(
    *,
    table: str | None,
    target: str | None,
    features: str | None,
    device: Device,
    output: Path | None,
    delimiter: str,
    decimal: str,
    no_header: bool,
    as_json: bool,
    quiet: bool,
    **lesson_options: Any,
) -> None:
    """Fit a linear model to TABLE and write a checkpoint; without TABLE, the first PyTorch lesson.

    TABLE is a CSV, JSON lines, Parquet or Arrow file, or "-" for standard input; it is fitted exactly, by least
    squares.

    \b
    Examples:
      lr-train
      lr-train calibration.csv --target y
      lr-train readings.parquet --target y --features rh,temp -o sensor.safetensors
    """
    output = output or Path("model.safetensors")
    say = partial(click.echo, err=is_stdout(output))
    chosen = {name: value for name, value in lesson_options.items() if value is not None}
    started = time.perf_counter()
    if table is None:
        if target is not None or features is not None:
            raise OptionError("--target and --features need a table: lr-train TABLE --target NAME")
        checkpoint = _lesson(chosen, device, silent=as_json, say=say)
    elif chosen:
        raise OptionError(f"--{next(iter(chosen))} belongs to the lesson; a table is fitted exactly. Leave it out")
    else:
        checkpoint = _fit(table, target, features, read_as(delimiter, decimal, no_header), device, quiet=quiet)
    if is_stdout(output):
        sys.stdout.buffer.write(checkpoint.to_bytes())
    else:
        checkpoint.save(output)
    if as_json:
        say(json.dumps({**checkpoint.fit, "seconds": time.perf_counter() - started}, ensure_ascii=False))
    elif table is not None:
        say(checkpoint.summary())
    for name in checkpoint.fit["dropped"]:
        note(f"lr-train: warning: the column {name!r} is constant: dropped, its weight is 0", quiet=False)
    note(f"wrote {output}", quiet=quiet)


def _fit(
    table: str, target: str | None, features: str | None, options: TableOptions, device: Device, *, quiet: bool
) -> Checkpoint:
    from lr_runtime.tables import open_table

    with needs_extra("train"):
        from lr_trainer.fitting import fit
    opened = open_table(table, options)
    names = None if features is None else [name.strip() for name in features.split(",")]
    with progress("reading", opened.size, quiet=quiet) as advance:
        return fit(opened, target=target, features=names, device=device, advance=advance)


def _lesson(chosen: dict[str, Any], device: Device, *, silent: bool, say: Any) -> Checkpoint:
    from lr_runtime.checkpoint import Checkpoint as Stored

    with needs_extra("train"):
        from lr_trainer.cycle import ASKED, lesson

    def report(epoch: int, loss: float) -> None:
        if not silent and epoch % _EPOCHS_BETWEEN_LINES == 0:
            say(f"Epoch: {epoch} | Loss: {loss}")

    init = chosen.pop("init", None)
    start = None if init is None else Stored.load(init)
    checkpoint, asked = lesson(**chosen, init=start, device=device, report=report)
    if not silent:
        say(f"Prediction at {ASKED:g}: {asked}")
    return checkpoint

"""lr-export: a checkpoint to a verified file."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from lr_export.choices import ExportOptions, asked_for, check_pair, check_tools, that_have
from lr_runtime.commands.console import (
    FilePath,
    argument,
    check_output,
    command,
    is_stdout,
    note,
    option,
    output_option,
)
from lr_runtime.commands.record_options import options_of, values_of
from lr_runtime.contract.formats import EXPORT_FORMATS, WITHOUT_TORCH, FormatName
from lr_runtime.errors import OptionError
from lr_runtime.system.files import in_temporary_folder
from lr_runtime.system.lazy import needs_extra
from lr_runtime.system.replacement import Together, replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lr_export.certificate.certify import Certificate


@command("lr-export")
@argument("checkpoint", type=click.Path(path_type=Path), default="model.safetensors")
@option(
    "--format",
    "format_name",
    type=click.Choice([*EXPORT_FORMATS, "all"]),
    default=next(iter(EXPORT_FORMATS)),
    help="The format of the file, or all that have the precision.",
    show_default=True,
)
@options_of(ExportOptions)
@option("--certificate", type=FilePath(dir_okay=False, readable=False), help="Write all of it to a JSON file.")
@output_option("The artefact; default: the checkpoint's name with the format's suffix. With --format all a folder.")
def main(
    *,
    checkpoint: Path,
    format_name: FormatName | Literal["all"],
    certificate: Path | None,
    output: Path | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Write CHECKPOINT (default: model.safetensors) as a file that has been verified, or nothing.

    The file as written is read back, run by its own engine and held against exact arithmetic; a miss ends with exit
    code 3 and no file. C is compiled and run with the first of cc, gcc and clang, JavaScript with node.

    \b
    Formats: onnx, torchscript, pt2 (torch.export), c (one header), js (one ES module), html (a page to try it),
    all that have the precision.
    Precisions: exact; float32, float64 (not c, js, html); portable, the same bits everywhere (onnx, c, js, html).

    \b
    Examples:
      lr-export --format onnx
      lr-export --interval 0.95 --flags
      lr-export sensor.safetensors --format c --precision portable -o sensor.h
    """
    from lr_runtime.contract.checkpoint import Checkpoint

    asked = ExportOptions(**values_of(ExportOptions, given))
    targets = _targets(checkpoint, format_name, asked, output)
    with needs_extra("export"):
        from lr_export.exporting import check_packages, export

    check_packages(targets, without_eager=asked.without_eager)
    if not checkpoint.is_file():
        Checkpoint.load(checkpoint)  # says why, before a target beside it is looked at
    for target in targets.values():
        check_output(target, checkpoint)
        if certificate is not None and certificate.resolve() == target.resolve():
            raise OptionError(f"--certificate {certificate} is the artefact itself. Name another file")
    check_output(certificate, checkpoint, option="--certificate")
    model = Checkpoint.load(checkpoint)
    if not asked.unverified:
        check_tools(targets)
    if "torchscript" in targets:
        note("lr-export: PyTorch has deprecated TorchScript; ONNX has a longer future", quiet=quiet)
    options = asdict(asked)
    own = {name: options.pop(name) for name in ("opset", "name")}
    write = partial(export, model, **options)
    with Together() as together, ExitStack() as last:
        found = list(_exported(write, targets, own, together, last))
        said = {"artefacts": [each.to_json() for each in found]} if format_name == "all" else found[0].to_json()
        if certificate is not None:
            with replacing(certificate, together) as part:
                part.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    _say(found, targets, said if as_json else None, quiet=quiet)


def _exported(
    write: Callable[..., Certificate],
    targets: Mapping[FormatName, Path],
    options: Mapping[str, object],
    together: Together,
    last: ExitStack,
) -> Iterator[Certificate]:
    """Make one file after the other, to be written `together`, or to standard output at the `last`; certify each.

    Of several formats each takes the options that it has; asked of one alone, an option that it has not is an error.
    """
    for name, target in targets.items():
        had = options if len(targets) == 1 else {key: options[key] for key in EXPORT_FORMATS[name].options}
        if is_stdout(target):
            yield write(last.enter_context(_for_stdout()), format=name, **had)
        else:
            yield write(target, format=name, together=together, **had)


@contextmanager
def _for_stdout() -> Iterator[Path]:
    """Give a path whose file goes to standard output when the block ends well."""
    with in_temporary_folder("the artefact"):
        temporary = tempfile.TemporaryDirectory()
    with temporary as folder:
        yield (path := Path(folder, "artefact"))
        sys.stdout.buffer.write(path.read_bytes())
        sys.stdout.flush()


def _say(found: Sequence[Certificate], targets: Mapping[FormatName, Path], values: object, *, quiet: bool) -> None:
    """Say what was written: in words, or the `values` of JSON."""
    if found[0].remark is not None:
        note(f"lr-export: {found[0].remark}", quiet=quiet)
    for certificate, target in zip(found, targets.values(), strict=True):
        if values is None:
            click.echo(_described(certificate), err=is_stdout(target))
        note(f"wrote {target}", quiet=quiet)
    if values is not None:
        click.echo(json.dumps(values), err=any(map(is_stdout, targets.values())))


def _targets(
    checkpoint: Path,
    format_name: FormatName | Literal["all"],
    asked: ExportOptions,
    output: Path | None,
) -> dict[FormatName, Path]:
    """Return the file of each format that is asked for.
    Raises OptionError where the format does not have the precision or the results, or -o does not go with it.
    """
    inverse = asked.inverse is not None
    results, inner = asked_for(interval=asked.interval, flags=asked.flags, inverse=inverse), ".inverse" * inverse
    if checkpoint.is_dir():
        raise OptionError(f"{checkpoint} is a directory. Name a checkpoint, which lr-train writes")
    if format_name != "all":
        check_pair(format_name, asked.precision, results)
        targets = {format_name: output or checkpoint.with_suffix(inner + EXPORT_FORMATS[format_name].suffix)}
    elif output is not None and is_stdout(output):
        raise OptionError("-o - takes one file; --format all writes several. Name a folder, or one format")
    else:
        folder = output or checkpoint.parent
        allowed = WITHOUT_TORCH if asked.without_eager else EXPORT_FORMATS
        names = [name for name in that_have(asked.precision, results) if name in allowed]
        targets = {name: folder / f"{checkpoint.stem}{inner}{EXPORT_FORMATS[name].suffix}" for name in names}
    return targets


def _described(certificate: Certificate) -> str:
    bound = max(certificate.bounds["y"])
    verified = f"{certificate.rows} rows, batches of 0 to {certificate.rows}, precision {certificate.precision}"
    not_run = f"NOT RUN, for want of {certificate.not_run}: only its numbers and its contract were read back"
    return "\n".join(
        [
            f"verified: {verified}" if certificate.not_run is None else f"unverified: {not_run}",
            *(
                f"  {m.engine}: within {m.worst_error['y']:.3g}, {m.worst_share:.0%} of its bound"
                + (f", {m.correctly_rounded:.1%} of rows correctly rounded" if certificate.precision == "exact" else "")
                for m in certificate.engines
            ),
            *([] if certificate.eager is None else [f"  eager: {certificate.eager}"]),
            *([] if certificate.imported is None else [f"held against {certificate.imported}"]),
            f"proven: within {bound:.3g} of the exact model anywhere in the training ranges{_beside(certificate)}",
            _cost_of_inputs(certificate),
            f"{certificate.size} bytes, sha256 {certificate.sha256}",
        ]
    )


def _beside(certificate: Certificate) -> str:
    """Return what is proven of the results beside y; in_range is never off."""
    bounds = {name: max(bound) for name, bound in certificate.bounds.items() if name not in {"y", "in_range"}}
    return "".join(f", {name} within {bound:.3g}" for name, bound in bounds.items())


def _cost_of_inputs(certificate: Certificate) -> str:
    if certificate.input_dtype == "float64":
        return "inputs are float64: none is rounded"
    share = certificate.input_rounding_share
    relative = "" if share is None else f", {share:.2g} of its residual standard deviation"
    return f"rounding the inputs to float32 moves the output by at most {max(certificate.input_rounding):.3g}{relative}"

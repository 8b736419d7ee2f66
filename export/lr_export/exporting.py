"""The way from a checkpoint to a file: build, write beside the target, read back, certify, and only then rename."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lr_export.certificate.certify import Certificate, certify
from lr_export.certificate.inverse import inverse_blueprint
from lr_export.certificate.specification import Blueprint
from lr_export.choices import ExportOptions, InputChoice, asked_for, check_pair
from lr_export.errors import MissingReferenceError
from lr_export.formats.registry import BACKENDS
from lr_export.model.distributions import distributions_of
from lr_runtime.contract.checkpoint import Checkpoint
from lr_runtime.contract.formats import EXPORT_FORMATS, WITHOUT_TORCH, FormatName
from lr_runtime.errors import MissingExtraError, OptionError
from lr_runtime.system.lazy import needs_extra
from lr_runtime.system.replacement import Together, replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lr_runtime.contract.contract import Precision

    class Fitted(Protocol):
        """What has a model, as a fitted `lr_trainer.sklearn.LinearModelRegressor`."""

        checkpoint_: Checkpoint


def export(
    checkpoint: Checkpoint | str | Path | Fitted,
    target: str | Path,
    *,
    format: FormatName = "onnx",  # noqa: A002 - the option's name
    precision: Precision = "exact",
    input_dtype: InputChoice = "auto",
    interval: float | None = None,
    flags: bool = False,
    mean: bool = False,
    inverse: str | None = None,
    at: Mapping[str, object] | None = None,
    opset: int | None = None,
    name: str | None = None,
    unverified: bool = False,
    without_eager: bool = False,
    drift: bool = False,
    together: Together | None = None,
) -> Certificate:
    """Write the model as an artefact that has passed its certificate, or nothing at all.

    Args:
        checkpoint: the model, or the path of its checkpoint, or a fitted estimator, whose `checkpoint_` it is.
        target: the file to write; an existing one is replaced only by one that passed.
        format: one of `lr_runtime.contract.formats.EXPORT_FORMATS`.
        precision: `exact` (float32 in and out, float64 inside, correctly rounded), `float32`, `float64`, or
            `portable` (float32 throughout, in one fixed order: the same bits in every engine).
        input_dtype: of x; `auto` is float32 where that costs nothing that matters, see `lr_export.bounds.input_dtype`.
        interval: the level of a prediction interval, from `y_lower` to `y_upper` (rows, outputs).
        flags: whether to give `in_range` (rows, 1) bool, and of a least-squares fit `leverage` (rows, 1).
        mean: of targets that were fitted as their log or root, whether y is the mean (of normal errors about what was
            fitted), and not the median; the ends of an interval are the same.
        inverse: a numeric column, or "" for the only one: the file takes a reading of the output back to that column,
            with its limits in place of the interval and with in_range; see `lr_export.model.inverse`.
        at: the values at which an inverse holds the other columns, by name.
        opset: of an ONNX file; by default the lowest that expresses the graph.
        name: of the graph in an ONNX file; what the names in a C header begin with.
        unverified: write source code even where no compiler or interpreter is there to run it; whatever can be checked
            without is checked all the same.
        without_eager: verify without eager PyTorch, which then need not be installed: exact arithmetic and the format's
            own engines decide. The contract in the file and the certificate say so.
        drift: whether the file tells the mean and standard deviation of each column's training rows, and the shares of
            categories, for `lr-serve` to say how far the rows that it is given have drifted from them.
        together: the files that appear with this one or not at all, when its block ends; None for this one alone.

    Returns:
        The certificate: the bounds that hold, the rows and engines that they were held on, the SHA-256 of the file.

    Raises:
        OptionError: the format does not have the precision or such an option, the precision not such inputs, or the
            model an interval of another level; or PyTorch itself runs the format, so it cannot be left out.
        UnsupportedModelError: the model has no interval, no mean, or terms that no artefact can hold.
        MissingFileError: there is no such checkpoint.
        CheckpointError: the file is not one.
        MissingToolError: nothing on this machine runs the format.
        MissingReferenceError: PyTorch is not installed, and `without_eager` is False.
        MissingExtraError: another package that the format needs is not installed.
        CheckFailedError: the artefact does not match the model within its proven bound. Nothing was written.
        UnusableFileError: the folder cannot be written.

    Example:
        >>> from lr_trainer import fit
        >>> checkpoint = fit({"x": [1.0, 2.0, 3.0, 4.0], "y": [2.1, 3.9, 6.2, 7.8]}, target="y")
        >>> certificate = export(checkpoint, "line.onnx", interval=0.95)
        >>> certificate.size, certificate.rows, certificate.input_dtype
        (1042, 1022, 'float32')
    """
    ExportOptions(
        precision, input_dtype, interval, flags, mean, inverse, at, opset, name, unverified, without_eager, drift
    )  # refuses what is none of their values
    check_pair(format, precision, asked_for(interval=interval, flags=flags, inverse=inverse is not None))
    check_packages([format], without_eager=without_eager)
    found: object = getattr(checkpoint, "checkpoint_", checkpoint)
    model = Checkpoint.load(Path(found)) if isinstance(found, str | PathLike) else found
    if not isinstance(model, Checkpoint):
        what = f"not a {type(model).__name__}. The steps of a Pipeline are not in the checkpoint_ of its last"
        raise OptionError(f"export takes a checkpoint, its path, or what has a checkpoint_, {what}")
    if drift:
        model = replace(model, contract=model.contract._replace(distributions=distributions_of(model)))
    options = {key: value for key, value in {"opset": opset, "name": name}.items() if value is not None}
    if strange := [option for option in options if option not in EXPORT_FORMATS[format].options]:
        having = " or ".join(name for name, choice in EXPORT_FORMATS.items() if strange[0] in choice.options)
        raise OptionError(f"--{strange[0]} goes with --format {having}; a {format} file has none")
    make = partial(Blueprint.of, flags=flags, mean=mean)
    if inverse is not None:
        make = partial(inverse_blueprint, column=inverse, at=at or {})
    blueprint = make(model, precision, input_dtype, interval=interval, without_eager=without_eager)
    with replacing(Path(target), together) as part:
        part.write_bytes(BACKENDS[format].build(blueprint.program, blueprint.contract, **options))
        return certify(part.read_bytes(), blueprint, format, unverified=unverified)


def check_packages(format_names: Iterable[FormatName], *, without_eager: bool) -> None:
    """Raise MissingExtraError where a package that these formats need is missing, MissingReferenceError for PyTorch."""
    for name in format_names:
        if name in WITHOUT_TORCH:
            BACKENDS[name]  # imports what it needs
        elif without_eager:
            raise OptionError(f"--without-eager goes with {', '.join(WITHOUT_TORCH)}; PyTorch itself runs {name}")
    if without_eager:
        return
    try:
        with needs_extra("torch"):
            import_module("torch")
    except MissingExtraError as error:
        raise MissingReferenceError(error) from error

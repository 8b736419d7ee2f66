"""The certificate: the bytes as written, compared with the checkpoint in exact arithmetic. One miss, and no file."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lr_export.certificate.trial import Measured, Trial
from lr_export.errors import MissingToolError
from lr_export.formats.registry import BACKENDS
from lr_runtime.contract.contract import EQUAL_BITS, Dtype, NotRun, Precision
from lr_runtime.contract.formats import EXPORT_FORMATS, FormatName
from lr_runtime.errors import CheckFailedError
from lr_runtime.system.files import sha256
from lr_runtime.system.text import html_table

if TYPE_CHECKING:
    from lr_export.certificate.specification import Blueprint
    from lr_export.formats.backend import Opened
    from lr_runtime.contract.fit_report import Imported
    from lr_runtime.system.text import Json


@dataclass(frozen=True)
class Certificate:
    """The proven bounds and the measured errors of one artefact.

    Attributes:
        linedge: the version of linedge that wrote the artefact.
        input_dtype: the dtype of x.
        remark: notes on the input dtype, and on results that were asked for and are not given; None without notes.
        bounds: by result, for each of its columns, the largest distance from the exact model anywhere in the training
            box.
        input_rounding: per output, the most that rounding the inputs to float32 moves y there; 0 for float64 inputs.
        input_rounding_share: the largest ratio of `input_rounding` to the residual standard deviation of its output;
            None where that is not known, or is 0.
        rows: the number of probe rows.
        engines: the engines that ran the probe rows; eager PyTorch is the last of them, where it ran.
        optimised: the first engine at other levels of optimisation: the same bits in `exact` and `portable`, within the
            bound in the other precisions.
        not_run: the tool that runs such files and is not on this machine; None where the file was run.
        sha256: the SHA-256 of the file, which has `size` bytes.
        eager: `not run` where eager PyTorch was left out on purpose; None where it ran.
        imported: what the model itself was held against where linedge did not fit it; None where it did.

    Example:
        >>> from lr_export import export
        >>> from lr_trainer import lesson
        >>> certificate = export(lesson()[0], "lesson.onnx")
        >>> [measured.engine.split()[0] for measured in certificate.engines]
        ['onnxruntime', 'onnx', 'eager']
        >>> certificate.bounds["y"][0] < 1e-6
        True
    """

    linedge: str
    format: FormatName
    precision: Precision
    input_dtype: Dtype
    remark: str | None
    bounds: dict[str, tuple[float, ...]]
    input_rounding: tuple[float, ...]
    input_rounding_share: float | None
    rows: int
    engines: tuple[Measured, ...]
    optimised: tuple[str, ...]
    not_run: str | None
    size: int
    sha256: str
    eager: NotRun | None = None
    imported: Imported | None = None

    def to_json(self) -> dict[str, Json]:
        """Return JSON values."""
        return {**asdict(self), "imported": self.imported and self.imported._asdict()}

    def _repr_html_(self) -> str:
        heads = ["", "proven bound", *(run.engine for run in self.engines)]
        rows = [(y, max(self.bounds[y]), *(run.worst_error.get(y) for run in self.engines)) for y in self.bounds]
        return html_table(f"{self.format}, {self.precision}: distance from the exact model", heads, rows)


def certify(content: bytes, blueprint: Blueprint, format_name: FormatName, *, unverified: bool = False) -> Certificate:
    """Check the bytes of an artefact against its specification.

    The numbers have to be equal bit for bit, the contract equal, and the results of the format's own engines and of
    eager PyTorch (unless the contract says that it is not run) on the probe rows within the bound at each row, in every
    batch size.

    Args:
        content: the bytes as written.
        blueprint: the specification.
        format_name: the format of the bytes.
        unverified: accept a file that could not be run, because its compiler or interpreter is not on this machine.

    Raises:
        MissingToolError: the compiler or interpreter is missing, and `unverified` is False.
        CheckFailedError: a check failed; the message names the first one.
    """
    try:
        opened = BACKENDS[format_name].reopen(content, blueprint.program)
    except Exception as error:  # engines' exceptions share no base, and an artefact they refuse has failed the check
        raise CheckFailedError(f"the file as written does not load ({str(error)[:200]}). Nothing was kept") from error
    _check_content(opened, blueprint)
    tool = EXPORT_FORMATS[format_name].tool
    if not opened.engines and tool is not None and not unverified:
        raise MissingToolError([tool])
    trial = Trial.of(blueprint)
    engines = {**opened.engines}
    if blueprint.contract.eager is None:
        from lr_export.formats.torch_module import REFERENCE, eager

        engines[REFERENCE] = eager(blueprint.program)
    measured = tuple(trial.measure(name, run) for name, run in engines.items())
    if blueprint.numbers.ordered and engines:
        trial.check_same_bits(engines)
    _check_optimised(trial, opened, blueprint)
    _check_self_test(opened)
    inputs = blueprint.inputs
    return Certificate(
        linedge=blueprint.contract.linedge,
        format=format_name,
        precision=blueprint.contract.precision,
        input_dtype=inputs.dtype,
        remark="; ".join(filter(None, (inputs.remark, blueprint.uncertainty.remark))) or None,
        bounds=blueprint.claims.bounds,
        input_rounding=blueprint.contract.input_rounding or (),
        input_rounding_share=inputs.share if inputs.share is not None and math.isfinite(inputs.share) else None,
        rows=len(trial.x),
        engines=measured,
        optimised=tuple(opened.optimised),
        not_run=None if opened.engines or tool is None else tool.what,
        size=len(content),
        sha256=sha256(content),
        eager=blueprint.contract.eager,
        imported=blueprint.checkpoint.report.imported,
    )


def _check_optimised(trial: Trial, opened: Opened, blueprint: Blueprint) -> None:
    """Raise CheckFailedError where the format's own engine, optimising the file, misses the claims."""
    if opened.optimised and blueprint.contract.precision in EQUAL_BITS:
        own = next(iter(opened.engines.items()))
        trial.check_same_bits(dict([own, *opened.optimised.items()]))
        return
    for name, run in opened.optimised.items():
        trial.check(name, run)


def _check_self_test(opened: Opened) -> None:
    try:
        row = 0 if opened.self_test is None else opened.self_test()
    except (ChildProcessError, ValueError) as error:
        raise CheckFailedError(f"the self-test in the file as written fails ({error}). Nothing was kept") from error
    if row:
        raise CheckFailedError(f"row {row} of the self-test in the file as written is wrong. Nothing was kept")


def _check_content(opened: Opened, blueprint: Blueprint) -> None:
    expected = blueprint.program.constants
    if opened.numbers.keys() != expected.keys():
        raise CheckFailedError(f"the file as written holds {sorted(opened.numbers)}, not {sorted(expected)}")
    for name, array in expected.items():
        found = opened.numbers[name]
        if found.dtype != array.dtype or found.shape != array.shape or found.tobytes() != array.tobytes():
            raise CheckFailedError(f"the {name} in the file as written is not the checkpoint's. Nothing was kept")
    if opened.contract != blueprint.contract.to_json():
        raise CheckFailedError("the contract in the file as written is not the checkpoint's. Nothing was kept")

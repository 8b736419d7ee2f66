"""The options of an export, and what of them goes together: checked against the table of formats alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from lr_export.errors import MissingToolError
from lr_runtime.contract.contract import PRECISIONS, Precision, Result
from lr_runtime.contract.formats import EXPORT_FORMATS, FormatName
from lr_runtime.errors import OptionError
from lr_runtime.options import AT_LEAST_1, FLAG, LEVEL, TEXT, VALUES, OneOf, check_options, check_value, option

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


InputChoice = Literal["auto", "float32", "float64"]
INPUT_CHOICES: tuple[InputChoice, ...] = get_args(InputChoice)

OPSET = 13
"""The lowest opset of ONNX that has every operator of a graph in its present form."""

NAME = "linedge"
"""The name of a graph, and of what is in a C header, by default."""


@dataclass(frozen=True)
class ExportOptions:
    """The options of `lr_export.export`; see there."""

    precision: Precision = option("exact", OneOf(PRECISIONS), "The arithmetic of the model.")
    input_dtype: InputChoice = option(
        "auto",
        OneOf(INPUT_CHOICES),
        "The dtype of x; auto: float32, or float64 where float32 would cost over 1 % of the residual sd.",
        "--input",
    )
    interval: float | None = option(
        None, LEVEL, "Also give y_lower and y_upper, the ends of a prediction interval of this level, such as 0.95."
    )
    flags: bool = option(False, FLAG, "Also give in_range and leverage: whether a row is like the training rows.")
    mean: bool = option(False, FLAG, "Of a target fitted as log(y) or sqrt(y) give the mean; else y is the median.")
    inverse: str | None = option(
        None, TEXT, "Take a reading of the output back to COLUMN, or the only one.", "--inverse [COLUMN]"
    )
    at: Mapping[str, object] | None = option(
        None, VALUES, "With --inverse the values of the other columns.", "--at NAME=VALUE,..."
    )
    opset: int | None = option(
        None, AT_LEAST_1, f"The opset of ONNX. [default: the lowest that has the graph, {OPSET}]"
    )
    name: str | None = option(
        None, TEXT, f"The ONNX graph's name; those in a C header begin with it. [default: {NAME}]"
    )
    unverified: bool = option(False, FLAG, "Keep C or JavaScript that nothing on this machine could run.")
    without_eager: bool = option(False, FLAG, "Verify without eager PyTorch, and so without torch. The file says so.")
    drift: bool = option(
        False, FLAG, "Tell lr-serve the training rows' means, sds and shares; the file says that much of them, then."
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.inverse is None and self.at:
            raise OptionError("--at goes with --inverse, whose other columns it holds")
        if self.inverse is not None and (self.flags or self.mean or self.drift):
            raise OptionError("--inverse gives in_range by itself. Leave --flags, --mean and --drift out")


def asked_for(*, interval: float | None, flags: bool, inverse: bool = False) -> tuple[Result, ...]:
    """Return the results that these options add to y, for any model."""
    ends: tuple[Result, ...] = () if interval is None else ("y_lower", "y_upper")
    further: tuple[Result, ...] = ("in_range",) if inverse else ("in_range", "leverage") if flags else ()
    return ("y", *ends, *further)


def that_have(precision: Precision, results: Iterable[Result] = ("y",)) -> list[FormatName]:
    """Return the formats that have a precision and can give these results."""
    wanted = set(results)
    return [name for name, c in EXPORT_FORMATS.items() if precision in c.precisions and wanted <= set(c.results)]


def check_pair(format_name: FormatName, precision: Precision, results: Iterable[Result] = ("y",)) -> None:
    """Raise OptionError where a format has not the precision, or cannot give the results."""
    check_value("--format", OneOf(tuple(EXPORT_FORMATS)), format_name)
    check_value("--precision", OneOf(PRECISIONS), precision)
    choice = EXPORT_FORMATS[format_name]
    if precision not in choice.precisions:
        raise OptionError(
            f"the format {format_name} has no precision {precision}; it has {', '.join(choice.precisions)}. "
            f"Formats with {precision}: {', '.join(that_have(precision))}"
        )
    if strange := [result for result in results if result not in choice.results]:
        raise OptionError(
            f"the format {format_name} cannot give {', '.join(strange)}. "
            f"Formats that can: {', '.join(that_have(precision, strange))}"
        )


def check_tools(format_names: Iterable[FormatName]) -> None:
    """Raise MissingToolError where one of these formats has nothing on this machine that runs it."""
    tools = (EXPORT_FORMATS[name].tool for name in format_names)
    if missing := [tool for tool in tools if tool is not None and tool.path() is None]:
        raise MissingToolError(missing)

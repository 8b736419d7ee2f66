"""The checkpoint: where the trainer and the export stage meet. One safetensors file, readable without torch.

Its float64 numbers *are* the model: output k at a row x is, as exact rational numbers,

    y_k = bias_k + sum_t weight_kt term_t(x)

where a term is a power of u_j = (x_j - origin_j) / scale_j, an indicator of a category or of a missing value, or a
product of these. x_j is a column, or a function of one that stands behind the columns; a missing x_j counts as fill_j.
Of a target with a function, y_k is that function of the target.

The file also has the moments of the training rows (never a row itself, and no moments where there are fewer rows than
coefficients), the contract, and the report of the fit; for a least-squares fit also the numbers of leverage and
prediction interval, `leverage.constant`, `.mean`, `.factor` and `.shift` (`lr_runtime.contract.leverage`): where
columns are nearly collinear, float64 moments have lost their digits. Fits by exact sums have these, too, as integers:
`moments.exact.exponent` and `.digits` (`lr_trainer.arithmetic.exact_sums`).
The header is JSON, so any JSON reader can tell what a checkpoint holds; nothing in it can run code.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime.contract.contract import METADATA_KEY, Contract, Equation
from lr_runtime.contract.fit_report import FitReport
from lr_runtime.contract.leverage import Leverage
from lr_runtime.contract.terms.term import Term, read_term
from lr_runtime.errors import CheckpointError, LinedgeError
from lr_runtime.system.files import read_bytes
from lr_runtime.system.text import html_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

    from numpy.typing import NDArray

    from lr_runtime.instants import Clock

_MODEL_TENSORS = ("weight", "bias", "origin", "scale", "fill")
_MOMENTS_PREFIX = "moments."
_LEVERAGE_TENSORS = tuple(f"leverage.{part.name}" for part in fields(Leverage))
_HEADER_LIMIT = 64 << 20
_LARGE, _DIGITS, _APART = re.compile(r"[eE][+0-9][0-9]{2}"), 40, 256
"""The power of ten of a number that may be infinite; a number of 300 digits has so many of them at one of the places so
far apart."""

RUN_TRAINER = "Run lr-train first, or name a checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """A fitted model, with the moments of its training rows and the report of the fit.

    Args:
        contract: the columns, outputs and training ranges.
        weight: float64 (outputs, terms).
        bias: float64 (outputs,).
        origin: float64 (variables,), 0 unless a column's mean is far from 0 in its own standard deviations.
        scale: float64 (variables,), powers of two.
        fill: float64 (variables,), the value in place of a missing one where the column has a policy for it; else 0.
        terms: the columns of the design matrix.
        moments: float64 arrays by name, as `lr_trainer.moments.moments.Moments` names its fields.
        fit: the report of the fit, as JSON values; `report` has the same as a record.
        leverage: the leverage of a least-squares fit; None for any other fit, whose weights have another covariance.
    """

    contract: Contract
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    origin: NDArray[np.float64]
    scale: NDArray[np.float64]
    fill: NDArray[np.float64]
    terms: tuple[Term, ...]
    moments: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    leverage: Leverage | None = None

    def __post_init__(self) -> None:
        outputs, variables = len(self.contract.outputs), (len(self.contract.variables),)
        shapes = {
            "weight": (outputs, len(self.terms)),
            "bias": (outputs,),
            "origin": variables,
            "scale": variables,
            "fill": variables,
        }
        for name, shape in shapes.items():
            tensor = getattr(self, name)
            if tensor.shape != shape or tensor.dtype != np.float64:
                raise CheckpointError(
                    f"{name} is {tensor.dtype} {tensor.shape}; the contract's columns and outputs take float64 {shape}"
                )
            if not np.isfinite(tensor).all():
                raise CheckpointError(f"{name} holds a number that is not finite")
        if not (np.frexp(self.scale)[0] == 0.5).all():
            raise CheckpointError("scale holds a number that is no positive power of two")
        if self.leverage is not None and len(self.leverage.mean) != len(self.terms):
            raise CheckpointError(f"leverage.mean has {len(self.leverage.mean)} numbers for {len(self.terms)} terms")

    @cached_property
    def report(self) -> FitReport:
        """The report of the fit as a frozen record.

        Raises:
            CheckpointError: the file's report is damaged.
        """
        return FitReport.from_json(self.fit)

    @property
    def equation(self) -> Equation:
        """The model's numbers in the form of the contract."""
        return Equation(
            terms=self.terms,
            weight=tuple(tuple(row) for row in self.weight.tolist()),
            bias=tuple(self.bias.tolist()),
            origin=tuple(self.origin.tolist()),
            scale=tuple(self.scale.tolist()),
            fill=tuple(self.fill.tolist()),
        )

    def _repr_html_(self) -> str:
        from lr_runtime.contract.equation import equation_lines

        outputs, lines = self.contract.outputs, equation_lines(self.contract._replace(equation=self.equation))
        rows = [(output.name, output.r2, line) for output, line in zip(outputs, lines, strict=False)]
        return html_table(f"a linear model of {len(self.contract.columns)} columns", ["", "R2", "equation"], rows)

    def tensors(self) -> dict[str, NDArray[np.float64]]:
        """Return all arrays by their names in the file."""
        named = {name: getattr(self, name) for name in _MODEL_TENSORS}
        named |= {_MOMENTS_PREFIX + name: array for name, array in self.moments.items()}
        if self.leverage is not None:
            named |= {name: getattr(self.leverage, name.partition(".")[2]) for name in _LEVERAGE_TENSORS}
        # Row-major, as the file stores them: the safetensors library copies memory without looking at strides.
        return {name: np.asarray(array, dtype=np.float64, order="C") for name, array in named.items()}

    def metadata(self) -> dict[str, str]:
        """Return the safetensors header's metadata: one entry, because the format does not keep an order of several."""
        content = {
            "contract": json.loads(self.contract.to_json()),
            "terms": [term.to_json() for term in self.terms],
            "fit": self.fit,
        }
        return {METADATA_KEY: json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))}

    def __reduce__(self) -> tuple[Callable[[bytes], Self], tuple[bytes]]:
        """Pickle and copy as the bytes of the file, which are checked when they are read."""
        return type(self).from_bytes, (self.to_bytes(),)

    def to_bytes(self) -> bytes:
        """Return the safetensors file; equal checkpoints give equal bytes."""
        return safetensors(self.tensors(), self.metadata())

    def with_units(self, units: Mapping[str, str], times: Mapping[str, Clock] = MappingProxyType({})) -> Self:
        """Return the checkpoint with the units of some columns and outputs, and the clocks of instants."""
        contract, units = self.contract, {**units, **{name: clock.words for name, clock in times.items()}}
        columns = tuple(
            column._replace(unit=units.get(column.name, column.unit), time=times.get(column.name, column.time))
            for column in contract.columns
        )
        outputs = tuple(output._replace(unit=units.get(output.name, output.unit)) for output in contract.outputs)
        return replace(self, contract=contract._replace(columns=columns, outputs=outputs))

    def save(self, path: str | Path) -> None:
        """Write the checkpoint to `path`, atomically.

        Raises:
            UnusableFileError: the folder cannot be written.
        """
        from lr_runtime.system.replacement import write_bytes

        write_bytes(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a checkpoint file, checking every size it states.

        Raises:
            MissingFileError: there is no such file.
            CheckpointError: the file is not a checkpoint; the message says what it is.
        """
        return cls.of_file(read_bytes(path, RUN_TRAINER), path)

    @classmethod
    def of_file(cls, content: bytes, path: str | Path) -> Self:
        """Read a checkpoint from the bytes of a file, whose path the message of a CheckpointError says."""
        try:
            return cls.from_bytes(content)
        except LinedgeError as error:
            raise CheckpointError(f"{path}: not a linedge checkpoint: {error}") from error

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read a checkpoint from the bytes of its file.

        Raises:
            LinedgeError: the bytes are not a checkpoint.
        """
        header, data = split(content)
        metadata = header.pop("__metadata__", None)
        if not isinstance(metadata, dict) or not isinstance(metadata.get(METADATA_KEY), str):
            raise CheckpointError("a safetensors file that lr-train did not write. Name one that it did")
        try:
            described = json.loads(metadata[METADATA_KEY])
            contract, fit = Contract.from_fields(dict(described["contract"])), dict(described["fit"])
            if _is_doubtful(metadata[METADATA_KEY]):
                json.dumps(fit, ensure_ascii=False, allow_nan=False).encode()
            variables = contract.variables
            terms = tuple(read_term(term, variables) for term in described["terms"])
            tensors = tensors_in(header, data)
            model = {name: tensors.pop(name) for name in _MODEL_TENSORS}
            has_leverage = any(name in tensors for name in _LEVERAGE_TENSORS)
            leverage = Leverage(*(tensors.pop(name) for name in _LEVERAGE_TENSORS)) if has_leverage else None
            if not all(name.startswith(_MOMENTS_PREFIX) for name in tensors):
                raise ValueError("a tensor of no known name")
        except LinedgeError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise CheckpointError(f"its header is damaged ({error!r:.60}). Train the model again") from error
        moments = {name.removeprefix(_MOMENTS_PREFIX): tensor for name, tensor in tensors.items()}
        return cls(contract, **model, terms=terms, moments=moments, fit=fit, leverage=leverage)


def _is_doubtful(text: str) -> bool:
    """Whether JSON may hold half a character or a number that is not finite, and could not be written again."""
    words = any(word in text for word in ("\\u", "NaN", "Infinity"))
    long = any(text[place : place + _DIGITS].isdigit() for place in range(0, len(text), _APART))
    return words or long or _LARGE.search(text) is not None


def safetensors(tensors: Mapping[str, NDArray[np.float64]], metadata: Mapping[str, str]) -> bytes:
    """Return float64 arrays by name as a safetensors file.

    It has the layout that the safetensors library writes: the header's length in 8 bytes, the header as JSON with its
    tensors by name, blanks up to a multiple of 8 bytes, the numbers in little-endian float64.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    parts, end = list[bytes](), 0
    for name, array in sorted(tensors.items()):
        parts.append(array.astype("<f8").tobytes())
        header[name] = {"dtype": "F64", "shape": list(array.shape), "data_offsets": [end, end + len(parts[-1])]}
        end += len(parts[-1])
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def split(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Split a safetensors file: 8 bytes with the header's length, the header as JSON, the data."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(_HEADER_LIMIT, len(content) - 8):
        from lr_runtime.system.signatures import what_it_is

        raise CheckpointError(f"{what_it_is(content[:512]) or 'an unknown kind of file'}. {RUN_TRAINER}")
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"its header is not JSON. {RUN_TRAINER}") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"its header is not a JSON object. {RUN_TRAINER}")
    return header, memoryview(content)[8 + length :]


def tensors_in(header: Mapping[str, Any], data: memoryview) -> dict[str, NDArray[np.float64]]:
    """Return the arrays of a safetensors file, from its header without the metadata; ValueError where they are none."""
    tensors = {name: _tensor(entry, data) for name, entry in header.items()}
    _check_layout(header.values(), len(data))
    return tensors


def _check_layout(entries: Iterable[dict[str, Any]], size: int) -> None:
    end = 0
    for start, stop in sorted(entry["data_offsets"] for entry in entries):
        if start != end:
            raise ValueError("tensors overlap or leave a gap")
        end = stop
    if end != size:
        raise ValueError("bytes of no tensor")


def _tensor(entry: dict[str, Any], data: memoryview) -> NDArray[np.float64]:
    start, stop = entry["data_offsets"]
    shape = entry["shape"]
    if entry["dtype"] != "F64" or any(not isinstance(size, int) or size < 0 for size in (*shape, start)):
        raise ValueError("a tensor is not float64")
    if not start <= stop <= len(data) or stop - start != 8 * math.prod(shape):
        raise ValueError("a tensor is cut off")
    return np.frombuffer(data[start:stop], dtype="<f8").reshape(shape).astype(np.float64)

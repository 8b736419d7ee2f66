"""lr-serve and its models, and what comes of the checks on a model of any server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import lr_export
import lr_trainer
from tests.conformance.check import result
from tests.conformance.checks import ALL
from tests.conformance.client import Server
from tests.conformance.target import Declared, learned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.conformance.check import Result


class Model(NamedTuple):
    """A model of a server, and what its metadata leave open: examples of elements, other inputs than it names."""

    name: str
    values: Mapping[str, Sequence[str]] = {}
    inputs: Sequence[Declared] = ()


SITES = ("north", "süd")
INSTANTS = ("2024-01-01T06:00:00", "2024-01-02T12:30:00+01:00")
OURS = {
    "numbers": Model("cell"),
    "columns": Model("room", {"site": SITES, "when": INSTANTS}),
    "datatypes": Model(
        "room",
        inputs=[
            Declared("site", "BYTES", (-1, 1), SITES),
            Declared("when", "BYTES", (-1,), INSTANTS),
            Declared("wet", "BOOL", (-1, 1)),
            Declared("floor", "INT16", (-1,)),
        ],
    ),
}
"""The models of lr-serve: columns of numbers, packed; other columns, by name; the same by other datatypes."""


def results(url: str, model: Model) -> list[Result]:
    """Return what comes of every check on a model."""
    target = learned(Server(url), model.name, model.values, model.inputs)
    return [result(each, target) for each in ALL]


def write_models(folder: Path) -> None:
    """Write the models of lr-serve: `cell`, with intervals and flags, and `room`, with a category and an instant."""
    mv, temp = [float(i % 9) for i in range(30)], [20.0 + i % 4 for i in range(30)]
    noise = [0.01 * (i * i % 7) for i in range(30)]
    kg = [2 * a + 0.1 * b + c for a, b, c in zip(mv, temp, noise, strict=True)]
    cell = lr_trainer.fit({"mv": mv, "temp": temp, "kg": kg}, target="kg")
    lr_export.export(cell, folder / "cell.onnx", interval=0.95, flags=True, without_eager=True)
    room: dict[str, list[float] | list[str]] = {
        "site": [["north", "süd", "mill"][i % 3] for i in range(30)],
        "when": [f"2024-01-{1 + i:02}T{i % 24:02}:00:00" for i in range(30)],
        "wet": [float(i % 2) for i in range(30)],
        "floor": [float(i % 5) for i in range(30)],
        "rh": [40 + 3.0 * (i % 5) + 7 * (i % 2) + c for i, c in enumerate(noise)],
    }
    fitted = lr_trainer.fit(room, target="rh", time={"when": "hours"})
    lr_export.export(fitted, folder / "room.onnx", interval=0.95, without_eager=True)

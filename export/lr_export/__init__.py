"""From a checkpoint to a file that proves itself: built, written, read back, checked against exact arithmetic, kept.

    table -> moments -> checkpoint -> graph -> certificate -> prediction
                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    layout.py        where the terms stand in the design matrix
    numbers.py       the checkpoint's numbers at a precision;  inputs.py  the dtype of x, and what it costs
    program.py       the language of straight-line programs;  building.py  the model as one
    graph.py         the ONNX graph of a program;  module.py, torchscript.py  its PyTorch module and TorchScript file
    formats.py       the one table of formats: how each is built, and what evaluates it
    arithmetic.py    exact arithmetic on floating-point numbers;  exact.py  the model in it
    bound.py         how far an engine may be from the exact model, with its derivation
    blueprint.py     what an artefact is to be: program, contract, claims
    probes.py        the rows that a file is checked on;  measuring.py  engines held against the claims
    golden.py        the rows that travel with the file
    certificate.py   the check of the bytes
    exporting.py     the way through: nothing is written that did not pass

>>> import lr_export
>>> lr_export.export("model.safetensors", "model.onnx").sha256  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.lazy import lazily

if TYPE_CHECKING:
    from lr_export.certificate import Certificate
    from lr_export.exporting import export

__all__ = ["Certificate", "export"]

__getattr__ = lazily(
    __name__,
    {
        "Certificate": "certificate",
        "export": "exporting",
    },
    extra="export",
)

"""From a checkpoint to a file that proves itself: built, written, read back, checked against exact arithmetic, kept.

    table -> moments -> checkpoint -> graph -> certificate -> prediction
                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    layout.py        where the terms stand in the design matrix
    numbers.py       the checkpoint's numbers at a precision;  inputs.py  the dtype of x, and what it costs
    program.py       the language of straight-line programs;  building.py  the model as one
    graph.py         the ONNX graph of a program;  module.py  its PyTorch module;  torchscript.py, pt2.py, archive.py
                     the files made of that;  source.py, c_header.py, javascript.py  the program as source code
    choices.py       the one table of formats;  formats.py  how each is built, and what evaluates it
    known_rows.py    the rows of a source file's self-test;  toolchain.py  compilers and interpreters as engines
    arithmetic.py    exact arithmetic on floating-point numbers;  exact.py  the model in it
    bound.py         how far an engine may be from the exact model, with its derivation
    blueprint.py     what an artefact is to be: program, contract, claims
    interval.py      the prediction interval of a checkpoint;  leverage.py, limits.py, uncertainty.py  what an artefact
                     gives of it beside y;  leverage_bound.py, uncertainty_bound.py  how far an engine may be off there
    claim.py         what is claimed of an artefact;  probes.py  the rows that it is checked on;  measuring.py  engines
                     held against the claims
    golden.py        the rows that travel with the file
    certificate.py   the check of the bytes
    exporting.py     the way through: nothing is written that did not pass;  errors.py
    __main__.py      lr-export as a program;  cli.py  its words

>>> import lr_export
>>> lr_export.export("model.safetensors", "model.onnx").sha256  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.system.lazy import lazily

if TYPE_CHECKING:
    from lr_export.certificate.certify import Certificate
    from lr_export.exporting import export

__all__ = ["Certificate", "export"]

__getattr__ = lazily(
    __name__,
    {
        "Certificate": "certificate.certify",
        "export": "exporting",
    },
    extra="export",
)

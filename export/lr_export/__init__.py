"""From a checkpoint to a file that proves itself: built, written, read back, checked against exact arithmetic, kept.

    table -> moments -> checkpoint -> graph -> certificate -> prediction
                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    exporting.py  the way through: nothing is written that did not pass
    importing/    the way in for models of other libraries: from_torch, from_statsmodels, lr-import
    certificate/  what a file is to be, and the check that it is
    bounds/       how far an engine may be from the exact model
    formats/      how each format is written and run
    model/        the model as artefacts hold it: terms, layout, numbers, and the program of them
    program/      the straight-line program that every format is made from
    exact/        exact arithmetic, the training box

>>> import lr_export
>>> import lr_trainer
>>> checkpoint = lr_trainer.fit({"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.0]}, target="y")
>>> lr_export.export(checkpoint, "model.onnx").rows
1022
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.system.lazy import lazily

if TYPE_CHECKING:
    from lr_export.certificate.certify import Certificate
    from lr_export.exporting import export
    from lr_export.importing.scikit_learn import from_sklearn
    from lr_export.importing.statsmodels_results import from_statsmodels
    from lr_export.importing.torch_layers import from_torch

__all__ = ["Certificate", "export", "from_sklearn", "from_statsmodels", "from_torch"]

__getattr__ = lazily(
    __name__,
    {
        "certificate.certify": "Certificate",
        "exporting": "export",
        "importing.scikit_learn": "from_sklearn",
        "importing.statsmodels_results": "from_statsmodels",
        "importing.torch_layers": "from_torch",
    },
    extra="export",
)

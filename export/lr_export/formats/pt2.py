"""The file of torch.export: what PyTorch loads without our code, and its own compilers take further."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import torch

from lr_export.formats.backend import Backend, Opened
from lr_export.formats.torch_module import ProgramModule, example, opened, repacked
from lr_runtime.contract.contract import METADATA_KEY, Contract

if TYPE_CHECKING:
    from lr_export.program.program import Program

_LEFT_OUT = re.compile(r"/serialization_id$")
_BUILD = re.compile(rb'("torch_version": "[0-9.]+)\+[^"]*')
_TELLS_PLACES = ("stack_trace", "nn_module_stack", "torch_fn")


def pt2_bytes(program: Program, contract: Contract) -> bytes:
    """Return the archive; equal programs and contracts give equal bytes.

    torch notes at every node from which line of which file it comes, keeps the example that was traced,
    numbers each saving, and tells its own build (`+cpu`); all that is left out. Saving to memory keeps the file's own
    name out of it.
    """
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    exported = torch.export.export(ProgramModule(program).eval(), (example(program),), dynamic_shapes=shapes)
    for node in exported.graph.nodes:
        for note in _TELLS_PLACES:
            node.meta.pop(note, None)
    exported.example_inputs = None
    saved = io.BytesIO()
    torch.export.save(exported, saved, extra_files={METADATA_KEY: contract.to_json()})
    return repacked(saved, _changed)


def _changed(name: str, content: bytes) -> tuple[str, bytes] | None:
    if _LEFT_OUT.search(name):
        return None
    return name, _BUILD.sub(rb"\1", content) if name.endswith("/model.json") else content


def _reopen(content: bytes, program: Program) -> Opened:
    """Read bytes that were written a moment ago, and no others: torch.export.load trusts them."""
    extra = {METADATA_KEY: ""}
    exported = torch.export.load(io.BytesIO(content), extra_files=extra)
    return opened(exported.module(), extra[METADATA_KEY], program, "torch.export")


BACKEND = Backend(pt2_bytes, _reopen)

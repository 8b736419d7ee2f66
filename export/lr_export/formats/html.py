"""The HTML page on which a person tries the model, from disk: one file with the JavaScript module of `js.py` inside.

Its numbers and contract are read back out of that module, which Node.js runs for the certificate; all else in the file
has to be, byte for byte, the page that such a module has.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from lr_export.formats.backend import Backend
from lr_export.formats.js import BACKEND as MODULE
from lr_export.formats.js import JavaScript
from lr_runtime.contract.contract import Contract
from lr_runtime.page.description import described, numbers_of
from lr_runtime.page.page import in_script, page_of, part

if TYPE_CHECKING:
    from lr_export.formats.backend import Opened
    from lr_export.program.program import Program

_SCRIPT = '<script type="module">'
_BACKEND = """\
const backendOf = (() => {{
{local}
return (description) => localBackend(description, predict);
}})();"""


def _build(program: Program, contract: Contract) -> bytes:
    return _around(in_script(MODULE.build(program, contract).decode()), contract)


def _reopen(content: bytes, program: Program) -> Opened:
    """Read a page back. Raises ValueError where it is not the one that its module and its contract have."""
    module, found, _ = content.decode().partition(_SCRIPT)[2].partition(JavaScript.end)
    module += found
    opened = MODULE.reopen(module.encode(), program)
    if _around(module, Contract.from_json(opened.contract)) != content:
        raise ValueError("it is not the page of the model inside")
    return opened


def _around(module: str, contract: Contract) -> bytes:
    """Return the page around a module, which stands first in its script; it is called by what it predicts."""
    name = ", ".join(contract.output_names)
    description = described(contract, name, sha256(module.encode()).hexdigest(), "html")
    of_model = {**description, "model": numbers_of(contract)}
    return page_of([of_model], [module, _BACKEND.format(local=part("local.js"))]).encode()


BACKEND = Backend(_build, _reopen)

"""The page as one HTML file: its own files, the models' descriptions, and the JavaScript that predicts with them.

Its policy lets nothing run or style it but what stands in it, by their SHA-256, and nothing be fetched, but from the
server that it came from where it asks one. Attributes of style are refused by it, too; scripts set styles by property.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCRIPTS = ("numbers.js", "drawings.js", "fields.js", "page.js")
_START = 'main(JSON.parse(document.getElementById("description").textContent), backendOf);'
_TAG = re.compile("<(?=[!/s])", re.IGNORECASE)
"""What begins a comment or a tag that would change where a script ends: <!--, <script, </script."""


def page_of(
    descriptions: Sequence[Mapping[str, object]], script_parts: Sequence[str], *, asks_server: bool = False
) -> str:
    """Return the page; it needs no other file.

    Args:
        descriptions: of `lr_runtime.page.description.described`, one for each model.
        script_parts: JavaScript that defines `backendOf(description)`, which gives what predicts with a model.
        asks_server: whether the page may ask the server that it came from.
    """
    style = part("page.css")
    script = in_script("\n".join([*script_parts, *map(part, SCRIPTS), _START]))
    sources = f"style-src {_digest(style)}; script-src {_digest(script)}; img-src data:"
    asked = "; connect-src 'self'" if asks_server else ""
    policy = f"default-src 'none'; {sources}{asked}; base-uri 'none'; form-action 'none'"
    described = json.dumps(descriptions, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    filled = {
        "style": f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<style>{style}</style>',
        "description": f'<script type="application/json" id="description">{described}</script>',
        "script": f'<script type="module">{script}</script>',
    }
    return re.sub("<!--(style|description|script)-->", lambda found: filled[found[1]], part("page.html"))


def part(name: str) -> str:
    """Return one of the page's own files as text."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def in_script(text: str) -> str:
    r"""Return JavaScript that ends no script: `<` before what would be a tag is the escape of it.

    Code has a blank there, so that it changes comments, texts and patterns alone, which mean the same.

    >>> in_script("// </script> if (a < s)")
    '// \\u003c/script> if (a < s)'
    """
    return _TAG.sub(r"\\u003c", text)


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

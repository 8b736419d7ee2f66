"""The Python of docs/scoring.md runs, that of the engines too, which tests/test_documents.py leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.engines.distributed.conftest import HOW
from tests.test_documents import ROOT, python_of

if TYPE_CHECKING:
    from pathlib import Path


def test_the_python_of_every_engine_runs(ray: Any, spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("daft", "dask", "duckdb"):
        pytest.importorskip(package, reason=f"{package} is not installed here: {HOW}")
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text((ROOT / "docs" / "scoring.md").read_text(encoding="utf-8").replace("```py\n", "```python\n"))
    exec(compile(python_of(page), "scoring.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own page

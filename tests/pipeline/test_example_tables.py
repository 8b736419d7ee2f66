"""The tables of the examples are those that their script writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_script_writes_the_tables_as_they_are(tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / "make_tables.py", tmp_path], check=True)
    written = sorted(tmp_path.iterdir())
    assert [path.name for path in written] == ["load_cell.csv", "sensor_curve.csv", "thermistor.csv"]
    assert [path.read_bytes() for path in written] == [(EXAMPLES / path.name).read_bytes() for path in written]

"""The checkpoints of a fleet, file by file: each is read once, held against the others, and listed."""

from __future__ import annotations

import glob
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lr_runtime.contract.checkpoint import RUN_TRAINER
from lr_runtime.errors import OptionError
from lr_runtime.system.files import read_bytes, sha256
from lr_runtime.system.replacement import write_bytes
from lr_runtime.tables.files.several import files_of
from lr_trainer.fitting.joining import join
from lr_trainer.model.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Listed(NamedTuple):
    """A checkpoint that was joined: its file, as it was named, the SHA-256 of its bytes, and its rows."""

    file: str
    sha256: str
    rows: int | None


def checkpoints_in(sources: Sequence[str]) -> list[str]:
    """Return the files that paths, folders and patterns stand for, in order; those of one folder by name.

    Raises:
        MissingFileError: a folder has no checkpoint, or a pattern fits no file.
        OptionError: a file comes twice.
    """
    return files_of([f"{glob.escape(each)}/*.safetensors" if Path(each).is_dir() else each for each in sources])


def merge_files(files: Sequence[str], min_rows: int | None = None) -> tuple[Checkpoint, list[Listed]]:
    """Return the fit of the rows of all checkpoints, and the list of them; see `lr_trainer.merge`.

    Raises:
        OptionError: two files have the same bytes.
    """
    listed: list[Listed] = []
    return join(_read(files, listed), min_rows), listed


def _read(files: Sequence[str], listed: list[Listed]) -> Iterator[tuple[str, Checkpoint]]:
    known: dict[str, str] = {}
    for file in files:
        content = read_bytes(file, RUN_TRAINER)
        digest = sha256(content)
        if (other := known.setdefault(digest, file)) is not file:
            raise OptionError(f"{file} is a copy of {other}: its rows would count double. Name one of them")
        checkpoint = Checkpoint.of_file(content, file)
        listed.append(Listed(file, digest, checkpoint.contract.rows))
        yield file, checkpoint


def write_manifest(path: Path, checkpoint: Checkpoint, listed: Sequence[Listed]) -> None:
    """Write what a checkpoint was joined from as JSON, with its own SHA-256."""
    whole = {"sha256": sha256(checkpoint.to_bytes()), "rows": checkpoint.contract.rows}
    manifest = {**whole, "parts": [each._asdict() for each in listed]}
    write_bytes(path, f"{json.dumps(manifest, ensure_ascii=False, indent=0)}\n".encode())

"""The models that are served, by name: one file, or every model of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lr_runtime.errors import MissingFileError, OptionError, escaped, listed
from lr_runtime.prediction.predictor import Predictor
from lr_runtime.serving.http import HttpError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from lr_runtime.choices import LoadOptions
    from lr_runtime.contract.contract import Contract


@dataclass(frozen=True)
class Served:
    """A model under its name. A request keeps the one that it began with, whatever is swapped in meanwhile.

    Attributes:
        name: the stem of its file.
        predictor: the model, ready.
        version: the first digits of the SHA-256 of its bytes.
    """

    name: str
    predictor: Predictor

    @property
    def contract(self) -> Contract:
        """What it takes and gives."""
        return self.predictor.contract

    @property
    def version(self) -> str:
        """The first twelve digits of the SHA-256 of its file, which no other file has."""
        return self.predictor.sha256[:12]


class Models:
    """The models of a file or a folder.

    Args:
        source: the path of a model, or of a folder of them, `*.onnx`.
        loading: how each is loaded.

    Raises:
        MissingFileError: there is no such file, or no model in the folder.
        LinedgeError: see `Predictor.load`.
    """

    def __init__(self, source: str | os.PathLike[str], loading: LoadOptions) -> None:
        self._loading = loading
        path = Path(source)
        paths = sorted(path.glob("*.onnx")) if path.is_dir() else [path]
        if not paths:
            raise MissingFileError(str(path), "Put models into the folder: lr-export -o FOLDER/NAME.onnx")
        if loading.sha256 is not None and path.is_dir():
            raise OptionError("--sha256 is of one model. Name the model, not a folder")
        self._by_name = {each.stem: self._load(each) for each in paths}

    def _load(self, path: Path) -> Served:
        from dataclasses import fields

        options = {each.name: getattr(self._loading, each.name) for each in fields(self._loading)}
        return Served(path.stem, Predictor.load(path, **options))

    def __iter__(self) -> Iterator[Served]:
        """Iterate over the models in the order of their names."""
        return iter([*self._by_name.values()])

    def named(self, name: str | None, version: str | None = None) -> Served:
        """Return the model of a name, the only one of None; HttpError 404 where there is none."""
        known = self._by_name
        if name is None and len(known) != 1:
            raise HttpError(404, f"there are several models; name one of {listed([*known])}: ?model=NAME")
        served = next(iter(known.values())) if name is None else known.get(name)
        if served is None:
            raise HttpError(404, f"there is no model {escaped(str(name))}; there is {listed([*known])}")
        if version is not None and version != served.version:
            raise HttpError(404, f"the model {escaped(served.name)} has version {served.version} alone")
        return served

"""The models that are served, by name: one file, or every model of a folder; each replaced when its file is.

A file counts as changed where its inode, size or times are others, and is read when two looks in a row saw it alike: it
is not being written then, and what is written to it later has a later time. A change is looked at once. What is not a
good model is refused, and the model before it stays; so does one whose file is gone, until a restart: a disk that is
not there for a while shall not end predictions.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from weakref import ref

from lr_runtime.errors import CheckFailedError, MissingFileError, ModelFileError, OptionError, escaped, listed, shown
from lr_runtime.inspection.self_test import golden_test
from lr_runtime.prediction.predictor import Predictor
from lr_runtime.serving.http import HttpError
from lr_runtime.system.text import composed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from lr_runtime.choices import LoadOptions
    from lr_runtime.contract.contract import Contract

_SECONDS_BETWEEN_LOOKS = 0.4
"""Two looks, after which a change is taken in, are over within a second."""

_Signature = tuple[int, ...]


@dataclass(frozen=True)
class Served:
    """A model under its name. A request keeps the one that it began with, whatever is swapped in meanwhile.

    Attributes:
        name: the stem of its file.
        predictor: the model, ready.
    """

    name: str
    predictor: Predictor

    @property
    def contract(self) -> Contract:
        """What it takes and gives."""
        return self.predictor.contract

    @cached_property
    def version(self) -> str:
        """The first twelve digits of the SHA-256 of its file, which no other file has."""
        return self.predictor.sha256[:12]


class Models:
    """The models of a file or a folder.

    Args:
        source: the path of a model, or of a folder of them, `*.onnx`.
        loading: how each is loaded.
        say: takes one line of what happens to a file.

    Attributes:
        swaps: how many times each model was replaced.
        refusals: how many times each one's file was not taken for a model.

    Raises:
        MissingFileError: there is no such file, or no model in the folder.
        CheckFailedError: a model is not right on this machine.
        LinedgeError: see `Predictor.load`.
    """

    def __init__(
        self, source: str | os.PathLike[str], loading: LoadOptions, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._source, self._loading, self._say = Path(source), loading, say
        self._is_folder = self._source.is_dir()
        if self._is_folder and loading.sha256 is not None:
            raise OptionError("--sha256 is of one model. Name the model, not a folder")
        if not (paths := self._paths()):
            raise MissingFileError(self._source, "Put models into the folder: lr-export -o FOLDER/NAME.onnx")
        self._by_name = {each.name: each for each in map(self._load, paths)}
        if len(self._by_name) < len(paths):
            raise OptionError(f"{self._source}: two models have one name, {listed([*map(_name, paths)])}. Rename one")
        self.swaps, self.refusals = Counter[str](), Counter[str]()
        # Nothing is decided yet of a file as it is now: it may be written again within the step of its times.
        self._decided: dict[Path, _Signature | None] = {}
        self._before: dict[Path, _Signature | None] = {}
        self._watcher: Thread | None = None

    def __iter__(self) -> Iterator[Served]:
        """Iterate over the models in the order of their names."""
        return iter([each for _, each in sorted(self._by_name.items())])

    def named(self, name: str | None, version: str | None = None) -> Served:
        """Return the model of a name, the only one of None; HttpError 404 where there is none."""
        known = self._by_name
        if name is None and len(known) != 1:
            raise HttpError(404, f"there are several models; name one of {listed([*known])}: ?model=NAME")
        served = next(iter(known.values())) if name is None else known.get(name) or known.get(composed(name))
        if served is None:
            raise HttpError(404, f"there is no model {escaped(str(name))}; there is {listed([*known])}")
        if version is not None and version != served.version:
            raise HttpError(404, f"the model {escaped(served.name)} has version {served.version} alone")
        return served

    def known(self, name: str | None) -> Served | None:
        """Return the model of a name, the only one of None; None where there is none."""
        try:
            return self.named(name)
        except HttpError:
            return None

    def watch(self) -> None:
        """Have a thread of this process look at the files from now on; one that was forked off needs its own."""
        if self._watcher is None or not self._watcher.is_alive():
            self._watcher = Thread(target=_watch, args=(ref(self),), daemon=True, name="models")
            self._watcher.start()

    def look(self) -> None:
        """Look at all files once, and take in those that have changed and are as they were at the last look."""
        now = {path: _signature(path) for path in {**self._before, **dict.fromkeys(self._paths())}}
        for path, found in now.items():
            settled = path in self._before and self._before[path] == found
            if settled and (path not in self._decided or self._decided[path] != found):
                self._decided[path] = found
                self._take(path, is_there=found is not None)
        self._before = now

    def _paths(self) -> Sequence[Path]:
        if not self._is_folder:
            return [self._source]
        return sorted(path for path in self._source.glob("*.onnx") if not path.name.startswith("."))

    def _load(self, path: Path) -> Served:
        try:
            (name := _name(path)).encode()
        except UnicodeEncodeError as error:
            raise ModelFileError(f"{shown(str(path))}: its name is not text in UTF-8. Rename it") from error
        predictor = Predictor.load(path, **vars(self._loading))
        if predictor.contract.golden_rows:
            try:
                golden_test(lambda x: predictor.predict(x).values, predictor.contract)
            except CheckFailedError as error:
                raise CheckFailedError(f"{path}: {error}") from error
        if predictor.is_foreign:
            self._say(f"{path} is not of linedge: what it does, and how exact it is, is not checked")
        return Served(name, predictor)

    def _take(self, path: Path, *, is_there: bool) -> None:
        """Serve what a file has become, or say why not."""
        name = _name(path)
        old = self._by_name.get(name)
        if not is_there:
            if old is not None:
                self._say(f"{path} is gone; {old.name} is served as it was, until a restart")
            return
        try:
            new = self._load(path)
        except Exception as error:  # whatever it is, the thread goes on, and the model that is served stays
            self.refusals[shown(name)] += 1
            stays = f"version {old.version} of {name} stays" if old is not None else "it is not served"
            self._say(f"refused, {stays}: {error}")
            return
        if old is not None and old.version == new.version:
            return
        self._by_name = {**self._by_name, name: new}
        self.swaps[name] += old is not None
        self._say(_swapped(old, new))


def _name(path: Path) -> str:
    return composed(path.stem)


def _signature(path: Path) -> _Signature | None:
    """Return what is another number when a file is replaced or written to; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _swapped(old: Served | None, new: Served) -> str:
    if old is None:
        return f"{new.name}: new, version {new.version}"
    line = f"{new.name}: version {old.version} is replaced by {new.version}"
    for what in ("column_names", "output_names"):
        names = getattr(new.contract, what)
        if names != getattr(old.contract, what):
            line += f"; its {what.partition('_')[0]}s are now {listed(names)}"
    return line


def _watch(models: ref[Models]) -> None:
    """Look at the files of models again and again, as long as anything refers to the models."""
    while True:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        if (found := models()) is None:
            return
        found.look()
        del found

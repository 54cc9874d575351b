"""The models an edge server may run: files of one folder, and the zoo."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from fusepath.errors import ModelError, one_line
from fusepath.onnx_io import file_sha256, joined_sha256, load_model
from fusepath.onnx_io.source import PREFIX as ZOO
from fusepath.onnx_io.zoo import NAMES as BUILT_IN
from fusepath.protocol.shelf import Shelf
from fusepath.remote.located_model import AnotherModelError, LocatedModel
from fusepath.remote.memory_budget import MemoryBudget
from fusepath.spelling import spelt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.onnx_io import Model
    from fusepath.plan import ModelReference

logger = logging.getLogger(__name__)

MAX_INPUT_ELEMENTS = 3 * 2048 * 2048
_ONE_MODEL = 1 << 62
"""Room for a model that is loaded in any case."""
_MOST_REMEMBERED = 256
_MOST_LIES, _LIES_S = 4, 600.0
"""So many networks of the zoo are made in such a time that turn out to be others than was said."""


class ModelStore:
    """Finds models by the SHA-256 of their files; keeps the last few loaded.

    Args:
        folder: where ``*.onnx`` files lie; None knows the zoo alone. Files that cannot be read,
            lack the weights that they keep elsewhere, or are links out of the folder are left out
            with a warning. What comes later is found when it is asked for.
        budget_bytes: memory that loaded models may take, an eighth of this machine's where it is
            not said; those not used for longest go first.

    Raises:
        ModelError: the folder cannot be read.
    """

    def __init__(
        self, folder: str | Path | None = None, *, budget_bytes: int | None = None
    ) -> None:
        self._digests: dict[Path, str] = {}
        """Of the files of the folder, of which several may be the same."""
        if budget_bytes is None:
            budget_bytes = MemoryBudget.of_this_machine().models_bytes
        self._loaded: Shelf[tuple[str, tuple[int, ...]], Model] = Shelf(budget_bytes)
        self._lock, self._reading = threading.Lock(), threading.Lock()
        """Plans and profiles are loaded on threads of their own; one model is read at a time."""
        self._built: dict[str, str] = {}
        """Digests of networks of the zoo that were made here, so that a false one costs nothing."""
        self._lies_s: deque[float] = deque(maxlen=_MOST_LIES)
        """When networks of the zoo turned out to be others than was said, of late."""
        self._named: dict[str, tuple[str, tuple[int, ...]]] = {}
        """Digest and shape of models that were asked for by their names, by where they are."""
        self._folder = None if folder is None else Path(folder).resolve()
        self._seen: dict[Path, tuple[Path, int, int]] = {}
        """Files of the folder, and by what a change of them shows."""
        if self._folder is not None and not self._folder.is_dir():
            raise ModelError(f"models folder '{folder}' is not a folder")
        self._look()

    def _look(self) -> bool:
        """See what the folder holds; whether that is anything new."""
        new, folder = False, self._folder
        for file in [] if folder is None else sorted(folder.glob("*.onnx")):
            stamp = _stamp(file)
            if stamp is None or not stamp[0].is_file() or self._seen.get(file) == stamp:
                continue
            self._seen[file], new = stamp, True
            self._digests.pop(file, None)
            if folder is not None and stamp[0].is_relative_to(folder):
                self._add(file)
            else:
                logger.warning("not served: '%s' is a link out of the folder", file)
        return new

    def _add(self, file: Path) -> None:
        try:
            self._digests[file] = file_sha256(file)
        except ModelError as error:
            logger.warning("not served: %s", error)

    @classmethod
    def of(cls, model: Model) -> ModelStore:
        """A store that holds a model which is loaded already, and knows the zoo besides."""
        store = cls(budget_bytes=_ONE_MODEL)
        store._keep((model.graph.sha256, model.graph.fed_shape), model)
        return store

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def _files(self) -> dict[str, Path]:
        """A file of each digest."""
        return {sha256: file for file, sha256 in self._digests.items()}

    def get(self, reference: ModelReference) -> Model:
        """The model of a digest.

        Raises:
            ModelError: no file has this digest, and it is not the zoo's model either.
        """
        key = (reference.sha256, reference.input_shape)
        with self._reading:
            if (kept := self._loaded.get(key)) is not None:
                return kept
            model = self._read(reference)
            self._keep(key, model)
            return model

    def _read(self, reference: ModelReference) -> Model:
        try:
            return self.locate(reference).load()
        except AnotherModelError as another:
            return self.locate(reference, another).load()

    def holds(self, name: str) -> bool:
        """Whether `named` finds a model of this name."""
        try:
            self._source_of(name)
        except ModelError:
            return False
        return True

    def digest_of(self, name: str) -> str:
        """Of the file that `named` would read now; empty for ``zoo:NAME``, which never changes.

        Raises:
            ModelError: there is none.
        """
        return self._source_of(name)[1]

    def named(self, name: str) -> Model:
        """The model of a file of this name, without its ending, or ``zoo:NAME`` as published.

        Raises:
            ModelError: there is none, or it cannot be read, or leaves its input's shape open.
        """
        source, sha256 = self._source_of(name)
        with self._reading:
            key = self._named.get(source, ("", ()))
            kept = self._loaded.get(key) if sha256 in {"", key[0]} else None
            if kept is not None:
                return kept
            if sha256:
                self._check_size(name, Path(source).stat().st_size)  # before it is read
            model = load_model(source)
            key = model.graph.sha256, model.graph.fed_shape
            self._keep(key, model)
            self._named[source] = key
            return model

    def _source_of(self, name: str) -> tuple[str, str]:
        """Where the model of a name is, and its digest, where that is known."""
        if name.removeprefix(ZOO) in BUILT_IN and name.startswith(ZOO):
            return name, ""
        with self._lock:
            for _ in range(2):
                for file, sha256 in self._digests.items():
                    if Path(spelt(file)).stem == name and self._seen.get(file) == _stamp(file):
                        return str(file), sha256
                if not self._look():
                    break
        raise ModelError(f"no model '{one_line(name)}' here")

    def _keep(self, key: tuple[str, tuple[int, ...]], model: Model) -> None:
        size_bytes = sum(weights.nbytes for weights in model.weights.values())
        size_bytes += model.proto.ByteSize()
        self._check_size(model.graph.name, size_bytes)
        self._loaded.put(key, model, size_bytes)

    @staticmethod
    def _check_input(reference: ModelReference) -> None:
        if _elements(reference.input_shape) > MAX_INPUT_ELEMENTS:
            shape = list(reference.input_shape)[:8]
            raise ModelError(f"an input of {shape} is too large to serve")

    def _check_size(self, name: str, size_bytes: int) -> None:
        if size_bytes > self._loaded.budget_bytes:
            raise ModelError(
                f"'{one_line(name)}' takes {size_bytes / 1e6:.0f} MB, where models may have "
                f"{self._loaded.budget_bytes / 1e6:.0f} MB here; give the server more "
                f"memory"
            )

    def locate(
        self, reference: ModelReference, another: AnotherModelError | None = None
    ) -> LocatedModel:
        """Where the model of a digest is, as far as can be told without reading it.

        Args:
            reference: says the digest.
            another: what the model that was located before turned out to be.

        Raises:
            ModelError: there is none, or it is too large.
        """
        self._check_input(reference)
        with self._lock:
            if another is not None:
                return self._located_again(reference, another)
            return self._located(reference)

    def _located_again(self, reference: ModelReference, another: AnotherModelError) -> LocatedModel:
        """As of `_located`, now that it is known what a network of the zoo is."""
        if reference.source in self._built or not reference.source.startswith(ZOO):
            raise another
        if len(self._built) < _MOST_REMEMBERED:
            self._built[reference.source] = another.sha256
        parts = self._parts(reference.sha256, {another.sha256: reference.source})
        if parts is None:
            self._lies_s.append(time.monotonic())
            raise another
        return _located(reference, *parts)

    def _located(self, reference: ModelReference) -> LocatedModel:
        parts = self._parts(reference.sha256, self._files)
        if parts is None and self._look():
            parts = self._parts(reference.sha256, self._files)
        if parts is not None:
            self._check_size(reference.name, Path(parts[0]).stat().st_size)  # before it is read
            return _located(reference, *parts)
        if not reference.source.startswith(ZOO):
            raise ModelError(
                f"no model with SHA-256 {one_line(reference.sha256[:12])} "
                f"('{one_line(reference.name)}') here; "
                f"start the server with a folder of models that holds this very file, and the "
                f"graph behind it, if any"
            )
        known = self._built.get(reference.source)
        if known is None:
            self._check_lies(reference.source)
            return _located(reference, reference.source, None)
        parts = self._parts(reference.sha256, {known: reference.source})
        if parts is None:
            raise AnotherModelError(reference, known)
        return _located(reference, *parts)

    def _check_lies(self, source: str) -> None:
        """Make no network with weights of its own any more for digests that keep being false.

        Raises:
            ModelError: too many were.
        """
        left_s = self._lies_s[0] + _LIES_S - time.monotonic() if self._lies_s else 0.0
        if len(self._lies_s) == _MOST_LIES and left_s > 0 and "?" in source:
            raise ModelError(
                f"'{one_line(source)}' was never made here, and none is for {left_s:.0f} s: the "
                f"last {_MOST_LIES} that were asked for did not have the SHA-256 that was said"
            )

    def _parts(
        self, sha256: str, models: Mapping[str, Path | str]
    ) -> tuple[Path | str, Path | None] | None:
        """Where the model of a digest is, and the file of the graph that comes behind it."""
        if sha256 in models:
            return models[sha256], None
        for (model, source), (post, file) in itertools.product(models.items(), self._files.items()):
            if joined_sha256(model, post) == sha256:
                return source, file
        return None


def _stamp(file: Path) -> tuple[Path, int, int] | None:
    """Where a file really is, and by what a change of it shows; None for a link to nothing."""
    try:
        real = file.resolve(strict=True)
        stat = real.stat()
    except (OSError, RuntimeError):  # or to itself
        return None
    return real, stat.st_mtime_ns, stat.st_size


def _located(reference: ModelReference, source: Path | str, post: Path | None) -> LocatedModel:
    return LocatedModel(
        reference=reference,
        source=os.fsencode(source),
        post=None if post is None else os.fsencode(post),
    )


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= max(size, 1)
    return count

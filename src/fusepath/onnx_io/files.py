"""A model as it lies in a folder: its file, and the files beside it that hold its weights."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from onnx import ModelProto

from fusepath.errors import ModelError, one_line
from fusepath.onnx_io.complaint import translated
from fusepath.onnx_io.compose import followed_by
from fusepath.onnx_io.external import MOST_BYTES, embed, locations, may_be_elsewhere

if TYPE_CHECKING:
    from collections.abc import Mapping

_SEVERAL_FILES = b"fusepath model of several files\0"
"""No ONNX file begins so: a digest of several files is never that of one."""
_AND_POST = b"fusepath model and the graph behind it\0"
_MOST_FILES = 1000
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Open no symlink, and do not wait for whoever writes into a pipe."""


@dataclass(frozen=True)
class ModelFiles:
    """All bytes of a model."""

    data: bytes = field(repr=False)
    """The model file."""
    external: Mapping[str, bytes] = field(repr=False, default_factory=dict)
    """Other files that hold tensors (ONNX's external data), whole, by the location that the model
    names."""
    post: bytes = field(repr=False, default=b"")
    """The file of a graph that comes behind the model; empty without."""

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal digest of all of it; that of the model file where there is no other."""
        if self.post:
            return joined_sha256(self._model_sha256, hashlib.sha256(self.post).hexdigest())
        return self._model_sha256

    @property
    def _model_sha256(self) -> str:
        own = hashlib.sha256(self.data)
        if not self.external:
            return own.hexdigest()
        several = hashlib.sha256(_SEVERAL_FILES + own.digest())
        for location, stored in sorted(self.external.items()):
            several.update(hashlib.sha256(location.encode(errors="surrogatepass")).digest())
            several.update(hashlib.sha256(stored).digest())
        return several.hexdigest()

    def as_one_file(self, *, name: str) -> bytes:
        """The same model with all tensors in its file.

        Raises:
            ModelError: a tensor does not fit the file that it is kept in, or the graph behind it
                does not fit the model.
        """
        if not (self.external or self.post):
            return self.data
        model = ModelProto.FromString(self.data)
        embed(model, self.external, name=name)
        if self.post:
            model = followed_by(model, self.post, name=name)
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def joined_sha256(model: str, post: str) -> str:
    """Digest of a model with a graph behind it, from those of both."""
    return hashlib.sha256(_AND_POST + bytes.fromhex(model) + bytes.fromhex(post)).hexdigest()


def read_files(path: Path) -> ModelFiles:
    """A model file and all that it keeps in other files of its folder.

    Those must lie in the folder or below it, be regular files, and be reached by no link of any
    kind; they are held against the limit of 2 GiB before they are read.

    Raises:
        ModelError: a file is missing, none that may be read, or too large.
    """
    label = f"model file '{one_line(path)}'"
    data = _model_file(path, label)
    if not may_be_elsewhere(data):
        return ModelFiles(data)
    with translated(path.stem, "not an ONNX model, or a damaged or truncated one"):
        named = locations(ModelProto.FromString(data))
    if len(named) > _MOST_FILES:
        raise ModelError(f"{label} is kept in {len(named)} files; save the model as one file")
    room = MOST_BYTES - len(data)
    external = {}
    for location in named:
        external[location] = _file_beside(path.absolute().parent, location, room, label)
        room -= len(external[location])
    return ModelFiles(data, external)


def _model_file(path: Path, label: str) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ModelError(f"{label} is a directory; name the .onnx file in it")
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{label} is not a regular file; copy the model into one")
        if status.st_size > MOST_BYTES:
            raise ModelError(
                f"{label} has {status.st_size} bytes; ONNX files end at 2 GiB, use a smaller model"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{label} does not exist; check the path, or use zoo:NAME") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{label} cannot be read: {one_line(error)}") from error


def _file_beside(folder: Path, location: str, room: int, label: str) -> bytes:
    """A file that a model names; the name is not trusted."""
    where = f"{label} keeps weights in '{one_line(location)}', which"
    # Models write names in UTF-8, whatever this system's names are in.
    inside = Path(os.fsdecode(location.encode(errors="surrogateescape")))
    parts = inside.parts
    if not parts or inside.is_absolute() or ".." in parts or "\0" in location:
        raise ModelError(f"{where} is not in the model's folder; save the model as one file")
    file = folder / inside
    try:
        if os.path.realpath(file) != str(Path(os.path.realpath(folder), inside)):
            raise ModelError(f"{where} is reached by a symbolic link; put the file itself there")
        descriptor = os.open(file, os.O_RDONLY | _NO_LINKS)
        try:
            size = _checked_size(os.fstat(descriptor), where, room)
            with open(descriptor, "rb", closefd=False) as stream:
                stored = stream.read(size)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise ModelError(f"{where} is not there; copy it beside the model") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{where} cannot be read: {one_line(error)}") from error
    if len(stored) != size:
        raise ModelError(f"{where} changed while it was read; try again")
    return stored


def _checked_size(status: os.stat_result, where: str, room: int) -> int:
    """The size of a file that may be read."""
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{where} is not a regular file; copy the weights into one")
    if status.st_nlink > 1:
        raise ModelError(f"{where} has another name as well (a hard link); make a copy of its own")
    if status.st_size > room:
        raise ModelError(
            f"{where} has {status.st_size} bytes; a model ends at 2 GiB with all its files, use a "
            "smaller one"
        )
    return status.st_size

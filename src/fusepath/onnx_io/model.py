"""A network as read: what the planner sees, and the ONNX model that sub-models are cut from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusepath.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from onnx import ModelProto

    from fusepath.graph import ModelGraph
    from fusepath.onnx_io.files import ModelFiles


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A network ready to be planned and cut. Treat ``proto`` and ``weights`` as read-only."""

    graph: ModelGraph
    proto: ModelProto = field(repr=False)
    """Normalised: static shapes, no constants computed in the graph, explicit pads."""
    weights: Mapping[str, NDArray[Any]] = field(repr=False)
    """Values of the constants that ``proto`` only names."""
    origin: Callable[[], ModelFiles] = field(repr=False)
    """Fetches the model's files as they were given, which are not kept: they are as large as the
    weights."""
    source: str
    """What the user asked for: a path or ``zoo:NAME``."""

    @property
    def original(self) -> bytes:
        """The model as it was given, fetched again: its file, weights of other files put in.

        Raises:
            ModelError: it is gone, or another one by now.
        """
        files = self.origin()
        if files.sha256 != self.sha256:
            raise ModelError(f"'{self.source}' has changed since it was read; load it again")
        return files.as_one_file(name=self.graph.name)

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the original file, and of those in which it keeps weights."""
        return self.graph.sha256

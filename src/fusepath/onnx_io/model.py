"""A network as read: what the planner sees, and the ONNX model that sub-models are cut from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusepath.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from onnx import ModelProto

    from fusepath.graph import ModelGraph


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A network ready to be planned and cut. Treat ``proto`` and ``weights`` as read-only."""

    graph: ModelGraph
    proto: ModelProto = field(repr=False)
    """Normalised: static shapes, no constants computed in the graph, explicit pads."""
    weights: Mapping[str, NDArray[Any]] = field(repr=False)
    """Values of the constants that ``proto`` only names."""
    origin: Callable[[], bytes] = field(repr=False)
    """Fetches the model file as it was given, which is not kept: it is as large as the weights."""
    source: str
    """What the user asked for: a path or ``zoo:NAME``."""

    @property
    def original(self) -> bytes:
        """The model file as it was given, fetched again.

        Raises:
            ModelError: it is gone, or another one by now.
        """
        data = self.origin()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise ModelError(f"'{self.source}' has changed since it was read; load it again")
        return data

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the original file."""
        return self.graph.sha256

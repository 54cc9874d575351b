"""A network as read: what the planner sees, and the ONNX model that sub-models are cut from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    original: bytes = field(repr=False)
    """The model file as it was given."""
    source: str
    """What the user asked for: a path or ``zoo:NAME``."""

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the original file."""
        return self.graph.sha256

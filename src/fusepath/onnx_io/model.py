"""A network as read: what the planner sees, and the ONNX model that sub-models are cut from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from fusepath.onnx_io.wire import tensor_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import ModelProto

    from fusepath.graph import ModelGraph


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A network ready to be planned and cut. Treat ``proto`` as read-only."""

    graph: ModelGraph
    proto: ModelProto = field(repr=False)
    """Normalised: static shapes, no constants computed in the graph, explicit pads."""
    original: bytes = field(repr=False)
    """The model file as it was given."""
    source: str
    """What the user asked for: a path or ``zoo:NAME``."""

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the original file."""
        return self.graph.sha256

    @cached_property
    def stored_weights(self) -> Mapping[str, memoryview]:
        """Where in ``original`` each initialiser lies, as an encoded tensor; nothing is copied."""
        return tensor_bytes(self.original)

"""A network as read: what the planner sees, and the ONNX model that sub-models are cut from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fusepath.errors import ModelError
from fusepath.output_file import write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

    from fusepath.graph import ModelGraph
    from fusepath.onnx_io.boundary import Boundary
    from fusepath.onnx_io.ending import Ending
    from fusepath.onnx_io.files import ModelFiles


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A network ready to be planned and cut. Treat ``proto`` and ``weights`` as read-only."""

    graph: ModelGraph
    boundary: Boundary = field(repr=False)
    """Inputs and outputs as the owner has them, where the graph begins and ends at maps."""
    ending: Ending | None = field(repr=False)
    """What follows the graph, on the device; None where its outputs are the owner's."""
    proto: ModelProto = field(repr=False)
    """Normalised: static shapes, no constants computed in the graph, explicit pads."""
    nodes: Mapping[str, tuple[NodeProto, ...]] = field(repr=False)
    """The nodes of every operator, by its name and in running order."""
    weights: Mapping[str, NDArray[Any]] = field(repr=False)
    """Values of the constants that ``proto`` only names."""
    origin: Callable[[], ModelFiles] = field(repr=False)
    """Fetches the model's files as they were given, which are not kept: they are as large as the
    weights."""
    source: str
    """What the user asked for: a path or ``zoo:NAME``."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs that the owner knows, in their order."""
        ending = self.ending
        outputs = self.boundary.outputs if ending is None else ending.outputs
        return tuple(output.name for output in outputs)

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

    def save(self, path: str | Path) -> None:
        """Write the model as it was given into one file, for an edge server's folder.

        A model with weights in other files becomes one of another digest: load what was written.

        Raises:
            ModelError: the model cannot be fetched again.
            OutputError: the file cannot be written.
        """
        write_file(path, self.original)

    def behind(self, start: int) -> Model:
        """The rest of the network once layers ``1 … start`` have run, its layers counted anew."""
        return replace(self, graph=self.graph.behind(start)) if start else self

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the original file, and of those in which it keeps weights."""
        return self.graph.sha256

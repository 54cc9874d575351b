"""A graph on its way to normal form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from onnx import NodeProto, TensorProto, helper, numpy_helper

from fusepath.graph import product
from fusepath.onnx_io.nodes import present

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from fusepath.graph import Tensor


@dataclass(frozen=True, slots=True)
class TensorType:
    """What shape inference knows of a tensor."""

    shape: tuple[int, ...] | None
    """None while a dimension is unknown."""
    dtype: str
    """A numpy type name; empty while unknown."""

    @property
    def is_map(self) -> bool:
        """True for a batch-1 feature map (1, C, H, W) of known size."""
        return self.shape is not None and len(self.shape) == 4 and self.shape[0] == 1


Types = dict[str, TensorType]

_ELEMENT_TYPES = frozenset(helper.get_all_tensor_dtypes())


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Nodes in an order in which they can run, and the constants they read.

    Every pass returns another draft and leaves the nodes it was given alone.
    """

    model: str
    """The model's name, for messages."""
    opset: int
    ir_version: int
    input: Tensor
    """The one that is cut."""
    outputs: tuple[str, ...]
    output_types: tuple[int, ...]
    """ONNX element types that the file declares for the outputs."""
    nodes: tuple[NodeProto, ...]
    constants: Mapping[str, TensorProto]
    companions: tuple[Tensor, ...] = ()
    """Inputs besides."""
    reserved: frozenset[str] = frozenset()
    """Names of tensors that are made elsewhere."""

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """All inputs, the one that is cut first."""
        return (self.input, *self.companions)

    def activations(self, node: NodeProto) -> tuple[str, ...]:
        """Inputs of a node that are no constants, each once."""
        names = present(node.input)
        return tuple(dict.fromkeys(name for name in names if name not in self.constants))

    def array(self, name: str) -> np.ndarray | None:
        """The value of a constant; None for an activation or an input left out."""
        if name not in self.constants:
            return None
        value: np.ndarray = numpy_helper.to_array(self.constants[name])
        return value

    def tensor_names(self) -> set[str]:
        """Every tensor name in use."""
        names = {*(tensor.name for tensor in self.inputs), *self.constants, *self.reserved}
        for node in self.nodes:
            names.update(node.input, node.output)
        return names

    def readers(self) -> dict[str, list[NodeProto]]:
        """The nodes that read each tensor, each once."""
        readers: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(present(node.input)):
                readers.setdefault(name, []).append(node)
        return readers

    def uses(self) -> dict[str, int]:
        """How often each tensor is read; being an output of the network counts."""
        counts: dict[str, int] = dict.fromkeys(self.outputs, 1)
        for node in self.nodes:
            for name in present(node.input):
                counts[name] = counts.get(name, 0) + 1
        return counts


def constant_type(tensor: TensorProto) -> TensorType:
    """Shape and element type of a constant."""
    return TensorType(tuple(tensor.dims), dtype_name(tensor.data_type))


def constant_elements(tensor: TensorProto) -> int:
    """Number of elements of a constant."""
    return product(tuple(tensor.dims))


TEXT = "object"
"""How numpy, and so `dtype_name`, calls the element type of text."""


@cache
def dtype_name(element_type: int) -> str:
    """The numpy name of an ONNX element type; empty for one that is undefined or unknown."""
    if element_type not in _ELEMENT_TYPES:
        return ""
    return str(helper.tensor_dtype_to_np_dtype(element_type).name)

"""A graph under construction: nodes, weights, and how they become a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from fusepath.errors import ModelError
from fusepath.onnx_io.zoo.weights import weight_source

if TYPE_CHECKING:
    import numpy.typing as npt

    from fusepath.onnx_io.zoo.weights import Weights

OPSET = 17
IR_VERSION = 8
PROTOBUF_LIMIT_BYTES = 2**31 - 2**20  # a serialised message ends at 2 GiB; 1 MiB for the nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A tensor of the graph under construction.

    Attributes:
        name: Its name in the graph.
        shape: ``(1, C, H, W)`` for a feature map, ``(1, F)`` for a vector.
    """

    name: str
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        """Channels of a feature map, features of a vector."""
        return self.shape[1]


class Graph:
    """Collects the nodes and weights of one network.

    Args:
        name: Name of the graph.
        input_size: Height and width of the input image, in pixels.
        seed: Seed of all weights, 0 or more.
        weights: ``"he"`` or ``"integer"``; see `fusepath.onnx_io.zoo.weights`.
    """

    def __init__(self, name: str, *, input_size: int, seed: int, weights: Weights) -> None:
        self.name = name
        self.image = Value(name="image", shape=(1, 3, input_size, input_size))
        self._weights = weight_source(weights, seed=seed)
        self._nodes: dict[str, onnx.NodeProto] = {}
        self._clip_limits: tuple[str, ...] = ()
        self._constants: set[str] = set()
        self._bytes = 0
        self._model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="fusepath")
        self._model.opset_import.add(version=OPSET)
        self._model.graph.name = name

    def finish(self, *heads: Value) -> onnx.ModelProto:
        """The model whose outputs are `heads`, values that no node reads.

        One is called ``output``, several ``output1``, ``output2`` and so on.
        """
        graph = self._model.graph
        for index, head in enumerate(heads, start=1):
            name = "output" if len(heads) == 1 else f"output{index}"
            self._nodes[head.name].output[0] = name
            graph.output.append(_float_value(name, head))
        graph.node.extend(self._nodes.values())
        graph.input.append(_float_value("image", self.image))
        return self._model

    def _kernel(self, name: str, shape: tuple[int, ...], *, gain: float) -> str:
        self._bytes += 4 * math.prod(shape)
        if self._bytes > PROTOBUF_LIMIT_BYTES:
            raise ModelError(
                f"zoo:{self.name}: input size {self.image.shape[2]} makes more than 2 GiB of "
                "weights, the most one ONNX file can hold; use a smaller input size"
            )
        return self._initializer(name, self._weights.kernel(shape, gain=gain))

    def _bias(self, name: str, size: int) -> str:
        return self._initializer(name, self._weights.bias(size))

    def _constant(self, value: float | list[float]) -> str:
        """A number or vector that nobody learns, named by what it is; equal ones are one."""
        name = f"const/{value}"
        if name not in self._constants:
            self._constants.add(name)
            self._initializer(name, np.array(value, np.float32))
        return name

    def _reshape(self, name: str, x: Value, shape: tuple[int, ...]) -> Value:
        dims = f"const/{list(shape)}"
        if dims not in self._constants:
            self._constants.add(dims)
            tensor = helper.make_tensor(dims, TensorProto.INT64, [len(shape)], shape)
            self._model.graph.initializer.append(tensor)
        return self._add("Reshape", name, [x.name, dims], shape)

    def _initializer(self, name: str, array: npt.NDArray[np.float32]) -> str:
        # In place: a tensor made elsewhere is copied into the graph, and the graph into the model.
        tensor = self._model.graph.initializer.add(
            name=name, data_type=TensorProto.FLOAT, dims=array.shape
        )
        tensor.raw_data = array.astype("<f4", copy=False).tobytes()
        return name

    def _add(
        self, op_type: str, name: str, inputs: list[str], shape: tuple[int, ...], **attributes: Any
    ) -> Value:
        self._append(helper.make_node(op_type, inputs, [name], name, **attributes))
        return Value(name=name, shape=shape)

    def _append(self, node: onnx.NodeProto) -> None:
        if node.name in self._nodes:
            raise AssertionError(f"two nodes named '{node.name}'")
        self._nodes[node.name] = node


def _float_value(name: str, value: Value) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)

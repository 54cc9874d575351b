"""A graph builder: nodes, initialisers and shapes, one method per operator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, Unpack

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


class Window(TypedDict):
    """The square window of a convolution; ``pad`` is the same on all four sides."""

    kernel: int
    stride: NotRequired[int]
    pad: NotRequired[int]
    groups: NotRequired[int]


class GraphBuilder:
    """Collects the nodes and weights of one network.

    Every method appends one node (`conv_bn` two), named as asked, and returns its output.

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
        self._bytes = 0
        self._model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="fusepath")
        self._model.opset_import.add(version=OPSET)
        self._model.graph.name = name

    # ------------------------------------------------------------------ layers with weights

    def conv(
        self,
        name: str,
        x: Value,
        channels: int,
        *,
        bias: bool = True,
        gain: float = 1.0,
        **window: Unpack[Window],
    ) -> Value:
        """Square convolution.

        `gain` multiplies He weights; integer weights ignore it.
        """
        kernel, groups = window["kernel"], window.get("groups", 1)
        stride, pad = window.get("stride", 1), window.get("pad", 0)
        shape = (channels, x.channels // groups, kernel, kernel)
        inputs = [x.name, self._kernel(f"{name}/weight", shape, gain=gain)]
        if bias:
            inputs.append(self._bias(f"{name}/bias", channels))
        return self._add(
            "Conv",
            name,
            inputs,
            (1, channels, *_window(x, kernel=kernel, stride=stride, pads=2 * pad)),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[pad] * 4,
            group=groups,
        )

    def conv_bn(
        self,
        name: str,
        x: Value,
        channels: int,
        *,
        gain: float = 1.0,
        scale: float = 1.0,
        **window: Unpack[Window],
    ) -> Value:
        """Convolution without bias, then batch normalisation ``<name>/bn`` around `scale`."""
        x = self.conv(name, x, channels, bias=False, gain=gain, **window)
        return self.batch_norm(f"{name}/bn", x, scale=scale)

    def batch_norm(self, name: str, x: Value, *, scale: float = 1.0) -> Value:
        """Batch normalisation in inference form, left unfolded."""
        moments = self._weights.moments(x.channels, scale=scale)
        inputs = [self._initializer(f"{name}/{key}", a) for key, a in moments._asdict().items()]
        return self._add(
            "BatchNormalization",
            name,
            [x.name, *inputs],
            x.shape,
            epsilon=self._weights.epsilon,
        )

    def gemm(self, name: str, x: Value, features: int, *, gain: float = 1.0) -> Value:
        """Fully connected layer on a vector."""
        weight = self._kernel(f"{name}/weight", (features, x.channels), gain=gain)
        inputs = [x.name, weight, self._bias(f"{name}/bias", features)]
        return self._add("Gemm", name, inputs, (1, features), transB=1)

    # ------------------------------------------------------------------ pointwise

    def relu(self, name: str, x: Value) -> Value:
        """``max(x, 0)``."""
        return self._add("Relu", name, [x.name], x.shape)

    def leaky_relu(self, name: str, x: Value) -> Value:
        """``x`` where positive, else a fraction of it."""
        return self._add("LeakyRelu", name, [x.name], x.shape, alpha=self._weights.leaky_slope)

    def relu6(self, name: str, x: Value) -> Value:
        """``min(max(x, 0), 6)`` as a Clip whose limits are inputs shared by all calls."""
        if not self._clip_limits:
            limits = {"relu6/min": 0.0, "relu6/max": self._weights.clip_limit}
            self._clip_limits = tuple(
                self._initializer(key, np.array(limit, np.float32)) for key, limit in limits.items()
            )
        return self._add("Clip", name, [x.name, *self._clip_limits], x.shape)

    def lrn(self, name: str, x: Value, *, size: int = 5) -> Value:
        """Local response normalisation across `size` channels."""
        alpha = self._weights.lrn_alpha
        return self._add(
            "LRN", name, [x.name], x.shape, size=size, alpha=alpha, beta=0.75, bias=1.0
        )

    def add(self, name: str, a: Value, b: Value) -> Value:
        """Sum of two equal shapes."""
        return self._add("Add", name, [a.name, b.name], a.shape)

    def dropout(self, name: str, x: Value) -> Value:
        """The identity: only training drops anything."""
        return self._add("Dropout", name, [x.name], x.shape)

    # ------------------------------------------------------------------ windows and shuffles

    def max_pool(
        self,
        name: str,
        x: Value,
        *,
        kernel: int,
        stride: int,
        pad_begin: int = 0,
        pad_end: int = 0,
        ceil: bool = False,
    ) -> Value:
        """Square maximum; `ceil` keeps a last window that hangs over the end."""
        size = _window(x, kernel=kernel, stride=stride, pads=pad_begin + pad_end, ceil=ceil)
        return self._add(
            "MaxPool",
            name,
            [x.name],
            (1, x.channels, *size),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[pad_begin, pad_begin, pad_end, pad_end],
            ceil_mode=int(ceil),
        )

    def concat(self, name: str, *values: Value) -> Value:
        """Channels of all `values`, in this order."""
        shape = (1, sum(value.channels for value in values), *values[0].shape[2:])
        return self._add("Concat", name, [value.name for value in values], shape, axis=1)

    def space_to_depth(self, name: str, x: Value, *, block: int) -> Value:
        """Moves `block` × `block` pixels into channels."""
        _, c, h, w = x.shape
        shape = (1, c * block * block, h // block, w // block)
        return self._add("SpaceToDepth", name, [x.name], shape, blocksize=block)

    # ------------------------------------------------------------------ the tail

    def global_average_pool(self, name: str, x: Value) -> Value:
        """Mean of each channel, shape ``(1, C, 1, 1)``."""
        return self._add("GlobalAveragePool", name, [x.name], (1, x.channels, 1, 1))

    def flatten(self, name: str, x: Value) -> Value:
        """The feature map as a vector."""
        return self._add("Flatten", name, [x.name], (1, math.prod(x.shape)), axis=1)

    def softmax(self, name: str, x: Value) -> Value:
        """Probabilities over axis 1."""
        return self._add("Softmax", name, [x.name], x.shape, axis=1)

    def finish(self, x: Value) -> onnx.ModelProto:
        """The model whose output ``output`` is `x`, the last value built."""
        *_, last = self._nodes.values()
        last.output[0] = "output"
        graph = self._model.graph
        graph.node.extend(self._nodes.values())
        graph.input.append(_float_value("image", self.image))
        graph.output.append(_float_value("output", x))
        return self._model

    # ------------------------------------------------------------------ inside

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
        if name in self._nodes:
            raise AssertionError(f"two nodes named '{name}'")
        self._nodes[name] = helper.make_node(op_type, inputs, [name], name, **attributes)
        return Value(name=name, shape=shape)


def _window(
    x: Value, *, kernel: int, stride: int, pads: int, ceil: bool = False
) -> tuple[int, int]:
    _, _, h, w = x.shape
    spare = stride - 1 if ceil else 0
    return (h + pads - kernel + spare) // stride + 1, (w + pads - kernel + spare) // stride + 1


def _float_value(name: str, value: Value) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)

"""A graph builder: one method per operator, and for what networks make of several."""

from __future__ import annotations

import math
from typing import NotRequired, TypedDict, Unpack

import numpy as np
from onnx import helper

from fusepath.onnx_io.zoo.graph import Graph, Value


class Window(TypedDict):
    """The square window of a convolution; ``pad`` is the same on all four sides."""

    kernel: int
    stride: NotRequired[int]
    pad: NotRequired[int]
    groups: NotRequired[int]


class GraphBuilder(Graph):
    """The operators that networks are written in.

    Every method appends a node, named as asked, and returns its output; what takes several nodes
    (`conv_bn`, `silu`) names the others after it.
    """

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

    def conv_transpose(self, name: str, x: Value, channels: int, *, kernel: int) -> Value:
        """Transposed convolution whose stride is its kernel: windows that do not overlap."""
        weight = self._kernel(f"{name}/weight", (x.channels, channels, kernel, kernel), gain=1.0)
        inputs = [x.name, weight, self._bias(f"{name}/bias", channels)]
        return self._add(
            "ConvTranspose",
            name,
            inputs,
            (1, channels, kernel * x.shape[2], kernel * x.shape[3]),
            kernel_shape=[kernel, kernel],
            strides=[kernel, kernel],
        )

    def layer_norm(self, name: str, x: Value) -> Value:
        """Layer normalisation of the channels of every position: NHWC between two Transposes."""
        last = self.transpose(f"{name}/nhwc", x, (0, 2, 3, 1))
        moments = self._weights.moments(x.channels, scale=1.0)
        scale = self._initializer(f"{name}/scale", moments.scale)
        inputs = [last.name, scale, self._initializer(f"{name}/bias", moments.bias)]
        last = self._add("LayerNormalization", name, inputs, last.shape, axis=-1, epsilon=1e-6)
        return self.transpose(f"{name}/nchw", last, (0, 3, 1, 2))

    def channel_scale(self, name: str, x: Value, *, scale: float) -> Value:
        """Every channel times a number of its own, around `scale`."""
        factors = self._weights.moments(x.channels, scale=scale).scale
        return self._add(
            "Mul",
            name,
            [x.name, self._initializer(f"{name}/factor", factors.reshape(-1, 1, 1))],
            x.shape,
        )

    def channel_mlp(self, name: str, x: Value, hidden: int, *, scale: float) -> Value:
        """Normalises the channels of every position, then two linear layers around a GELU."""
        y = self.layer_norm(f"{name}/norm", x)
        y = self.gelu(f"{name}/gelu", self.conv(f"{name}/expand", y, hidden, kernel=1))
        y = self.conv(f"{name}/project", y, x.channels, kernel=1)
        return self.channel_scale(f"{name}/scale", y, scale=scale)

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

    def sigmoid(self, name: str, x: Value) -> Value:
        """A gate between 0 and 1: the logistic function; for integers a step."""
        if self._weights.step is None:
            return self._add("Sigmoid", name, [x.name], x.shape)
        return self.hard_sigmoid(name, x)

    def hard_sigmoid(self, name: str, x: Value) -> Value:
        """A gate between 0 and 1 of straight lines; for integers a step."""
        alpha, beta = self._weights.step or (1 / 6, 0.5)
        return self._add("HardSigmoid", name, [x.name], x.shape, alpha=alpha, beta=beta)

    def silu(self, name: str, x: Value) -> Value:
        """``x`` times its sigmoid."""
        return self.mul(name, x, self.sigmoid(f"{name}/gate", x))

    def hard_swish(self, name: str, x: Value) -> Value:
        """``x`` times its hard sigmoid."""
        return self.mul(name, x, self.hard_sigmoid(f"{name}/gate", x))

    def gelu(self, name: str, x: Value) -> Value:
        """``x · (1 + erf(x / √2)) / 2``; the operator Gelu is younger than this opset."""
        root, one, half = (self._constant(c) for c in (math.sqrt(2), 1.0, 0.5))
        y = self._add("Div", f"{name}/scaled", [x.name, root], x.shape)
        y = self._add("Erf", f"{name}/erf", [y.name], x.shape)
        y = self._add("Add", f"{name}/plus", [y.name, one], x.shape)
        y = self._add("Mul", f"{name}/half", [y.name, half], x.shape)
        return self.mul(name, x, y)

    def lrn(self, name: str, x: Value, *, size: int = 5) -> Value:
        """Local response normalisation across `size` channels."""
        alpha = self._weights.lrn_alpha
        return self._add(
            "LRN", name, [x.name], x.shape, size=size, alpha=alpha, beta=0.75, bias=1.0
        )

    def add(self, name: str, a: Value, b: Value) -> Value:
        """Sum of two equal shapes."""
        return self._add("Add", name, [a.name, b.name], a.shape)

    def mul(self, name: str, a: Value, b: Value) -> Value:
        """Product with an equal shape, or with one number per channel, ``(1, C, 1, 1)``."""
        return self._add("Mul", name, [a.name, b.name], a.shape)

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

    def average_pool(self, name: str, x: Value, *, kernel: int, stride: int) -> Value:
        """Square mean without padding."""
        size = _window(x, kernel=kernel, stride=stride, pads=0)
        return self._add(
            "AveragePool",
            name,
            [x.name],
            (1, x.channels, *size),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
        )

    def upsample(self, name: str, x: Value, *, factor: int = 2) -> Value:
        """Every pixel `factor` × `factor` times: Resize, nearest."""
        _, c, h, w = x.shape
        scales = self._constant([1.0, 1.0, float(factor), float(factor)])
        return self._add(
            "Resize",
            name,
            [x.name, "", scales],
            (1, c, factor * h, factor * w),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def halves(self, name: str, x: Value) -> tuple[Value, Value]:
        """The first and the second half of the channels."""
        shape = (1, x.channels // 2, *x.shape[2:])
        first, second = f"{name}/first", f"{name}/second"
        self._append(helper.make_node("Split", [x.name], [first, second], name, axis=1))
        return Value(name=first, shape=shape), Value(name=second, shape=shape)

    def shuffle(self, name: str, x: Value, *, groups: int) -> Value:
        """Deals the channels of `groups` groups out in turn: Reshape, Transpose, Reshape."""
        _, c, h, w = x.shape
        y = self._reshape(f"{name}/groups", x, (1, groups, c // groups, h, w))
        y = self.transpose(f"{name}/deal", y, (0, 2, 1, 3, 4))
        return self._reshape(name, y, x.shape)

    def transpose(self, name: str, x: Value, order: tuple[int, ...]) -> Value:
        """Axes in this order."""
        shape = tuple(x.shape[axis] for axis in order)
        return self._add("Transpose", name, [x.name], shape, perm=order)

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


def _window(
    x: Value, *, kernel: int, stride: int, pads: int, ceil: bool = False
) -> tuple[int, int]:
    _, _, h, w = x.shape
    spare = stride - 1 if ceil else 0
    return (h + pads - kernel + spare) // stride + 1, (w + pads - kernel + spare) // stride + 1

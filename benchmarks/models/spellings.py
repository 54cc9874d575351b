"""How four exporters write the same network."""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.models.exporter import Exporter, Slide, pair, sides
from fusepath.onnx_io.zoo.graph import Value


class _PyTorch(Exporter):
    """What both exporters of PyTorch have in common."""

    def _resize_modes(self, mode) -> dict:
        modes = super()._resize_modes(mode) | {"cubic_coeff_a": -0.75, "nearest_mode": "floor"}
        if mode == "linear":
            modes["coordinate_transformation_mode"] = "pytorch_half_pixel"
        return modes

    def channel_mlp(self, name, x, hidden, *, scale) -> Value:
        """A block of ConvNeXt: NHWC from its normalisation to its last factor."""
        y = self.transpose(f"{name}/permute", x, (0, 2, 3, 1))
        y = self._norm_last(f"{name}/norm", y)
        y = self.gelu(f"{name}/gelu", self.linear(f"{name}/fc1", y, hidden))
        y = self.linear(f"{name}/fc2", y, x.channels)
        y = self.transpose(f"{name}/permute_1", y, (0, 3, 1, 2))
        return self.channel_scale(f"{name}/scale", y, scale=scale)

    def layer_norm(self, name, x) -> Value:
        y = self.transpose(f"{name}/permute", x, (0, 2, 3, 1))
        y = self._norm_last(name, y)
        return self.transpose(f"{name}/permute_1", y, (0, 3, 1, 2))

    def _norm_last(self, name, x) -> Value:
        inputs = [x.name, *self._norm_weights(name, x.shape[-1])]
        return self._add("LayerNormalization", name, inputs, x.shape, axis=-1, epsilon=1e-6)

    def _norm_weights(self, name, size) -> list[str]:
        moments = self._weights.moments(size, scale=1.0)
        return [self._initializer(f"{name}.{k}", getattr(moments, k)) for k in ("scale", "bias")]


class TorchScript(_PyTorch):
    """PyTorch's older exporter: opset 14, constants are nodes, LayerNormalization in its parts."""

    spelling = "torchscript"
    opset = 14

    def _const(self, array) -> str:
        name = f"Constant_{len(self._nodes)}"
        value = numpy_helper.from_array(np.asarray(array))
        self._append(helper.make_node("Constant", [], [f"{name}_output_0"], name, value=value))
        return f"{name}_output_0"

    def _norm_last(self, name, x) -> Value:
        mean_shape = (*x.shape[:-1], 1)
        mean = self._add("ReduceMean", f"{name}/mean", [x.name], mean_shape, axes=[-1])
        centred = self._add("Sub", f"{name}/sub", [x.name, mean.name], x.shape)
        square = self.with_array("Pow", f"{name}/pow", centred, 2.0)
        variance = self._add("ReduceMean", f"{name}/var", [square.name], mean_shape, axes=[-1])
        variance = self.with_array("Add", f"{name}/eps", variance, 1e-6)
        deviation = self.unary("Sqrt", f"{name}/sqrt", variance)
        y = self._add("Div", f"{name}/div", [centred.name, deviation.name], x.shape)
        scale, bias = self._norm_weights(name, x.shape[-1])
        y = self._add("Mul", f"{name}/mul", [y.name, scale], x.shape)
        return self._add("Add", name, [y.name, bias], x.shape)


class Dynamo(_PyTorch):
    """PyTorch's exporter of today: opset 20, means for global pooling, reshapes for flattening."""

    spelling = "dynamo"
    opset = 20

    def global_average_pool(self, name, x) -> Value:
        axes = self._const(np.array([-1, -2], np.int64))
        shape = (1, x.channels, 1, 1)
        return self._add(
            "ReduceMean", name, [x.name, axes], shape, keepdims=1, noop_with_empty_axes=0
        )

    def flatten(self, name, x) -> Value:
        shape = (1, math.prod(x.shape))
        dims = self._const(np.array(shape, np.int64))
        return self._add("Reshape", name, [x.name, dims], shape, allowzero=1)

    def gelu(self, name, x) -> Value:
        return self.unary("Gelu", name, x, approximate="none")


class Tf2onnx(Exporter):
    """Keras through tf2onnx: fed NHWC, zero padding before every stride, swish by its parts."""

    spelling = "tf2onnx"
    opset = 15

    def __init__(self, family, *, size, channels=3) -> None:
        super().__init__(family, size=size, channels=channels)
        self._fed = Value(name="image", shape=(1, *size, channels))
        self.image = self.transpose("entry", self._fed, (0, 3, 1, 2))

    def finish(self, *heads) -> onnx.ModelProto:
        leaving = [
            self.transpose(f"{head.name}/nhwc", head, (0, 2, 3, 1))
            if len(head.shape) == 4
            else head
            for head in heads
        ]
        model = super().finish(*leaving)
        model.graph.input[0].CopyFrom(
            helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, self._fed.shape)
        )
        return model

    def conv(self, name, x, channels, *, kernel, stride=1, pad=0, **others) -> Value:
        if max(pair(stride)) > 1 and any(sides(pad)):
            out = Slide(kernel=kernel, stride=stride, pad=pad).over(x)
            x = self.pad(f"{name}/pad", x, same(x, out, pair(kernel), pair(stride)))
            pad = 0
        return super().conv(name, x, channels, kernel=kernel, stride=stride, pad=pad, **others)

    def max_pool(self, name, x, *, kernel, stride, pad_begin=0, pad_end=0, ceil=False) -> Value:
        if stride > 1 and pad_begin + pad_end:
            x = self.pad(f"{name}/pad", x, (pad_begin, pad_begin, pad_end, pad_end))
            pad_begin = pad_end = 0
        return super().max_pool(
            name, x, kernel=kernel, stride=stride, pad_begin=pad_begin, pad_end=pad_end, ceil=ceil
        )

    def flatten(self, name, x) -> Value:
        if x.shape[2:] == (1, 1):
            axes = self._const(np.array([2, 3], np.int64))
            return self._add("Squeeze", name, [x.name, axes], (1, x.channels))
        y = self.transpose(f"{name}/nhwc", x, (0, 2, 3, 1))
        return self.reshape(name, y, (1, math.prod(x.shape)))

    def gemm(self, name, x, features, *, gain=1.0) -> Value:
        return self.linear(name, x, features, gain=gain)

    def hard_sigmoid(self, name, x) -> Value:
        y = self.with_array("Add", f"{name}/add", x, 3.0)
        return self.times(name, self.relu6(f"{name}/relu6", y), 1 / 6)

    def hard_swish(self, name, x) -> Value:
        return self.mul(name, x, self.hard_sigmoid(f"{name}/gate", x))


class Paddle(Exporter):
    """Paddle2ONNX: no bias in convolutions, BatchNormalization kept, sizes computed from shapes."""

    spelling = "paddle"
    opset = 14

    def conv(self, name, x, channels, *, bias=True, **others) -> Value:
        if not bias:
            return super().conv(name, x, channels, bias=False, **others)
        y = super().conv(f"{name}/conv", x, channels, bias=False, **others)
        values = self._weights.bias(channels).reshape(1, -1, 1, 1)
        return self._add("Add", name, [y.name, self._initializer(f"{name}.b_0", values)], y.shape)

    def conv_bn(self, name, x, channels, *, gain=1.0, scale=1.0, **window) -> Value:
        y = self.conv(name, x, channels, bias=False, gain=gain, **window)
        return self.batch_norm(f"{name}/bn", y, scale=scale)

    def gemm(self, name, x, features, *, gain=1.0) -> Value:
        return self.linear(name, x, features, gain=gain)

    def resize(self, name, x, size, *, mode) -> Value:
        def numbers(*values):
            return self._const(np.array(values, np.int64))

        shape = self._add("Shape", f"{name}/shape", [x.name], (4,))
        bounds = [numbers(0), numbers(2), numbers(0)]
        kept = self._add("Slice", f"{name}/kept", [shape.name, *bounds], (2,))
        sizes = self._add("Concat", f"{name}/sizes", [kept.name, numbers(*size)], (4,), axis=0)
        inputs = [x.name, "", "", sizes.name]
        return self._add("Resize", name, inputs, (*x.shape[:2], *size), **self._resize_modes(mode))


def same(x, out, kernel, stride) -> tuple[int, ...]:
    """Top, left, bottom, right as Keras pads for an output of this size: the larger half behind."""
    totals = [
        max((out[axis] - 1) * stride[axis] + kernel[axis] - x.shape[2 + axis], 0) for axis in (0, 1)
    ]
    before = [total // 2 for total in totals]
    return (*before, *(total - first for total, first in zip(totals, before, strict=True)))


SPELLINGS = {kind.spelling: kind for kind in (TorchScript, Dynamo, Tf2onnx, Paddle)}

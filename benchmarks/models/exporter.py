"""What every exporter shares: the zoo's builder with rectangular windows and more operators.

A family of networks is written once, in the words of this builder; a spelling overrides the words
that its exporter writes in its own way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from onnx import helper, numpy_helper

from fusepath.onnx_io.zoo.builder import GraphBuilder
from fusepath.onnx_io.zoo.graph import Value

Pair = int | tuple[int, int]
Pads = Pair | tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Slide:
    """The window of a convolution; pairs are (rows, columns), pads may have all four sides."""

    kernel: Pair
    stride: Pair = 1
    pad: Pads = 0
    groups: int = 1
    dilation: int = 1

    def over(self, x: Value) -> tuple[int, int]:
        """Rows and columns of what comes out."""
        pads, kernel, stride = sides(self.pad), pair(self.kernel), pair(self.stride)
        extents = [(taps - 1) * self.dilation + 1 for taps in kernel]
        rooms = [x.shape[2 + axis] + pads[axis] + pads[2 + axis] for axis in (0, 1)]
        rows, cols = ((rooms[axis] - extents[axis]) // stride[axis] + 1 for axis in (0, 1))
        return rows, cols


class Exporter(GraphBuilder):
    """A builder for one family, in the spelling and the opset of an exporter."""

    spelling: str
    opset: int

    def __init__(self, family: str, *, size: tuple[int, int], channels: int = 3) -> None:
        super().__init__(family, input_size=size[0], seed=0, weights="he")
        self.image = Value(name="image", shape=(1, channels, *size))
        self._model.opset_import[0].version = self.opset
        self._written: dict = {}

    # ------------------------------------------------------------------ windows

    def conv(self, name, x, channels, *, bias=True, gain=1.0, **window) -> Value:
        """`window` is what `Slide` takes."""
        slide = Slide(**window)
        shape = (channels, x.channels // slide.groups, *pair(slide.kernel))
        inputs = [x.name, self._kernel(f"{name}.weight", shape, gain=gain)]
        if bias:
            inputs.append(self._bias(f"{name}.bias", channels))
        return self._add(
            "Conv",
            name,
            inputs,
            (1, channels, *slide.over(x)),
            dilations=pair(slide.dilation),
            group=slide.groups,
            kernel_shape=pair(slide.kernel),
            pads=sides(slide.pad),
            strides=pair(slide.stride),
        )

    def conv_bn(self, name, x, channels, *, gain=1.0, scale=1.0, **window) -> Value:
        """Folded, as most exporters do it."""
        return self.conv(name, x, channels, gain=gain * scale, **window)

    def deconv(self, name, x, channels, *, kernel, stride, pad=0, output_pad=0) -> Value:
        weight = self._kernel(f"{name}.weight", (x.channels, channels, kernel, kernel), gain=1.0)
        size = [(n - 1) * stride + kernel - 2 * pad + output_pad for n in x.shape[2:]]
        return self._add(
            "ConvTranspose",
            name,
            [x.name, weight, self._bias(f"{name}.bias", channels)],
            (1, channels, *size),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[pad] * 4,
            output_padding=[output_pad] * 2,
        )

    def conv_transpose(self, name, x, channels, *, kernel) -> Value:
        return self.deconv(name, x, channels, kernel=kernel, stride=kernel)

    def pad(self, name, x, pads, *, mode="constant", channels=0) -> Value:
        """`pads` are (top, left, bottom, right); `channels` are appended."""
        top, left, bottom, right = pads
        both = np.array([0, 0, top, left, 0, channels, bottom, right], np.int64)
        inputs = [x.name, self._const(both)]
        if mode == "constant":
            inputs.append(self._const(np.float32(0)))
        _, c, h, w = x.shape
        shape = (1, c + channels, h + top + bottom, w + left + right)
        return self._add("Pad", name, inputs, shape, mode=mode)

    # ------------------------------------------------------------------ rearranging

    def reshape(self, name, x, shape) -> Value:
        return self._reshape(name, x, tuple(shape))

    def join(self, name, values, *, axis) -> Value:
        """Concat along any axis."""
        total = sum(value.shape[axis] for value in values)
        shape = list(values[0].shape)
        shape[axis] = total
        return self._add("Concat", name, [v.name for v in values], tuple(shape), axis=axis)

    def split(self, name, x, parts, *, axis) -> list[Value]:
        names = [f"{name}/{index}" for index in range(len(parts))]
        sizes = self._const(np.array(parts, np.int64))
        self._append(helper.make_node("Split", [x.name, sizes], names, name, axis=axis))
        shapes = [(*x.shape[:axis], part, *x.shape[axis + 1 :]) for part in parts]
        return [Value(name=n, shape=s) for n, s in zip(names, shapes, strict=True)]

    def halves(self, name, x) -> tuple[Value, Value]:
        first, second = self.split(name, x, [x.channels // 2] * 2, axis=1)
        return first, second

    def depth_to_space(self, name, x, *, block) -> Value:
        _, c, h, w = x.shape
        shape = (1, c // block**2, h * block, w * block)
        return self._add("DepthToSpace", name, [x.name], shape, blocksize=block, mode="CRD")

    def upsample(self, name, x, *, factor=2) -> Value:
        return self.resize(name, x, [n * factor for n in x.shape[2:]], mode="nearest")

    def resize(self, name, x, size, *, mode) -> Value:
        """To `size` (rows, columns); ``nearest`` or ``linear``."""
        scales = [1.0, 1.0, *(to / n for to, n in zip(size, x.shape[2:], strict=True))]
        inputs = [x.name, "", self._const(np.array(scales, np.float32))]
        return self._add("Resize", name, inputs, (*x.shape[:2], *size), **self._resize_modes(mode))

    def _resize_modes(self, mode) -> dict:
        if mode == "nearest":
            return {
                "mode": mode,
                "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "floor",
            }
        return {"mode": mode, "coordinate_transformation_mode": "half_pixel"}

    def rows(self, name, x, per_row) -> Value:
        """A map as rows of numbers: (1, k · n, h, w) becomes (1, h · w · k, n)."""
        y = self.transpose(f"{name}/nhwc", x, (0, 2, 3, 1))
        return self.reshape(name, y, (1, math.prod(x.shape) // per_row, per_row))

    # ------------------------------------------------------------------ position by position

    def unary(self, op_type, name, x, **attributes) -> Value:
        return self._add(op_type, name, [x.name], x.shape, **attributes)

    def times(self, name, x, number) -> Value:
        return self._add("Mul", name, [x.name, self._const(np.float32(number))], x.shape)

    def with_array(self, op_type, name, x, array) -> Value:
        """Arithmetic with a constant that broadcasts to `x`."""
        return self._add(op_type, name, [x.name, self._const(np.float32(array))], x.shape)

    def prelu(self, name, x) -> Value:
        slope = self._initializer(f"{name}.weight", np.full((x.channels, 1, 1), 0.25, np.float32))
        return self._add("PRelu", name, [x.name, slope], x.shape)

    def relu6(self, name, x) -> Value:
        limits = [self._const(np.float32(0)), self._const(np.float32(6))]
        return self._add("Clip", name, [x.name, *limits], x.shape)

    def instance_norm(self, name, x) -> Value:
        moments = self._weights.moments(x.channels, scale=1.0)
        inputs = [self._initializer(f"{name}.{k}", getattr(moments, k)) for k in ("scale", "bias")]
        return self._add("InstanceNormalization", name, [x.name, *inputs], x.shape, epsilon=1e-5)

    def hard_swish(self, name, x) -> Value:
        return self.unary("HardSwish", name, x)

    def dropout(self, name, x) -> Value:
        """None is left in what is exported for inference."""
        del name
        return x

    def softmax(self, name, x, *, axis=1) -> Value:
        return self.unary("Softmax", name, x, axis=axis)

    def linear(self, name, x, features, *, gain=1.0) -> Value:
        """A linear layer over the last axis: MatMul and Add."""
        weight = self._kernel(f"{name}.weight", (x.shape[-1], features), gain=gain)
        shape = (*x.shape[:-1], features)
        y = self._add("MatMul", f"{name}/matmul", [x.name, weight], shape)
        return self._add("Add", name, [y.name, self._bias(f"{name}.bias", features)], shape)

    # ------------------------------------------------------------------ constants

    def _const(self, array) -> str:
        """An initialiser; equal ones are one."""
        array = np.asarray(array)
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._written:
            self._written[key] = f"const_{len(self._written)}"
            tensor = numpy_helper.from_array(array, self._written[key])
            self._model.graph.initializer.append(tensor)
        return self._written[key]

    def _constant(self, value) -> str:
        return self._const(np.array(value, np.float32))

    def _reshape(self, name, x, shape) -> Value:
        dims = self._const(np.array(shape, np.int64))
        return self._add("Reshape", name, [x.name, dims], shape)


def pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def sides(pad: Pads) -> tuple[int, ...]:
    """Top, left, bottom, right."""
    return tuple(pad) if isinstance(pad, tuple) and len(pad) == 4 else pair(pad) * 2

"""Random small ONNX models: footprints of every kind, branches, necks, several outputs.

With ``integer=True`` every tensor holds integers (or quarters of them after an average pool) small
enough that float32 sums them exactly in any order: two ways to compute the model must then agree
bit for bit.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
from hypothesis import reject
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from fusepath.errors import GeometryError, UnsupportedOperatorError
from fusepath.tiling import Segment, StripRows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DrawFn
    from numpy.typing import NDArray

    from fusepath.graph import Section
    from fusepath.onnx_io import Model

IR_OF_OPSET = {13: 8, 17: 8, 21: 10}
LARGEST = 2.0**18
"""Larger values are clipped before they are summed; quarters of them still fit 24 bits."""

Shape = tuple[int, int, int]
"""Channels, height, width."""


def with_weights(data: bytes, weights: Mapping[str, NDArray[Any]]) -> onnx.ModelProto:
    """A model that declares some constants as external data, with their values put in."""
    model = onnx.ModelProto.FromString(data)
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    return model


def outputs_of(padded: int, extent: int, stride: int, ceil_below: int | None) -> int:
    """How many windows fit; with ``ceil_below`` one more that begins below it."""
    slack = padded - extent
    if slack < 0:
        return 0
    count = slack // stride + 1
    if ceil_below is not None and slack % stride and count * stride < ceil_below:
        count += 1
    return count


@dataclass
class Net:
    """A model being drawn; ``bounds`` holds the largest absolute value of each tensor."""

    draw: DrawFn
    integer: bool
    rng: np.random.Generator
    opset: int
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    bounds: dict[str, float] = field(default_factory=dict)

    def add(
        self, op: str, inputs: list[str], shape: Shape, bound: float = 1.0, **attributes: Any
    ) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], f"n{len(self.nodes)}", **attributes))
        self.shapes[name], self.bounds[name] = shape, bound
        return name

    def constant(self, value: NDArray[Any]) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def numbers(self, *shape: int, low: int = -2, high: int = 2) -> NDArray[np.float32]:
        """Small integers, or normals."""
        if self.integer:
            return self.rng.integers(low, high + 1, shape).astype(np.float32)
        return self.rng.standard_normal(shape, dtype=np.float32)

    def small(self, x: str, limit: float = LARGEST) -> str:
        """The tensor, clipped where sums of it might not be exact."""
        return self.clipped(x, limit) if self.integer else x

    def clipped(self, x: str, limit: float) -> str:
        """The tensor, clipped where it may hold larger values."""
        if self.bounds[x] <= limit:
            return x
        limits = [self.constant(np.float32(-limit)), self.constant(np.float32(limit))]
        return self.add("Clip", [x, *limits], self.shapes[x], limit)

    # ------------------------------------------------------------------ windows

    def conv(self, x: str, *, same: bool = False, stride: int | None = None) -> str | None:
        channels, *size = self.shapes[x]
        groups = self.draw(st.sampled_from([g for g in (1, 1, 2, 3, 4) if channels % g == 0]))
        if self.draw(st.integers(0, 4)) == 0:
            groups = channels
        outputs = groups * self.draw(st.integers(1, 3))
        attributes, out = self.window(size, same=same, stride=stride, pool=False)
        if out is None:
            return None
        kernel = attributes.pop("kernel_shape")
        x = self.small(x, 2.0**12)
        w = self.numbers(outputs, channels // groups, *kernel, low=-1, high=1)
        if not self.integer:
            w /= math.sqrt(w[0].size)
        inputs = [x, self.constant(w)]
        bound = self.bounds[x] * float(np.abs(w).sum(axis=(1, 2, 3)).max())
        if self.draw(st.booleans()):
            b = self.numbers(outputs)
            inputs.append(self.constant(b))
            bound += float(np.abs(b).max())
        if self.draw(st.booleans()):
            attributes["kernel_shape"] = kernel
        return self.add("Conv", inputs, (outputs, *out), bound, group=groups, **attributes)

    def max_pool(self, x: str, *, same: bool = False, stride: int | None = None) -> str | None:
        channels, *size = self.shapes[x]
        attributes, out = self.window(size, same=same, stride=stride, pool=True)
        if out is None:
            return None
        return self.add("MaxPool", [x], (channels, *out), self.bounds[x], **attributes)

    def average_pool(self, x: str) -> str | None:
        """Integers: windows of 1, 2 or 4 elements, so that every quotient is a quarter."""
        channels, *size = self.shapes[x]
        attributes, out = self.window(size, pool=True, average=True)
        if out is None:
            return None
        x = self.small(x, 2.0**12)
        if self.integer:  # quarters become integers again
            four = self.constant(np.full((1, 1, 1, 1), 4, np.float32))
            x = self.add("Mul", [x, four], self.shapes[x], self.bounds[x] * 4)
        include = self.draw(st.integers(0, 1))
        return self.add(
            "AveragePool",
            [x],
            (channels, *out),
            self.bounds[x],
            count_include_pad=include,
            **attributes,
        )

    def window(
        self,
        size: list[int],
        *,
        pool: bool,
        same: bool = False,
        stride: int | None = None,
        average: bool = False,
    ) -> tuple[dict[str, Any], tuple[int, ...] | None]:
        """Attributes of a window, and the output size; None where it does not fit."""
        draw = self.draw
        dilated = not average and draw(st.integers(0, 3)) == 0
        if same:
            kernel = [draw(st.sampled_from([1, 3, 5])) for _ in size]
        elif average and self.integer:
            kernel = [draw(st.integers(1, 2)) for _ in size]
        else:
            kernel = [draw(st.integers(1, 5)) for _ in size]
        dilation = [draw(st.integers(1, 2)) if dilated else 1 for _ in size]
        extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        strides = [1 if same else stride or draw(st.integers(1, 3)) for _ in size]
        attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
        if dilated:
            attributes["dilations"] = dilation
        padding = "NOTSET"
        # With these, ONNX Runtime does not know what SAME means, and fusepath not what ceil_mode.
        skips = pool and any(s > k for s, k in zip(strides, kernel, strict=True))
        if not same and not skips and not dilated and draw(st.integers(0, 2)) == 0:
            padding = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
        if padding in {"SAME_UPPER", "SAME_LOWER"}:
            out = tuple(-(-n // s) for n, s in zip(size, strides, strict=True))
            return attributes | {"auto_pad": padding}, out
        most = [(min(k - 1, e - 1) if pool else e) for k, e in zip(kernel, extent, strict=True)]
        if padding == "VALID":
            attributes["auto_pad"] = padding
            begins, ends = [0, 0], [0, 0]
        elif same:
            # A dilated window may need more padding than its kernel is large.
            begins = [draw(st.integers(max(0, e - 1 - m), min(m, e - 1))) if 2 * m >= e - 1 else -1
                      for e, m in zip(extent, most, strict=True)]  # fmt: skip
            if min(begins) < 0:
                return attributes, None
            ends = [e - 1 - b for e, b in zip(extent, begins, strict=True)]
        else:
            begins = [draw(st.integers(0, m)) for m in most]
            ends = [draw(st.integers(0, m)) for m in most]
        if padding == "NOTSET":
            attributes["pads"] = begins + ends
        ceil = pool and not same and not skips and draw(st.booleans())
        if ceil:
            attributes["ceil_mode"] = 1
        out = [
            outputs_of(n + b + a, e, s, n + b if ceil else None)
            for n, e, s, b, a in zip(size, extent, strides, begins, ends, strict=True)
        ]
        return attributes, tuple(out) if min(out) > 0 else None

    # ------------------------------------------------------------------ pointwise

    def pointwise(self, x: str) -> str:
        ops = ["relu", "leaky", "clip", "normalise", "prelu", "add", "mul", "neg", "slice", "lrn"]
        if not self.integer:
            ops += ["sigmoid", "tanh", "elu", "softmax"]
            ops += ["hardswish"] if self.opset > 13 else []
        op = self.draw(st.sampled_from(ops))
        shape, bound = self.shapes[x], self.bounds[x]
        channels = shape[0]
        match op:
            case "relu":
                return self.add("Relu", [x], shape, bound)
            case "leaky":
                alpha = -1.0 if self.integer else 0.1
                return self.add("LeakyRelu", [x], shape, bound, alpha=alpha)
            case "clip":
                limits = [self.constant(np.float32(-9)), self.constant(np.float32(40))]
                return self.add("Clip", [x, *limits], shape, 40)
            case "normalise":
                x = self.small(x)
                scale, shift, mean = (self.numbers(channels) for _ in range(3))
                spread = np.ones(channels, np.float32)
                if not self.integer:
                    spread += np.abs(self.numbers(channels))
                inputs = [x, *(self.constant(v) for v in (scale, shift, mean, spread))]
                epsilon = 0.0 if self.integer else 1e-5
                bound = 2 * (self.bounds[x] + 2) + 2
                return self.add("BatchNormalization", inputs, shape, bound, epsilon=epsilon)
            case "prelu":
                x = self.small(x)
                slope = self.constant(self.numbers(channels, 1, 1))
                return self.add("PRelu", [x, slope], shape, self.bounds[x] * 2)
            case "add":
                shift = self.constant(self.numbers(1, channels, 1, 1))
                return self.add("Add", [x, shift], shape, bound + 2)
            case "mul":
                x = self.small(x)
                # A scalar of a full map's shape: exporters write such things.
                full = self.draw(st.booleans())
                factor = np.full((1, *shape) if full else (1, 1, 1), 2, np.float32)
                return self.add("Mul", [x, self.constant(factor)], shape, self.bounds[x] * 2)
            case "neg":
                return self.add("Neg", [x], shape, bound)
            case "slice":
                first = self.draw(st.integers(0, channels - 1))
                bounds = [np.array([value]) for value in (first, channels, 1)]
                inputs = [x, *(self.constant(value.astype(np.int64)) for value in bounds)]
                return self.add("Slice", inputs, (channels - first, *shape[1:]), bound)
            case "lrn":
                # ONNX Runtime adds new squares and subtracts old ones: of very large values less
                # than nothing may be left, which has no root.
                x = x if self.integer else self.clipped(x, 255.0)
                alpha = 1e-30 if self.integer else 1e-2
                return self.add("LRN", [x], shape, self.bounds[x], size=3, alpha=alpha)
            case "softmax":
                return self.add("Softmax", [x], shape, 1.0, axis=1)
            case _:
                names = {"sigmoid": "Sigmoid", "tanh": "Tanh", "hardswish": "HardSwish"}
                return self.add(names.get(op, "Elu"), [x], shape, bound)

    # ------------------------------------------------------------------ branches and shuffles

    def branches(self, x: str) -> str | None:
        """Two ways from one map that meet again; one may be the map itself."""
        strided = self.draw(st.integers(0, 2)) == 0
        if strided:
            left, right = self.halved(x, "Conv"), self.halved(x, "MaxPool")
        else:
            left = self.conv(x, same=True)
            right = self.draw(st.sampled_from([x, self.max_pool(x, same=True)]))
        if left is None or right is None:
            return None
        if self.draw(st.booleans()):
            left = self.pointwise(left)
        return self.joined(left, right)

    def halved(self, x: str, op: str) -> str:
        channels, *size = self.shapes[x]
        out = tuple(-(-n // 2) for n in size)
        pads = [1, 1, 1, 1]
        if op == "MaxPool":
            attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": pads}
            return self.add(op, [x], (channels, *out), self.bounds[x], **attributes)
        x = self.small(x, 2.0**12)
        w = self.numbers(channels, channels, 3, 3, low=-1, high=1)
        bound = self.bounds[x] * 9 * channels
        inputs = [x, self.constant(w)]
        return self.add(op, inputs, (channels, *out), bound, strides=[2, 2], pads=pads)

    def joined(self, left: str, right: str) -> str:
        size = self.shapes[left][1:]
        most = max(self.shapes[left][0], self.shapes[right][0])
        alike = self.shapes[left] == self.shapes[right]
        op = self.draw(
            st.sampled_from(["Concat", "Add", "Mul", "Max", "Sum"] if alike else ["Concat"])
        )
        match op:
            case "Concat":
                channels = self.shapes[left][0] + self.shapes[right][0]
                bound = max(self.bounds[left], self.bounds[right])
                return self.add(op, [left, right], (channels, *size), bound, axis=1)
            case "Mul":
                left, right = self.small(left, 2.0**8), self.small(right, 2.0**8)
                bound = self.bounds[left] * self.bounds[right]
            case "Max":
                bound = max(self.bounds[left], self.bounds[right])
            case _:
                bound = self.bounds[left] + self.bounds[right]
        return self.add(op, [left, right], (most, *size), bound)

    def space_to_depth(self, x: str) -> str | None:
        channels, height, width = self.shapes[x]
        if height % 2 or width % 2:
            return None
        out = (channels * 4, height // 2, width // 2)
        form = self.draw(st.sampled_from(["node", "depth first", "channels first"]))
        if form == "node":
            return self.add("SpaceToDepth", [x], out, self.bounds[x], blocksize=2)
        order = [0, 3, 5, 1, 2, 4] if form == "depth first" else [0, 1, 3, 5, 2, 4]
        return self.rearranged(x, [1, channels, height // 2, 2, width // 2, 2], order, out)

    def channel_shuffle(self, x: str) -> str | None:
        channels, height, width = self.shapes[x]
        if channels % 2:
            return None
        parts = [1, 2, channels // 2, height, width]
        return self.rearranged(x, parts, [0, 2, 1, 3, 4], self.shapes[x])

    def rearranged(self, x: str, parts: list[int], order: list[int], out: Shape) -> str:
        bound = self.bounds[x]
        apart = self.constant(np.array(parts, np.int64))
        together = self.constant(np.array([1, *out], np.int64))
        x = self.add("Reshape", [x, apart], out, bound)
        x = self.add("Transpose", [x], out, bound, perm=order)
        return self.add("Reshape", [x, together], out, bound)

    # ------------------------------------------------------------------ other footprints

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def resize(self, x: str) -> str | None:
        """Nearest by factors or to a size, linear by powers of two.

        Positions by other factors are rounded, and a Sigmoid behind them would magnify that.
        """
        channels, *size = self.shapes[x]
        draw = self.draw
        linear = draw(st.booleans())
        mode = draw(st.sampled_from(["half_pixel", "asymmetric", "pytorch_half_pixel"]))
        attributes = {"mode": "linear" if linear else "nearest"}
        attributes["coordinate_transformation_mode"] = mode
        if not linear:
            rounding = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
            attributes["nearest_mode"] = draw(st.sampled_from(rounding))
        if not linear and draw(st.integers(0, 2)) == 0:
            out = [draw(st.integers(2, 2 * n)) for n in size]
            inputs = [x, "", "", self.integers(1, channels, *out)]
        else:
            choices = [0.5, 1.0, 2.0] if linear else [0.5, 1.5, 2.0, 3.0]
            factors = [draw(st.sampled_from(choices)) for _ in size]
            out = [int(n * factor) for n, factor in zip(size, factors, strict=True)]
            inputs = [x, "", self.constant(np.array([1, 1, *factors], np.float32))]
        if min(out) < 2 or max(out) > 40:
            return None
        x = inputs[0] = self.small(x, 2.0**12)
        bound = self.bounds[x]
        made = self.add("Resize", inputs, (channels, *out), bound, **attributes)
        if linear and self.integer:  # sixteenths become integers again
            made = self.add(
                "Mul", [made, self.constant(np.float32(16))], (channels, *out), bound * 16
            )
        return made

    def transposed(self, x: str) -> str | None:
        channels, *size = self.shapes[x]
        draw = self.draw
        groups = draw(st.sampled_from([g for g in (1, 1, 2) if channels % g == 0]))
        kernel, strides = ([draw(st.integers(1, most)) for _ in size] for most in (4, 3))
        x = self.small(x, 2.0**12)
        w = self.numbers(channels, draw(st.integers(1, 3)), *kernel, low=-1, high=1)
        attributes: dict[str, Any] = {"strides": strides, "group": groups}
        padding = draw(st.sampled_from(["pads", "pads", "SAME_UPPER", "SAME_LOWER"]))
        most = [(n - 1) * s + k for n, s, k in zip(size, strides, kernel, strict=True)]
        if padding == "pads":
            begins, ends = ([draw(st.integers(0, k - 1)) for k in kernel] for _ in range(2))
            added = [draw(st.integers(0, s - 1)) for s in strides]
            attributes |= {"pads": begins + ends, "output_padding": added}
            out = [m - b - e + a for m, b, e, a in zip(most, begins, ends, added, strict=True)]
        else:
            attributes["auto_pad"] = padding
            out = [min(n * s, m) for n, s, m in zip(size, strides, most, strict=True)]
            if any(m < n * s for n, s, m in zip(size, strides, most, strict=True)):
                return None  # specification and runtime differ on the size
        if min(out) < 2 or max(out) > 40:
            return None
        bound = self.bounds[x] * float(np.abs(w).sum())
        inputs = [x, self.constant(w)]
        return self.add("ConvTranspose", inputs, (w.shape[1] * groups, *out), bound, **attributes)

    def depth_to_space(self, x: str) -> str | None:
        channels, height, width = self.shapes[x]
        if channels % 4 or max(height, width) > 20:
            return None
        out = (channels // 4, height * 2, width * 2)
        mode = self.draw(st.sampled_from(["DCR", "CRD"]))
        return self.add("DepthToSpace", [x], out, self.bounds[x], blocksize=2, mode=mode)

    def border(self, x: str) -> str:
        channels, *size = self.shapes[x]
        mode = self.draw(st.sampled_from(["constant", "reflect", "edge"]))
        begins, ends = ([self.draw(st.integers(0, min(3, n - 1))) for n in size] for _ in range(2))
        out = [n + b + e for n, b, e in zip(size, begins, ends, strict=True)]
        pads = self.integers(0, 0, *begins, 0, 0, *ends)
        return self.add("Pad", [x, pads], (channels, *out), self.bounds[x], mode=mode)

    def crop(self, x: str) -> str:
        channels, *size = self.shapes[x]
        begins = [self.draw(st.integers(0, n // 3)) for n in size]
        ends = [self.draw(st.integers(0, n // 3)) for n in size]
        steps = [self.draw(st.sampled_from([1, 1, 2])) for _ in size]
        out = [-(-(n - b - e) // s) for n, b, e, s in zip(size, begins, ends, steps, strict=True)]
        stops = [n - e for n, e in zip(size, ends, strict=True)]
        bounds = [self.integers(*values) for values in (begins, stops, (2, 3), steps)]
        return self.add("Slice", [x, *bounds], (channels, *out), self.bounds[x])

    def neck(self, x: str) -> str | None:
        """A map is made smaller, comes up to its size again, and meets what it was made of."""
        channels, *size = self.shapes[x]
        small = self.halved(x, self.draw(st.sampled_from(["Conv", "MaxPool"])))
        attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        if self.draw(st.booleans()):
            attributes = {"mode": "nearest"}
        inputs = [small, "", "", self.integers(1, channels, *size)]
        up = self.add("Resize", inputs, (channels, *size), self.bounds[small], **attributes)
        return self.joined(up, x)

    def squeeze_excite(self, x: str) -> str:
        """A gate over the whole map: a barrier in mid-net."""
        x = self.small(x, 2.0**8)
        gate = self.add("GlobalMaxPool", [x], (self.shapes[x][0], 1, 1), self.bounds[x])
        return self.add("Mul", [x, gate], self.shapes[x], self.bounds[x] ** 2)


class Drawn:
    """A model file and an image for it. No dataclass: hypothesis shows those field by field."""

    def __init__(self, data: bytes, image: NDArray[Any]) -> None:
        self.data = data
        self.image = image

    def __repr__(self) -> str:
        text = onnx.printer.to_text(onnx.ModelProto.FromString(self.data))
        return f"{text}\n{self.image.dtype} {self.image.shape}"


@st.composite
def onnx_models(draw: DrawFn, *, integer: bool, most_blocks: int = 7) -> Drawn:
    """A model of a few blocks, its image uint8 or float32."""
    opset = draw(st.sampled_from(sorted(IR_OF_OPSET)))
    net = Net(draw, integer, np.random.default_rng(draw(st.integers(0, 2**16))), opset)
    source: Shape = (draw(st.integers(1, 4)), draw(st.integers(6, 28)), draw(st.integers(6, 28)))
    net.shapes["image"], net.bounds["image"] = source, 255.0
    blocks = {
        "conv": net.conv,
        "max_pool": net.max_pool,
        "average_pool": net.average_pool,
        "pointwise": net.pointwise,
        "branches": net.branches,
        "space_to_depth": net.space_to_depth,
        "channel_shuffle": net.channel_shuffle,
        "squeeze_excite": net.squeeze_excite,
        "resize": net.resize,
        "transposed": net.transposed,
        "depth_to_space": net.depth_to_space,
        "border": net.border,
        "crop": net.crop,
        "neck": net.neck,
    }
    names = [*blocks, "conv", "conv", "max_pool", "branches", "pointwise"]
    x, seen = "image", []
    for _ in range(draw(st.integers(2, most_blocks))):
        name = draw(st.sampled_from(names))
        if name == "squeeze_excite" and (x == "image" or draw(st.integers(0, 2))):
            continue
        made = blocks[name](x)
        if made is not None and net.shapes[made][0] <= 24:
            x = made
            seen.append(x)
    if x == "image":
        x = net.add("Relu", [x], source, 255.0)
        seen.append(x)
    outputs = [x]
    if len(seen) > 1 and draw(st.integers(0, 3)) == 0:
        outputs.append(draw(st.sampled_from(seen[:-1])))  # a second head
    graph = helper.make_graph(
        net.nodes,
        "drawn",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, *source))],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, *net.shapes[name]))
            for name in dict.fromkeys(outputs)
        ],
        net.weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_OF_OPSET[opset]
    )
    image = net.rng.integers(0, 256, (1, *source), dtype=np.uint8)
    if draw(st.booleans()):
        image = image.astype(np.float32)
    return Drawn(model.SerializeToString(), image)


def run_original(data: bytes, image: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """What ONNX Runtime makes of a model file, with nothing of fusepath in between."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Fail as error:
        # It infers another size for some pools with ceil_mode than it computes.
        if "ShapeInferenceError" not in str(error):
            raise
        reject()
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image.astype(np.float32)}), strict=True))


@st.composite
def tilings(draw: DrawFn, model: Model, section: Section | None = None) -> dict[str, Any]:
    """τ, grid, cuts and order of a plan that fits a model; now and then the unsplit network."""
    graph = model.graph
    if not graph.sections or (section is None and draw(st.integers(0, 9)) == 0):
        return {"cuts": [draw(st.integers(1, graph.depth + 1))]}
    section = section or draw(st.sampled_from(graph.sections))
    tau = draw(st.integers(section.start + 1, section.end))
    grid = tuple(draw(st.integers(1, min(4, graph.fused_size(tau, axis)))) for axis in (0, 1))
    paths = grid[0] * grid[1]
    used = draw(st.lists(st.integers(section.start + 1, tau + 1), min_size=1, max_size=3))
    return {
        "start": section.start,
        "tau": tau,
        "grid": grid,
        "cuts": draw(st.lists(st.sampled_from(used), min_size=paths, max_size=paths)),
        "order": draw(st.permutations(range(1, paths + 1))),
    }


@st.composite
def striplings(draw: DrawFn, model: Model, section: Section | None = None) -> dict[str, Any]:
    """τ and segments of a plan of strips that fits a model, if any does."""
    if not model.graph.sections:
        return draw(tilings(model))
    section = section or draw(st.sampled_from(model.graph.sections))
    begun, graph = section.start, model.graph.behind(section.start)
    tau = draw(st.integers(1, section.layers))
    upward = graph.mirrored is not None and draw(st.booleans())
    try:
        height = StripRows(graph.mirrored if upward else graph, tau).height
    except (GeometryError, UnsupportedOperatorError):
        return draw(tilings(model, section))
    edges = sorted(draw(st.sets(st.integers(1, height - 1), max_size=2)) if height > 1 else [])
    segments = []
    for start, stop in itertools.pairwise([0, *edges, height]):
        steps = draw(st.integers(1, 4))
        released = [
            (graph.tensors[graph.source].size(0) * at // steps, 0) for at in range(1, steps)
        ]
        done = draw(st.sets(st.integers(start + 1, stop), max_size=3)) | {stop}
        most = released[-1][0] if released else 0
        marks = (*released, *((most, row) for row in sorted(done)))
        cut = draw(st.integers(1, tau + 1))
        segments.append(Segment(start=start, stop=stop, cut=cut + begun, strips=marks))
    return {
        "start": begun,
        "tau": tau + begun,
        "segments": tuple(draw(st.permutations(segments))),
        "upward": upward,
    }

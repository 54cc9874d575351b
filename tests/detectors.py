"""Random small detectors: heads at several scales, whose boxes a tail puts into rows."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from tests.onnx_models import Drawn


@st.composite
def detectors(draw: st.DrawFn) -> Drawn:
    """A backbone with heads at several of its depths, whose boxes are rows of one output.

    All weights are small integers. Now and then a map from inside is an output too, and the tail
    reads the image.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    shape = (1, draw(st.integers(1, 3)), draw(st.integers(12, 30)), draw(st.integers(12, 30)))
    nodes, weights = [], []

    def constant(values: np.ndarray, name: str) -> str:
        weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(x: str, channels: tuple[int, int], kernel: int, stride: int, name: str) -> str:
        kernels = rng.integers(-1, 2, (channels[1], channels[0], kernel, kernel))
        inputs = [x, constant(kernels.astype(np.float32), f"{name}.weight")]
        pads = [kernel // 2] * 4
        strides = [stride, stride]
        nodes.append(helper.make_node("Conv", inputs, [name], name, pads=pads, strides=strides))
        return name

    def clipped(x: str, most: float) -> str:
        limits = [constant(np.float32(edge), f"{x}.{edge}") for edge in (0, most)]
        nodes.append(helper.make_node("Clip", [x, *limits], [f"{x}.clipped"], f"{x}.clip"))
        return f"{x}.clipped"

    x, channels = "image", shape[1]
    scales, values = [], 2
    for depth in range(draw(st.integers(2, 4))):
        stride = draw(st.sampled_from([1, 2, 2]))
        kernel = draw(st.sampled_from([1, 3, 3, 5]))
        x, channels = clipped(conv(x, (channels, 3), kernel, stride, f"stem{depth}"), 31), 3
        if draw(st.booleans()) or not scales:
            scales.append(x)
    rows = []
    for at, scale in enumerate(scales):
        head = conv(scale, (3, values * draw(st.integers(1, 2))), 3, 1, f"head{at}")
        nodes.append(helper.make_node("Transpose", [head], [f"nhwc{at}"], perm=[0, 2, 3, 1]))
        flat = constant(np.array([1, -1, values], np.int64), f"flat{at}")
        nodes.append(helper.make_node("Reshape", [f"nhwc{at}", flat], [f"rows{at}"], f"flat{at}"))
        rows.append(f"rows{at}")
    nodes.append(helper.make_node("Concat", rows, ["boxes"], "boxes", axis=1))
    kind = draw(st.sampled_from(["Softmax", "Sigmoid"]))
    nodes.append(helper.make_node(kind, ["boxes"], ["scores"], "scores"))
    outputs = ["boxes", "scores"]
    if draw(st.booleans()):
        outputs.append(draw(st.sampled_from(scales)))
    if draw(st.integers(0, 3)) == 0:
        flat = constant(np.array([1, -1], np.int64), "flat.image")
        nodes.append(helper.make_node("Reshape", ["image", flat], ["pixels"], "pixels"))
        outputs.append("pixels")
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        weights,
    )
    opset = helper.make_opsetid("", 17)
    data = helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    return Drawn(data, rng.integers(0, 32, shape, dtype=np.uint8))

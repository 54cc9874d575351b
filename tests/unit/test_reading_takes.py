"""What it takes to read a large model: counted, since seconds depend on the machine."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from fusepath.onnx_io import read_model


def dense(nodes: int) -> bytes:
    """A network in which every block reads all blocks before it."""
    rng = np.random.default_rng(0)
    made: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def conv(source: str, target: str, inputs: int, outputs: int, kernel: int) -> None:
        value = rng.standard_normal((outputs, inputs, kernel, kernel), dtype=np.float32)
        weights.append(numpy_helper.from_array(value, f"{target}_w"))
        inputs_ = [source, f"{target}_w"]
        made.append(helper.make_node("Conv", inputs_, [target], pads=[kernel // 2] * 4))

    conv("x", "all0", 3, 8, 3)
    channels, block = 8, 0
    while len(made) < nodes:
        made.append(helper.make_node("Relu", [f"all{block}"], [f"r{block}"]))
        conv(f"r{block}", f"a{block}", channels, 8, 1)
        made.append(helper.make_node("Relu", [f"a{block}"], [f"b{block}"]))
        conv(f"b{block}", f"c{block}", 8, 2, 3)
        joined = [f"all{block}", f"c{block}"]
        block, channels = block + 1, channels + 2
        made.append(helper.make_node("Concat", joined, [f"all{block}"], axis=1))
    graph = helper.make_graph(
        made,
        "dense",
        [helper.make_tensor_value_info("x", 1, [1, 3, 32, 32])],
        [helper.make_tensor_value_info(f"all{block}", 1, None)],
        weights,
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def test_shapes_of_a_large_model_are_inferred_a_few_times(monkeypatch: pytest.MonkeyPatch):
    """Inference is the only thing that takes long; the number of times must not grow with nodes."""
    inferred = []
    infer_shapes = onnx.shape_inference.infer_shapes

    def counting(model: onnx.ModelProto, **options: bool) -> onnx.ModelProto:
        inferred.append(len(model.graph.node))
        return infer_shapes(model, **options)

    monkeypatch.setattr(onnx.shape_inference, "infer_shapes", counting)
    model = read_model(dense(1000), name="dense", source="dense")

    assert model.graph.tileable_layers == model.graph.depth
    assert 1000 <= sum(inferred) <= 4 * 1001

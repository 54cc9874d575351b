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


def reshaped(times: int) -> bytes:
    """A chain of convolutions each of whose results is reshaped by a program of its own shape."""
    made: list[onnx.NodeProto] = []
    weights = [
        numpy_helper.from_array(value, name)
        for name, value in {
            "w": np.ones((4, 4, 3, 3), np.float32),
            "first": np.array(0),
            "axes": np.array([0]),
            "rest": np.array([4, 8, -1]),
        }.items()
    ]
    source = "x"
    for at in range(times):
        steps = [
            ("Conv", [source, "w"], f"c{at}", {"pads": [1, 1, 1, 1]}),
            ("Shape", [f"c{at}"], f"s{at}", {}),
            ("Gather", [f"s{at}", "first"], f"g{at}", {}),
            ("Unsqueeze", [f"g{at}", "axes"], f"u{at}", {}),
            ("Concat", [f"u{at}", "rest"], f"k{at}", {"axis": 0}),
            ("Reshape", [f"c{at}", f"k{at}"], f"r{at}", {}),
        ]
        made += [helper.make_node(op, reads, [name], **more) for op, reads, name, more in steps]
        source = f"r{at}"
    graph = helper.make_graph(
        made,
        "reshaped",
        [helper.make_tensor_value_info("x", 1, [1, 4, 8, 8])],
        [helper.make_tensor_value_info(source, 1, None)],
        weights,
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


@pytest.fixture
def inferred(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of nodes of which shapes were inferred, which is what takes long."""
    counts = []
    infer_shapes = onnx.shape_inference.infer_shapes

    def counting(model: onnx.ModelProto, **options: bool) -> onnx.ModelProto:
        counts.append(len(model.graph.node))
        return infer_shapes(model, **options)

    monkeypatch.setattr(onnx.shape_inference, "infer_shapes", counting)
    return counts


def test_shapes_of_a_large_model_are_inferred_a_few_times(inferred: list[int]):
    """The number of times must not grow with nodes."""
    model = read_model(dense(1000), name="dense", source="dense")

    assert model.graph.tileable_layers == model.graph.depth
    assert 1000 <= sum(inferred) <= 4 * 1001


def test_sizes_that_depend_on_each_other_in_a_long_chain_are_found_block_by_block(
    inferred: list[int],
):
    """A size says what the next one is; each must not take a look at the whole network."""
    times = 100
    model = read_model(reshaped(times), name="reshaped", source="reshaped")

    assert model.graph.depth == times
    assert sum(inferred) <= 15 * 6 * times

"""Sessions of one process share what they need while they run."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from fusepath.runtime.allocator import release_free_memory, resident_bytes
from fusepath.runtime.runner import Runner

SHAPE = (1, 16, 512, 512)
MAP_BYTES = 4 * 16 * 512 * 512
LINUX = resident_bytes() > 0


def network() -> bytes:
    """Three maps of 16 MiB one after the other, and an output of one pixel."""
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["a"]),
        helper.make_node("MaxPool", ["a"], ["b"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalMaxPool", ["c"], ["y"]),
    ]
    image = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, SHAPE)
    result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (1, 16, 1, 1))
    graph = helper.make_graph(nodes, "maps", [image], [result])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


@pytest.mark.skipif(not LINUX, reason="the system does not say what memory is taken")
def test_maps_of_sessions_that_wait_take_no_memory():
    image = np.ones(SHAPE, dtype=np.float32)
    runners = [Runner(network()) for _ in range(4)]
    runners[0].run({"x": image})
    release_free_memory()
    before_bytes = resident_bytes()

    for runner in runners[1:]:
        runner.run({"x": image})
    release_free_memory()

    assert resident_bytes() - before_bytes < MAP_BYTES

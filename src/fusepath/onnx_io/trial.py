"""A model so small that running it shows nothing but whether something runs at all."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

TRIAL_INPUT = "x"
TRIAL_SHAPE = (1, 1, 4, 4)


def trial_model() -> bytes:
    """One convolution, 3x3 of ones without pads, on an input of `TRIAL_SHAPE` in float32."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, (1, 1, 3, 3), [1.0] * 9)
    graph = helper.make_graph(
        [helper.make_node("Conv", [TRIAL_INPUT, "w"], ["y"])],
        "trial",
        [helper.make_tensor_value_info(TRIAL_INPUT, TensorProto.FLOAT, TRIAL_SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 1, 2, 2))],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    data: bytes = onnx.ModelProto.SerializeToString(model)
    return data

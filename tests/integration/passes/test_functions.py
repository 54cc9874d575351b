"""Models with functions of their own compute what they did, with the functions put in."""

from __future__ import annotations

import numpy as np
from onnx import numpy_helper, parser

from fusepath.onnx_io import read_model
from tests.written_models import assert_all_agree, assert_splits, op_types

TEXT = """
<ir_version: 8, opset_import: ["": 17, "local": 1]>
g (float[1,4,13,10] x) => (float[] y) {
    a = local.Block<slope = 0.5>(x, w)  b = local.Block<slope = 2.0>(a, w)  y = local.Gate(b, b) }
<domain: "local", opset_import: ["": 17, "local": 1]>
Block <slope> (i, k) => (o) {
    c = Conv<pads = [1, 1, 1, 1]>(i, k)  r = LeakyRelu<alpha: float = @slope>(c)
    o = local.Gate(r, i) }
<domain: "local", opset_import: ["": 17]>
Gate (p, q) => (s) { two = Constant<value = float {2.0}>()  m = Mul(p, two)  s = Sub(m, q) }
"""


def model(text: str = TEXT):
    proto = parser.parse_model(text)
    weights = np.random.default_rng(0).integers(-1, 2, (4, 4, 3, 3)).astype(np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    return read_model(proto.SerializeToString(), name="net", source="net.onnx")


def test_functions_that_call_functions_are_put_into_the_graph():
    found = model()

    assert op_types(found) == [*["Conv", "LeakyRelu", "Mul", "Sub"] * 2, "Mul", "Sub"]
    assert found.graph.tileable_layers == found.graph.depth == 2
    assert_all_agree(found, [[], [1]])
    assert_splits(found)


def test_a_function_of_another_opset_is_brought_to_that_of_the_model():
    text = """
    <ir_version: 8, opset_import: ["": 17, "local": 1]>
    g (float[1,4,13,10] x) => (float[] y) { a = Conv<pads = [1, 1, 1, 1]>(x, w)
        y = local.Centred(a) }
    <domain: "local", opset_import: ["": 11]>
    Centred (p) => (s) { m = ReduceMax<axes = [1]>(p)  s = Sub(p, m) }"""
    found = model(text)

    assert op_types(found) == ["Conv", "ReduceMax", "Sub"]
    assert found.graph.tileable_layers == 1
    assert_all_agree(found, [[]])


def test_functions_that_nobody_calls_do_not_matter():
    text = (
        TEXT
        + """
    <domain: "local", opset_import: ["": 17]> Unused (p) => (s) { s = Tanh(p) }"""
    )

    assert op_types(model(text)) == op_types(model())

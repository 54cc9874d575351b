"""Sub-models: what goes in, what comes out, and what travels along."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, numpy_helper, parser

from fusepath.errors import ModelError
from fusepath.onnx_io import build_submodel, load_model, original_with_shape, read_model
from tests.onnx_models import with_weights

BRANCHED = """<ir_version: 8, opset_import: ["": 17]>
    g (float[N,3,H,9] x) => (float[] y, float[] side) {
        [stem] a = Conv<pads = [1, 1, 1, 1]>(x, w1)  [act] b = Relu(a)
        [left] c = Conv<strides = [2, 2]>(b, w2)
        [right] d = MaxPool<kernel_shape = [1, 1], strides = [2, 2]>(b)
        [join] e = Concat<axis = 1>(c, d)  [side_act] side = Sigmoid(c)
        [pool] p = GlobalAveragePool(e)  [flat] f = Flatten(p)  [fc] y = Gemm(f, m) }"""


@pytest.fixture(scope="module")
def branched():
    """A stem, two branches that are joined, an output in mid-net and a tail behind a barrier."""
    proto = parser.parse_model(BRANCHED)
    rng = np.random.default_rng(0)
    for name, shape in {"w1": (4, 3, 3, 3), "w2": (5, 4, 1, 1), "m": (9, 2)}.items():
        values = rng.standard_normal(shape, dtype=np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(values, name))
    return read_model(
        proto.SerializeToString(), name="branched", source="b", input_shape=(1, 3, 8, 9)
    )


@pytest.fixture(scope="module")
def wide():
    """Two layers: weights of 3 kB, and of 72 bytes."""
    proto = parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17]> g (float[1,9,4,4] x) => (float[] y) {
            a = Conv<pads = [1, 1, 1, 1]>(x, large)  y = Conv(a, small) }"""
    )
    rng = np.random.default_rng(0)
    for name, shape in {"large": (9, 9, 3, 3), "small": (2, 9, 1, 1)}.items():
        values = rng.standard_normal(shape, dtype=np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(values, name))
    return read_model(proto.SerializeToString(), name="wide", source="w")


def parsed(part) -> ModelProto:
    proto = with_weights(part.data, part.weights)
    checker.check_model(proto, full_check=True)
    return proto


def dims(value) -> list[int | str]:
    shape = value.type.tensor_type.shape
    return [dim.dim_param or dim.dim_value for dim in shape.dim]


def weight_names(proto: ModelProto) -> list[str]:
    return [tensor.name for tensor in proto.graph.initializer]


def test_the_layers_are_as_expected(branched):
    assert [layer.name for layer in branched.graph.layers] == [
        "stem",
        "left",
        "right",
        "pool",
        "fc",
    ]


def test_a_range_reads_what_came_before_and_writes_what_is_needed_later(branched):
    assert build_submodel(branched, 1, 1).inputs == ("x",)
    assert build_submodel(branched, 1, 1).outputs == ("b",)
    assert build_submodel(branched, 2, 2).inputs == ("b",)
    assert build_submodel(branched, 2, 2).outputs == ("c", "side")
    assert build_submodel(branched, 3, 3).inputs == ("b", "c")
    assert build_submodel(branched, 3, 3).outputs == ("e",)
    assert build_submodel(branched, 1, 3).outputs == ("side", "e")
    assert build_submodel(branched, 4, 5).inputs == ("e",)
    assert build_submodel(branched, 4, 5).outputs == ("y",)
    assert set(build_submodel(branched, 1, 5).outputs) == {"y", "side"}


def test_names_are_those_of_the_encoded_graph(branched):
    part = build_submodel(branched, 1, 3)
    graph = parsed(part).graph

    assert tuple(value.name for value in graph.input) == part.inputs
    assert tuple(value.name for value in graph.output) == part.outputs


def test_height_and_width_are_symbolic_while_all_layers_can_be_tiled(branched):
    graph = parsed(build_submodel(branched, 2, 3)).graph

    assert dims(graph.input[0]) == [1, 4, "b_height", "b_width"]
    assert dims(graph.output[0]) == [1, 5, "side_height", "side_width"]


def test_a_range_with_a_barrier_is_static(branched):
    graph = parsed(build_submodel(branched, 3, 5)).graph

    assert dims(graph.input[0]) == [1, 4, 8, 9]
    assert dims(graph.output[0]) == [1, 2]


def test_only_the_weights_in_use_travel(branched):
    assert weight_names(parsed(build_submodel(branched, 1, 1))) == ["w1"]
    assert weight_names(parsed(build_submodel(branched, 3, 3))) == []
    assert weight_names(parsed(build_submodel(branched, 2, 5))) == ["w2", "m"]


def test_weights_are_the_files_bit_for_bit(branched):
    given = ModelProto.FromString(branched.original).graph.initializer
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in given}

    for first, last, name in ((1, 1, "w1"), (2, 3, "w2")):
        (travelled,) = parsed(build_submodel(branched, first, last)).graph.initializer
        np.testing.assert_array_equal(numpy_helper.to_array(travelled), stored[name])


def test_large_weights_are_shared_by_all_sub_models_and_small_ones_travel(wide):
    one, other = build_submodel(wide, 1, 1), build_submodel(wide, 1, 2)

    assert list(one.weights) == ["large"]
    assert one.weights["large"] is other.weights["large"] is wide.weights["large"]
    (named,) = ModelProto.FromString(one.data).graph.initializer
    assert named.data_location == TensorProto.EXTERNAL
    assert (tuple(named.dims), named.raw_data) == ((9, 9, 3, 3), b"")
    assert list(build_submodel(wide, 2, 2).weights) == []
    (small,) = ModelProto.FromString(build_submodel(wide, 2, 2).data).graph.initializer
    assert numpy_helper.to_array(small).shape == (2, 9, 1, 1)


def test_weights_go_with_the_sub_models_that_read_them():
    model = load_model("zoo:squeezenet?size=65")

    for last in range(1, model.graph.depth + 1):
        part = build_submodel(model, last, last)
        named = {
            tensor.name
            for tensor in ModelProto.FromString(part.data).graph.initializer
            if tensor.data_location == TensorProto.EXTERNAL
        }
        assert named == set(part.weights)


def test_constants_made_at_import_travel_too():
    proto = parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17]> g (float[1,2,4,4] x) => (float[] y) {
            one = Constant<value = float[1] {1.0}>()  two = Add(one, one)  y = Mul(x, two) }"""
    )
    model = read_model(proto.SerializeToString(), name="net", source="net")
    (tensor,) = parsed(build_submodel(model, 1, 1)).graph.initializer

    assert tensor.name == "two"
    assert numpy_helper.to_array(tensor).tolist() == [2.0]


def test_opset_and_ir_version_stay(branched):
    part = parsed(build_submodel(branched, 2, 4))

    assert part.opset_import == branched.proto.opset_import
    assert part.ir_version == branched.proto.ir_version == 8


def test_the_same_range_gives_the_same_bytes(branched):
    again = read_model(
        branched.original, name="branched", source="elsewhere", input_shape=(1, 3, 8, 9)
    )

    assert build_submodel(again, 2, 4) == build_submodel(branched, 2, 4)


@pytest.mark.parametrize(("first", "last"), [(0, 1), (2, 1), (1, 6), (6, 6), (-1, 2)])
def test_a_range_that_is_not_there_is_refused(branched, first, last):
    with pytest.raises(ModelError, match=f"no layers {first} … {last}; it has 1 … 5"):
        build_submodel(branched, first, last)


def test_the_original_gets_the_shape_that_was_given(branched):
    proto = ModelProto.FromString(original_with_shape(branched))

    assert dims(proto.graph.input[0]) == [1, 3, 8, 9]
    assert [node.name for node in proto.graph.node] == [
        node.name for node in parser.parse_model(BRANCHED).graph.node
    ]


def test_a_static_original_is_returned_as_it_is():
    model = load_model("zoo:squeezenet?size=65")

    assert original_with_shape(model) == model.original


def test_every_range_of_a_zoo_network_is_a_valid_model():
    model = load_model("zoo:squeezenet1_1?size=49")

    for last in range(1, model.graph.depth + 1):
        part = build_submodel(model, max(1, last - 2), last)
        proto = parsed(part)
        assert len(proto.graph.node) == len(model.graph.operators(max(1, last - 2), last))

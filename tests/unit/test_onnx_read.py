"""What a read model says about its layers, and what its normal form looks like."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from onnx import numpy_helper, parser

from fusepath.cost import layer_macs
from fusepath.errors import ModelError
from fusepath.graph import (
    POINT,
    Border,
    Crop,
    Kind,
    Padding,
    Sampling,
    Transposed,
    Window,
    Work,
)
from fusepath.onnx_io import load_model, read_model, zoo
from tests.onnx_models import with_weights


def net_bytes(
    body: str, *, opset: int = 17, shape: str = "1,4,12,8", domain: str = "", **weights: object
) -> bytes:
    """A hand-written network; weights given as a shape are drawn, others are taken as they are."""
    text = f'<ir_version: 8, opset_import: ["{domain}": {opset}]> g (float[{shape}] x) => {body}'
    proto = parser.parse_model(text)
    rng = np.random.default_rng(1)
    for name, given in weights.items():
        drawn = isinstance(given, tuple)
        value = rng.standard_normal(given, dtype=np.float32) if drawn else given
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return proto.SerializeToString()


def net(body: str, *, input_shape: tuple[int, ...] | None = None, **parts: object):
    return read_model(net_bytes(body, **parts), name="net", source="a/net", input_shape=input_shape)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def only_operator(model):
    (operator,) = model.graph.operators(1, model.graph.depth)
    return operator


def op_types(model) -> list[str]:
    return [node.op_type for node in model.proto.graph.node]


def test_a_layer_is_a_window_with_what_follows_it():
    model = net(
        """(float[] y) {
            [one] a = Conv<strides = [2, 1], pads = [1, 0, 2, 1]>(x, w)
            [act] b = Relu(a)
            [two] y = MaxPool<kernel_shape = [2, 3], strides = [2, 2]>(b) }""",
        w=(6, 4, 3, 2),
    )
    first, second = model.graph.layers

    assert [operator.name for operator in first.operators] == ["one", "act"]
    assert first.name == "one"
    assert first.tileable
    assert first.operators[0].kind is Kind.WINDOW
    assert first.operators[0].rows == Window(kernel=3, stride=2, pad_begin=1, pad_end=2)
    assert first.operators[0].cols == Window(kernel=2, stride=1, pad_end=1)
    assert second.operators[0].inputs == ("b",)
    assert model.graph.tensors["y"].shape == (1, 6, 3, 3)
    assert model.graph.strides["y"] == (4, 2)


@pytest.mark.parametrize(
    ("body", "weights", "work"),
    [
        ("y = Conv<group = 2>(x, w)", {"w": (6, 2, 3, 5)}, Work(macs=6 * 2 * 15)),
        ("y = MaxPool<kernel_shape = [2, 3]>(x)", {}, Work(pool_taps=4 * 6)),
        ("y = AveragePool<kernel_shape = [4, 4]>(x)", {}, Work(pool_taps=4 * 16)),
        ("y = SpaceToDepth<blocksize = 2>(x)", {}, Work()),
        ("y = DepthToSpace<blocksize = 2>(x)", {}, Work()),
        ("y = Pad(x, p)", {"p": ints(0, 0, 1, 0, 0, 0, 0, 2)}, Work(elements=4)),
        ("y = ConvTranspose(x, w)", {"w": (4, 5, 3, 3)}, Work(macs=4 * 5 * 9, per_input=True)),
        ("y = Relu(x)", {}, Work(elements=4)),
        ("y = Concat<axis = 1>(x, x)", {}, Work(elements=8)),
        ("y = Gather<axis = 1>(x, i)", {"i": ints(2, 1, 0)}, Work(elements=3)),
        ('y = Conv<auto_pad = "SAME_UPPER">(x, w)', {"w": (5, 4, 2, 2)}, Work(macs=80)),
    ],
)
def test_work_over_space_is_counted_per_position(body, weights, work):
    assert only_operator(net(f"(float[] y) {{ {body} }}", **weights)).work == work


def test_a_transposed_convolution_multiplies_each_of_its_inputs():
    model = net("(float[] y) { y = ConvTranspose<strides = [2, 2]>(x, w) }", w=(4, 5, 3, 3))

    assert only_operator(model).counted == "x"
    assert layer_macs(model.graph, 1) == 4 * 12 * 8 * 5 * 9


@pytest.mark.parametrize(
    ("body", "weights", "work"),
    [
        ("y = GlobalAveragePool(x)", {}, Work(pool_taps=4 * 12 * 8)),
        ("y = MatMul(x, w)", {"w": (8, 3)}, Work(macs=4 * 12 * 3 * 8)),
        ("y = Transpose(x)", {}, Work(elements=4 * 12 * 8)),
        ("y = LpPool<kernel_shape = [2, 2]>(x)", {}, Work(pool_taps=4 * 11 * 7 * 4)),
    ],
)
def test_work_of_a_barrier_is_counted_as_a_whole(body, weights, work):
    operator = only_operator(net(f"(float[] y) {{ {body} }}", **weights))

    assert operator.kind is Kind.BARRIER
    assert operator.work == work


@pytest.mark.parametrize("transposed", [0, 1])
def test_work_of_a_gemm_counts_its_inner_dimension(transposed):
    model = net(
        f"(float[] y) {{ f = Flatten(x)  y = Gemm<transB = {transposed}>(f, m) }}",
        m=(10, 384) if transposed else (384, 10),
    )

    assert model.graph.layers[-1].operators[-1].work == Work(macs=3840)


def test_work_of_a_recurrence_counts_every_step():
    model = net(
        """(float[] y) {
            r = Reshape(x, s)  y, h, c = LSTM<hidden_size = 5>(r, w, u) }""",
        s=ints(12, 1, 32),
        w=(1, 20, 32),
        u=(1, 20, 5),
    )

    assert model.graph.layers[-1].operators[-1].work == Work(macs=12 * 20 * 37)


POINTWISE = {
    "Relu(x)": {},
    "LeakyRelu<alpha = 0.1>(x)": {},
    "Sigmoid(x)": {},
    "Tanh(x)": {},
    "HardSwish(x)": {},
    "Elu(x)": {},
    "Erf(x)": {},
    "Round(x)": {},
    "PRelu(x, s)": {"s": (4, 1, 1)},
    "Clip(x, lo, hi)": {"lo": np.float32(0), "hi": np.float32(6)},
    "Clip(x)": {},
    "BatchNormalization(x, c, c, c, c)": {"c": (4,)},
    "LRN<size = 5>(x)": {},
    "Add(x, c)": {"c": (4, 1, 1)},
    "Sub(c, x)": {"c": (1, 4, 1, 1)},
    "Mul(x, x)": {},
    "Div(x, c)": {"c": np.float32(255)},
    "Pow(x, c)": {"c": np.float32(2)},
    "Max(x, c, x)": {"c": np.float32(0)},
    "Sum(x, x, x)": {},
    "Add(x, same)": {"same": np.full((1, 4, 12, 8), 3, dtype=np.float32)},
    "Concat<axis = -3>(x, x)": {},
    "Softmax<axis = 1>(x)": {},
    "LogSoftmax<axis = -3>(x)": {},
    "Hardmax<axis = 1>(x)": {},
    "ReduceMean<axes = [1]>(x)": {},
    "ReduceL2<axes = [-3]>(x)": {},
    "ReduceSum(x, a)": {"a": ints(1)},
    "LpNormalization<axis = 1>(x)": {},
    "MeanVarianceNormalization<axes = [1]>(x)": {},
    "CumSum(x, a)": {"a": np.int64(-3)},
    "Gather<axis = 1>(x, i)": {"i": ints(0, -1)},
    "Slice(x, i, j, k)": {"i": ints(1), "j": ints(3), "k": ints(-3)},
    "Slice(x, i, j, k)#endless": {"i": ints(0, 1), "j": ints(2**62, 3), "k": ints(2, 1)},
}


@pytest.mark.parametrize("body", POINTWISE)
def test_an_operator_that_keeps_positions_is_pointwise(body):
    model = net(f"(float[] y) {{ y = {body.partition('#')[0]} }}", **POINTWISE[body])

    assert only_operator(model).kind is Kind.POINTWISE
    assert model.graph.tileable_layers == model.graph.depth == 1


def test_a_split_of_channels_is_pointwise_with_all_its_outputs():
    model = net("(float[] a, float[] b) { a, b = Split<axis = 1>(x, s) }", s=ints(1, 3))

    assert only_operator(model).outputs == ("a", "b")
    assert only_operator(model).work == Work(elements=4)
    assert model.graph.tileable_layers == 1


BARRIERS = {
    "GlobalAveragePool(x)": ("needs the whole feature map", {}),
    "InstanceNormalization(x, c, c)": ("needs the whole feature map", {"c": (4,)}),
    "ReduceMean<axes = [2, 3]>(x)": ("needs the whole feature map", {}),
    "Flatten(x)": ("rearranges the whole feature map", {}),
    "Transpose<perm = [0, 2, 3, 1]>(x)": ("rearranges the whole feature map", {}),
    "ConvTranspose(x, x)": ("weights are not constant", {}),
    'Resize<mode = "cubic">(x, , s)': (
        "mode cubic is not supported in tiles yet",
        {"s": np.float32([1, 1, 2, 2])},
    ),
    'Resize<mode = "linear", coordinate_transformation_mode = "align_corners">(x, , s)': (
        "align_corners puts outputs 11/23 of an element apart",
        {"s": np.float32([1, 1, 2, 2])},
    ),
    "Resize(x, , s)": ("resizes the channels", {"s": np.float32([1, 2, 2, 2])}),
    "Resize(x, , s)#irrational": (
        "factor 1.41421 is no ratio of small whole numbers",
        {"s": np.float32([1, 1, 2**0.5, 2])},
    ),
    'Resize<coordinate_transformation_mode = "half_pixel", nearest_mode = "ceil">(x, , , s)': (
        "rounding makes its nearest neighbours irregular",
        {"s": ints(1, 4, 28, 8)},
    ),
    "Pad(x, p)": ("negative pads crop", {"p": ints(0, 0, -1, 1, 0, 0, 1, 1)}),
    'Pad<mode = "reflect">(x, p)': (
        "mirrors more than the map has",
        {"p": ints(0, 0, 0, 8, 0, 0, 0, 0)},
    ),
    "MatMul(x, m)": ("reads every position", {"m": (8, 8)}),
    "Conv(x, x)": ("weights are not constant", {}),
    "Softmax<axis = 3>(x)": ("needs whole rows", {}),
    "Softmax<axis = 2>(x)": ("needs whole columns", {}),
    "Softmax(x)": ("needs whole rows", {}),
    "LayerNormalization(x, c)": ("needs whole rows", {"c": (8,)}),
    "LayerNormalization<axis = 1>(x, c)": ("needs the whole feature map", {"c": (4, 12, 8)}),
    "ReduceMean<axes = [1, 2]>(x)": ("needs whole columns", {}),
    "ReduceMean(x)": ("needs the whole feature map", {}),
    "ReduceMean<axes = [1], keepdims = 0>(x)": ("drops the channel axis", {}),
    "ReduceMax<axes = [0]>(x)": ("works on the batch", {}),
    "Concat<axis = 2>(x, x)": ("joins maps along rows or columns", {}),
    "Concat<axis = 1>(x, c)": ("'c' covers the whole map", {"c": (1, 2, 12, 8)}),
    "Add(x, c)": ("'c' varies over rows or columns", {"c": (1, 4, 12, 8)}),
    "Mul(x, c)": ("'c' varies over rows or columns", {"c": (8,)}),
    "PRelu(x, c)": ("'c' varies over rows or columns", {"c": (12, 1)}),
    "Gather<axis = 2>(x, i)": ("picks rows or columns", {"i": ints(1)}),
    "Gather<axis = 1>(x, i)": ("is not a batch-1 map", {"i": np.int64(1)}),
    "Slice(x, i, j, k, s)": (
        "reverses rows",
        {"i": ints(-1), "j": ints(-(2**62)), "k": ints(-1), "s": ints(-1)},
    ),
    "CumSum(x, a)": ("needs whole columns", {"a": np.int64(2)}),
    "Shrink(x)": ("there is no rule", {}),
    "Clip(x, m)": ("'m' is not constant", {}),
    'MaxPool<kernel_shape = [1, 1], strides = [1, 5], auto_pad = "SAME_UPPER">(x)': (
        "auto_pad crops",
        {},
    ),
}


@pytest.mark.parametrize("body", BARRIERS)
def test_an_operator_that_a_tile_cannot_pass_says_why(body):
    reason, weights = BARRIERS[body]
    body = body.partition("#")[0]
    extra = "m = ReduceMax<keepdims = 0>(x)" if "m)" in body and "m" not in weights else ""
    kind = "float16" if "Cast" in body else "float"
    model = net(f"({kind}[] y) {{ {extra} [it] y = {body} }}", **weights)
    last = model.graph.layers[-1].operators[-1]

    assert last.name == "it"
    assert last.kind is Kind.BARRIER
    assert reason in last.barrier_reason
    assert model.graph.tileable_layers == 0


MOVING = {
    "Resize(x, , s)": (
        {"s": np.float32([1, 1, 3, 1])},
        (Transposed(kernel=3, stride=3), POINT),
    ),
    "Resize(x, , s)#1.5": (
        {"s": np.float32([1, 1, 1, 1.5])},
        (POINT, Sampling(inputs=2, outputs=3, low=1, high=1, size=8, least=2)),
    ),
    'Resize<mode = "linear">(x, , s)': (
        {"s": np.float32([1, 1, 2, 1])},
        (Sampling(inputs=1, outputs=2, low=-1, high=2, size=12), POINT),
    ),
    "ConvTranspose<strides = [2, 1], pads = [1, 0, 0, 2], dilations = [1, 2]>(x, w)": (
        {"w": (4, 4, 2, 3)},
        (Transposed(kernel=2, stride=2, pad_begin=1), Transposed(kernel=3, stride=1, dilation=2)),
    ),
    "DepthToSpace<blocksize = 2>(x)": ({}, (Transposed(kernel=2, stride=2),) * 2),
    'Pad<mode = "reflect">(x, p)': (
        {"p": ints(0, 0, 1, 0, 0, 0, 2, 0)},
        (Padding(begin=1, end=2, size=12, border=Border.MIRROR), POINT),
    ),
    "Slice(x, i, j, k, s)": (
        {"i": ints(-9), "j": ints(2**62), "k": ints(-2), "s": ints(2)},
        (Crop(begin=3, stride=2), POINT),
    ),
}


@pytest.mark.parametrize("body", MOVING)
def test_an_operator_that_moves_rows_or_columns_says_how(body):
    weights, footprints = MOVING[body]

    operator = only_operator(net(f"(float[] y) {{ y = {body.partition('#')[0]} }}", **weights))

    assert operator.kind is Kind.WINDOW
    assert operator.footprints == footprints


def test_maps_finer_than_the_input_have_strides_in_parts_of_a_pixel():
    model = net(
        """(float[] y) { a = MaxPool<kernel_shape = [3, 3], strides = [3, 1]>(x)
            b = DepthToSpace<blocksize = 2>(a)  y = Relu(b) }"""
    )

    strides = model.graph.strides
    assert (strides["x"], strides["a"], strides["y"]) == ((2, 2), (6, 2), (3, 1))


def test_maps_at_different_distances_are_joined_where_they_are_of_one_size():
    model = net(
        """(float[] y) { a = Conv<strides = [1, 2]>(x, w)  b = Resize<mode = "linear">(a, , , s)
            c = Slice(x, i, j, k)  y = Add(b, c) }""",
        w=(4, 4, 1, 2),
        s=ints(1, 4, 12, 7),
        i=ints(1),
        j=ints(8),
        k=ints(3),
    )

    assert model.graph.barrier is None
    assert model.graph.strides["b"] != model.graph.strides["c"]


def test_softmax_over_channels_was_over_everything_before_opset_13():
    assert only_operator(net("(float[] y) { y = Softmax<axis = 1>(x) }", opset=11)).kind is (
        Kind.BARRIER
    )


def test_operands_of_other_sizes_are_a_barrier_even_in_one_map():
    model = net(
        """(float[] y) { a = Conv(x, w)  p = Conv(x, v)
            s = Slice(a, zero, one, axes)  y = Mul(a, s) }""",
        w=(4, 4, 1, 1),
        v=(1, 4, 1, 1),
        zero=ints(0, 0),
        one=ints(1, 1),
        axes=ints(2, 3),
    )

    assert "stretched over rows or columns" in model.graph.layers[-1].operators[-1].barrier_reason


def test_a_map_of_one_channel_may_scale_all_channels():
    model = net("(float[] y) { a = Conv(x, v)  y = Mul(x, a) }", v=(1, 4, 1, 1))

    assert model.graph.tileable_layers == model.graph.depth == 1


def test_a_convolution_whose_output_lies_in_its_pads_stays_a_window():
    model = net("(float[] y) { y = Conv<pads = [1, 1, 1, 1]>(x, w) }", w=(2, 4, 1, 1))

    assert only_operator(model).rows == Window(kernel=1, pad_begin=1, pad_end=1)
    assert model.graph.tensors["y"].shape == (1, 2, 14, 10)


def test_indices_of_a_pool_are_a_barrier_only_where_they_are_read():
    unread = net("(float[] y) { y, i = MaxPool<kernel_shape = [2, 2]>(x) }")
    read = net("(float[] y, int64[] i) { y, i = MaxPool<kernel_shape = [2, 2]>(x) }")

    assert only_operator(unread).outputs == ("y",)
    assert "indices" in only_operator(read).barrier_reason


@pytest.mark.parametrize(
    ("auto_pad", "begin", "end"), [("SAME_UPPER", 1, 2), ("SAME_LOWER", 2, 1), ("VALID", 0, 0)]
)
def test_auto_pad_becomes_pads_with_the_odd_element_on_its_side(auto_pad, begin, end):
    model = net(f'(float[] y) {{ y = Conv<auto_pad = "{auto_pad}">(x, w) }}', w=(2, 4, 4, 4))

    assert only_operator(model).rows == Window(kernel=4, pad_begin=begin, pad_end=end)


@pytest.mark.parametrize(("opset", "pads"), [(11, 1), (22, 1), (11, 0), (22, 0)])
def test_a_ceil_mode_window_that_starts_behind_the_map_is_not_counted(opset, pads):
    model = net(
        "(float[] y) { y = MaxPool<kernel_shape = [3, 3], strides = [3, 3], ceil_mode = 1,"
        f" pads = [{pads}, {pads}, {pads}, {pads}]>(x) }}",
        opset=opset,
        shape="1,4,8,8",
    )

    assert model.graph.tensors["y"].shape == (1, 4, 3, 3)


def test_an_operator_is_counted_with_what_quantises_around_it():
    quantised = net(
        """(float[] y) { q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)
            w = DequantizeLinear(k, s, z)  y = Conv(d, w) }""",
        s=np.float32(0.1),
        z=np.uint8(0),
        k=np.ones((2, 4, 3, 3), dtype=np.uint8),
    )

    assert quantised.graph.tileable_layers == quantised.graph.depth == 1
    conv = quantised.graph.layers[-1].operators[-1]
    assert (conv.op_type, conv.inputs, conv.outputs) == ("Conv", ("q",), ("y",))
    assert conv.work == Work(macs=2 * 36)
    assert conv.weight_bytes == 72 + 4 + 1  # one scale and zero point for both


def test_half_precision_maps_are_tiled():
    half = net("(float16[] y) { a = Cast<to = 10>(x)  y = Relu(a) }").graph

    assert half.tileable_layers == half.depth
    assert half.tensors["y"].dtype == "float16"


def test_nodes_without_a_name_are_called_after_type_and_output():
    model = net(
        "(float[] y) { [Relu_y] a = Relu(x)  b = Neg(a)  [Relu_y] c = Abs(b)  y = Relu(c) }"
    )

    assert [node.name for node in model.proto.graph.node] == [
        "Relu_y",
        "Neg_b",
        "Relu_y_2",
        "Relu_y_3",
    ]


def test_dead_nodes_and_constants_are_dropped():
    model = net("(float[] y) { a = Conv(x, w)  y = Relu(x) }", w=(2, 4, 1, 1))

    assert op_types(model) == ["Relu"]
    assert not model.proto.graph.initializer


def test_a_normal_form_read_again_is_itself():
    first = load_model("zoo:squeezenet?size=65")
    data = with_weights(first.proto.SerializeToString(), first.weights).SerializeToString()
    again = read_model(data, name="squeezenet", source="again")

    assert again.proto == first.proto
    assert again.weights.keys() == first.weights.keys()
    for name, value in first.weights.items():
        np.testing.assert_array_equal(again.weights[name], value)
    assert again.graph.layers == first.graph.layers


def test_the_long_name_of_the_standard_domain_is_accepted():
    data = net_bytes("(float[] y) { y = ai.onnx.Relu(x) }", domain="ai.onnx")
    model = read_model(data, name="net", source="net")

    assert [(node.domain, node.op_type) for node in model.proto.graph.node] == [("", "Relu")]


def test_an_open_size_is_filled_in():
    model = net("(float[] y) { y = Relu(x) }", shape="N,4,H,W", input_shape=(1, 4, 5, 6))

    assert model.graph.input.shape == (1, 4, 5, 6)
    assert model.graph.tensors["y"].shape == (1, 4, 5, 6)


def test_an_open_batch_alone_becomes_one():
    assert net("(float[] y) { y = Relu(x) }", shape="N,4,5,6").graph.input.shape == (1, 4, 5, 6)


def test_shapes_that_the_file_states_wrongly_for_its_outputs_are_found_anew():
    model = net("(float[9,9] y) { y = Relu(x) }")

    assert model.graph.tensors["y"].shape == (1, 4, 12, 8)


def test_the_digest_is_that_of_the_file():
    data = net_bytes("(float[] y) { y = Identity(x)  }".replace("Identity", "Relu"))
    model = read_model(data, name="net", source="some/net.onnx")

    assert model.sha256 == model.graph.sha256 == hashlib.sha256(data).hexdigest()
    assert model.original == data
    assert model.source == "some/net.onnx"


def test_a_file_is_read_by_path_or_by_its_name(tmp_path):
    path = tmp_path / "tiny.onnx"
    path.write_bytes(net_bytes("(float[] y) { y = Relu(x) }"))

    for source in (path, str(path)):
        model = load_model(source)
        assert model.source == str(path)
        assert model.graph.name == "tiny"


def test_a_zoo_source_passes_on_size_seed_and_weights():
    model = load_model("zoo:mobilenetv2?size=64&seed=3&weights=integer")
    proto = zoo.build("mobilenetv2", input_size=64, seed=3, weights="integer")

    assert model.sha256 == hashlib.sha256(zoo.serialize(proto)).hexdigest()
    assert model.source == "zoo:mobilenetv2?size=64&seed=3&weights=integer"
    assert model.graph.name == "mobilenetv2"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("zoo:lenet", "lenet"),
        ("zoo:", "unknown network"),
        ("zoo:squeezenet?sized=64", "unknown key 'sized'; known keys are seed, size, weights"),
        ("zoo:squeezenet?size", "'size' has no value"),
        ("zoo:squeezenet?size=", "'size' has no value"),
        ("zoo:squeezenet?size=-4", "size '-4'"),
        ("zoo:squeezenet?size=64&size=65", "'size' is given twice"),
        ("zoo:squeezenet?seed=one", "seed 'one'"),
        ("zoo:squeezenet?weights=big", "unknown weights 'big'"),
        ("zoo:squeezenet?", "unknown key ''"),
        ("zoo:squeezenet?size=1", "too small"),
    ],
)
def test_a_malformed_zoo_source_is_refused(source, reason):
    with pytest.raises(ModelError, match=r"^zoo:") as caught:
        load_model(source)

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)

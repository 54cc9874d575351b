"""What the original computes, the normal form computes, and so does every chain of sub-models."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper, parser

from fusepath.onnx_io import build_submodel, load_model, original_with_shape, read_model, zoo
from tests.written_models import assert_all_agree, ints, net, op_types, run_part

ULTRAFACE = os.environ.get("FUSEPATH_ULTRAFACE", "")
SMALL_SIZES = {
    "alexnet": 67,
    "squeezenet": 65,
    "squeezenet1_1": 49,
    "yolov2": 64,
    "tiny-yolov2": 96,
    "vgg16": 32,
    "resnet18": 65,
    "resnet50": 33,
    "mobilenetv2": 49,
    "vgg19": 32,
    "resnet101": 33,
    "googlenet": 65,
    "densenet121": 49,
    "mobilenetv3-large": 49,
    "efficientnet-b0": 49,
    "shufflenetv2": 65,
    "convnext-tiny": 49,
    "unet": 48,
    "yolov5n": 64,
    "yolov8n": 64,
    "nanodet": 64,
    "ssd-mobilenet": 65,
}

LARGE = ("alexnet", "tiny-yolov2", "vgg16", "yolov2", "vgg19", "resnet101", "convnext-tiny")
"""Hundreds of megabytes of weights: seconds each."""
DEEP = ("densenet121", "googlenet", "unet", "efficientnet-b0", "ssd-mobilenet", "yolov5n")
"""What is in them, others have too."""


CONVOLUTIONS = {
    "plain": "pads = [1, 1, 1, 1]",
    "asymmetric": "pads = [0, 2, 1, 0]",
    "strided": "strides = [2, 3], pads = [1, 0, 2, 1]",
    "dilated": "dilations = [2, 1], pads = [2, 1, 2, 1]",
    "same_upper": 'auto_pad = "SAME_UPPER", strides = [2, 2]',
    "same_lower": 'auto_pad = "SAME_LOWER", strides = [2, 2]',
    "same_lower_without_stride": 'auto_pad = "SAME_LOWER"',
    "valid": 'auto_pad = "VALID", strides = [2, 1]',
}


@pytest.mark.parametrize("attributes", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.parametrize("kernel", [(3, 3), (2, 4)], ids=["odd", "even"])
def test_a_convolution_keeps_its_result(attributes, kernel):
    if "dilations" in attributes and kernel == (2, 4):
        attributes = attributes.replace("pads = [2, 1, 2, 1]", "pads = [1, 2, 1, 1]")
    model = net(
        f"(float[] y) {{ a = Conv<{attributes}>(x, w, b)  y = Relu(a) }}",
        w=(6, 4, *kernel),
        b=(6,),
    )

    assert_all_agree(model, [[]])
    assert "auto_pad" not in {a.name for node in model.proto.graph.node for a in node.attribute}


@pytest.mark.parametrize("opset", [11, 22])
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape = [3, 3], strides = [2, 2]",
        "kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1",
        "kernel_shape = [3, 3], strides = [3, 3], ceil_mode = 1, pads = [1, 1, 1, 1]",
        "kernel_shape = [2, 2], strides = [3, 3], ceil_mode = 1, pads = [0, 0, 1, 1]",
        "kernel_shape = [3, 2], strides = [3, 4], ceil_mode = 1, pads = [1, 0, 1, 1]",
        'kernel_shape = [3, 3], strides = [2, 2], auto_pad = "SAME_UPPER"',
        'kernel_shape = [2, 3], strides = [2, 1], auto_pad = "SAME_LOWER"',
        'kernel_shape = [3, 3], strides = [2, 2], auto_pad = "SAME_UPPER", ceil_mode = 1',
        'kernel_shape = [3, 3], strides = [2, 2], auto_pad = "VALID", ceil_mode = 1',
        'kernel_shape = [3, 3], strides = [4, 4], auto_pad = "VALID", ceil_mode = 1',
    ],
)
@pytest.mark.parametrize("shape", ["1,4,13,10", "1,4,8,7"])
def test_a_pool_keeps_its_result_and_size(op, attributes, opset, shape):
    model = net(f"(float[] y) {{ y = {op}<{attributes}>(x) }}", opset=opset, shape=shape)

    assert_all_agree(model, [[]])
    assert model.graph.tileable_layers == 1


def test_a_pool_size_that_inference_gets_wrong_does_not_spoil_what_follows():
    model = net(
        """(float[] y) {
            p = MaxPool<kernel_shape = [3, 3], strides = [3, 3], ceil_mode = 1,
                        pads = [1, 1, 1, 1]>(x)
            f = Flatten(p)  y = Gemm(f, m) }""",
        opset=11,
        shape="1,4,8,8",
        m=(36, 5),
    )

    assert_all_agree(model, [[], [1]])


@pytest.mark.parametrize("include", [0, 1])
def test_an_average_pool_counts_its_pads_as_before(include):
    model = net(
        "(float[] y) { y = AveragePool<kernel_shape = [3, 3], strides = [2, 2],"
        f" pads = [1, 1, 1, 1], ceil_mode = 1, count_include_pad = {include}>(x) }}"
    )

    assert_all_agree(model, [[]])


def test_a_target_computed_in_the_graph_becomes_static():
    model = net(
        """(float[] y) {
            a = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w)  r = Relu(a)
            s = Shape(r)  zero = Constant<value_int = 0>()  n = Gather<axis = 0>(s, zero)
            axes = Constant<value_ints = [0]>()  u = Unsqueeze(n, axes)
            minus = Constant<value_ints = [-1]>()  target = Concat<axis = 0>(u, minus)
            f = Reshape(r, target)  y = Gemm(f, m) }""",
        w=(6, 4, 3, 3),
        m=(210, 5),
    )

    assert_all_agree(model, [[], [1]])
    assert op_types(model) == ["Conv", "Relu", "Reshape", "Gemm"]


@pytest.mark.parametrize("opset", [9, 12])
def test_old_operator_versions_are_folded_by_their_own_rules(opset):
    model = net(
        """(float[] y) {
            a = Conv(x, w)  s = Shape(a)  h = Slice<axes = [0], starts = [2], ends = [4]>(s)
            n = Gather<axis = 0>(s, k)  u = Unsqueeze<axes = [0]>(n)  v = Squeeze<axes = [0]>(u)
            q = Unsqueeze<axes = [0]>(v)  t = Concat<axis = 0>(q, flat, h)  f = Reshape(a, t)
            y = Softmax<axis = 1>(f) }"""
        if opset < 10
        else """(float[] y) {
            a = Conv(x, w)  s = Shape(a)  h = Slice(s, two, four)
            n = Gather<axis = 0>(s, k)  u = Unsqueeze<axes = [0]>(n)
            t = Concat<axis = 0>(u, flat, h)  f = Reshape(a, t)  y = Softmax<axis = 1>(f) }""",
        opset=opset,
        w=(6, 4, 1, 1),
        k=np.array(0, dtype=np.int64),
        flat=ints(3, 2),
        two=ints(2),
        four=ints(4),
    )

    assert_all_agree(model, [[], [1]])
    assert op_types(model) == ["Conv", "Reshape", "Softmax"]


def test_nodes_that_do_nothing_are_dropped_and_outputs_keep_their_names():
    model = net(
        """(float[] y, float[] z, float[] q) {
            a = Identity(x)  b = Dropout(a)  c = Pad(b, none)  d = Reshape(c, same)
            e = Relu(d)  y = Identity(e)  z = Identity(e)  f = Cast<to = 1>(e)
            g = Transpose<perm = [0, 1, 2, 3]>(f)  h = Sum(g)  i = Slice(h, zeros, ends)
            q = Neg(i) }""",
        none=ints(*[0] * 8),
        same=ints(0, 0, 13, -1),
        zeros=ints(0, 0),
        ends=ints(4, 2**31 - 1),
    )

    assert_all_agree(model, [[]])
    assert op_types(model) == ["Relu", "Identity", "Neg"]
    assert model.graph.outputs == ("y", "z", "q")


def test_a_slice_backwards_is_not_dropped():
    model = net(
        "(float[] y) { y = Slice(x, starts, ends, axes, steps) }",
        starts=ints(-1),
        ends=ints(-(2**31)),
        axes=ints(1),
        steps=ints(-1),
    )

    assert_all_agree(model, [[]])
    assert op_types(model) == ["Slice"]


def test_a_constant_map_that_is_the_same_everywhere_fits_every_tile():
    model = net(
        """(float[] y) {
            a = Sub(x, mean)  b = Mul(a, row)  c = Add(b, scalar)  y = PRelu(c, slope) }""",
        mean=np.broadcast_to(np.arange(4, dtype=np.float32)[None, :, None, None], (1, 4, 13, 10)),
        row=np.full(10, 0.5, dtype=np.float32),
        scalar=np.float32(2),
        slope=np.full((4, 1, 10), 0.25, dtype=np.float32),
    )

    assert_all_agree(model, [[]])
    assert model.graph.tileable_layers == 1


def test_operators_on_channels_keep_their_results():
    model = net(
        """(float[] y) {
            a, b = Split<axis = 1>(x, parts)  c = Slice(x, from, to, channels)
            d = Gather<axis = 1>(x, order)  e = Concat<axis = -3>(b, a, d, c)
            f = Softmax<axis = 1>(e)  g = LRN<size = 3>(f)  h = Max(g, half)  i = Clip(h, , top)
            j = Pow(i, half)  y = HardSigmoid(j) }""",
        parts=ints(1, 3),
        to=ints(3),
        channels=ints(1),
        order=ints(3, -4, 1),
        half=np.float32(0.5),
        top=np.float32(0.9),
        **{"from": ints(1)},
    )

    assert_all_agree(model, [[]])
    assert model.graph.tileable_layers == model.graph.depth == 1


def test_heads_that_branch_off_come_after_the_backbone():
    model = net(
        """(float[] left, float[] right) {
            a = Conv<pads = [1, 1, 1, 1]>(x, w)  r = Relu(a)
            t = Transpose<perm = [0, 2, 3, 1]>(r)  left = Reshape(t, rows)
            b = Conv<strides = [2, 2]>(r, v)  n = BatchNormalization(b, scale, bias, mean, var)
            g = GlobalAveragePool(n)  c = Conv<pads = [1, 1, 1, 1]>(n, v)  s = Sigmoid(g)
            right = Mul(c, s) }""",
        w=(6, 4, 3, 3),
        v=(6, 6, 3, 3),
        rows=ints(1, -1, 6),
        scale=(6,),
        bias=(6,),
        mean=(6,),
        var=np.linspace(0.5, 2, 6, dtype=np.float32),
    )

    assert_all_agree(model, [[], *([cut] for cut in range(1, model.graph.depth)), [1, 2, 3]])
    assert model.graph.tileable_layers == 3
    assert set(model.graph.frontier(2)) == {"r", "n"}


def test_a_file_of_ir_version_3_with_weights_among_its_inputs_is_cut():
    text = """<ir_version: 3, opset_import: ["": 8]>
        g (float[N,3,H,8] x, float[4,3,3,3] w) => (float[] y) { a = Conv(x, w)  y = Relu(a) }"""
    proto = parser.parse_model(text)
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3), dtype=np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    data = proto.SerializeToString()

    model = read_model(data, name="old", source="old.onnx", input_shape=(1, 3, 9, 8))

    assert original_with_shape(model) != data
    assert_all_agree(model, [[]])


def test_a_symbolic_sub_model_runs_tiles_of_any_size():
    model = load_model("zoo:squeezenet?size=65&weights=integer")
    part = build_submodel(model, 1, 9)
    (fused,) = part.outputs
    image = np.random.default_rng(0).integers(0, 255, model.graph.input.shape)
    image = image.astype(np.float32)
    rows, _ = model.graph.strides[fused]

    whole = run_part(part, {"image": image})[fused]
    upper = run_part(part, {"image": image[:, :, : 6 * rows]})[fused]

    assert whole.shape == model.graph.tensors[fused].shape
    np.testing.assert_array_equal(upper[:, :, :2], whole[:, :, :2])


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n in LARGE + DEEP else []) for n in zoo.NAMES],
)
def test_the_networks_of_the_zoo_agree(name):
    model = load_model(f"zoo:{name}?size={SMALL_SIZES[name]}")
    tau = model.graph.tileable_layers

    assert_all_agree(model, [[tau // 2]] if tau == model.graph.depth else [[tau // 2, tau]])


@pytest.mark.skipif(not Path(ULTRAFACE).is_file(), reason="FUSEPATH_ULTRAFACE names no file")
def test_a_trained_detector_with_four_heads_agrees():
    model = load_model(ULTRAFACE)
    tau = model.graph.tileable_layers

    assert not {"Shape", "Constant", "Unsqueeze"} & set(op_types(model))
    assert_all_agree(model, [[], [1], [tau // 2], [tau], [12, 30, tau]])
    assert tau == 52
    assert model.graph.frontier(30) == ("317", "331", "345")

import hashlib
import math
import subprocess
import sys
from functools import cache
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from fusepath.errors import ModelError
from fusepath.onnx_io import zoo
from fusepath.onnx_io.zoo.builder import GraphBuilder

SMALL_SIZES = {
    "alexnet": 99,
    "squeezenet": 64,
    "squeezenet1_1": 65,
    "yolov2": 64,
    "tiny-yolov2": 96,
    "vgg16": 64,
    "resnet18": 64,
    "resnet50": 72,
    "mobilenetv2": 64,
    "vgg19": 64,
    "resnet101": 64,
    "googlenet": 64,
    "densenet121": 64,
    "mobilenetv3-large": 96,
    "efficientnet-b0": 96,
    "shufflenetv2": 64,
    "convnext-tiny": 64,
    "unet": 64,
    "yolov5n": 64,
    "yolov8n": 64,
    "nanodet": 64,
    "ssd-mobilenet": 128,
}
SMALLEST_SIZES = {
    "alexnet": 67,
    "squeezenet": 21,
    "squeezenet1_1": 17,
    "yolov2": 32,
    "tiny-yolov2": 32,
    "vgg16": 32,
    "resnet18": 32,
    "resnet50": 32,
    "mobilenetv2": 32,
    "vgg19": 32,
    "resnet101": 32,
    "googlenet": 32,
    "densenet121": 32,
    "mobilenetv3-large": 32,
    "efficientnet-b0": 32,
    "shufflenetv2": 32,
    "convnext-tiny": 32,
    "unet": 32,
    "yolov5n": 32,
    "yolov8n": 32,
    "nanodet": 32,
    "ssd-mobilenet": 32,
}
HEAVY = {"alexnet", "yolov2", "tiny-yolov2", "vgg16", "resnet50"}  # 60 to 550 MB at any size
HEAVY |= {"vgg19", "resnet101", "convnext-tiny"}
BUILT_OFTEN = {"squeezenet", "mobilenetv2", "nanodet"}
every_network = pytest.mark.parametrize("name", zoo.NAMES)
heavy_ones_slow = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in HEAVY else n for n in zoo.NAMES]
)


class Counts(NamedTuple):
    conv_macs: int
    gemm_macs: int
    learned: int
    all_numbers: int
    output_shapes: tuple[tuple[int, ...], ...]

    @property
    def macs(self):
        return self.conv_macs + self.gemm_macs


def build_without_data(name, size=None):
    """The model with shapes inferred; its weights have names and shapes but no numbers."""

    def declare(self, name, shape, *, gain):
        del gain
        self._model.graph.initializer.add(name=name, data_type=onnx.TensorProto.FLOAT, dims=shape)
        return name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GraphBuilder, "_kernel", declare)
        model = zoo.build(name, input_size=size)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def shapes_of(model):
    return {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*model.graph.value_info, *model.graph.output)
    }


@cache
def counts_of(name):
    model = build_without_data(name)
    shapes = shapes_of(model)
    graph = model.graph
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    conv = gemm = 0
    constants = {key for key in weights if key.startswith(("relu6/", "const/"))}
    not_learned = set(constants)
    for node in graph.node:
        if node.op_type == "Conv":
            conv += math.prod(shapes[node.output[0]]) * math.prod(weights[node.input[1]][1:])
        elif node.op_type == "ConvTranspose":
            conv += math.prod(shapes[node.input[0]]) * math.prod(weights[node.input[1]][1:])
        elif node.op_type == "Gemm":
            gemm += math.prod(weights[node.input[1]])
        elif node.op_type == "BatchNormalization":
            not_learned.update(node.input[3:])
    sizes = {key: math.prod(shape) for key, shape in weights.items()}
    return Counts(
        conv_macs=conv,
        gemm_macs=gemm,
        learned=sum(n for key, n in sizes.items() if key not in not_learned),
        all_numbers=sum(n for key, n in sizes.items() if key not in constants),
        output_shapes=tuple(shapes[value.name] for value in graph.output),
    )


def images(size, *, scale=1.0):
    random = np.random.default_rng(7)
    noise = random.integers(0, 256, (1, 3, size, size))
    y, x = np.mgrid[:size, :size] / size
    waves = [np.sin(9 * x + k) * np.cos(7 * y * y - k) + x - y for k in (0.0, 0.7, 1.4)]
    smooth = np.round(np.clip(127 + 60 * np.stack(waves), 0, 255))[None]
    return [(scale * image).astype(np.float32) for image in (noise, smooth)]


def session(model, *, optimised=False):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    )
    return ort.InferenceSession(zoo.serialize(model), options, ["CPUExecutionProvider"])


def exact_nodes(model):
    """The nodes whose maps integer weights keep exact: up to the last average, or what divides."""
    nodes = list(model.graph.node)
    ends = [i for i, n in enumerate(nodes) if n.op_type in ("Softmax", "LayerNormalization")]
    ends += [i for i, n in enumerate(nodes) if n.op_type == "GlobalAveragePool"][-1:]
    return nodes[: min(ends, default=len(nodes))]


def unit(model):
    """Every average over 2×2 makes fourths of integers."""
    return 4.0 ** -sum(node.op_type == "AveragePool" for node in model.graph.node)


def run_exposed(model, pictures, names):
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    for name in names:
        if name != "output":
            exposed.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    runner = session(exposed)
    return [dict(zip(names, runner.run(names, {"image": p}), strict=True)) for p in pictures]


def check_integer_mode(name, size, *, seed=0):
    model = zoo.build(name, input_size=size, weights="integer", seed=seed)
    names = [node.output[0] for node in exact_nodes(model)]
    for tensors in run_exposed(model, images(size), names):
        for key, tensor in tensors.items():
            assert np.abs(tensor).max() < 2**20, key
            if tensor.shape[2:] != (1, 1):  # what is behind the means of a map are its gates
                units = tensor / unit(model)
                np.testing.assert_array_equal(units, np.rint(units), err_msg=key)
                assert np.count_nonzero(tensor) > 0.2 * tensor.size, key


# ---------------------------------------------------------------------- what was published


@pytest.mark.parametrize(
    ("name", "macs", "tolerance"),
    [
        ("alexnet", 724e6, 0.01),
        ("squeezenet", 0.82e9, 0.01),
        ("squeezenet1_1", 0.35e9, 0.01),
        ("yolov2", 29.37e9 / 2, 0.005),  # Darknet prints billions of operations, two per MAC
        ("tiny-yolov2", 6.97e9 / 2, 0.005),
        ("vgg16", 15.47e9, 0.01),
        ("resnet18", 1.81e9, 0.01),
        ("resnet50", 4.09e9, 0.01),
        ("mobilenetv2", 0.300e9, 0.01),
        # What the documentation of torchvision's weights calls GFLOPS are MACs.
        ("vgg19", 19.63e9, 0.002),
        ("resnet101", 7.80e9, 0.002),
        ("googlenet", 1.50e9, 0.002),
        ("densenet121", 2.83e9, 0.002),
        ("mobilenetv3-large", 0.22e9, 0.02),
        ("efficientnet-b0", 0.39e9, 0.02),
        ("shufflenetv2", 0.14e9, 0.04),
        ("convnext-tiny", 4.46e9, 0.002),
        ("yolov5n", 4.5e9 / 2, 0.02),  # Ultralytics' tables count two operations per MAC
        ("yolov8n", 8.7e9 / 2, 0.02),
        ("ssd-mobilenet", 1.2e9, 0.05),  # MobileNet's paper, Table 13
        # Counted here: nobody published them.
        ("unet", 12.071e9, 0.001),
        ("nanodet", 0.398e9, 0.001),  # NanoDet-m is said to have 0.36
    ],
)
def test_macs_are_the_published_ones(name, macs, tolerance):
    assert counts_of(name).macs == pytest.approx(macs, rel=tolerance)


def test_alexnet_spends_666_million_macs_in_its_convolutions():
    assert counts_of("alexnet").conv_macs == pytest.approx(666e6, rel=0.005)


@pytest.mark.parametrize(
    ("name", "learned"),
    [
        ("alexnet", 60_965_224),
        ("squeezenet", 1_248_424),
        ("squeezenet1_1", 1_235_496),
        ("vgg16", 138_357_544),
        ("resnet18", 11_689_512),
        ("resnet50", 25_557_032),
        ("mobilenetv2", 3_504_872),
        ("vgg19", 143_667_240),
        ("resnet101", 44_549_160),
        ("googlenet", 6_624_904),
        ("densenet121", 7_978_856),
        ("mobilenetv3-large", 5_483_032),
        ("efficientnet-b0", 5_288_548),
        ("shufflenetv2", 2_278_604),
        ("convnext-tiny", 28_589_128),
        ("unet", 7_763_041),  # mateuszbuda/brain-segmentation-pytorch
        ("yolov5n", 1_872_157),  # Ultralytics' summary of the network before it is fused
        ("yolov8n", 3_157_200 - 16),  # the same, without the constants that decode its boxes
    ],
)
def test_networks_have_the_published_number_of_parameters(name, learned):
    assert counts_of(name).learned == learned


@pytest.mark.parametrize(
    ("name", "file_bytes"), [("yolov2", 202_704_260), ("tiny-yolov2", 63_471_556)]
)
def test_detectors_fill_darknets_weight_file_to_the_byte(name, file_bytes):
    header_bytes = 16

    assert header_bytes + 4 * counts_of(name).all_numbers == file_bytes


def test_ssd_mobilenet_has_the_6_8_million_parameters_of_its_paper():
    assert counts_of("ssd-mobilenet").learned == pytest.approx(6.8e6, rel=0.005)


@every_network
def test_output_shapes_at_the_published_size(name):
    others = {
        "yolov2": ((1, 125, 13, 13),),
        "tiny-yolov2": ((1, 125, 13, 13),),
        "unet": ((1, 1, 256, 256),),
        "yolov5n": tuple((1, 3 * 85, side, side) for side in (80, 40, 20)),
        "yolov8n": tuple((1, 64 + 80, side, side) for side in (80, 40, 20)),
        "nanodet": tuple((1, 80 + 32, side, side) for side in (40, 20, 10)),
        "ssd-mobilenet": (
            (1, 3 * 95, 19, 19),
            *((1, 6 * 95, side, side) for side in (10, 5, 3, 2, 1)),
        ),
    }

    assert counts_of(name).output_shapes == others.get(name, ((1, 1000),))


def test_passthrough_of_yolov2_joins_26x26x512_with_the_deepest_map():
    model = build_without_data("yolov2")
    shapes = shapes_of(model)
    nodes = {node.name: node for node in model.graph.node}

    assert shapes[nodes["conv21"].input[0]] == (1, 512, 26, 26)
    assert shapes["reorg"] == (1, 256, 13, 13)
    assert list(nodes["route"].input) == ["reorg", "conv20/leaky"]
    assert shapes["route"] == (1, 1280, 13, 13)


def test_last_pooling_of_tiny_yolov2_pads_only_the_end():
    nodes = {node.name: node for node in build_without_data("tiny-yolov2").graph.node}
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in nodes["pool6"].attribute}

    assert attributes["strides"] == [1, 1]
    assert attributes["pads"] == [0, 0, 1, 1]


# ---------------------------------------------------------------------- the models as files


@heavy_ones_slow
def test_smallest_size_passes_the_checker_and_strict_shape_inference(name):
    model = zoo.build(name, input_size=SMALLEST_SIZES[name], weights="integer")

    onnx.checker.check_model(model)
    inferred = shapes_of(build_without_data(name, SMALLEST_SIZES[name]))
    for value in model.graph.output:
        declared = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        assert inferred[value.name] == declared
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    assert [value.name for value in model.graph.input] == ["image"]
    heads = len(model.graph.output)
    assert [value.name for value in model.graph.output] == (
        ["output"] if heads == 1 else [f"output{index}" for index in range(1, heads + 1)]
    )


@every_network
def test_every_node_and_value_has_a_name_of_its_own(name):
    graph = build_without_data(name).graph
    names = [node.name for node in graph.node]
    values = [output for node in graph.node for output in node.output]
    values += [tensor.name for tensor in graph.initializer]

    assert all(names)
    assert len(set(names)) == len(names)
    assert len(set(values)) == len(values)
    assert {tensor.name for tensor in graph.initializer} <= {i for n in graph.node for i in n.input}


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [
        ("squeezenet", 64, (1, 1000)),
        ("squeezenet1_1", 257, (1, 1000)),
        ("tiny-yolov2", 96, (1, 125, 3, 3)),
        pytest.param("tiny-yolov2", 608, (1, 125, 19, 19), marks=pytest.mark.slow),
        ("resnet18", 97, (1, 1000)),
        ("mobilenetv2", 160, (1, 1000)),
        pytest.param("alexnet", 99, (1, 1000), marks=pytest.mark.slow),
        pytest.param("vgg16", 100, (1, 1000), marks=pytest.mark.slow),
    ],
)
def test_other_input_sizes_give_the_declared_output(name, size, shape):
    model = zoo.build(name, input_size=size, weights="integer")

    assert session(model).run(None, {"image": images(size)[0]})[0].shape == shape
    assert tuple(d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim) == shape


@pytest.mark.parametrize("weights", ["he", "integer"])
@pytest.mark.parametrize(
    "name",
    [n if n in BUILT_OFTEN else pytest.param(n, marks=pytest.mark.slow) for n in zoo.NAMES],
)
def test_equal_arguments_give_equal_bytes_and_another_seed_others(name, weights):
    def digest(seed):
        model = zoo.build(name, input_size=SMALL_SIZES[name], seed=seed, weights=weights)
        return hashlib.sha256(zoo.serialize(model)).hexdigest()

    assert digest(0) == digest(0)
    assert digest(0) != digest(1)


def test_another_process_builds_the_same_bytes():
    code = (
        "import hashlib; from fusepath.onnx_io import zoo;"
        "print(hashlib.sha256(zoo.serialize(zoo.build('squeezenet', seed=3))).hexdigest())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()

    assert printed == hashlib.sha256(zoo.serialize(zoo.build("squeezenet", seed=3))).hexdigest()


# ---------------------------------------------------------------------- the weights


@heavy_ones_slow
def test_integer_weights_stay_small_integers_and_alive(name):
    check_integer_mode(name, SMALL_SIZES[name])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@every_network
def test_integer_weights_stay_small_integers_and_alive_at_the_published_size(name, seed):
    check_integer_mode(name, zoo.DEFAULT_SIZES[name], seed=seed)


@pytest.mark.parametrize(
    "name",
    [
        *("resnet18", "mobilenetv2", "mobilenetv3-large"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("alexnet", "tiny-yolov2", "unet")
        ),
    ],
)
def test_integer_weights_survive_the_optimiser_bit_for_bit(name):
    size = SMALL_SIZES[name]
    model = zoo.build(name, input_size=size, weights="integer")
    prefix = exact_nodes(model)
    while prefix[-1].op_type in ("Flatten", "Gemm", "Dropout"):
        prefix.pop()
    last = prefix[-1].output[0]
    used = {i for node in prefix for i in node.input}
    cut = onnx.helper.make_model(
        onnx.helper.make_graph(
            prefix,
            "prefix",
            model.graph.input,
            [onnx.helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, None)],
            [tensor for tensor in model.graph.initializer if tensor.name in used],
        ),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    plain, optimised = session(cut), session(cut, optimised=True)
    for image in images(size):
        np.testing.assert_array_equal(
            plain.run(None, {"image": image})[0], optimised.run(None, {"image": image})[0]
        )


@pytest.mark.parametrize("name", ["alexnet", "squeezenet", "tiny-yolov2", "resnet50"])
def test_integer_weights_use_every_position_of_every_window(name):
    model = zoo.build(name, input_size=SMALL_SIZES[name], weights="integer")
    tensors = {t.name: t for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv":
            weight = onnx.numpy_helper.to_array(tensors[node.input[1]])
            assert np.isin(weight, (-1, 0, 1)).all(), node.name
            assert np.abs(weight).any(axis=(0, 1)).all(), node.name
            assert np.abs(weight).any(axis=(1, 2, 3)).all(), node.name


@heavy_ones_slow
def test_integer_weights_let_a_changed_pixel_through(name):
    size = SMALL_SIZES[name]
    model = zoo.build(name, input_size=size, weights="integer")
    exact = exact_nodes(model)
    heads = [value.name for value in model.graph.output]
    deepest = [n.output[0] for n in exact if n.output[0] in heads] or [exact[-1].output[0]]
    image = images(size)[0]
    changed = [image.copy() for _ in range(4)]
    for picture, at in zip(changed, (size // 2, size // 3, size // 4, size // 5), strict=True):
        picture[:, :, at, at] = 255 - picture[:, :, at, at]
    before, *after = run_exposed(model, [image, *changed], deepest)

    assert any(not np.array_equal(before[k], result[k]) for result in after for k in deepest)


def check_he_mode(name, size):
    model = zoo.build(name, input_size=size)
    names = [node.output[0] for node in model.graph.node]
    for scale in (1.0, 1 / 255):
        for tensors in run_exposed(model, images(size, scale=scale), names):
            for key, tensor in tensors.items():
                assert np.isfinite(tensor).all(), key
                assert np.abs(tensor).max() < 1e4, key
                assert np.count_nonzero(tensor) > 0.2 * tensor.size, key
            if model.graph.node[-1].op_type == "Softmax":
                assert tensors["output"].max() < 0.99


@heavy_ones_slow
def test_he_weights_keep_activations_sane_through_the_depth(name):
    check_he_mode(name, SMALL_SIZES[name])


@pytest.mark.slow
@every_network
def test_he_weights_keep_activations_sane_at_the_published_size(name):
    check_he_mode(name, zoo.DEFAULT_SIZES[name])


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "lenet"}, "unknown network 'lenet' (did you mean 'alexnet'?); known"),
        ({"name": "alexnet", "input_size": 66}, "input size 66 is too small; use 67 or more"),
        ({"name": "resnet18", "input_size": 0}, "input size 0 is too small; use 32 or more"),
        ({"name": "yolov2", "input_size": 100}, "not a multiple of 32; use 96 or 128"),
        ({"name": "vgg16", "input_size": 600}, "more than 2 GiB of weights"),
        ({"name": "vgg16", "weights": "xavier"}, "unknown weights 'xavier'; use he or integer"),
        ({"name": "vgg16", "seed": -1}, "seed -1 is negative; use 0 or more"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(arguments, message):
    with pytest.raises(ModelError) as caught:
        zoo.build(**arguments)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_and_sizes_belong_together():
    assert list(zoo.DEFAULT_SIZES) == list(zoo.NAMES)
    assert set(SMALL_SIZES) == set(SMALLEST_SIZES) == set(zoo.NAMES)

"""Whatever is wrong with a model, the answer is one line that names the offender."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, parser

from fusepath.errors import ModelError
from fusepath.onnx_io import load_model, read_model
from fusepath.onnx_io.complaint import translated

GOOD = """<ir_version: 8, opset_import: ["": 17]> g (float[1,3,12,8] image) => (float[] y) {
    [stem] a = Conv<pads = [1, 1, 1, 1]>(image, w)  [pool] p = MaxPool<kernel_shape = [2, 2]>(a)
    [act] r = Relu(p)  [flat] f = Flatten(r)  [fc] y = Gemm(f, m) }"""


def good() -> ModelProto:
    proto = parser.parse_model(GOOD)
    for name, shape in {"w": (4, 3, 3, 3), "m": (308, 2)}.items():
        values = np.ones(shape, dtype=np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(values, name))
    return proto


def node(proto: ModelProto, name: str) -> NodeProto:
    return next(each for each in proto.graph.node if each.name == name)


def refusal(data: bytes, **options: object) -> str:
    with pytest.raises(ModelError) as caught:
        read_model(data, name="bad", source="bad.onnx", **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


@pytest.mark.parametrize("opset", [9, 10, 17])
@pytest.mark.parametrize(
    ("shrinks", "reason"),
    [
        ("Conv(x, w)", "its kernel spans 12 elements, but its padded input has 8"),
        ("MaxPool<kernel_shape = [12, 12]>(x)", "its kernel spans 12 elements"),
        ("ConvTranspose<pads = [30, 30, 30, 30]>(x, w)", "is empty"),
    ],
)
def test_a_slice_of_less_than_nothing_ends_in_one_line(opset, shrinks, reason):
    """Shape inference would end the process."""
    slices = "Slice<starts = [0], ends = [3], axes = [2]>(a)" if opset < 10 else "Slice(a, i, j, k)"
    proto = parser.parse_model(
        f'<ir_version: 8, opset_import: ["": {opset}]> g (float[1, 3, 8, 8] x) => (float[] y) '
        f"{{ [it] a = {shrinks}  y = {slices} }}"
    )
    constants = {"w": np.zeros((3, 3, 12, 12), np.float32)}
    constants |= {name: np.array([value]) for name, value in zip("ijk", (0, 3, 2), strict=True)}
    for name, value in constants.items():
        proto.graph.initializer.append(numpy_helper.from_array(value, name))

    with pytest.raises(ModelError, match=f"'it'.*{reason}"):
        read_model(proto.SerializeToString(), name="net", source="net")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("y, z = Split<axis = 1, num_outputs = 4000000000>(x)", "num_outputs 4000000000 is not"),
        ('y = ConvTranspose<auto_pad = "">(x, w)', "unknown auto_pad ''"),
        ('y = ConvTranspose<auto_pad = "LIKE">(x, w)', "unknown auto_pad 'LIKE'"),
    ],
)
def test_an_attribute_of_a_value_that_none_can_have(body, reason):
    proto = parser.parse_model(
        f'<ir_version: 8, opset_import: ["": 18]> g (float[1,3,8,8] x) => (float[] y) {{ {body} }}'
    )
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((3, 3, 2, 2), np.float32), "w"))

    assert reason in refusal(proto.SerializeToString())


def test_an_attribute_that_is_not_text_is_named_with_its_node():
    proto = good()
    node(proto, "stem").attribute.append(helper.make_attribute("auto_pad", b"\xff\xfe"))

    assert "node 'stem' (Conv): its auto_pad is not UTF-8" in refusal(proto.SerializeToString())


def test_the_model_that_the_cases_spoil_is_good():
    assert read_model(good().SerializeToString(), name="good", source="s").graph.depth == 4


BYTES = {
    "empty": (b"", "is empty"),
    "text": (b"this is a text file, not a model", "not an ONNX model"),
    "html": (b"<!DOCTYPE html><html></html>", "not an ONNX model"),
    "a png": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "not an ONNX model"),
    "a zip": (b"PK\x03\x04" + bytes(40), "not an ONNX model"),
    "zeros": (bytes(64), "not an ONNX model"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "truncated": (good().SerializeToString()[:-40], "damaged or truncated"),
    "only a header": (ModelProto(ir_version=8).SerializeToString(), "not an ONNX model"),
}


@pytest.mark.parametrize(("data", "reason"), BYTES.values(), ids=BYTES)
def test_bytes_that_are_no_model_are_refused(data, reason):
    message = refusal(data)

    assert message.startswith("model 'bad': ")
    assert reason in message


def set_input(proto: ModelProto, shape: list[int | str] | None, kind: int = 1) -> None:
    name = proto.graph.input[0].name
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info(name, kind, shape))


def set_ints(name: str, attribute: str, values: list[int]) -> Callable[[ModelProto], None]:
    def spoil(proto: ModelProto) -> None:
        target = node(proto, name)
        kept = [each for each in target.attribute if each.name != attribute]
        del target.attribute[:]
        target.attribute.extend([*kept, helper.make_attribute(attribute, values)])

    return spoil


def replace_node(name: str, op_type: str, inputs: list[str], **attributes: object):
    def spoil(proto: ModelProto) -> None:
        output = node(proto, name).output[0]
        made = helper.make_node(op_type, inputs, [output], name=name, **attributes)
        node(proto, name).CopyFrom(made)

    return spoil


def add_constant(proto: ModelProto, name: str, value: object) -> None:
    proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def no_nodes(proto: ModelProto) -> None:
    del proto.graph.node[:]


def too_many_nodes(proto: ModelProto) -> None:
    proto.graph.node.extend(
        helper.make_node("Relu", ["image"], [f"t{index}"]) for index in range(50_001)
    )


def open_second_input(proto: ModelProto) -> None:
    proto.graph.input.append(helper.make_tensor_value_info("second", 1, [1, "length"]))


def text_beside(proto: ModelProto) -> None:
    proto.graph.input.append(helper.make_tensor_value_info("second", TensorProto.STRING, [1]))


def no_inputs(proto: ModelProto) -> None:
    del proto.graph.input[:]


def no_outputs(proto: ModelProto) -> None:
    del proto.graph.output[:]


def same_output_twice(proto: ModelProto) -> None:
    proto.graph.output.append(proto.graph.output[0])


def unknown_output(proto: ModelProto) -> None:
    proto.graph.output[0].name = "nowhere"


def sequence_output(proto: ModelProto) -> None:
    proto.graph.node.append(helper.make_node("SequenceConstruct", ["a"], ["s"], name="seq"))
    proto.graph.output.append(helper.make_tensor_sequence_value_info("s", 1, None))


def external_data(proto: ModelProto) -> None:
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def external_data_in_a_node(proto: ModelProto) -> None:
    tensor = TensorProto(name="c", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    proto.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def local_function(proto: ModelProto, *, calls: str, times: int = 1) -> None:
    """A function of one node or more."""
    body = [helper.make_node(calls, ["i"], ["o"], domain="local" if calls[0] in "MF" else "")]
    body += [helper.make_node(body[0].op_type, ["i"], [f"o{at}"], domain=body[0].domain)
             for at in range(1, times)]  # fmt: skip
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    made = f"F{len(proto.functions)}"
    proto.functions.append(helper.make_function("local", made, ["i"], ["o"], body, versions))


def called_function(proto: ModelProto) -> None:
    """The last function is what makes the output."""
    last = node(proto, "act")
    last.op_type, last.domain = proto.functions[-1].name, "local"
    proto.opset_import.add(domain="local", version=1)


def function_that_calls_itself(proto: ModelProto) -> None:
    local_function(proto, calls="F1")
    local_function(proto, calls="F0")
    called_function(proto)


def functions_that_explode(proto: ModelProto) -> None:
    local_function(proto, calls="Relu", times=10)
    for at in range(10):
        local_function(proto, calls=f"F{at}", times=10)
    called_function(proto)


def functions_that_are_heavy(proto: ModelProto) -> None:
    local_function(proto, calls="Relu")
    weights = numpy_helper.from_array(np.zeros(2**20, np.float32))
    proto.functions[0].node.append(helper.make_node("Constant", [], ["k"], value=weights))
    local_function(proto, calls="F0", times=100)
    called_function(proto)


def functions_too_deep(proto: ModelProto) -> None:
    local_function(proto, calls="Relu")
    for at in range(60):
        local_function(proto, calls=f"F{at}")
    called_function(proto)


def branch_in_a_function(proto: ModelProto) -> None:
    local_function(proto, calls="Relu")
    branch = helper.make_graph([], "branch", [], [])
    made = helper.make_node("If", ["i"], ["z"], name="fork", then_branch=branch, else_branch=branch)
    proto.functions[0].node.append(made)
    called_function(proto)


def function_that_is_not_there(proto: ModelProto) -> None:
    local_function(proto, calls="Missing")
    called_function(proto)


def sparse(proto: ModelProto) -> None:
    proto.graph.sparse_initializer.add()


def custom_operator(proto: ModelProto) -> None:
    node(proto, "act").domain = "com.example"


def microsoft_operator(proto: ModelProto) -> None:
    node(proto, "act").domain = "com.microsoft"


def unknown_operator(proto: ModelProto) -> None:
    node(proto, "act").op_type = "Relu7"


def newer_operator(proto: ModelProto) -> None:
    node(proto, "act").op_type = "Gelu"


def ended_operator(proto: ModelProto) -> None:
    node(proto, "act").op_type = "Upsample"


def short_weights(proto: ModelProto) -> None:
    proto.graph.initializer[0].raw_data = proto.graph.initializer[0].raw_data[:-4]


def short_list(proto: ModelProto) -> None:
    values = helper.make_tensor("extra", 1, [2], [1.0, 2.0])
    values.float_data.pop()
    proto.graph.initializer.append(values)


def negative_weights_dimension(proto: ModelProto) -> None:
    proto.graph.initializer[0].dims[0] = -4


def huge_weights_dimension(proto: ModelProto) -> None:
    proto.graph.initializer[0].dims[0] = 2**62


def unknown_weights_type(proto: ModelProto) -> None:
    proto.graph.initializer[0].data_type = 99


def weights_twice(proto: ModelProto) -> None:
    proto.graph.initializer.append(proto.graph.initializer[0])


def unsorted(proto: ModelProto) -> None:
    first = NodeProto()
    first.CopyFrom(proto.graph.node[0])
    del proto.graph.node[0]
    proto.graph.node.append(first)


def output_twice(proto: ModelProto) -> None:
    node(proto, "act").output[0] = "a"


def training_norm(proto: ModelProto) -> None:
    add_constant(proto, "one", np.ones(4, dtype=np.float32))
    replace_node("act", "BatchNormalization", ["p", *["one"] * 4], training_mode=1)(proto)
    node(proto, "act").output.extend(["mean", "var"])


def training_dropout(proto: ModelProto) -> None:
    add_constant(proto, "yes", np.array(True))
    replace_node("act", "Dropout", ["p", "", "yes"])(proto)


def undecided_dropout(proto: ModelProto) -> None:
    proto.graph.node.insert(2, helper.make_node("ReduceMax", ["p"], ["m1"], keepdims=0))
    made = helper.make_node("Cast", ["m1"], ["maybe"], to=TensorProto.BOOL)
    proto.graph.node.insert(3, made)
    replace_node("act", "Dropout", ["p", "", "maybe"])(proto)


def huge_constant(proto: ModelProto) -> None:
    add_constant(proto, "size", np.array([2**30], dtype=np.int64))
    proto.graph.node.append(helper.make_node("ConstantOfShape", ["size"], ["z"], name="fill"))
    proto.graph.output.append(helper.make_tensor_value_info("z", 1, None))


def growing_constants(proto: ModelProto) -> None:
    add_constant(proto, "d0", np.array([1, 2], dtype=np.int64))
    for index in range(40):
        proto.graph.node.append(
            helper.make_node("Concat", [f"d{index}"] * 2, [f"d{index + 1}"], name="grow", axis=0)
        )
    proto.graph.output.append(helper.make_tensor_value_info("d40", TensorProto.INT64, None))


def bad_reshape(proto: ModelProto) -> None:
    add_constant(proto, "target", np.array([1, 4, 7, 7], dtype=np.int64))
    replace_node("act", "Reshape", ["p", "target"])(proto)


def set_of(field: str, value: object) -> Callable[[ModelProto], None]:
    def spoil(proto: ModelProto) -> None:
        setattr(proto, field, value)

    return spoil


def set_opset(version: int) -> Callable[[ModelProto], None]:
    def spoil(proto: ModelProto) -> None:
        proto.opset_import[0].version = version

    return spoil


def shaped(*shape: int | str) -> Callable[[ModelProto], None]:
    return lambda proto: set_input(proto, list(shape))


def auto_pad_pool(proto: ModelProto) -> None:
    replace_node(
        "pool", "MaxPool", ["a"], kernel_shape=[2, 2], dilations=[2, 2], auto_pad="SAME_UPPER"
    )(proto)


MODELS: dict[str, tuple[Callable[[ModelProto], None], str]] = {
    "no nodes": (no_nodes, "the graph has no operators"),
    "too many nodes": (too_many_nodes, "50006 nodes are more than 50000"),
    "IR from the future": (set_of("ir_version", 999), "IR version 999"),
    "opset from the future": (set_opset(999), "opset 999 is outside"),
    "ancient opset": (set_opset(5), "opset 5 is outside"),
    "no opset": (lambda proto: proto.opset_import.pop(), "opset 0 is outside"),
    "no input": (no_inputs, "has no input"),
    "an open second input": (open_second_input, "dimension 1 of input 'second' is dynamic"),
    "text beside the image": (text_beside, "input 'second' takes text; export what"),
    "no output": (no_outputs, "has no output"),
    "an output twice": (same_output_twice, "output 'y' is named twice"),
    "an output nobody makes": (unknown_output, "nowhere"),
    "a sequence output": (sequence_output, "output 's' is not a tensor"),
    "uint8 input without a Cast": (
        lambda proto: set_input(proto, [1, 3, 12, 8], TensorProto.UINT8),
        "unsupported type: tensor(uint8)",
    ),
    "text input": (
        lambda proto: set_input(proto, [1, 3, 12, 8], TensorProto.STRING),
        "input 'image' takes text; export what",
    ),
    "input of no type": (
        lambda proto: set_input(proto, [1, 3, 12, 8], 0),
        "input 'image' is of an unknown type",
    ),
    "input without a shape": (
        lambda proto: set_input(proto, None),
        "input 'image' has no shape; give input_shape 1,3,224,224",
    ),
    "no dimensions": (shaped(), "input 'image' is a single number"),
    "zero height": (shaped(1, 3, 0, 8), "dimension 2 of input 'image' is dynamic"),
    "negative width": (shaped(1, 3, 12, -1), "give input_shape 1,3,12,224"),
    "gigantic input": (shaped(1, 3, 2**20, 2**20), "larger than 2 GiB"),
    "dynamic height": (
        shaped("N", 3, "H", 8),
        "dimension 2 of input 'image' is dynamic ('H'); give input_shape 1,3,224,8",
    ),
    "dynamic height and width": (
        shaped("N", 3, "H", "W"),
        "dimension 2 of input 'image' is dynamic ('H'); give input_shape 1,3,224,224",
    ),
    "nameless dynamic channels": (
        shaped(1, "", 12, 8),
        "dimension 1 of input 'image' is dynamic; give",
    ),
    "channels last": (shaped("N", "H", "W", 3), "give input_shape 1,224,224,3"),
    "dynamic rows of numbers": (shaped("N", "L"), "give input_shape 1,64"),
    "wrong channels": (shaped(1, 5, 12, 8), "node 'stem' (Conv): weights of shape (4, 3, 3, 3)"),
    "too small a map": (shaped(1, 3, 1, 8), "node 'pool' (MaxPool)"),
    "wrong width": (shaped(1, 3, 12, 9), "node name: fc"),
    "external data": (external_data, "tensor 'w' is kept in another file (external data)"),
    "external data in a node": (external_data_in_a_node, "tensor 'c' is kept in another file"),
    "a function that calls itself": (function_that_calls_itself, "calls itself"),
    "functions that explode": (functions_that_explode, "make more than 50000 nodes"),
    "functions that are heavy": (
        functions_that_are_heavy,
        "or 67108864 bytes",
    ),
    "functions too deep": (functions_too_deep, "more than 50 deep"),
    "a branch in a function": (branch_in_a_function, "node 'fork' (If): control flow"),
    "a function that is not there": (function_that_is_not_there, "custom operator of domain"),
    "sparse weights": (sparse, "sparse initialisers"),
    "a custom operator": (
        custom_operator,
        "node 'act' (Relu): custom operator of domain 'com.example': what it computes is known to",
    ),
    "a Microsoft operator": (microsoft_operator, "of domain 'com.microsoft'"),
    "an unknown operator": (
        unknown_operator,
        "node 'act' (Relu7): ONNX has no such operator up to opset",
    ),
    "an operator of a newer opset": (newer_operator, "(Gelu): ONNX has it from opset 20 on, and"),
    "an operator that has ended": (ended_operator, "(Upsample): ONNX has it no more from opset 10"),
    "short weights": (short_weights, "tensor 'w' of shape (4, 3, 3, 3) should hold 432 bytes"),
    "short list of weights": (short_list, "tensor 'extra' of shape (2,) should hold 2 values"),
    "negative weights dimension": (negative_weights_dimension, "tensor 'w' has a negative"),
    "huge weights dimension": (huge_weights_dimension, "tensor 'w' of shape"),
    "unknown weights type": (unknown_weights_type, "tensor 'w' has unknown element type 99"),
    "weights twice": (weights_twice, "initialiser 'w' is defined twice"),
    "nodes out of order": (unsorted, "topological"),
    "a tensor made twice": (output_twice, "SSA"),
    "an input nobody makes": (replace_node("act", "Relu", ["ghost"]), "ghost"),
    "too few inputs": (replace_node("act", "Add", ["p"]), "act"),
    "an unknown attribute": (replace_node("act", "Relu", ["p"], speed=9), "speed"),
    "an attribute of another type": (replace_node("act", "LeakyRelu", ["p"], alpha="big"), "alpha"),
    "zero stride": (set_ints("stem", "strides", [0, 1]), "node 'stem' (Conv)"),
    "negative stride": (set_ints("pool", "strides", [-1, 1]), "node 'pool' (MaxPool)"),
    "zero dilation": (set_ints("stem", "dilations", [0, 1]), "'stem'"),
    "negative pads": (set_ints("stem", "pads", [-1, 0, 0, 0]), "node 'stem' (Conv)"),
    "three pads": (set_ints("stem", "pads", [1, 1, 1]), "'stem'"),
    "one kernel size": (set_ints("pool", "kernel_shape", [2]), "'pool'"),
    "a kernel of zero": (set_ints("pool", "kernel_shape", [0, 2]), "node 'pool' (MaxPool)"),
    "a kernel above the map": (set_ints("pool", "kernel_shape", [99, 2]), "node 'pool' (MaxPool)"),
    "an unknown auto_pad": (
        replace_node("pool", "MaxPool", ["a"], kernel_shape=[2, 2], auto_pad="SOME"),
        "unknown auto_pad 'SOME'",
    ),
    "SAME pads of a dilated pool": (auto_pad_pool, "node 'pool' (MaxPool): auto_pad SAME_UPPER"),
    "training normalisation": (training_norm, "node 'act' (BatchNormalization): is in training"),
    "training dropout": (training_dropout, "node 'act' (Dropout): is in training mode"),
    "undecided dropout": (undecided_dropout, "node 'act' (Dropout): is in training mode"),
    "a constant of 4 GB": (huge_constant, "node 'fill' (ConstantOfShape): output 'z'"),
    "constants that double": (growing_constants, "larger than 2 GiB"),
    "a reshape that does not fit": (bad_reshape, "'act'"),
}


@pytest.mark.parametrize(("spoil", "reason"), MODELS.values(), ids=MODELS)
def test_a_model_outside_what_can_be_run_is_refused(spoil, reason):
    proto = good()
    spoil(proto)

    message = refusal(proto.SerializeToString())

    assert message.startswith("model 'bad': ")
    assert reason in message


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((1, 3, 24, 8), "dimension 2 of input 'image' is 12 in the file, but 24 was given"),
        ((1, 4, 12, 8), "is 3 in the file, but 4 was given; give input_shape 1,3,12,8"),
        ((1, 3, 12), "has 4 dimensions, but input_shape (1, 3, 12) was given"),
        ((2, 3, 12, 8), "is 1 in the file, but 2 was given"),
    ],
)
def test_a_shape_that_contradicts_the_file_is_refused(given, reason):
    assert reason in refusal(good().SerializeToString(), input_shape=given)


@pytest.mark.parametrize("given", [(1, 3, 0, 8), (1, 3, -1, 8)])
def test_a_shape_that_no_image_has_is_refused(given):
    proto = good()
    set_input(proto, ["N", 3, "H", 8])

    assert "input 'image'" in refusal(proto.SerializeToString(), input_shape=given)


def test_a_name_that_is_no_text_is_refused():
    data = good().SerializeToString().replace(b"stem", b"st\xff\xfe")

    assert "is not UTF-8" in refusal(data)


def test_an_unprintable_name_does_not_break_the_line():
    proto = good()
    node(proto, "act").name = "two\nlines \x1b[31m and more " + "x" * 1000
    node(proto, "two\nlines \x1b[31m and more " + "x" * 1000).domain = "custom"

    assert "two lines ?[31m and more" in refusal(proto.SerializeToString())


def answer(data: bytes) -> str:
    """The refusal, or 'read'."""
    try:
        read_model(data, name="bad", source="bad.onnx")
    except ModelError as error:
        return str(error)
    return "read"


def test_damage_anywhere_is_refused_or_harmless():
    original = np.frombuffer(good().SerializeToString(), dtype=np.uint8)
    rng = np.random.default_rng(0)
    answers = []
    for _ in range(300):
        data = original.copy()
        data[rng.integers(0, data.size, 3)] = rng.integers(0, 256, 3)
        answers.append(answer(data.tobytes()))

    assert len(set(answers)) > 20
    assert not any("\n" in each for each in answers)


def test_every_truncation_is_refused():
    data = good().SerializeToString()

    for length in range(0, len(data) - 12, 37):
        refusal(data[:length])


@pytest.mark.parametrize("kind", [str, Path])
def test_a_missing_file_is_named(tmp_path, kind):
    with pytest.raises(ModelError, match=r"model file '.*gone\.onnx' does not exist; check"):
        load_model(kind(tmp_path / "gone.onnx"))


def test_a_directory_is_no_model(tmp_path):
    with pytest.raises(ModelError, match="is a directory"):
        load_model(tmp_path)


def test_an_empty_file_is_named(tmp_path):
    path = tmp_path / "nothing.onnx"
    path.touch()

    with pytest.raises(ModelError, match="model 'nothing': is empty"):
        load_model(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "pipe.onnx"
    os.mkfifo(path)

    with pytest.raises(ModelError, match="is not a regular file"):
        load_model(path)


def test_a_file_above_2_gib_is_not_read(tmp_path):
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)

    with pytest.raises(ModelError, match="ONNX files end at 2 GiB"):
        load_model(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_an_unreadable_file_is_refused(tmp_path):
    path = tmp_path / "secret.onnx"
    path.touch(mode=0)

    with pytest.raises(ModelError, match="cannot be read"):
        load_model(path)


def test_a_path_that_cannot_exist_is_refused():
    with pytest.raises(ModelError, match="model file"):
        load_model("no\0where.onnx")


def test_memory_that_ends_is_no_fault_of_the_model():
    with pytest.raises(MemoryError), translated("good", "cannot be read"):
        raise MemoryError

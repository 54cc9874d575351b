"""Operators of ONNX Runtime's own, as its optimiser and quantiser write them into files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest
from onnx import ModelProto, numpy_helper, parser

from fusepath.errors import ModelError
from fusepath.onnx_io import Model, read_model
from tests.quantised_models import quantised
from tests.written_models import (
    assert_same,
    assert_splits,
    net_bytes,
    op_types,
    run_chain,
    run_original,
)

if TYPE_CHECKING:
    from pathlib import Path

ALL_KINDS = """(float[] y, float[] z) {
    a = Conv<pads = [1, 1, 1, 1]>(x, w)  b = Relu(a)  c = Conv<pads = [1, 1, 1, 1]>(b, w)
    d = Add(c, x)  e = Relu(d)  f = Conv<pads = [1, 1, 1, 1]>(e, w)  g = LeakyRelu<alpha = 0.1>(f)
    h = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(g)  s = Sigmoid(h)
    j = Concat<axis = 1>(h, s)  y = Conv(j, u)
    p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(g)  q = GlobalAveragePool(p)
    r = Flatten(q)  z = Gemm<transB = 1>(r, m, n) }"""
WEIGHTS = {"w": (4, 4, 3, 3), "u": (3, 8, 1, 1), "m": (5, 4), "n": (5,)}
LEVELS = {
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


def read(data: bytes) -> Model:
    return read_model(data, name="net", source="net.onnx")


def written(body: str, *, opset: int = 17, **weights: object) -> Model:
    """A network by hand, with operators of both domains."""
    proto = ModelProto.FromString(net_bytes("(float[] y) { y = Relu(x) }", opset=opset))
    header = f'<ir_version: 8, opset_import: ["": {opset}, "com.microsoft": 1]>'
    graph = parser.parse_model(f"{header} g (float[1,4,13,10] x) => (float[] y) {{ {body} }}")
    proto.CopyFrom(graph)
    rng = np.random.default_rng(1)
    for name, given in weights.items():
        value = rng.integers(-2, 3, given).astype("f4") if isinstance(given, tuple) else given
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return read(proto.SerializeToString())


def saved(data: bytes, level: str, folder: Path) -> bytes:
    """The model as ONNX Runtime's optimiser leaves it."""
    options = ort.SessionOptions()
    options.graph_optimization_level = LEVELS[level]
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 4
    ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return (folder / "optimised.onnx").read_bytes()


def images(model: Model, count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(model.graph.input.shape, dtype="f4") for _ in range(count)]


def assert_equal(model: Model) -> None:
    """Whole and layer by layer it computes the very bits of the original."""
    for image in images(model):
        expected = run_original(model, image)
        for cuts in ([], list(range(1, model.graph.depth))):
            found = run_chain(model, image, cuts)
            for name, wanted in expected.items():
                np.testing.assert_array_equal(found[name], wanted, err_msg=name)


def types(data: bytes) -> set[str]:
    return {node.op_type for node in ModelProto.FromString(data).graph.node}


def test_a_model_that_the_optimiser_has_saved(tmp_path):
    data = saved(net_bytes(ALL_KINDS, **WEIGHTS), "extended", tmp_path)
    assert "FusedConv" in types(data)

    model = read(data)
    assert model.graph.tileable_layers == 6
    assert_equal(model)


@pytest.mark.parametrize("level", [None, "extended", "all"])
def test_a_model_of_the_quantiser_in_integer_operators(level, tmp_path):
    rng = np.random.default_rng(3)
    samples = [rng.standard_normal((1, 4, 13, 10), dtype="f4") for _ in range(4)]
    data = quantised(net_bytes(ALL_KINDS, **WEIGHTS), tmp_path, samples, qdq=False)
    if level is not None:
        data = saved(data, level, tmp_path)
    assert types(data) >= {
        *("QGemm", "QLinearAdd", "QLinearAveragePool", "QLinearConcat", "QLinearConv"),
        *("QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearSigmoid"),
    }
    assert ("NhwcMaxPool" in types(data)) == (level == "all")

    model = read(data)
    assert model.graph.tileable_layers >= 3
    assert_equal(model)


def test_integer_operators_split_exactly(tmp_path):
    body = ALL_KINDS.partition(" p = MaxPool")[0].replace(", float[] z", "") + " }"
    rng = np.random.default_rng(3)
    samples = [rng.integers(-3, 4, (1, 4, 13, 10)).astype("f4") for _ in range(4)]
    kept = {name: WEIGHTS[name] for name in ("w", "u")}
    model = read(quantised(net_bytes(body, **kept), tmp_path, samples, qdq=False))

    assert model.graph.tileable_layers == model.graph.depth
    assert_splits(model)


@pytest.mark.parametrize("opset", [9, 17])
@pytest.mark.parametrize(
    "activation",
    [
        "",
        ', activation = "Relu"',
        ', activation = "Tanh"',
        ', activation = "Sigmoid"',
        ', activation = "LeakyRelu", activation_params = [0.25]',
        ', activation = "Clip", activation_params = [-1.0, 6.0]',
        ', activation = "HardSigmoid", activation_params = [0.25, 0.5]',
    ],
)
def test_a_convolution_with_its_activation(activation, opset):
    attributes = f"<pads = [1, 1, 1, 1]{activation}>"
    body = f"a = com.microsoft.FusedConv{attributes}(x, w, b)  y = Conv(a, v)"
    model = written(body, opset=opset, w=(4, 4, 3, 3), b=(4,), v=(3, 4, 1, 1))

    assert model.graph.tileable_layers == model.graph.depth == 2
    assert_splits(model, exact=not any(name in activation for name in ("Tanh", "Sigmoid")))


def test_a_convolution_to_which_a_map_is_added():
    attributes = '<pads = [1, 1, 1, 1], activation = "Relu">'
    model = written(f"y = com.microsoft.FusedConv{attributes}(x, w, b, x)", w=(4, 4, 3, 3), b=(4,))

    assert op_types(model) == ["Conv", "Add", "Relu"]
    assert_splits(model)


ALONE = {
    "gelu": "y = com.microsoft.Gelu(x)",
    "gelu with a bias": "y = com.microsoft.BiasGelu(x, b)",
    "fast gelu": "y = com.microsoft.FastGelu(x)",
    "fast gelu with a bias": "y = com.microsoft.FastGelu(x, b)",
    "quick gelu": "y = com.microsoft.QuickGelu<alpha = 1.5>(x)",
    "quick gelu as usual": "y = com.microsoft.QuickGelu(x)",
    "product": "y = com.microsoft.FusedMatMul<transA = 1, transB = 1, alpha = 0.5>(x, m)",
    "product as it is": "y = com.microsoft.FusedMatMul(x, t)",
    "matrices": """f = Flatten(x)  y = com.microsoft.FusedGemm<transB = 1, alpha = 0.5,
        activation = "LeakyRelu", activation_alpha = 0.25>(f, n, c)""",
}


@pytest.mark.parametrize("body", ALONE.values(), ids=ALONE)
def test_others_compute_what_they_did(body):
    weights = {"b": (10,), "m": (7, 13), "t": (10, 7), "n": (3, 520), "c": (3,)}
    model = written(body, **{k: v for k, v in weights.items() if f", {k}" in body})

    assert not any(node.domain for node in model.proto.graph.node)
    for image in images(model):
        assert_same(run_chain(model, image, []), run_original(model, image))


def test_layer_normalisation_of_an_opset_that_has_none(tmp_path):
    body = """(float[] y) { m = ReduceMean<axes = [-1]>(x)  d = Sub(x, m)  q = Pow(d, two)
        v = ReduceMean<axes = [-1]>(q)  e = Add(v, tiny)  r = Sqrt(e)  n = Div(d, r)
        s = Mul(n, g)  y = Add(s, b) }"""
    numbers = {"two": np.float32(2), "tiny": np.float32(1e-3)}
    data = saved(net_bytes(body, opset=13, g=(10,), b=(10,), **numbers), "extended", tmp_path)
    assert types(data) == {"LayerNormalization"}

    model = read(data)
    for image in images(model):
        assert_same(run_chain(model, image, []), run_original(model, image))


def test_what_is_made_for_one_processor_is_refused_with_what_to_do(tmp_path):
    data = saved(net_bytes(ALL_KINDS, **WEIGHTS), "all", tmp_path)
    if not any(node.domain.endswith("nchwc") for node in ModelProto.FromString(data).graph.node):
        pytest.skip("ONNX Runtime has no blocked layout for this processor")

    with pytest.raises(ModelError, match=r"nchwc': .*; give the model as it was before"):
        read(data)


def test_parameters_that_nobody_knows_are_refused():
    body = 'y = com.microsoft.FusedConv<activation = "Softsign">(x, w)'
    with pytest.raises(ModelError, match=r"custom operator of domain 'com\.microsoft'"):
        written(body, w=(4, 4, 3, 3))

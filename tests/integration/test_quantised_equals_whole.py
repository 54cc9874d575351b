"""Quantised networks in tiles and strips, bit by bit, and what crosses their cuts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from fusepath.cost import RUNTIME, ComputeRate, Link, cut_bytes
from fusepath.offload.machines import Machines
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import Model, build_strip_model, build_submodel, load_model, read_model
from fusepath.plan import InputFormat, PlanRequest
from fusepath.runtime.runner import Runner
from fusepath.tiling import layout
from tests.onnx_models import with_weights
from tests.plans import carry_out, plan_of, stream_plan, streamable
from tests.quantised_models import quantised
from tests.runs import run
from tests.written_models import net_bytes

SHAPE = (1, 3, 23, 19)
GRIDS = [(1, 1), (2, 2), (3, 3)]
VALUES = InputFormat(dtype="float32", mean=(0.0,), std=(1.0,))
BODY = """(float[] y, float[] z) {
    a = Conv<pads = [1, 1, 1, 1]>(x, k1, b1)  b = Relu(a)
    c = Conv<pads = [1, 1, 1, 1], strides = [2, 2], group = 8>(b, k2, b2)  d = Clip(c, low, high)
    e = Conv(d, k3, b3)  f = Conv<pads = [2, 2, 2, 2]>(d, k4, b4)  g = Relu(f)
    h = Add(e, g)  i = Relu(h)
    m = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(i)
    n = Concat<axis = 1>(m, d, e)
    y = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(n, k5, b5)  o = Relu(y)
    p = GlobalAveragePool(o)  q = Flatten(p)  z = Gemm<transB = 1>(q, k6) }"""


def float_bytes() -> bytes:
    """Convolutions of all kinds, branches that meet by sum and by Concat, a pool and a head."""
    weights = {
        "k1": (8, 3, 3, 3), "k2": (8, 1, 3, 3), "k3": (8, 8, 1, 1), "k4": (8, 8, 5, 5),
        "k5": (6, 24, 3, 3), "b1": (8,), "b2": (8,), "b3": (8,), "b4": (8,), "b5": (6,),
        "k6": (5, 6), "low": np.float32(0), "high": np.float32(6),
    }  # fmt: skip
    return net_bytes(BODY, shape=",".join(map(str, SHAPE)), **weights)


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(SHAPE, dtype=np.float32)


@cache
def model_of(activations: str, *, per_channel: bool) -> Model:
    samples = [image(seed) for seed in range(3)]
    with TemporaryDirectory() as folder:
        data = quantised(
            float_bytes(), Path(folder), samples, activations=activations, per_channel=per_channel
        )
    return read_model(data, name="quantised", source="quantised.onnx")


every_kind = pytest.mark.parametrize(
    ("activations", "per_channel"),
    [("u8", True), ("u8", False)],
    ids=["per channel", "per tensor"],
)


@every_kind
def test_a_quantised_network_can_be_tiled_to_its_head(activations, per_channel):
    graph = model_of(activations, per_channel=per_channel).graph

    assert graph.barrier is not None
    assert graph.barrier.op_type == "GlobalAveragePool"
    assert [layer.op_type for layer in graph.layers[: graph.tileable_layers]] == [
        "Conv", "Conv", "Conv", "Conv", "MaxPool", "Conv",
    ]  # fmt: skip


@every_kind
def test_bytes_cross_the_cuts(activations, per_channel):
    graph = model_of(activations, per_channel=per_channel).graph
    whole = read_model(float_bytes(), name="float", source="float.onnx").graph

    for cut in range(2, graph.depth + 1):  # 'y', in mid-net, is an output as well
        assert {graph.tensors[name].dtype for name in graph.sent(cut)} == {"uint8"}
        assert cut_bytes(graph, cut, RUNTIME) * 4 == cut_bytes(whole, cut, RUNTIME)


def optimised(data: bytes, weights: dict[str, np.ndarray], folder: Path) -> set[str]:
    """Types of the operators that ONNX Runtime makes of a model."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    whole = with_weights(data, weights).SerializeToString()
    ort.InferenceSession(whole, options, providers=["CPUExecutionProvider"])
    return {node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node}


def test_sub_models_compute_in_integers(tmp_path):
    """Wherever they begin and end, and with the rows of strips put together in between."""
    model = model_of("u8", per_channel=True)
    last = model.graph.tileable_layers
    parts = [build_submodel(model, at, at) for at in range(1, last + 1)]
    parts.append(build_submodel(model, 1, last))
    plan = stream_plan(model, last, [(0, model.graph.fused_size(last, 0), 4, 3)], form=VALUES)
    strips = layout(model.graph, plan.recipe.arrangement).strips
    for strip in range(len(plan.cuts)):
        step = strips.step(strip, 4, last)
        parts.append(build_strip_model(model, step, model.graph.frontier(last)))

    found = [optimised(part.data, dict(part.weights), tmp_path) for part in parts]

    assert not {"Conv", "FusedConv", "Add", "Concat"} & set().union(*found[: last + 1])
    assert not {"Conv", "FusedConv", "Add"} & set().union(*found)  # strips join rows by Concat
    assert {"QLinearConv", "QLinearAdd", "QLinearConcat"} <= found[last]


@every_kind
def test_tiles_and_strips_are_bit_equal(activations, per_channel):
    model = model_of(activations, per_channel=per_channel)
    last = model.graph.tileable_layers
    expected = run_unsplit(model, image(), VALUES)
    plans = [plan_of(model, cuts=[cut], form=VALUES) for cut in range(1, model.graph.depth + 2)]
    for tau in range(1, last + 1):
        cuts = list(range(tau + 1, 0, -1))
        plans += [plan_of(model, tau=tau, grid=grid, cuts=cuts, form=VALUES) for grid in GRIDS]
    assert streamable(model) == list(range(1, last + 1))
    for tau in streamable(model):
        height = model.graph.fused_size(tau, 0)
        for cut in range(1, tau + 2):
            segments = [(0, height // 2, cut, 3), (height // 2, height, tau + 2 - cut, 2)]
            plans.append(stream_plan(model, tau, segments, form=VALUES))
    for plan in plans:
        outputs = carry_out(model, plan, image()).outputs
        assert outputs.keys() == expected.keys()
        for name, want in expected.items():
            np.testing.assert_array_equal(outputs[name], want, f"{name}: {plan.recipe}")


@pytest.mark.parametrize("per_channel", [True, False])
def test_int8_maps_that_several_operators_read_keep_a_network_unsplit(per_channel):
    """Around such maps ONNX Runtime computes in float32 where it has the whole, and rounds so."""
    model = model_of("s8", per_channel=per_channel)
    whole = build_submodel(model, 1, model.graph.depth)
    runner = Runner(whole.data, weights=whole.weights, outputs=whole.outputs)

    assert model.graph.tileable_layers == 0
    assert model.graph.barrier is not None
    assert "quantise to uint8" in model.graph.barrier.barrier_reason
    for seed in range(5):
        outputs = runner.run({model.graph.input.name: image(seed)})
        for name, want in run_unsplit(model, image(seed), VALUES).items():
            np.testing.assert_array_equal(outputs[name], want)


def test_int8_maps_that_one_operator_reads_are_tiled(tmp_path):
    body = """(float[] y) {
        a = Conv<pads = [1, 1, 1, 1]>(x, k1, b1)  b = Relu(a)
        c = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(b, k2, b2)  d = Relu(c)
        y = Conv<pads = [1, 1, 1, 1]>(d, k3) }"""
    shape = ",".join(map(str, SHAPE))
    weights = {"k1": (8, 3, 3, 3), "b1": (8,), "k2": (6, 8, 3, 3), "b2": (6,), "k3": (4, 6, 3, 3)}
    data = net_bytes(body, shape=shape, **weights)
    written = quantised(data, tmp_path, [image(seed) for seed in range(3)], activations="s8")
    model = read_model(written, name="quantised", source="quantised.onnx")

    assert model.graph.tileable_layers == 3
    plans = [plan_of(model, tau=3, grid=grid, cuts=[4, 3, 2, 1], form=VALUES) for grid in GRIDS]
    height = model.graph.fused_size(3, 0)
    plans += [stream_plan(model, 3, [(0, height, cut, 3)], form=VALUES) for cut in range(1, 5)]
    for seed in range(3):
        expected = run_unsplit(model, image(seed), VALUES)
        for plan in plans:
            outputs = carry_out(model, plan, image(seed)).outputs
            np.testing.assert_array_equal(outputs["y"], expected["y"], str(plan.recipe))


@pytest.mark.parametrize("kind", ["tiles", "strips", "planned"])
def test_a_run_over_the_service_is_verified(kind):
    model = model_of("u8", per_channel=True)
    cuts = [4, 2, 1, 5]
    machines = Machines(
        device=ComputeRate(1e8),
        edge=ComputeRate(1e10),
        link=Link(up_bytes_per_s=1e5, down_bytes_per_s=1e6),
    )
    plan = {
        "tiles": plan_of(model, tau=4, grid=(2, 2), cuts=cuts, form=VALUES),
        "strips": stream_plan(model, 5, [(0, 6, 3, 3), (6, 12, 1, 2)], form=VALUES),
        "planned": PlanRequest(codecs="off", algorithm="stream"),
    }[kind]

    report = run(model, image(), edge="memory:", plan=plan, given=machines, verify=True)

    assert report.comparison is not None
    assert report.comparison.bit_equal


def test_operators_of_quantised_values_are_tiled(tmp_path):
    """QLinearConv and a pool of bytes, as the other format of quantisation has them."""
    body = """(float[] y) {
        a = Conv<pads = [1, 1, 1, 1], auto_pad = "NOTSET">(x, k1, b1)  b = Relu(a)
        c = MaxPool<kernel_shape = [3, 3], strides = [2, 2]>(b)
        y = Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>(c, k2, b2) }"""
    shape = ",".join(map(str, SHAPE))
    data = net_bytes(body, shape=shape, k1=(8, 3, 3, 3), b1=(8,), k2=(6, 8, 3, 3), b2=(6,))
    samples = [image(seed) for seed in range(3)]
    only = ["Conv", "MaxPool"]
    written = quantised(data, tmp_path, samples, operators=only, qdq=False)
    model = read_model(written, name="quantised", source="quantised.onnx")
    graph = model.graph
    expected = run_unsplit(model, image(), VALUES)

    assert [layer.op_type for layer in graph.layers] == ["QLinearConv", "MaxPool", "QLinearConv"]
    assert graph.tileable_layers == 3
    plans = [plan_of(model, tau=3, grid=grid, cuts=[4, 3, 2, 1], form=VALUES) for grid in GRIDS]
    height = graph.fused_size(3, 0)
    plans += [stream_plan(model, 3, [(0, height, cut, 3)], form=VALUES) for cut in range(1, 5)]
    for plan in plans:
        outputs = carry_out(model, plan, image()).outputs
        np.testing.assert_array_equal(outputs["y"], expected["y"], str(plan.recipe))
    for cut in (2, 3):
        assert {graph.tensors[name].dtype for name in graph.sent(cut)} == {"uint8"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("resnet18", 97), ("mobilenetv2", 81)])
def test_quantised_built_in_networks_are_bit_equal(name, size, tmp_path):
    whole = load_model(f"zoo:{name}?size={size}")
    rng = np.random.default_rng(0)
    samples = [rng.standard_normal(whole.graph.input.shape, dtype=np.float32) for _ in range(3)]
    data = quantised(whole.original, tmp_path, samples)
    model = read_model(data, name=name, source="quantised.onnx")
    graph, last = model.graph, model.graph.tileable_layers
    expected = run_unsplit(model, samples[0], VALUES)
    plans = [plan_of(model, cuts=[cut], form=VALUES) for cut in range(1, graph.depth + 2)]
    for tau in (1, last // 4, last // 2, last * 3 // 4, last):
        grid = (min(3, graph.fused_size(tau, 0)), min(2, graph.fused_size(tau, 1)))
        cuts = [tau + 1, tau // 2 + 1, 1, tau]
        plans.append(plan_of(model, tau=tau, grid=grid, cuts=cuts, form=VALUES))
        height = graph.fused_size(tau, 0)
        segments = [(0, height // 2, tau // 2 + 1, 3), (height // 2, height, 1, 2)]
        plans.append(stream_plan(model, tau, segments, form=VALUES))

    assert last == whole.graph.tileable_layers
    for cut in range(2, last + 1):
        assert 4 * cut_bytes(graph, cut, RUNTIME) <= cut_bytes(whole.graph, cut, RUNTIME)
    for plan in plans:
        outputs = carry_out(model, plan, samples[0]).outputs
        for output, want in expected.items():
            np.testing.assert_array_equal(outputs[output], want, str(plan.recipe))

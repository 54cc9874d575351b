"""Networks on signals (1, C, L) are cut into strips of maps of one column."""

from __future__ import annotations

import numpy as np
import pytest

from fusepath import Budget, Machines, PlanRequest, Session, parse_link, parse_machine, run
from fusepath.errors import ImageError
from fusepath.offload.frames import FrameFormat
from fusepath.onnx_io import original_with_shape
from fusepath.pictures.inputs import load_input
from fusepath.remote.memory import ADDRESS as MEMORY
from fusepath.runtime.runner import Runner
from tests.plans import assert_close, carry_out, plan_of
from tests.written_models import AS_VALUES, assert_splits, ints, net, op_types, run_original

MACHINES = Machines(
    device=parse_machine("1GFLOPS"), edge=parse_machine("9GFLOPS"), link=parse_link("1MB/s")
)
AXES_ARE_INPUTS = 18
"""From this opset on, axes of a ReduceMean are."""
CHAIN = """a = Conv<pads = [2, 2], strides = [2], dilations = [2]>(x, w, bias)
    b = BatchNormalization(a, g, h, mean, var)  c = Relu(b)
    d = Conv<pads = [1, 1], group = 4>(c, k)  e = Add(d, c)  f = Concat<axis = -2>(e, d)
    m = MaxPool<kernel_shape = [3], strides = [2], pads = [1, 1]>(f)  n = Mul(m, s)"""
WEIGHTS = {
    "w": (4, 4, 3),
    "bias": (4,),
    "g": np.ones(4, "f4"),
    "h": (4,),
    "mean": (4,),
    "var": np.full(4, 1 - 1e-5, "f4"),
    "k": (4, 1, 3),
    "s": (8, 1),
}


def signals(body: str, **weights: object):
    return net(f"(float[] y) {{ {body} }}", shape="1,4,60", integer=True, **weights)


def test_a_chain_of_signals_is_tiled_to_its_end_and_answers_as_it_did():
    model = signals(f"{CHAIN}  y = AveragePool<kernel_shape = [2], strides = [2]>(n)", **WEIGHTS)

    assert model.graph.input.shape == (1, 4, 60, 1)
    assert model.graph.tileable_layers == model.graph.depth == 4
    assert model.boundary.input.shape == (1, 4, 60)
    assert model.boundary.outputs[0].shape == (1, 8, 7)
    assert_splits(model)


@pytest.mark.parametrize("opset", [11, 17])
def test_what_needs_signals_gets_them_back(opset):
    body = (
        f"{CHAIN}  t = Transpose<perm = [0, 2, 1]>(n)  y = ReduceMax<axes = [1], keepdims = 0>(t)"
    )
    model = net(f"(float[] y) {{ {body} }}", shape="1,4,60", opset=opset, integer=True, **WEIGHTS)

    assert model.graph.tileable_layers == 3
    assert op_types(model)[-3:] == ["Transpose", "Squeeze", "ReduceMax"]
    assert_splits(model)


TURNED = {
    "back": "o = MatMul(t, p)  u = Add(o, q)  r = Relu(u)  y = Transpose<perm = [0, 2, 1]>(r)",
    "at the end": "y = MatMul(t, p)",
    "scaled": "u = Mul(t, k3)  y = Transpose<perm = [0, 2, 1]>(u)",
}


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("body", TURNED.values(), ids=TURNED)
def test_channels_of_transposed_signals_are_tiled(body, opset):
    weights = {**WEIGHTS, "p": (8, 3), "q": (3,), "k3": (1, 1, 8)}
    body = f"(float[] y) {{ {CHAIN}  t = Transpose<perm = [0, 2, 1]>(n)  {body} }}"
    model = net(body, shape="1,4,60", opset=opset, integer=True, **weights)

    assert model.graph.tileable_layers == model.graph.depth
    assert model.boundary.outputs[0].shape in {(1, 3, 15), (1, 15, 3), (1, 8, 15)}
    assert_splits(model)


OVER_CHANNELS = {
    "channels first": ("c", 1, "gamma", "z = Relu(g)"),
    "channels last": ("t", 2, "flat", "z = Transpose<perm = [0, 2, 1]>(g)"),
}


@pytest.mark.parametrize("opset", [11, 18])
@pytest.mark.parametrize(("x", "axis", "gamma", "end"), OVER_CHANNELS.values(), ids=OVER_CHANNELS)
def test_a_normalisation_over_channels_in_its_parts_is_tiled(x, axis, gamma, end, opset):
    """What exporters wrote for a LayerNormalization before opset 17, on a signal."""
    weights = {"w": (4, 4, 3), "eps": np.float32(1), "gamma": (4, 1), "flat": (4,)}
    if opset < AXES_ARE_INPUTS:
        first, second = (f"ReduceMean<axes = [{axis - 3}]>({name})" for name in (x, "d2"))
    else:
        first, second = (f"ReduceMean({name}, axes)" for name in (x, "d2"))
        weights["axes"] = ints(axis)
    body = f"""b = Conv<pads = [1, 1]>(x, w)  c = Relu(b)  t = Transpose<perm = [0, 2, 1]>(c)
        m = {first}  d = Sub({x}, m)  d2 = Mul(d, d)  v = {second}  e = Add(v, eps)  r = Sqrt(e)
        o = Div(d, r)  g = Mul(o, {gamma})  {end}  y = Conv<pads = [1, 1]>(z, w)"""
    model = net(f"(float[] y) {{ {body} }}", shape="1,4,60", opset=opset, **weights)

    assert model.graph.tileable_layers == model.graph.depth
    assert_splits(model, exact=False)


@pytest.mark.parametrize("turned", [False, True])
def test_a_softmax_over_channels_is_tiled(turned):
    body = "s = Softmax<axis = 1>(b)  z = Relu(s)"
    if turned:
        body = """t = Transpose<perm = [0, 2, 1]>(b)  s = Softmax(t)
            z = Transpose<perm = [0, 2, 1]>(s)"""
    body = f"b = Conv<pads = [1, 1]>(x, w)  {body}  y = Conv<pads = [1, 1]>(z, w)"
    model = net(f"(float[] y) {{ {body} }}", shape="1,4,60", w=(4, 4, 3))

    assert model.graph.tileable_layers == model.graph.depth
    assert_splits(model, exact=False)


def test_tiles_go_on_behind_a_gate_of_means_over_time():
    body = """b = Conv<pads = [1, 1]>(x, w)  c = Conv<pads = [1, 1]>(b, w)
        m = ReduceMean<axes = [2]>(c)  g = Conv(m, p)  h = Sigmoid(g)  e = Mul(c, h)
        f = Conv<pads = [1, 1]>(e, w)  y = Conv<pads = [1, 1]>(f, w)"""
    model = net(f"(float[] y) {{ {body} }}", shape="1,4,60", w=(4, 4, 3), p=(4, 4, 1))

    first, second = model.graph.sections
    assert (first.start, second.end) == (0, model.graph.depth)
    assert second.layers == 2
    image = np.random.default_rng(0).standard_normal(model.graph.input.shape, dtype=np.float32)
    tau = model.graph.depth
    plan = plan_of(model, start=second.start, tau=tau, grid=(3, 1), cuts=[tau], form=AS_VALUES)
    assert_close(carry_out(model, plan, image).outputs, run_original(model, image))


def test_a_signal_of_one_channel_may_come_as_channels_last():
    body = "t = Transpose<perm = [0, 2, 1]>(x)  y = Conv(t, w)"
    model = net(f"(float[] y) {{ {body} }}", shape="1,60,1", integer=True, w=(2, 1, 3))

    assert model.graph.input.shape == (1, 1, 60, 1)
    assert model.graph.tileable_layers == model.graph.depth
    assert_splits(model)


def test_signals_of_channels_last_are_fed_and_returned_so():
    body = f"x1 = Transpose<perm = [0, 2, 1]>(x)  {CHAIN.replace('(x,', '(x1,')}"
    body += "  t = Transpose<perm = [0, 2, 1]>(n)  y = LayerNormalization(t, p)"
    model = net(f"(float[] y) {{ {body} }}", shape="1,60,4", **WEIGHTS, p=(8,))

    assert model.graph.input.shape == (1, 4, 60, 1)
    assert model.boundary.input.shape == (1, 60, 4)
    assert model.boundary.outputs[0].shape == (1, 15, 8)
    assert model.graph.tileable_layers == model.graph.depth
    with Session(model, MEMORY, machines=MACHINES) as session:
        sound = np.random.default_rng(1).standard_normal((1, 60, 4), dtype=np.float32)
        (answer,) = session.run(None, {"x": sound})
    expected = Runner(original_with_shape(model)).run({"x": sound})["y"]
    np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_transposed_windows_pads_and_parts():
    body = """p = Pad<mode = "reflect">(x, pads)  a = Conv(p, w)  s, t = Split<axis = 1>(a)
        u = Add(s, t)  v = ConvTranspose<strides = [2], pads = [1, 1], output_padding = [1]>(u, q)
        y = Tanh(v)"""
    model = signals(body, pads=ints(0, 0, 3, 0, 0, 2), w=(4, 4, 3), q=(2, 3, 4))

    assert model.graph.tileable_layers == model.graph.depth
    assert_splits(model, exact=False)


def test_a_constant_that_is_joined_becomes_a_map_too():
    model = signals(
        "c = Concat<axis = 1>(x, k)  y = Conv(c, w)", k=np.zeros((1, 2, 60), "f4"), w=(3, 6, 3)
    )

    assert model.graph.tileable_layers == model.graph.depth
    assert_splits(model)


def test_without_a_window_it_stays_what_it_is():
    model = signals("t = Transpose<perm = [0, 2, 1]>(x)  y = MatMul(t, p)", p=(4, 3))

    assert model.graph.input.shape == (1, 4, 60)
    assert model.graph.tileable_layers == 0


def test_a_session_takes_signals_as_the_file_has_them(tmp_path):
    model = signals(f"{CHAIN}  y = Relu(n)", **WEIGHTS)
    value = np.random.default_rng(0).integers(-3, 4, (1, 4, 60)).astype("f4")
    expected = Runner(original_with_shape(model)).run({"x": value})["y"]
    stream = PlanRequest(algorithm="stream", budget=Budget(evaluations=300))

    with Session(model, MEMORY, plan=stream, machines=MACHINES) as session:
        session.wait_ready(60)
        np.testing.assert_array_equal(session.run(None, {"x": value})[0], expected)
        for frame in (value, value[0]):
            np.testing.assert_array_equal(session.infer(frame).outputs["y"], expected)
        assert session.get_inputs()[0].shape == [1, 4, 60]
        with pytest.raises(ImageError, match="4 channels of 60x1"):
            session.infer(value[:, :3])
    np.save(tmp_path / "x.npy", value)
    loaded = load_input(tmp_path / "x.npy", model.graph.input)
    report = run(model, loaded, MEMORY, verify=True, plan=stream, frames=FrameFormat(layout="chw"))
    assert report.comparison is not None
    assert report.comparison.bit_equal


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("end", ["y = Squeeze{two}(m{axes})", "y = Relu(m)"], ids=["signal", "row"])
def test_a_signal_that_the_network_lays_down_as_a_row_is_cut_all_the_same(opset, end):
    """As exporters write convolutions along a signal in frameworks that know only pictures."""
    two, axes = ("<axes = [2]>", "") if opset < AXES_ARE_INPUTS - 5 else ("", ", axes")
    body = f"""u = Unsqueeze{two}(x{axes})  a = Conv<pads = [0, 2, 0, 1], strides = [1, 2]>(u, w)
        b = Mul(a, s)  c = Conv<pads = [0, 2, 0, 2], dilations = [1, 2], group = 4>(b, k)
        d = Add(b, c)  e = Concat<axis = 1>(d, b)
        m = MaxPool<kernel_shape = [1, 3], strides = [1, 2], pads = [0, 1, 0, 1]>(e)
        {end.format(two=two, axes=axes)}"""
    weights = {"w": (4, 4, 1, 4), "k": (4, 1, 1, 3), "s": (4, 1, 1)}
    weights |= {"axes": ints(2)} if axes else {}
    model = net(f"(float[] y) {{ {body} }}", shape="1,4,60", opset=opset, integer=True, **weights)

    assert model.graph.input.shape == (1, 4, 60, 1)
    assert model.graph.tileable_layers == 3
    assert model.boundary.outputs[0].shape == ((1, 8, 15) if "Squeeze" in end else (1, 8, 1, 15))
    assert_splits(model)

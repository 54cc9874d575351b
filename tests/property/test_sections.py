"""Random networks of several sections: tiles and strips that begin in any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from fusepath.onnx_io import read_model
from fusepath.plan import InputFormat, TailPlace
from fusepath.tiling import Grid, Tiling, Whole, violations
from tests.effort import some
from tests.onnx_models import run_original, striplings, tilings
from tests.plans import carry_out, plan_of, with_recipe

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from fusepath.onnx_io import Model

REPEATABLE = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=some(50),
    derandomize=True,
)
FORM = InputFormat(dtype="float32", mean=(0.0,), std=(1.0,))


class _Blocks:
    """A network being drawn, all of whose sums are of small integers."""

    def __init__(self, draw: DrawFn, channels: int) -> None:
        self.draw, self.channels = draw, channels
        self.random = np.random.default_rng(draw(st.integers(0, 2**16)))
        self.nodes, self.weights = [], []

    def add(self, op: str, *inputs: str, **attributes) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], f"n{len(self.nodes)}", **attributes))
        return name

    def constant(self, value: np.ndarray) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def small(self, x: str) -> str:
        limits = [self.constant(np.float32(bound)) for bound in (-8, 8)]
        return self.add("Clip", x, *limits)

    def conv(self, x: str, *, stride: int = 1) -> str:
        kernel = self.draw(st.sampled_from((1, 3, 5)))
        shape = (self.channels, self.channels, kernel, kernel)
        weights = self.constant(self.random.integers(-1, 2, shape).astype(np.float32))
        pads = [kernel // 2] * 4
        made = self.add("Conv", x, weights, strides=[stride] * 2, pads=pads)
        return self.small(made)

    def squeeze_excite(self, x: str) -> str:
        pool = self.add("GlobalMaxPool", x)
        shape = (self.channels, self.channels, 1, 1)
        weights = self.constant(self.random.integers(-1, 2, shape).astype(np.float32))
        gate = self.add("Relu", self.small(self.add("Conv", pool, weights)))
        return self.small(self.add("Mul", x, gate))

    def group_norm(self, x: str, size: tuple[int, int]) -> str:
        """As exporters spell it; what is no integer is rounded, once for all of the map."""
        flat = self.constant(np.array([1, 2, -1], dtype=np.int64))
        back = self.constant(np.array([1, self.channels, *size], dtype=np.int64))
        ones, zeros = (self.constant(np.full(2, v, dtype=np.float32)) for v in (1, 0))
        normal = self.add("InstanceNormalization", self.add("Reshape", x, flat), ones, zeros)
        four = self.constant(np.float32(4))
        return self.add("Round", self.add("Mul", self.add("Reshape", normal, back), four))


@st.composite
def networks(draw: DrawFn) -> tuple[bytes, np.ndarray]:
    """Inverted residuals with barriers inside; what is added may come from sections before."""
    channels = draw(st.sampled_from((2, 4)))
    size = draw(st.integers(9, 24)), draw(st.integers(9, 24))
    net = _Blocks(draw, channels)
    x, image = net.conv("image"), (1, channels, *size)
    earlier, outputs = x, []
    for _ in range(draw(st.integers(1, 3))):
        stride = draw(st.sampled_from((1, 1, 2)))
        inner = net.conv(net.conv(x), stride=stride)
        size = tuple((side - 1) // stride + 1 for side in size)
        inner = net.squeeze_excite(inner) if draw(st.booleans()) else net.group_norm(inner, size)
        inner = net.conv(inner)
        joins = stride == 1 and draw(st.booleans())
        if stride == 2:
            earlier = inner
        skipped = draw(st.sampled_from((x, earlier))) if stride == 1 else inner
        x = net.small(net.add("Add", inner, skipped)) if joins else inner
        if draw(st.integers(0, 3)) == 0:
            outputs.append(x)
    x = net.conv(net.conv(x))
    graph = helper.make_graph(
        net.nodes,
        "sections",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in dict.fromkeys((*outputs, x))
        ],
        net.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    values = net.random.integers(0, 9, image).astype(np.float32)
    return model.SerializeToString(), values


def _read(data: bytes) -> Model:
    return read_model(data, name="sections", source="sections.onnx")


@REPEATABLE
@given(networks(), st.data())
def test_tiles_and_strips_of_every_section_give_the_same_bits(drawn, data):
    file, image = drawn
    model = _read(file)
    expected = run_original(file, image)
    assert len(model.graph.sections) > 1
    for section in model.graph.sections:
        here = data.draw(st.sampled_from((tilings, striplings)))(model, section)

        outputs = carry_out(model, plan_of(model, form=FORM, **data.draw(here)), image).outputs

        for name, want in expected.items():
            np.testing.assert_array_equal(outputs[name], want, err_msg=name)


@REPEATABLE
@given(networks(), st.data())
def test_a_tail_on_the_device_follows_paths_of_every_section(drawn, data):
    file, image = drawn
    model = _read(file)
    expected = run_original(file, image)
    section = data.draw(st.sampled_from(model.graph.sections))
    here = data.draw(st.sampled_from((tilings, striplings)))(model, section)
    plan = with_recipe(plan_of(model, form=FORM, **data.draw(here)), tail=TailPlace.DEVICE)
    assume(not isinstance(plan.arrangement, Whole))

    outputs = carry_out(model, plan, image).outputs

    for name, want in expected.items():
        np.testing.assert_array_equal(outputs[name], want, err_msg=name)


@REPEATABLE
@given(networks(), st.data())
def test_every_tap_of_a_tile_is_in_it_whatever_section_it_begins_in(drawn, data):
    graph = _read(drawn[0]).graph
    section = data.draw(st.sampled_from(graph.sections))
    rest = graph.behind(section.start)
    tau = data.draw(st.integers(1, section.layers))
    rows, cols = (data.draw(st.integers(1, min(4, rest.fused_size(tau, a)))) for a in (0, 1))

    assert violations(Tiling(rest, tau, Grid(rows, cols))) == []

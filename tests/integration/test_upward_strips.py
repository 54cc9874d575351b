"""Strips that go from the bottom of the maps to the top, where that is sooner done."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from fusepath.cost import parse_link, parse_machine
from fusepath.errors import FileFormatError
from fusepath.graph import Crop, Padding, Window
from fusepath.graph.mirror import mirrored
from fusepath.offload.verify import run_unsplit
from fusepath.plan import InputFormat, Origin, PlanRequest, Setting, check_plan, make_plan, simulate
from tests.footprints import taps
from tests.plans import carry_out, pixels, stream_plan, with_recipe
from tests.written_models import ints, net

AS_VALUES = InputFormat(dtype="float32", mean=(0.0,), std=(1.0,))
SAME = """(float[1,4,h,v] y) {
    a = Conv <strides=[2,2], pads=[0,0,1,1]> (x, w1)
    b = Relu (a)
    c = MaxPool <kernel_shape=[3,3], strides=[2,2], pads=[0,0,1,1]> (b)
    d = Conv <pads=[1,1,1,1]> (c, w2)
    e = Add (c, d)
    f = Pad <mode="reflect"> (e, pads)
    g = Conv <pads=[0,0,0,0]> (f, w2)
    h = Slice (g, first, last, axes, steps)
    y = Conv <strides=[2,2], pads=[0,0,1,1]> (h, w2)
}"""
"""Strides padded at the end alone, as TensorFlow has it; a skip, a reflection, a slice."""


@pytest.fixture(scope="module")
def same():
    moves = {"pads": ints(0, 0, 2, 1, 0, 0, 1, 1), "first": ints(1), "last": ints(2**31)}
    moves |= {"axes": ints(2), "steps": ints(2)}
    weights = {"w1": (4, 3, 3, 3), "w2": (4, 4, 3, 3)}
    return net(SAME, shape="1,3,64,32", integer=True, **moves, **weights)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(4).integers(-3, 4, (1, 3, 64, 32)).astype(np.float32)


def test_every_cut_and_fused_layer_is_bit_equal(same, image):
    graph = same.graph
    expected = None
    for tau in range(2, graph.depth + 1):
        height = graph.mirrored.fused_size(tau, 0)
        for cut in range(1, tau + 2):
            cuts = (cut, tau + 2 - cut)
            middle = height // 2
            segments = [(0, middle, cuts[0], 3), (middle, height, cuts[1], 2)]
            plan = stream_plan(same, tau, segments, upward=True, form=AS_VALUES)
            expected = expected or run_unsplit(same, image, AS_VALUES)
            outputs = carry_out(same, plan, image).outputs
            np.testing.assert_array_equal(outputs["y"], expected["y"], str((tau, cuts)))


def test_pads_at_the_end_alone_let_strips_go_upwards(same):
    setting = Setting(
        graph=same.graph,
        device=parse_machine("50MFLOPS"),
        edge=parse_machine("20GFLOPS"),
        link=parse_link("0.1MB/s"),
    )
    request = PlanRequest(algorithm="stream", tau=3)
    plan = make_plan(setting, request, Origin(std=(1.0,))).best

    assert plan.arrangement.upward
    check_plan(plan, same.graph)
    assert set(simulate(plan, setting).spans) == set(plan.timeline.spans)
    expected = run_unsplit(same, pixels(same), plan.input)
    np.testing.assert_array_equal(carry_out(same, plan, pixels(same)).outputs["y"], expected["y"])


@pytest.mark.parametrize(
    ("footprint", "outputs"),
    [
        (Window(kernel=3, stride=2, pad_end=1), 6),
        (Window(kernel=3, stride=2, pad_begin=1, pad_end=1), 6),
        (Window(kernel=1, stride=2), 6),  # the last element is not read
        (Window(kernel=3, dilation=2, pad_begin=1, pad_end=3), 12),
        (Crop(begin=2, stride=3), 3),
        (Padding(begin=2, end=1, size=12), 15),
    ],
    ids=str,
)
def test_a_mirrored_footprint_reads_what_is_read_from_the_other_end(footprint, outputs):
    size = 12
    other = mirrored(footprint, size, outputs)
    for j in range(outputs):
        from_the_end = {size - 1 - at for at in taps(footprint, j, size)}
        assert taps(other, outputs - 1 - j, size) == from_the_end


def test_windows_that_ceil_mode_adds_and_resampling_do_not_go_upwards():
    assert mirrored(Window(kernel=2, stride=2), 11, 6) is None
    body = """(float[1,4,h,v] y) {
        a = Conv (x, w)
        y = Resize <mode="nearest"> (a, , s)
    }"""
    resized = net(body, w=(4, 4, 1, 1), s=np.array([1, 1, 2, 2], np.float32))
    assert resized.graph.mirrored is None
    plan = stream_plan(resized, 2, [(0, 26, 1, 2)], form=AS_VALUES)
    upward = msgspec.structs.replace(plan.arrangement, upward=True)
    with pytest.raises(FileFormatError, match="'upward' as false"):
        check_plan(with_recipe(plan, arrangement=upward), resized.graph)

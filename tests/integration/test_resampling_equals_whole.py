"""Operators that move, repeat, mix or cut off rows and columns, in tiles and strips, bit by bit.

Each stands between two convolutions with integer weights, and the fused layer is each in turn.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import numpy_helper, parser

from fusepath.cost import ComputeRate, Link
from fusepath.errors import GeometryError
from fusepath.onnx_io import Model, read_model
from fusepath.plan import InputFormat, Setting
from fusepath.runtime.device_share import DeviceShare
from fusepath.tiling import Grid, Segment, StripRows
from tests.onnx_models import run_original
from tests.planning import planned
from tests.plans import (
    AS_THEY_ARE,
    assert_close,
    carry_out,
    pixels,
    plan_of,
    stream_plan,
    with_recipe,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

FLOATS = InputFormat(dtype="float32")
GRIDS = [(2, 2), (1, 3), (4, 4)]
HALF = 'coordinate_transformation_mode = "half_pixel"'
ASYMMETRIC = 'coordinate_transformation_mode = "asymmetric"'
ALIGNED = 'coordinate_transformation_mode = "align_corners"'
FOR_NN = 'coordinate_transformation_mode = "tf_half_pixel_for_nn"'
PYTORCH = 'coordinate_transformation_mode = "pytorch_half_pixel"'


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(-1, 2, shape).astype(np.float32)


def scales(rows: float, cols: float) -> dict[str, np.ndarray]:
    return {"s": floats(1, 1, rows, cols)}


def pads(*values: int) -> dict[str, np.ndarray]:
    top, left, bottom, right = values
    return {"p": ints(0, 0, top, left, 0, 0, bottom, right)}


def transposed(*kernel: int, groups: int = 1) -> dict[str, np.ndarray]:
    return {"k": weights(4, 6 // groups if groups > 1 else 4, *kernel)}


CASES: dict[str, dict[str, np.ndarray]] = {
    # nearest neighbours
    f'Resize<mode = "nearest", {ASYMMETRIC}, nearest_mode = "floor">(a, , s)': scales(2, 3),
    f'Resize<mode = "nearest", {HALF}>(a, , s)#2': scales(2, 2),
    f'Resize<mode = "nearest", {HALF}>(a, , s)#3': scales(3, 1),
    f'Resize<{PYTORCH}, nearest_mode = "round_prefer_ceil">(a, , s)': scales(2, 4),
    f'Resize<mode = "nearest", {ALIGNED}>(a, , s)': scales(2, 2),
    f'Resize<mode = "nearest", {HALF}, nearest_mode = "ceil">(a, , s)': scales(2, 2),
    f'Resize<mode = "nearest", {ASYMMETRIC}, nearest_mode = "floor">(a, , , s)#odd': {
        "s": ints(1, 4, 25, 19)
    },
    f'Resize<mode = "nearest", {ASYMMETRIC}, nearest_mode = "floor">(a, , s)#1.5': scales(1.5, 2.5),
    f'Resize<mode = "nearest", {ASYMMETRIC}, nearest_mode = "floor">(a, , , s)#25/13': {
        "s": ints(1, 4, 25, 15)
    },
    f'Resize<mode = "nearest", {HALF}>(a, , s)#1.5': scales(1.5, 1.25),
    f'Resize<mode = "nearest", {HALF}>(a, , s)#0.5': scales(0.5, 0.25),
    f'Resize<{ASYMMETRIC}, nearest_mode = "ceil">(a, , s)#0.75': scales(0.75, 0.5),
    # linear: with these factors all weights are sums of few powers of two
    f'Resize<mode = "linear", {HALF}>(a, , s)': scales(2, 2),
    f'Resize<mode = "linear", {PYTORCH}>(a, , s)': scales(4, 2),
    f'Resize<mode = "linear", {ASYMMETRIC}>(a, , s)': scales(2, 4),
    f'Resize<mode = "linear", {HALF}>(a, , s)#less': scales(0.5, 0.25),
    f'Resize<mode = "linear", {HALF}>(a, , , s)': {"s": ints(1, 4, 26, 16)},
    f'Resize<mode = "linear", {FOR_NN}>(a, , s)': scales(2, 0.5),
    f'Resize<{FOR_NN}, nearest_mode = "floor">(a, , s)': scales(0.75, 4),
    f'Resize<{FOR_NN}, nearest_mode = "ceil">(a, , s)': scales(2, 1.5),
    # transposed convolutions
    "ConvTranspose<strides = [2, 2]>(a, k)": transposed(2, 2),
    "ConvTranspose<strides = [2, 3], pads = [1, 0, 1, 2]>(a, k)": transposed(4, 3),
    "ConvTranspose<strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]>(a, k)": (
        transposed(3, 3)
    ),
    "ConvTranspose<strides = [3, 2], group = 2>(a, k, b)": (
        transposed(5, 1, groups=2) | {"b": weights(6)}
    ),
    "ConvTranspose<strides = [3, 3]>(a, k)#gaps": transposed(1, 2),
    "ConvTranspose<dilations = [2, 3], pads = [2, 0, 1, 3]>(a, k)": transposed(3, 2),
    'ConvTranspose<strides = [2, 2], auto_pad = "SAME_UPPER">(a, k)': transposed(3, 3),
    'ConvTranspose<strides = [2, 2], auto_pad = "SAME_LOWER">(a, k)': transposed(3, 5),
    "ConvTranspose<strides = [2, 2], output_shape = [26, 17]>(a, k)": transposed(3, 3),
    "ConvTranspose<strides = [3, 2], output_shape = [39, 21]>(a, k)#more": transposed(2, 2),
    "ConvTranspose<pads = [3, 3, 3, 3]>(a, k)#crops more than its kernel": transposed(2, 2),
    # depth to space
    'DepthToSpace<blocksize = 2, mode = "DCR">(a)': {},
    'DepthToSpace<blocksize = 2, mode = "CRD">(a)': {},
    # borders
    "Pad(a, p, v)": pads(1, 2, 3, 0) | {"v": np.float32(5)},
    'Pad<mode = "reflect">(a, p)': pads(1, 1, 1, 1),
    'Pad<mode = "reflect">(a, p)#wide': pads(3, 0, 2, 4),
    'Pad<mode = "edge">(a, p)': pads(2, 1, 3, 2),
    "Pad(a, p)#channels": {"p": ints(0, 1, 0, 0, 0, 2, 0, 0)},
    # pools larger than their map, of which ceil mode makes one element
    "MaxPool<kernel_shape = [14, 10], strides = [2, 3], ceil_mode = 1>(a)": {},
    # pools in floor mode that reach beyond their map by less than a stride
    "MaxPool<kernel_shape = [15, 11], strides = [3, 3]>(a)": {},
    # slices
    "Slice(a, i, j, k)": {"i": ints(3), "j": ints(-2), "k": ints(2)},
    "Slice(a, i, j, k, s)": {"i": ints(1, 2), "j": ints(12, 8), "k": ints(2, 3), "s": ints(2, 3)},
    "Slice(a, i, j, k, s)#all": {
        "i": ints(1, 5, 0), "j": ints(3, 100, 4), "k": ints(1, 2, -1), "s": ints(1, 1, 1)
    },
}  # fmt: skip


def model_of(lines: str, outputs: str = "y", opset: int = 17, **constants: np.ndarray) -> bytes:
    declared = ", ".join(f"float[] {name}" for name in outputs.split())
    proto = parser.parse_model(
        f'<ir_version: 8, opset_import: ["": {opset}]> '
        f"g (float[1, 3, 13, 10] image) => ({declared}) {{ {lines} }}"
    )
    for name, value in constants.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return proto.SerializeToString()


def between_convolutions(body: str, **constants: np.ndarray) -> bytes:
    """The operator behind one convolution and before another, whatever channels it makes."""
    inner = read(model_of(f"a = Conv<pads = [1, 1, 1, 1]>(image, first)  y = {body}",
                          first=weights(4, 3, 3, 3), **constants))  # fmt: skip
    channels = inner.graph.tensors["y"].channels
    return model_of(
        f"""a = Conv<pads = [1, 1, 1, 1]>(image, first)  m = {body}
            y = Conv<pads = [1, 1, 0, 0]>(m, last)""",
        first=weights(4, 3, 3, 3),
        last=weights(2, channels, 2, 2),
        **constants,
    )


def read(data: bytes) -> Model:
    return read_model(data, name="net", source="net.onnx")


def image() -> np.ndarray:
    return np.random.default_rng(3).integers(-20, 20, (1, 3, 13, 10)).astype(np.float32)


def strips(model: Model, tau: int, ends: list[int], cuts: list[int], count: int):
    """Segments that end at these fused rows, each worked through in about ``count`` strips."""
    height = model.graph.input.size(0)
    segments = []
    for start, stop, cut in zip([0, *ends], ends, cuts, strict=False):
        released = [(height * i // count, 0) for i in range(1, count)]
        rows = sorted({max(start + 1, stop - 1), stop})
        marks = (*released, *((released[-1][0], row) for row in rows))
        segments.append(Segment(start=start, stop=stop, cut=cut, strips=marks))
    return plan_of(model, tau=tau, segments=tuple(segments), form=FLOATS)


def plans(model: Model, taus: Iterable[int]):
    """Tiles of some grids and strips of two arrangements, over some fused layers."""
    graph = model.graph
    for tau in taus:
        cuts = [tau + 1, 1, tau, tau // 2 + 1]
        for at, (rows, cols) in enumerate(GRIDS):
            if rows <= graph.fused_size(tau, 0) and cols <= graph.fused_size(tau, 1):
                yield plan_of(model, tau=tau, grid=(rows, cols), cuts=cuts[at:], form=FLOATS)
        height = StripRows(graph, tau).height
        for parts in {1, min(3, height)}:
            ends = [height * (at + 1) // parts for at in range(parts)]
            yield strips(model, tau, ends, cuts[3 - parts :], 2 + 2 * parts)


def assert_plans_give_the_same_bits(data: bytes, first: int = 1, step: int = 1) -> Model:
    model = read(data)
    expected = run_original(data, image())
    for plan in plans(model, range(first, model.graph.tileable_layers + 1, step)):
        outputs = carry_out(model, plan, image()).outputs
        for name, want in expected.items():
            np.testing.assert_array_equal(outputs[name], want, err_msg=str(plan.arrangement))
    return model


@pytest.mark.parametrize("factors", [(1.25, 1), (1, 1.25), (1.25, 1.25)])
def test_a_piece_that_would_come_out_as_large_as_it_went_in_is_resampled(factors):
    """ONNX Runtime copies such a piece: of two rows, a factor of 5/4 makes two as well."""
    resize = f'Resize<{ASYMMETRIC}, nearest_mode = "floor">(a, , s)'
    data = between_convolutions(resize, **scales(*factors))
    model = read(data)
    expected = run_original(data, image())["y"]
    height = model.graph.fused_size(2, 0)

    strips_of_a_row = [stream_plan(model, 2, [(0, height, cut, 13)], form=FLOATS) for cut in (1, 3)]
    for plan in (*plans(model, [2]), *strips_of_a_row):
        np.testing.assert_array_equal(carry_out(model, plan, image()).outputs["y"], expected)


def test_a_first_row_by_a_factor_that_rounds_is_resampled():
    """Of two rows, 4/3 makes two, and of ten columns 1.05 makes ten."""
    data = between_convolutions(
        f'Resize<mode = "linear", {ASYMMETRIC}>(a, , s)', **scales(1.3333334, 1.05)
    )
    model = read(data)
    height = model.graph.fused_size(2, 0)

    segments = [(0, 1, 3, 1), (1, height, 3, 1)]
    outputs = carry_out(model, stream_plan(model, 2, segments, form=FLOATS), image()).outputs

    assert_close(outputs, run_original(data, image()))


def test_what_comes_out_as_large_as_it_went_in_is_copied():
    """Of three rows and columns, a factor of 5/4 makes as many."""
    data = model_of(
        """a = Conv(image, w)  b = Slice(a, zero, three, rows)  c = Resize(b, none, s)
           y = Conv(c, v)""",
        opset=11,
        w=weights(4, 3, 3, 3),
        v=weights(2, 4, 2, 2),
        zero=ints(0, 0),
        three=ints(3, 3),
        rows=ints(2, 3),
        none=floats(),
        **scales(1.25, 1.25),
    )

    model = assert_plans_give_the_same_bits(data)

    assert model.graph.tileable_layers == model.graph.depth


def test_sizes_behind_a_transposed_convolution_are_those_of_the_runtime():
    """Shape inference adds the output padding to what SAME has fixed, so that nothing would fit."""
    data = model_of(
        """a = ConvTranspose<strides = [2, 2], auto_pad = "SAME_LOWER", output_padding = [0, 1]>
           (image, k)  b = Conv<strides = [2, 2], auto_pad = "SAME_UPPER">(a, v)
           c = Reshape(b, flat)  y = MatMul(c, m)""",
        k=weights(3, 2, 3, 3),
        v=weights(2, 2, 3, 3),
        flat=ints(1, 2, 130),
        m=weights(130, 2),
    )

    model = assert_plans_give_the_same_bits(data)

    assert model.graph.tileable_layers == 2


def test_axes_of_older_slices_may_be_counted_from_the_end():
    data = model_of(
        """a = Conv(image, w)  b = Slice<starts = [2, 1], ends = [9, 7], axes = [-2, -1]>(a)
           y = Slice<starts = [-3], ends = [6], axes = [-2]>(b)""",
        opset=9,
        w=weights(4, 3, 3, 3),
    )

    model = assert_plans_give_the_same_bits(data)

    assert model.graph.tileable_layers == model.graph.depth


def test_a_last_window_that_no_pool_may_pad_for_ends_strips_before_it():
    data = model_of(
        """a = Conv(image, w)  y = MaxPool<kernel_shape = [2, 2], dilations = [2, 2],
           strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1>(a)""",
        w=weights(4, 3, 4, 3),
    )
    model = read(data)
    expected = run_original(data, image())

    with pytest.raises(GeometryError, match="more beside the map than a strip may pad"):
        StripRows(model.graph, 2)
    for grid in GRIDS:
        plan = plan_of(model, tau=2, grid=grid, cuts=[3, 1, 2], form=FLOATS)
        np.testing.assert_array_equal(carry_out(model, plan, image()).outputs["y"], expected["y"])


@pytest.mark.parametrize("body", CASES)
def test_an_operator_gives_the_same_bits_in_tiles_and_strips(body):
    data = between_convolutions(body.partition("#")[0], **CASES[body])

    model = assert_plans_give_the_same_bits(data, first=2)

    assert model.graph.tileable_layers == model.graph.depth


def test_an_average_pool_larger_than_its_map_is_read_and_run():
    """What a library of EfficientNets writes at their end."""
    pool = "AveragePool<kernel_shape = [16, 16], strides = [16, 16], ceil_mode = 1>(a)"
    data = model_of(
        f"a = Conv<pads = [1, 1, 1, 1]>(image, w)  b = {pool}  y = Conv(b, v)",
        w=weights(4, 3, 3, 3),
        v=weights(2, 4, 1, 1),
    )
    model = read(data)
    assert model.graph.tensors["b"].shape == (1, 4, 1, 1)
    for cut in range(1, 5):
        outputs = carry_out(model, plan_of(model, cuts=[cut], form=FLOATS), image()).outputs
        np.testing.assert_array_equal(outputs["y"], run_original(data, image())["y"])
    plan = plan_of(model, tau=1, grid=(3, 2), cuts=[1, 2], form=FLOATS)
    outputs = carry_out(model, plan, image()).outputs
    np.testing.assert_array_equal(outputs["y"], run_original(data, image())["y"])


def test_neighbours_that_are_joined_are_cut_off_at_either_end():
    """Differences of rows, and every other row and column joined as channels (Focus)."""
    data = model_of(
        """a = Conv<pads = [1, 1, 1, 1]>(image, w)  p = Slice(a, one, end, rows)
           q = Slice(a, zero, minus, rows)  d = Sub(p, q)
           r = Slice(d, zero, end, rows, two)  s = Slice(d, one, end, rows, two)
           y = Concat<axis = 1>(r, s)""",
        "y d",
        w=weights(4, 3, 3, 3),
        zero=ints(0),
        one=ints(1),
        two=ints(2),
        minus=ints(12),
        end=ints(2**62),
        rows=ints(2),
    )

    model = assert_plans_give_the_same_bits(data)

    assert model.graph.tileable_layers == model.graph.depth


def test_parts_of_a_split_along_rows_are_tiled():
    data = model_of(
        """a = Conv<pads = [1, 1, 1, 1]>(image, w)  p, q, r = Split<axis = 2>(a, parts)
           b = Concat<axis = 1>(p, r)  c = Conv<pads = [1, 0, 1, 0]>(q, v)
           y = Conv<pads = [1, 1, 1, 1]>(b, u)""",
        "y c",
        w=weights(4, 3, 3, 3),
        v=weights(2, 4, 3, 3),
        u=weights(2, 8, 3, 3),
        parts=ints(4, 5, 4),
    )

    model = assert_plans_give_the_same_bits(data, step=3)

    assert model.graph.tileable_layers == model.graph.depth


def test_a_u_net_is_tiled_to_its_end():
    """Three levels at odd sizes; what comes up again is resized to the map it meets."""
    data = model_of(
        """a = Conv<pads = [1, 1, 1, 1]>(image, w0)
           b = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(a, w1)
           c = MaxPool<kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1>(b)
           d = Conv<pads = [1, 1, 1, 1]>(c, w2)
           e = Resize<mode = "nearest", coordinate_transformation_mode = "asymmetric",
                      nearest_mode = "floor">(d, , , s1)
           f = Concat<axis = 1>(e, b)  g1 = Conv<pads = [1, 1, 1, 1]>(f, w3)
           h = ConvTranspose<strides = [2, 2], pads = [1, 1, 0, 1]>(g1, w4)
           k = Slice(h, zero, minus, cols)
           l = Concat<axis = 1>(k, a)  y = Conv<pads = [1, 1, 1, 1]>(l, w5)""",
        w0=weights(3, 3, 3, 3),
        w1=weights(4, 3, 3, 3),
        w2=weights(4, 4, 3, 3),
        w3=weights(3, 8, 3, 3),
        w4=weights(3, 3, 2, 4),
        w5=weights(2, 6, 1, 1),
        s1=ints(1, 4, 7, 5),
        zero=ints(0),
        minus=ints(13),
        cols=ints(2),
    )  # fmt: skip

    model = assert_plans_give_the_same_bits(data, step=3)

    assert model.graph.tileable_layers == model.graph.depth


OLDER = {
    7: (
        "Upsample<scales = [1.0, 1.0, 2.0, 3.0]>(a)",
        "Slice<starts = [3], ends = [-4], axes = [2]>(c)",
    ),
    9: ('Upsample<mode = "linear">(a, s)', "Slice<starts = [0, 0, 3], ends = [1, 2, -4]>(c)"),
    10: ("Resize(a, s)", "Slice(c, i, j)"),
    11: (f'Resize<{ASYMMETRIC}, nearest_mode = "floor">(a, none, none, t)', "Slice(c, i, j)"),
    12: (f'Resize<mode = "linear", {HALF}>(a, none, s)', "Slice(c, i, j)"),
}  # fmt: skip


@pytest.mark.parametrize("version", OLDER)
def test_older_forms_of_resizing_padding_and_slicing(version):
    resize, slicing = OLDER[version]
    pad = '"edge", pads = [0, 0, 2, 0, 0, 0, 1, 3]>(b)' if version < 11 else '"edge">(b, p)'
    constants = {"s": floats(1, 1, 2, 4), "t": ints(1, 3, 21, 16), "none": floats()}
    constants |= {"i": ints(0, 0, 3), "j": ints(1, 2, -4), "p": ints(0, 0, 2, 0, 0, 0, 1, 3)}
    data = model_of(
        f"a = Conv(image, w)  b = {resize}  c = Pad<mode = {pad}  y = {slicing}",
        opset=version,
        w=weights(3, 3, 3, 3),
        **constants,
    )

    model = assert_plans_give_the_same_bits(data)

    assert model.graph.tileable_layers == model.graph.depth


def test_a_map_is_resized_to_the_odd_size_of_another_that_it_meets():
    """From 7 rows to 12 and from 6 columns to 9: strides of 7/6 and 4/3 meet strides of 1."""
    data = model_of(
        f"""a = Conv(image, w)  b = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(image, w)
            c = Resize<{HALF}>(b, , , s)  d = Add(a, c)
            y = Conv<pads = [1, 1, 1, 1]>(d, v)""",
        w=weights(4, 3, 2, 2),
        v=weights(2, 4, 3, 3),
        s=ints(1, 4, 12, 9),
    )

    model = assert_plans_give_the_same_bits(data)

    assert model.graph.tileable_layers == model.graph.depth
    assert model.graph.strides == {
        "image": (6, 3), "a": (6, 3), "b": (12, 6), "c": (7, 4), "d": (6, 3), "y": (6, 3)
    }  # fmt: skip


def test_heads_of_different_heights_leave_one_fused_layer():
    data = model_of(
        """a = Conv<strides = [2, 1], pads = [1, 1, 1, 1]>(image, w)
           b = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(a, v)
           c = Conv<pads = [1, 1, 1, 1]>(a, u)
           d = Resize<mode = "nearest">(b, , s)""",
        "b c d",
        w=weights(4, 3, 3, 3),
        v=weights(4, 4, 3, 3),
        u=weights(2, 4, 3, 3),
        **scales(3, 2),
    )

    model = assert_plans_give_the_same_bits(data, step=3)

    assert [model.graph.tensors[name].size(0) for name in model.graph.outputs] == [4, 7, 12]


def test_random_cuts_of_a_neck_with_three_heads():
    """As detectors have it: two levels come up again, and each gets a head of its own.

    What needs a whole map stands in the middle of the file, and behind all tiles.
    """
    conv = "Conv<pads = [1, 1, 1, 1]>"
    down = "Conv<strides = [2, 2], pads = [1, 1, 1, 1]>"
    up = f'Resize<{ASYMMETRIC}, nearest_mode = "floor">'
    data = model_of(
        f"""a = {down}(image, w0)  b = {down}(a, w1)  c = {down}(b, w1)
            s = GlobalMaxPool(c)  d = {up}(c, , , s1)  e = Add(d, b)  f = {conv}(e, w1)
            h = {up}(f, , , s2)  i = Add(h, a)
            p = {conv}(i, w1)  q = {conv}(f, w1)  r = {conv}(c, w1)""",
        "p q r s",
        w0=weights(4, 3, 3, 3),
        w1=weights(4, 4, 3, 3),
        s1=ints(1, 4, 4, 3),
        s2=ints(1, 4, 7, 5),
    )
    model = read(data)
    expected = run_original(data, image())
    last = model.graph.tileable_layers
    assert last == model.graph.depth - 1
    for cuts in itertools.product((1, last // 2, last + 1), repeat=2):
        outputs = carry_out(model, strips(model, last, [1, 2], list(cuts), 3), image()).outputs
        for name, want in expected.items():
            np.testing.assert_array_equal(outputs[name], want)
    assert_plans_give_the_same_bits(data, step=3)


@pytest.mark.parametrize(
    "factors",
    [
        {"s": floats(1, 1, 3, 1.5)},
        {"s": floats(1, 1, 1.7, 0.75)},
        {"s": floats(1, 1, 0.3333333, 0.6666666)},
        {"t": ints(1, 4, 20, 15)},
        {"t": ints(1, 4, 33, 7)},
    ],
    ids=str,
)
@pytest.mark.parametrize("coordinates", [HALF, ASYMMETRIC])
def test_linear_factors_that_round_are_within_the_tolerance(factors, coordinates):
    inputs = "a, , s" if "s" in factors else "a, , , t"
    body = f'Resize<mode = "linear", {coordinates}>({inputs})'
    data = between_convolutions(body, **factors)
    model = read(data)
    assert model.graph.tileable_layers == model.graph.depth
    for plan in plans(model, [3]):
        assert_close(carry_out(model, plan, image()).outputs, run_original(data, image()))


ROUNDED = {
    "Upsample 7": (7, "Upsample<mode = {mode}, scales = [1.0, 1.0, {rows}, 1.4]>(a)"),
    "Upsample 9": (9, "Upsample<mode = {mode}>(a, s)"),
    "Resize 10": (10, "Resize<mode = {mode}>(a, s)"),
    "Resize 11": (11, f"Resize<mode = {{mode}}, {HALF}>(a, none, s)"),
    "Resize 13": (13, f'Resize<mode = {{mode}}, {ASYMMETRIC}, nearest_mode = "ceil">(a, , s)'),
    "Resize 18": (18, f"Resize<mode = {{mode}}, {PYTORCH}>(a, , s)"),
}


@pytest.mark.parametrize("rows_factor", [1.0, 1.4])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("resize", ROUNDED)
def test_strips_have_the_sizes_that_the_runtime_finds(resize, mode, rows_factor):
    """1.4 is 1.39999998 in float32: ten columns become fourteen, and inference finds thirteen."""
    opset, body = ROUNDED[resize]
    factors = {"mode": f'"{mode}"', "rows": rows_factor}
    data = model_of(
        f"""a = Conv<pads = [1, 1, 1, 1]>(image, v)  b = {body.format(**factors)}
            y = Conv<pads = [1, 1, 1, 1]>(b, w)""",
        opset=opset,
        v=weights(4, 3, 3, 3),
        w=weights(2, 4, 3, 3),
        none=floats(),
        **scales(rows_factor, 1.4),
    )
    model = read(data)
    expected = run_original(data, image())
    for plan in plans(model, [model.graph.tileable_layers]):
        assert_close(carry_out(model, plan, image()).outputs, expected)


def test_what_is_resized_to_a_size_meets_maps_of_it_before_what_cannot_be_tiled():
    """Ten columns become fourteen, by a factor by which inference finds thirteen."""
    data = model_of(
        f"""a = Conv<pads = [1, 1, 1, 1]>(image, v)  b = Resize<mode = "linear", {HALF}>(a, , , s)
            c = Conv<pads = [1, 3, 1, 3]>(image, v)  d = Add(b, c)
            y = Flatten(d)""",
        v=weights(4, 3, 3, 3),
        s=ints(1, 4, 13, 14),
    )
    model = read(data)
    for cut in range(1, model.graph.depth + 2):
        outputs = carry_out(model, plan_of(model, cuts=[cut], form=FLOATS), image()).outputs
        assert_close(outputs, run_original(data, image()))


@pytest.mark.parametrize(
    "asked", [{"algorithm": "mw", "grid": Grid(3, 2)}, {"algorithm": "stream"}]
)
def test_a_planned_neck_is_counted_and_carried_out_as_planned(asked):
    """Two heads at two heights, and all that tiles or strips add up to."""
    data = model_of(
        """a = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(image, w0)
           b = MaxPool<kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1>(a)
           c = Conv<pads = [1, 1, 1, 1]>(b, w1)  d = ConvTranspose<strides = [2, 2]>(c, w2)
           e = Slice(d, zero, one, rows)  f = Concat<axis = 1>(e, a)
           g1 = Conv<pads = [1, 1, 1, 1]>(f, w3)""",
        "c g1",
        w0=weights(4, 3, 3, 3),
        w1=weights(4, 4, 3, 3),
        w2=weights(4, 4, 2, 2),
        w3=weights(4, 8, 3, 3),
        zero=ints(0, 0),
        one=ints(7, 5),
        rows=ints(2, 3),
    )
    model = read(data)
    setting = Setting(
        graph=model.graph,
        device=ComputeRate(2e6),
        edge=ComputeRate(1e8),
        link=Link(up_bytes_per_s=2e4, down_bytes_per_s=2e4),
    )

    plan = with_recipe(planned(setting, **asked), input=AS_THEY_ARE)

    assert plan.lower_bound_s <= plan.makespan_s
    assert plan.arrangement.is_split
    carried = carry_out(model, plan, pixels(model))
    assert carried.up_bytes == plan.prediction.up_bytes
    assert DeviceShare(model, plan.recipe).macs == plan.device_macs
    for name, want in run_original(data, pixels(model)).items():
        np.testing.assert_array_equal(carried.outputs[name], want)

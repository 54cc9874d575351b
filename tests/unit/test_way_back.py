"""Codecs on the way back: what returns shrinks, both machines pay, and every bit is there."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import msgspec
import numpy as np
import pytest

from fusepath import FallbackPolicy, Session, SessionOptions
from fusepath.cost import RUNTIME, Codecs, Compression, ComputeRate, Link, path_costs, strip_costs
from fusepath.errors import FileFormatError
from fusepath.offload.verify import run_unsplit
from fusepath.plan import (
    PlanRequest,
    Setting,
    TailPlace,
    Timing,
    check_plan,
    make_plan,
    simulate,
)
from fusepath.plan.book.steps import steps_of
from fusepath.plan.compressed import variants
from fusepath.plan.fluid import fluid_bound_s
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import RawTensor
from fusepath.remote import tensors
from fusepath.tiling import Grid, Resume, StripRows
from tests.plans import AS_THEY_ARE, carry_out, pixels, plan_of, stream_plan
from tests.written_models import net

HALF = Compression(codec="bitmask", ratio=0.5, encode_s_per_byte=3e-9, decode_s_per_byte=2e-9)
ALONE_NEVER = SessionOptions(remember=False, fallback=FallbackPolicy.OFF)
"""However long a busy machine takes, nothing is to be answered by the device alone."""
BODY = """(float[n,c,h,w] y{more}) {{
    a = Conv<pads = [1, 1, 1, 1]>(x, k)
    b = Relu(a)
    c = Conv<pads = [1, 1, 1, 1]>(b, l)
    d = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(c)
    e = Conv<pads = [1, 1, 1, 1]>(d, l)
    y = Relu(e)
    {behind}
}}"""
PARTS = {"shape": "1,3,40,36", "k": (8, 3, 3, 3), "l": (8, 8, 3, 3), "integer": True}


@cache
def maps():
    """Can be tiled to its end."""
    return net(BODY.format(more="", behind=""), **PARTS)


@cache
def scores():
    """Ends in a layer that needs whole maps."""
    behind = "f = GlobalMaxPool(y)\n    s = Flatten(f)"
    return net(BODY.format(more=", float[n,c] s", behind=behind), **PARTS)


def setting(model=None, **changes) -> Setting:
    fields = {
        "graph": (model or maps()).graph,
        "device": ComputeRate(1e9),
        "edge": ComputeRate(5e11),
        "link": Link(up_bytes_per_s=1e6, down_bytes_per_s=1e5),
    }
    return Setting(**(fields | changes))


def coded(*names: str):
    packed = msgspec.structs.replace(HALF, codec="zstd")  # not all of these have zeros
    return {"back_compression": dict.fromkeys(names or ("y",), packed)}


PLANS = {
    "one cut": lambda: (maps(), plan_of(maps(), cuts=[2], **coded())),
    "tiles": lambda: (
        scores(),
        plan_of(scores(), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2], **coded("y", "s")),
    ),
    "tail here": lambda: (
        scores(),
        plan_of(
            scores(),
            tau=3,
            grid=(2, 2),
            cuts=[1, 3, 4, 2],
            tail=TailPlace.DEVICE,
            **coded("d"),
        ),
    ),
    "strips": lambda: (
        maps(),
        stream_plan(maps(), 4, [(0, 10, 2, 3), (10, 20, 4, 2)], **coded()),
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_what_returns_encoded_is_what_returns_plain(name):
    model, plan = PLANS[name]()
    plain = msgspec.structs.replace(
        plan,
        recipe=msgspec.structs.replace(plan.recipe, back_codecs={}),
        back_compression={},
    )
    image = pixels(model)
    expected = run_unsplit(model, image, AS_THEY_ARE)
    before, after = (carry_out(model, item, image) for item in (plain, plan))
    for output, value in expected.items():
        np.testing.assert_array_equal(before.outputs[output], value)
        np.testing.assert_array_equal(after.outputs[output], value)
    assert after.up_bytes == before.up_bytes
    assert after.down_bytes < 0.8 * before.down_bytes
    with Session(model, "memory:", plan=plan, options=ALONE_NEVER) as held:
        held.wait_ready()
        result = held.infer(image)
        assert result.fallback is None
        assert result.down_bytes == after.down_bytes
        for output, value in expected.items():
            np.testing.assert_array_equal(result.outputs[output], value)


def test_a_result_that_returns_as_a_whole_is_encoded_sent_and_decoded():
    plain, packed = setting(), setting(back_compression={"y": HALF})
    size = 4 * plain.graph.tensors["y"].elements
    before, after = (Timing(item).whole_problem() for item in (plain, packed))
    np.testing.assert_allclose(after.edge_ns[0, :-1] - before.edge_ns[0, :-1], 3 * size, atol=2)
    assert after.edge_ns[0, -1] == before.edge_ns[0, -1] == 0  # nothing returns
    np.testing.assert_array_equal(after.device_ns, before.device_ns)
    less = size / 2 / 1e5 * 1e9 - 2 * size
    assert before.down_ns - after.down_ns == pytest.approx(less, abs=2)


def test_tiles_and_strips_return_less_and_cost_both_machines_by_their_bytes():
    """Where the tail is on the device, and where strips make the outputs."""
    machines = {"device": ComputeRate(1e10), "edge": ComputeRate(5e11), "convention": RUNTIME}
    ways = Codecs({}, {}), Codecs({}, {"d": HALF, "y": HALF})
    front = scores().graph.front(3)
    plain, packed = (
        next(iter(path_costs(front, 3, [Grid(2, 2)], **machines, codecs=codecs))) for codecs in ways
    )
    np.testing.assert_array_equal(packed.back_bytes, -(-plain.back_bytes // 2))
    np.testing.assert_allclose(packed.edge - plain.edge, plain.back_bytes * 3e-9)
    np.testing.assert_allclose(packed.device - plain.device, plain.back_bytes * 2e-9)
    np.testing.assert_array_equal(packed.up_bytes, plain.up_bytes)

    rows = StripRows(maps().graph, 4)
    plain, packed = (
        strip_costs(rows, **machines, codecs=codecs).segment(
            1, 0, 20, Resume(0, 4), [(20, 4), (40, 20)]
        )
        for codecs in ways
    )
    np.testing.assert_allclose(packed[3], plain[3] / 2)
    np.testing.assert_allclose(packed[2] - plain[2], plain[3] * 3e-9)
    np.testing.assert_allclose(packed[0] - plain[0], plain[3] * 2e-9)
    np.testing.assert_array_equal(packed[1], plain[1])


@pytest.mark.parametrize("model", [maps, scores])
@pytest.mark.parametrize("algorithm", ["full-offload", "nfl", "mw", "stream", "auto"])
def test_codecs_are_chosen_for_the_way_back_where_that_is_quicker(model, algorithm):
    """Plans are quicker, not below their bound, and play as planned, in a book as well."""
    request = PlanRequest(algorithm=algorithm)
    names = [name for name in model().graph.tensors if name != "x"]
    here = setting(model(), device=ComputeRate(1e7))
    offering = replace(here, offered_back={name: [HALF] for name in names})
    plain, packed = (make_plan(item, request).best for item in (here, offering))
    assert packed.makespan_s < 0.8 * plain.makespan_s
    assert packed.back_codecs
    assert packed.lower_bound_s <= packed.makespan_s
    check_plan(packed, model().graph)
    alike = setting(model(), device=ComputeRate(1e7)).coded_as(packed)
    assert simulate(packed, alike).end_s == pytest.approx(packed.makespan_s, abs=2e-9)
    assert fluid_bound_s(alike) <= packed.makespan_s + 1e-9
    steps = steps_of(Timing(alike), packed)
    again = steps.schedule(packed.order, alike.link, packed.convention).makespan_ns
    assert again == pytest.approx(packed.makespan_s * 1e9, rel=1e-4)


def test_no_codec_is_chosen_where_it_is_slower_or_forbidden():
    slow = HALF.on(sender=1e6, receiver=1.0)
    here = setting(offered_back={"y": [slow]})
    assert variants(Timing(here), PlanRequest())[0].setting is here
    assert len(variants(Timing(here), PlanRequest())) == 1
    better = setting(offered_back={"y": [HALF]})
    for codecs, count in (("auto", 2), ("bitmask", 2), ("zstd", 1), ("off", 1)):
        assert len(variants(Timing(better), PlanRequest(codecs=codecs))) == count
    assert not make_plan(better, PlanRequest(algorithm="nfl", codecs="off")).best.back_codecs


def test_plans_that_name_what_does_not_return_or_reckon_with_other_codecs_are_refused():
    good = plan_of(maps(), cuts=[2], **coded())
    check_plan(good, maps().graph)
    with pytest.raises(FileFormatError, match="'back_codecs' names 'b', which no cut of this plan"):
        check_plan(plan_of(maps(), cuts=[2], **coded("b")), maps().graph)
    local = plan_of(maps(), cuts=[maps().graph.depth + 1], **coded())
    with pytest.raises(FileFormatError, match="'back_codecs' names 'y', which no cut of this plan"):
        check_plan(local, maps().graph)
    silent = msgspec.structs.replace(good, back_compression={})
    with pytest.raises(FileFormatError, match="'back_compression' is not that of the recipe's"):
        check_plan(silent, maps().graph)


def test_what_returns_is_held_against_the_plan():
    """As on the way there: no more than it says is made room for, and nothing else decodes."""
    forms = {"y": ("float32", (1, 8, 20, 18))}
    for data, codecs, words in (
        (b"\xff" * 400, {"y": "bitmask"}, "does not decode as bitmask"),
        (b"\x00" * 11520, {"y": "bitmask"}, "has 11520 bytes"),
        (b"\x00" * 100, {}, "comes encoded, expected plain"),
    ):
        with pytest.raises(ProtocolError, match=words):
            tensors.decode([RawTensor(data, encoded=True)], forms, codecs)


def test_bounds_know_the_codecs_that_may_be_chosen():
    here = setting(offered_back={"y": [HALF]})
    assert here.unbeaten.back_compression["y"].ratio == 0.5
    chosen = setting(back_compression={"y": HALF})
    assert chosen.unbeaten is chosen
    assert fluid_bound_s(here.unbeaten) <= fluid_bound_s(here)

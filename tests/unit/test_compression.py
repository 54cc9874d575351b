"""Codecs in the costs: what is sent shrinks, both machines pay, and only where it helps."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np
import pytest

from fusepath.cost import (
    RUNTIME,
    Codecs,
    Compression,
    ComputeRate,
    Link,
    cut_bytes,
    path_costs,
    quickest,
    strip_costs,
)
from fusepath.onnx_io import load_model
from fusepath.plan import (
    ALGORITHMS,
    PlanRequest,
    Search,
    Setting,
    Timing,
    make_plan,
    planner,
    problem_of,
    problem_of_plan,
    shortlist,
    simulate,
    totals_of,
)
from fusepath.profiling.codecs import fixed_and_moving
from fusepath.schedule import evaluate, violations
from fusepath.tiling import Grid, Segment, StripRows, Strips, Tiles, Whole
from tests.planning import planned

TAU = 6
HALF = Compression(codec="bitmask", ratio=0.5, encode_s_per_byte=3e-9, decode_s_per_byte=2e-9)


@cache
def graph():
    return load_model("zoo:squeezenet?size=96").graph


def setting(**changes) -> Setting:
    fields = {
        "graph": graph(),
        "device": ComputeRate(1e10),
        "edge": ComputeRate(5e11),
        "link": Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6),
    }
    return Setting(**(fields | changes))


def everything(item: Compression) -> dict[str, Compression]:
    return dict.fromkeys(graph().tensors, item)


def test_whole_maps_shrink_and_cost_both_machines_by_their_bytes():
    plain, packed = setting(), setting(compression=everything(HALF))
    raw = np.array([cut_bytes(graph(), cut, RUNTIME) for cut in range(1, graph().depth + 2)])

    before, after = Timing(plain).whole_problem(), Timing(packed).whole_problem()

    assert raw[-1] == 0
    np.testing.assert_allclose(after.link_ns * 2, before.link_ns, atol=2)
    np.testing.assert_allclose(after.device_ns - before.device_ns, raw[None] * 3, atol=2)
    np.testing.assert_allclose(after.edge_ns - before.edge_ns, raw[None] * 2, atol=2)


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(2, 2), Grid(3, 2)], ids=str)
def test_tiles_shrink_and_cost_both_machines_by_their_bytes(grid):
    machines = {"device": ComputeRate(1e10), "edge": ComputeRate(5e11), "convention": RUNTIME}

    (plain,) = path_costs(graph(), TAU, [grid], **machines)
    (packed,) = path_costs(graph(), TAU, [grid], **machines, codecs=Codecs(everything(HALF), {}))

    assert plain.up_bytes.dtype.kind == packed.up_bytes.dtype.kind == "i"
    np.testing.assert_array_equal(packed.up_bytes, -(-plain.up_bytes // 2))
    np.testing.assert_allclose(packed.device - plain.device, plain.up_bytes * 3e-9)
    np.testing.assert_allclose(packed.edge - plain.edge, plain.up_bytes * 2e-9)


def test_strips_shrink_and_cost_both_machines_by_their_bytes():
    machines = {"device": ComputeRate(1e10), "edge": ComputeRate(5e11), "convention": RUNTIME}
    rows = StripRows(graph(), TAU)
    strips = [(40, 0), (80, 4), (96, rows.height)]

    plain, packed = (
        strip_costs(rows, **machines, codecs=Codecs(compression, {}))
        for compression in ({}, everything(HALF))
    )

    for cut in range(1, TAU + 2):
        before, after = (
            item.segment(cut, 0, rows.height, rows.fresh, strips) for item in (plain, packed)
        )
        assert before[1].sum() > 0
        np.testing.assert_allclose(after[1], before[1] / 2)
        np.testing.assert_allclose(after[0] - before[0], before[1] * 3e-9, atol=1e-15)
        np.testing.assert_allclose(after[2] - before[2], before[1] * 2e-9, atol=1e-15)


ARRANGEMENTS = {
    "whole": lambda: Whole(layers=graph().depth),
    "tiles": lambda: Tiles.even(graph(), TAU, Grid(2, 2)),
    "strips": lambda: Strips(
        tau=TAU, segments=(Segment(start=0, stop=22, cut=3, strips=((48, 0), (96, 0), (96, 22))),)
    ),
}


@pytest.mark.parametrize("how", ARRANGEMENTS)
def test_every_piece_that_is_sent_costs_both_machines_something_however_small(how):
    """Cut 3 sends one tensor."""
    arrangement = ARRANGEMENTS[how]()
    (name,) = graph().sent(3)
    free_of_pieces = setting(compression={name: HALF})
    item = msgspec.structs.replace(HALF, encode_s_per_piece=4e-4, decode_s_per_piece=3e-4)

    before, after = (
        problem_of(one, arrangement) for one in (free_of_pieces, setting(compression={name: item}))
    )

    cut = 0 if isinstance(arrangement, Strips) else 2
    sends = before.link_ns[:, cut] > 0
    assert sends.any()
    for times, fixed_ns in (("device_ns", 400_000), ("edge_ns", 300_000)):
        more = getattr(after, times)[:, cut] - getattr(before, times)[:, cut]
        np.testing.assert_allclose(more, np.where(sends, fixed_ns, 0), atol=1)


def test_only_the_tensors_that_are_named_are_compressed():
    image = graph().input.name
    before = Timing(setting()).whole_problem()

    after = Timing(setting(compression={image: HALF})).whole_problem()

    assert after.link_ns[0, 0] * 2 == pytest.approx(before.link_ns[0, 0], abs=2)
    for name in ("device_ns", "link_ns", "edge_ns"):
        np.testing.assert_array_equal(getattr(after, name)[:, 1:], getattr(before, name)[:, 1:])


@pytest.mark.parametrize("algorithm", ["nfl", "mw", "stream", "auto"])
def test_plans_know_their_codecs_and_their_bytes_and_simulate_the_same(algorithm):
    packed = setting(compression=everything(HALF))

    plan = planned(packed, algorithm)

    sent = {name for cut in plan.cuts for name in graph().sent(cut)}
    assert set(plan.compression) == sent
    problem, cuts = problem_of_plan(packed, plan)
    schedule = evaluate(problem, [path - 1 for path in plan.order], cuts)
    assert violations(problem, schedule) == []
    assert schedule.makespan_ns / 1e9 == plan.makespan_s
    from_file = setting(compression=plan.compression)
    assert simulate(plan, from_file).end_s == pytest.approx(plan.makespan_s)
    assert plan.lower_bound_s <= plan.makespan_s


@pytest.mark.parametrize("algorithm", ["nfl", "mw", "stream"])
def test_bytes_are_counted_as_they_are_sent_and_macs_as_ever(algorithm):
    packed = setting(compression=everything(HALF))
    found = ALGORITHMS[algorithm].search(Timing(packed), Search())

    work, raw = totals_of(Timing(packed), found), totals_of(Timing(setting()), found)

    assert raw.up_bytes > 0
    assert work.up_bytes == pytest.approx(raw.up_bytes / 2, abs=found.grid.paths)
    assert (work.device_macs, work.edge_macs) == (raw.device_macs, raw.edge_macs)


def free(item: Compression, **changes) -> Compression:
    fields = {"codec": item.codec, "ratio": item.ratio}
    return Compression(**(fields | {"encode_s_per_byte": 0.0, "decode_s_per_byte": 0.0} | changes))


@pytest.mark.parametrize("algorithm", ["nfl", "mw", "stream"])
def test_a_codec_that_does_nothing_for_nothing_changes_no_plan(algorithm):
    nothing = free(HALF, ratio=1.0)

    plain, packed = (planned(setting(compression=c), algorithm) for c in ({}, everything(nothing)))

    assert packed.makespan_s == plain.makespan_s
    assert (packed.tau, packed.grid, packed.cuts) == (plain.tau, plain.grid, plain.cuts)
    assert packed.up_bytes == plain.up_bytes
    assert packed.device_macs == plain.device_macs


def offering(item: Compression, **fields) -> Setting:
    return setting(offered={name: [item] for name in graph().tensors}, **fields)


def test_the_better_plan_is_never_worse_than_the_plain_one():
    for rate in (1e5, 1e6, 1e8):
        for item in (
            HALF,
            free(HALF),
            HALF.on(sender=1e4, receiver=1.0),
            HALF.on(sender=1, receiver=1e4),
        ):
            link = Link(up_bytes_per_s=rate, down_bytes_per_s=rate)
            plain = planned(setting(link=link), "nfl")

            plan = planned(offering(item, link=link), "nfl")

            assert plan.makespan_s <= plain.makespan_s
            assert plan.lower_bound_s <= plan.makespan_s


def test_a_codec_is_taken_on_a_slow_link_and_left_on_a_quick_one():
    slow, quick = (
        planned(
            offering(HALF, link=Link(up_bytes_per_s=rate, down_bytes_per_s=rate)), "full-offload"
        )
        for rate in (1e6, 1e9)
    )

    assert slow.compression == {graph().input.name: HALF}
    assert quick.compression == {}


def test_plans_of_both_kinds_have_the_bound_that_none_of_them_beats():
    result = make_plan(offering(HALF), PlanRequest(algorithm="nfl", top=100))

    bounds = [planned(setting(compression=c), "nfl").lower_bound_s for c in ({}, everything(HALF))]
    assert {bool(plan.compression) for plan in result.plans} == {True, False}
    assert {plan.lower_bound_s for plan in result.plans} == {result.lower_bound_s}
    assert result.lower_bound_s == min(bounds)


@pytest.mark.parametrize(("ratio", "searches"), [(0.1, 1), (0.98, 2)])
def test_no_search_is_made_without_codecs_that_the_plan_with_codecs_beats_anyway(
    ratio, searches, monkeypatch
):
    codec = free(HALF, ratio=ratio)
    searched: list[bool] = []
    search = planner._plans

    def counted(timing: Timing, *rest):
        searched.append(bool(timing.setting.compression))
        return search(timing, *rest)

    alone = [
        make_plan(setting(compression=c), PlanRequest(algorithm="nfl", codecs="off"))
        for c in (everything(codec), {})
    ]

    monkeypatch.setattr(planner, "_plans", counted)

    result = make_plan(offering(codec), PlanRequest(algorithm="nfl"))

    assert searched == [True, False][:searches]
    assert result.best.makespan_s == min(item.best.makespan_s for item in alone)
    assert result.lower_bound_s <= alone[1].best.makespan_s


def test_codecs_are_left_out_or_chosen_by_name():
    strong = Compression(codec="zstd", ratio=0.1, encode_s_per_byte=0.0, decode_s_per_byte=0.0)
    here = setting(offered={name: [HALF, strong] for name in graph().tensors})
    image = graph().input.name

    by_name, any_codec, none = (
        planned(here, "full-offload", codecs=codecs) for codecs in (HALF.codec, "auto", "off")
    )

    assert by_name.compression == {image: HALF}
    assert any_codec.compression == {image: strong}
    assert none.compression == {}


def test_of_several_codecs_the_one_that_brings_a_tensor_over_soonest_is_taken():
    strong = Compression(codec="zstd", ratio=0.4, encode_s_per_byte=50e-9, decode_s_per_byte=50e-9)
    offered = {"a": [HALF, strong], "b": [], "c": [free(HALF, ratio=1.0)]}

    assert quickest(offered, bytes_per_s=1e5) == {"a": strong}
    assert quickest(offered, bytes_per_s=1e7) == {"a": HALF}
    assert quickest(offered, bytes_per_s=1e9) == {}


@pytest.mark.parametrize("ratio", [0.2, 0.95])
def test_a_plan_without_codecs_is_worth_trying_however_good_codecs_are(ratio):
    """An edge server may lack them."""
    here = offering(free(HALF, ratio=ratio))

    plans = shortlist(here, PlanRequest(algorithm="full-offload"))

    assert [bool(plan.compression) for plan in plans] == [True, False]


def test_of_plans_without_codecs_that_are_not_worth_trying_only_the_best_is_tried():
    plans = shortlist(offering(free(HALF, ratio=0.01)))

    plain = [plan for plan in plans if not plan.compression]
    assert len(plain) == 1
    assert plain[0].makespan_s == planned(setting()).makespan_s
    assert plain[0].makespan_s > 1.3 * plans[0].makespan_s
    assert plans[-1] is plain[0]
    assert all(plan.makespan_s <= 1.3 * plans[0].makespan_s for plan in plans[:-1])


@pytest.mark.parametrize(
    ("whole_s", "fixed_s", "moving_s"),
    [(0.08, 0.0, 0.08), (0.045, 0.005, 0.04), (0.001, 0.01, 0.0), (0.1, 0.0, 0.08)],
    ids=["nothing is fixed", "half is", "a disturbed machine", "quicker in pieces"],
)
def test_what_pieces_take_is_fixed_or_moves_bytes_and_never_less_than_nothing(
    whole_s, fixed_s, moving_s
):
    told = fixed_and_moving(whole_s, 0.08, 8)

    assert told == pytest.approx((fixed_s, moving_s), abs=1e-9)

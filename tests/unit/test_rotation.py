"""Streams of frames: what is planned, what is played and what bounds both agree."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusepath.cost import RUNTIME, ComputeRate, parse_link
from fusepath.errors import InfeasibleError, InputError
from fusepath.onnx_io import load_model
from fusepath.plan import (
    Budget,
    Constraints,
    Latency,
    PlanRequest,
    Setting,
    Throughput,
    loads_of,
    make_plan,
    make_rotation,
    period_bound_s,
    played_period_s,
)
from fusepath.plan.fluid.weights import best_weights_for
from fusepath.schedule import (
    Job,
    Problem,
    alternations,
    evaluate,
    play_stream,
    stream_violations,
)
from tests.problems import problems

QUICK = Budget(evaluations=3000)


def setting(network="squeezenet?size=64", device=10, edge=200, link="3MB/s") -> Setting:
    return Setting(
        graph=load_model(f"zoo:{network}").graph,
        device=ComputeRate(device * 1e9),
        edge=ComputeRate(edge * 1e9),
        link=parse_link(link),
        convention=RUNTIME,
    )


def order_of(problem: Problem, shuffled: list[int]) -> list[int]:
    return sorted(shuffled) if problem.chained else shuffled


# ---------------------------------------------------------------------------- one frame, and many


@settings(max_examples=150)
@given(st.data(), st.booleans(), st.booleans())
def test_a_frame_alone_takes_what_its_schedule_says(data, in_parts, chained):
    problem = data.draw(problems(in_parts=in_parts, chained=chained))
    problem = replace(problem, down_ns=problem.down_ns + problem.delay_ns, head_ns=3, finish_ns=2)
    order = order_of(problem, data.draw(st.permutations(range(problem.paths))))
    cuts = [data.draw(st.integers(1, problem.cuts)) for _ in order]

    played = play_stream([Job(problem, order, cuts)], in_flight=1)

    assert played.done_ns[0] == evaluate(problem, order, cuts).makespan_ns


@settings(max_examples=80)
@given(st.data(), st.booleans(), st.booleans(), st.integers(0, 2), st.integers(1, 4))
def test_frames_are_played_by_the_rules(data, in_parts, chained, workers, in_flight):
    """Every machine takes what comes first, and never rests while something waits for it."""
    jobs = []
    for _ in range(data.draw(st.integers(1, 3))):
        problem = data.draw(problems(in_parts=in_parts, chained=chained))
        extras = data.draw(st.tuples(*[st.integers(0, 3)] * 3))
        names = ("head_ns", "finish_ns", "delay_ns")
        problem = replace(
            problem, **dict(zip(names, extras, strict=True)), edge_workers=workers, shared_link=True
        )
        order = order_of(problem, data.draw(st.permutations(range(problem.paths))))
        jobs.append(Job(problem, order, [data.draw(st.integers(1, problem.cuts)) for _ in order]))
    jobs *= 2

    played = play_stream(jobs, in_flight=in_flight)

    assert stream_violations(jobs, played, in_flight=in_flight) == []


def test_what_is_not_by_the_rules_is_found():
    problem = replace(whole([4], [3], [5], 2), delay_ns=1, head_ns=2, finish_ns=1)
    jobs = [Job(problem, [0], [1])] * 4
    played = play_stream(jobs, in_flight=2)

    def wrong(**changed) -> list[str]:
        return stream_violations(jobs, replace(played, **changed), in_flight=2)

    assert wrong() == []
    assert any("begins at" in what for what in wrong(begun_ns=(0, 1, *played.begun_ns[2:])))
    assert any("ends at" in what for what in wrong(done_ns=(1, *played.done_ns[1:])))
    assert any("takes []" in what for what in wrong(works=played.works[1:]))
    for place, work in enumerate(played.works):
        for by_ns in (-1, 1):
            moved = replace(work, start_ns=work.start_ns + by_ns, end_ns=work.end_ns + by_ns)
            works = [*played.works[:place], moved, *played.works[place + 1 :]]
            assert wrong(works=tuple(works)), work
        longer = replace(work, end_ns=work.end_ns + 1)
        works = [*played.works[:place], longer, *played.works[place + 1 :]]
        assert wrong(works=tuple(works)), work


def whole(device, link, edge, down=0) -> Problem:
    """One path; times by cut."""
    return Problem(
        class_of=(0,),
        device_ns=np.array([device], dtype=np.int64),
        link_ns=np.array([link], dtype=np.int64),
        edge_ns=np.array([edge], dtype=np.int64),
        down_ns=down,
    )


def period_ns(problem: Problem, cuts, in_flight: int) -> float:
    cycles = 14
    jobs = [Job(problem, [0], [cut]) for cut in cuts] * cycles
    done = play_stream(jobs, in_flight=in_flight).done_ns
    middle = len(cuts) * 4 - 1, len(cuts) * 10 - 1
    return (done[middle[1]] - done[middle[0]]) / (len(cuts) * 6)


def test_frames_take_the_device_in_their_order_and_results_too():
    problem = whole([0, 10], [10, 0], [1, 0])
    played = play_stream([Job(problem, [0], [2]), Job(problem, [0], [1])] * 2, in_flight=4)

    assert played.done_ns == (10, 11, 20, 21)


def test_so_many_frames_are_under_way_and_no_more():
    problem = whole([4], [4], [4])
    for in_flight, wanted in ((1, 12), (2, 6), (3, 4), (4, 4)):
        assert period_ns(problem, [1], in_flight) == wanted


@pytest.mark.parametrize("in_flight", [5, 7, 8])
def test_results_in_bursts_have_the_period_of_the_busiest_machine(in_flight):
    """A frame's tail, which takes no time, waits behind the next frame, and both end at once."""
    whole_offload = PlanRequest(algorithm="full-offload")
    probe = make_plan(setting(), whole_offload).best
    edge_s = loads_of(probe)[2]
    here = setting(link=f"{probe.up_bytes / edge_s / 0.87:.0f}B/s")
    plan = make_plan(here, whole_offload).best

    period_s = played_period_s(here, [plan], (0,), in_flight=in_flight)

    assert period_s == pytest.approx(edge_s, rel=1e-6)


@pytest.mark.parametrize("by_latency", [False, True])
def test_every_single_plan_is_looked_at(by_latency):
    """One that loads tell is worse in everything may be quicker when it is played."""
    loads = np.array([[1.0, 2.0], [3.0, 4.0], [2.0, 1.0]])
    options = alternations(loads, [3.0, 7.0, 3.0], in_flight=2, by_latency=by_latency, most=2)

    assert sorted(item.turns for item in options if len(item.turns) == 1) == [(0,), (1,), (2,)]
    assert sum(len(item.turns) > 1 for item in options) == 2


@pytest.mark.parametrize("seed", range(12))
def test_bound_optimum_and_heuristic_are_in_order(seed):
    """Of random instances all orders of up to three frames are tried."""
    rng = np.random.default_rng(seed)
    in_flight = int(rng.integers(1, 5))
    loads = rng.integers(1, 20, (3, 3)).astype(float)  # plans, machines
    problem = whole(*loads.T)
    options = alternations(
        loads, list(loads.sum(axis=1)), in_flight=in_flight, by_latency=False, most=400
    )
    heuristic = min(
        period_ns(problem, [at + 1 for at in option.turns], in_flight)
        for option in options
        if len(option.turns) < 4
    )
    _, bound = best_weights_for(loads)
    optimum = min(
        period_ns(problem, cuts, in_flight)
        for size in (1, 2, 3)
        for cuts in itertools.product((1, 2, 3), repeat=size)
    )

    assert bound <= optimum * (1 + 1e-9)
    assert optimum <= heuristic <= 1.1 * optimum
    for option in options[::20]:
        played = period_ns(problem, [at + 1 for at in option.turns], in_flight)
        assert played >= option.least_period_s * (1 - 1e-9)
    assert options == sorted(options, key=lambda option: option.least_period_s)


# ---------------------------------------------------------------------------- plans


@pytest.mark.parametrize(
    ("network", "device", "edge", "link"),
    [
        ("squeezenet?size=64", 10, 200, "3MB/s"),
        ("resnet18?size=64", 2, 100, "1MB/s"),
        ("mobilenetv3-large?size=64", 5, 100, "1MB/s"),
        ("tiny-yolov2?size=64", 50, 200, "3MB/s"),
    ],
)
def test_no_plan_loads_the_machines_less_than_the_bound(network, device, edge, link):
    here = setting(network, device, edge, link)
    bound_s = period_bound_s([here])
    several = [PlanRequest(algorithm="nfl", top=1000)]
    several += [
        PlanRequest(algorithm=name, budget=QUICK, top=3) for name in ("stream", "mw", "auto")
    ]
    for request in several:
        for plan in make_plan(here, request).plans:
            assert loads_of(plan).max() >= bound_s * (1 - 1e-9)

    request = PlanRequest(objective=Throughput(in_flight=4), budget=QUICK)
    rotation = make_rotation(here, request)
    assert bound_s * (1 - 1e-9) <= rotation.period_s
    assert rotation.lower_bound_s == pytest.approx(min(bound_s, rotation.period_s))


def test_whole_frames_in_turn_are_more_than_any_single_cut():
    here = setting("squeezenet", 50, 500, "3MB/s")
    request = PlanRequest(algorithm="nfl", objective=Throughput(in_flight=4))
    rotation = make_rotation(here, request)
    cuts = make_plan(here, PlanRequest(algorithm="nfl", top=1000)).plans
    single_s = min(played_period_s(here, [plan], (0,), in_flight=4) for plan in cuts)

    assert len(rotation.plans) == 2
    assert set(rotation.turns) == {0, 1}
    assert rotation.period_s < 0.85 * single_s
    assert rotation.gap < 0.1
    replayed_s = played_period_s(here, rotation.plans, rotation.turns, in_flight=4)
    assert replayed_s == pytest.approx(rotation.period_s)
    loads = np.array([loads_of(rotation.plans[at]) for at in rotation.turns])
    assert rotation.period_s >= loads.mean(axis=0).max() * (1 - 1e-6)
    assert all(plan.request == request for plan in rotation.plans)
    assert rotation.frames_per_s == 1 / rotation.period_s


def test_more_frames_under_way_are_never_fewer_in_a_second():
    here = setting("squeezenet", 10, 200, "3MB/s")
    periods = [
        make_rotation(
            here, PlanRequest(algorithm="nfl", objective=Throughput(in_flight=count))
        ).period_s
        for count in (1, 2, 4, 8)
    ]

    assert periods == sorted(periods, reverse=True)
    best_s = make_plan(here, PlanRequest(algorithm="nfl")).best.makespan_s
    assert periods[0] == pytest.approx(best_s, rel=1e-3)


def test_latency_at_a_rate_of_frames_is_the_least_that_has_the_rate():
    here = setting("squeezenet", 10, 200, "3MB/s")
    quickest = make_rotation(here, PlanRequest(algorithm="nfl", objective=Throughput()))

    def asked(rate: float):
        return make_rotation(
            here, PlanRequest(algorithm="nfl", objective=Latency(min_frames_per_s=rate))
        )

    slow, quick = asked(1.0), asked(0.95 * quickest.frames_per_s)
    assert quick.frames_per_s >= 0.95 * quickest.frames_per_s
    assert slow.latency_s <= quick.latency_s
    with pytest.raises(InfeasibleError, match=r"no plans have .* frames/s with 3 under way"):
        asked(2 * quickest.frames_per_s)


def test_limits_hold_for_every_plan_of_a_rotation():
    here = setting("squeezenet", 50, 500, "3MB/s")
    limits = Constraints(keep_on_device=2)
    request = PlanRequest(algorithm="nfl", objective=Throughput(), constraints=limits)
    rotation = make_rotation(here, request)

    assert all(min(plan.cuts) > 2 for plan in rotation.plans)


def test_one_plan_is_not_asked_for_with_an_objective_of_many():
    with pytest.raises(InputError, match="make_rotation"):
        make_plan(setting(), PlanRequest(objective=Throughput()))


@pytest.mark.parametrize("wrong", [{"in_flight": 0}, {"in_flight": 65}])
def test_an_objective_that_makes_no_sense_is_refused(wrong):
    for kind in (Latency, Throughput):
        with pytest.raises(ValueError, match="in_flight"):
            kind(**wrong)
    with pytest.raises(ValueError, match="min_frames_per_s"):
        Latency(min_frames_per_s=-1)

"""A stream of frames over links that change, in simulated time."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from benchmarks.links import simulated
from benchmarks.links.cells import cell
from benchmarks.links.figure import links_figure
from benchmarks.links.room import _fewest, _most_links
from benchmarks.links.simulated import Noise, Plans, Stream
from benchmarks.links.summary import FRAMES_BAR, MEAN_BAR, played, rows
from benchmarks.links.trace import TRACES, UP, Link, Phase
from fusepath.plan import Budget, PlanRequest
from fusepath.protocol.adapting import Adapting
from fusepath.schedule.problem import NS_PER_S
from tests.extras import needs_plot
from tests.figures import too_small

SECONDS = 12.0
HASTY = PlanRequest(budget=Budget(evaluations=2000))
NO_NOISE = Noise(machines=0.0, link=0.0)


@pytest.fixture(scope="module")
def plans() -> Plans:
    """Plans for the links of all traces, in place of a book."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated, "explore", lambda *_: None)
        found = Plans(cell("squeezenet"), HASTY)
    for phases in (trace(SECONDS) for trace in TRACES.values()):
        for phase in phases:
            if phase.carries:
                found.auto(found.conditions(phase))
    found.book = found.map.names
    return found


def test_as_few_plans_cover_all_links_as_any_choice_of_them_does():
    rng = np.random.default_rng(0)
    names = ["alone", *(f"plan {number}" for number in range(7))]
    for _ in range(5):
        covers = rng.random((len(names), 12)) < 0.3
        covers[-1] |= ~covers.any(axis=0)
        right = dict(zip(names, covers.tolist(), strict=True))
        most = [
            max(covers[[0, *few]].any(axis=0).sum() for few in combinations(range(1, 8), size))
            for size in range(8)
        ]
        assert _fewest(right, "alone") == most.index(12)
        assert [_most_links(right, "alone", size) for size in range(8)] == most


def test_a_frame_takes_what_its_plan_is_predicted_to_on_a_steady_link(plans):
    link = plans.setting.link
    phase = Phase(
        seconds=1.0, up_bytes_per_s=link.up_bytes_per_s, down_bytes_per_s=link.down_bytes_per_s
    )
    for name in plans.book:
        stream = Stream(plans=plans, link=Link((phase,)), first=name, fixed=True, noise=NO_NOISE)
        stream.run(0.001)
        (frame,) = stream.frames
        steps, plan = plans.steps(name), plans.map.plan(name)
        makespan_ns = steps.schedule(plan.order, link, plan.convention).makespan_ns
        assert frame.latency_s == pytest.approx(makespan_ns / NS_PER_S, abs=1e-6)


def test_a_burst_is_spent_and_grows_back():
    phase = Phase(
        seconds=100.0,
        up_bytes_per_s=1e6,
        down_bytes_per_s=1e6,
        burst_bytes=2e6,
        burst_bytes_per_s=11e6,
    )
    link = Link((phase,))
    # At 11 MB/s, of which 1 MB/s grows back, 2 MB last 0.2 s.
    assert link.carried_at(UP, 2.2e6, 0.0) == pytest.approx(0.2, rel=0.01)
    assert link.carried_at(UP, 1e6, 0.2) == pytest.approx(1.2, rel=0.01)
    assert link.carried_at(UP, 1.1e6, 2.2) == pytest.approx(2.3, rel=0.01)


@pytest.mark.parametrize("trace", TRACES)
def test_plans_follow_a_link_and_no_frame_is_lost(plans, trace):
    stream = played(plans, TRACES[trace](SECONDS))
    found = rows("squeezenet", trace, stream)
    assert found
    for row in found:
        assert row.ratio <= MEAN_BAR
        if trace != "bursty":
            assert row.late_frames is not None
            assert row.late_frames <= FRAMES_BAR
    assert [frame for frame in stream.frames if not frame.latency_s < 1] == []


def test_a_device_that_becomes_hot_is_noticed(plans):
    phase = TRACES["falling"](SECONDS)[0]
    stream = Stream(plans=plans, link=Link((phase,)), first=plans.alone)
    stream.settle()
    stream.device_slowness = lambda now_s: 1.0 if now_s < 1 else 3.0
    stream.run(3.0)
    assert stream.machine.conditions.device == pytest.approx(3.0, rel=0.05)
    here = replace(plans.conditions(phase), device=3.0)
    best_s = min(plans.map.predicted_s(name, here) for name in plans.book)
    assert plans.map.predicted_s(stream.frames[-1].plan, here) <= 1.03 * best_s


def test_on_a_noisy_link_that_is_steady_the_plan_stays(plans):
    phase = replace(TRACES["falling"](60.0)[1])
    for seed in range(3):
        stream = Stream(
            plans=plans,
            link=Link((phase,)),
            first=plans.alone,
            noise=Noise(machines=0.05, link=0.2),
            seed=seed,
        )
        stream.settle()
        stream.run(60.0)
        assert len(stream.switches) <= 1


def test_a_machine_that_never_changes_the_plan_is_noticed(plans, monkeypatch):
    stream = Stream(plans=plans, link=Link(TRACES["falling"](3.0)), first=plans.alone)
    stream.settle()
    monkeypatch.setattr(Adapting, "_choose", lambda _self: iter(()))
    stream.run(10.0)
    assert max(row.ratio for row in rows("squeezenet", "falling", stream)) > MEAN_BAR


@needs_plot
def test_the_figure_can_be_read_on_a_page(plans):
    stream = Stream(plans=plans, link=Link(TRACES["falling"](1.0)), first=plans.alone)
    stream.run(1.0)

    assert too_small(links_figure({"squeezenet": stream}, {"squeezenet": stream})) == []

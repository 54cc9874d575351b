"""What a search may spend: evaluations, which no clock counts, and seconds as a cap."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import msgspec
import pytest

from fusepath.cost import Compression, ComputeRate, parse_link
from fusepath.errors import InfeasibleError, UndecidedError
from fusepath.onnx_io import load_model
from fusepath.plan import Budget, Constraints, Plan, PlanRequest, Setting, make_plan
from fusepath.schedule import Status
from fusepath.tiling import Grid
from tests.networks import deep
from tests.planning import planned

ALGORITHMS = ("mw", "bf", "jps", "psomw", "exact", "stream", "auto")


@pytest.fixture(scope="module")
def setting() -> Setting:
    """A link on which strips win."""
    return Setting(
        graph=load_model("zoo:squeezenet?size=64").graph,
        device=ComputeRate(1e9),
        edge=ComputeRate(5e11),
        link=parse_link("1MB/s"),
    )


@pytest.fixture(scope="module")
def deep_setting() -> Setting:
    """150 layers."""
    return Setting(
        graph=deep(), device=ComputeRate(1e10), edge=ComputeRate(5e11), link=parse_link("3MB/s")
    )


def does(plan: Plan) -> Plan:
    """All but how long the search took."""
    provenance = msgspec.structs.replace(plan.provenance, search_s=0.0)
    return msgspec.structs.replace(plan, provenance=provenance)


def clock_of(step_s: float):
    """A clock that goes on by so much whenever it is read."""
    ticks = itertools.count()
    return lambda: next(ticks) * step_s


def test_evaluations_are_spent_by_parts_and_by_the_whole():
    meter = Budget(evaluations=10).begin()
    part = meter.part(share=0.5)

    part.spend(4)
    assert not part.is_over
    part.spend(1)

    assert part.is_over
    assert (part.spent, meter.spent, meter.evaluations_left) == (5, 5, 5)
    assert not meter.is_over
    assert meter.cut_short  # the part was told to leave something out
    assert meter.part(evaluations=3).evaluations_left == 3
    assert meter.part(evaluations=30).evaluations_left == 5


def test_seconds_are_a_cap_of_parts_as_well():
    now_s = [0.0]
    meter = Budget(seconds=10.0).begin(clock=lambda: now_s[0])
    part = meter.part(share=0.4)

    now_s[0] = 3.9
    assert not part.is_over
    now_s[0] = 4.1
    assert part.is_over
    assert not meter.is_over
    assert meter.seconds_left == pytest.approx(5.9)
    now_s[0] = 10.0
    assert meter.is_over
    assert meter.part(evaluations=5).is_over


def test_without_limits_nothing_ends_a_search_and_no_clock_is_asked():
    asked = []
    meter = Budget().begin(clock=lambda: float(len(asked)) if not asked.append(0) else 0.0)
    begun = len(asked)

    meter.part().spend(10**12)

    assert not meter.is_over
    assert not meter.part().cut_short
    assert len(asked) <= begun + 2  # a part notes when it begins


@pytest.mark.parametrize(
    "fields", [{"evaluations": -1}, {"seconds": -0.1}, {"seconds": float("nan")}]
)
def test_less_than_nothing_is_no_budget(fields):
    with pytest.raises(ValueError, match="below zero"):
        Budget(**fields)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("evaluations", [3_000, 12_000])
def test_results_of_evaluations_do_not_depend_on_how_busy_the_machine_is(
    setting, monkeypatch, algorithm, evaluations
):
    """The same request with a clock that stands, and one on which every look takes an hour."""
    request = PlanRequest(
        algorithm=algorithm,
        grid=Grid(2, 2) if algorithm in {"mw", "bf", "jps", "exact"} else None,
        budget=Budget(evaluations=evaluations),
    )
    results = []
    for clock in (clock_of(0.0), clock_of(3600.0)):
        monkeypatch.setattr(time, "perf_counter", clock)
        results.append(make_plan(setting, request))

    idle, busy = results
    assert busy.evaluations == idle.evaluations
    assert busy.status == idle.status
    assert [does(plan) for plan in busy.plans] == [does(plan) for plan in idle.plans]


def test_more_evaluations_are_never_worse_and_few_find_the_single_cuts(setting):
    found = [
        planned(setting, budget=Budget(evaluations=count)).makespan_s
        for count in (0, 2_000, 10_000, 50_000)
    ]

    assert found[0] == planned(setting, "nfl").makespan_s
    assert max(found) == found[0]
    assert min(found) == found[-1] < found[0]


@pytest.mark.parametrize("algorithm", ["mw", "stream", "psomw"])
def test_what_a_budget_cuts_off_is_unknown_and_never_infeasible(setting, algorithm):
    result = make_plan(setting, PlanRequest(algorithm=algorithm, budget=Budget(evaluations=0)))

    assert result.status is Status.UNKNOWN
    assert result.plans == ()
    assert result.shortfalls == ()
    with pytest.raises(UndecidedError, match="the budget ended"):
        _ = result.best


def test_where_no_single_cut_keeps_to_the_constraints_evaluations_decide_what_is_known(setting):
    strips = planned(setting, "stream", budget=Budget(evaluations=10_000))
    limits = Constraints(device_macs=strips.device_macs, upload_bytes=strips.up_bytes)
    hurried, patient = (
        make_plan(setting, PlanRequest(constraints=limits, budget=Budget(evaluations=count)))
        for count in (0, 20_000)
    )

    assert hurried.status is Status.UNKNOWN
    assert patient.status is Status.FEASIBLE
    assert patient.best.makespan_s <= 1.1 * strips.makespan_s
    assert make_plan(setting, PlanRequest(algorithm="nfl", constraints=limits)).status is (
        Status.INFEASIBLE
    )


def test_what_nothing_can_keep_to_is_infeasible_with_shortfalls_as_data(setting):
    limits = Constraints(device_macs=0, keep_on_device=3)

    result = make_plan(setting, PlanRequest(algorithm="nfl", constraints=limits))

    assert result.status is Status.INFEASIBLE
    (short,) = result.shortfalls
    assert (short.limit, short.allows) == ("device_macs", 0)
    assert short.needs > 0
    with pytest.raises(InfeasibleError) as caught:
        _ = result.best
    assert caught.value.shortfalls == result.shortfalls
    assert "--" not in str(caught.value)


def test_codecs_have_as_many_evaluations_as_plans_without_and_share_the_seconds(setting):
    half = Compression(codec="zstd", ratio=0.5, encode_s_per_byte=0.0, decode_s_per_byte=0.0)
    offering = replace(setting, offered={name: [half] for name in setting.graph.tensors})
    budget = Budget(evaluations=10_000)

    # So many plans are wanted that a bound leaves no search out.
    both = make_plan(offering, PlanRequest(budget=budget, top=100))
    plain = make_plan(setting, PlanRequest(budget=budget, top=100))

    assert plain.evaluations < both.evaluations < 2.2 * plain.evaluations
    assert both.best.makespan_s < plain.best.makespan_s


def test_a_budget_within_another_keeps_to_both():
    assert Budget().within(Budget(evaluations=5)) == Budget(evaluations=5)
    both = Budget(evaluations=9, seconds=1.0).within(Budget(evaluations=5, seconds=2.0))
    assert both == Budget(evaluations=5, seconds=1.0)


@pytest.mark.parametrize("algorithm", ["mw", "exact", "jps", "psomw", "stream", "auto"])
def test_no_search_of_a_deep_network_takes_much_longer_than_it_may(
    deep_setting, monkeypatch, algorithm
):
    """Measured by the time of this process alone, so that others on the machine do not count."""
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    limit_s = 1.0
    begun_s = time.process_time()

    result = make_plan(
        deep_setting, PlanRequest(algorithm=algorithm, budget=Budget(seconds=limit_s))
    )

    assert time.process_time() - begun_s <= 2 * limit_s + 0.1
    assert result.status in {Status.FEASIBLE, Status.UNKNOWN}


def test_auto_of_a_deep_network_keeps_to_its_limit_and_is_nearly_as_good_as_without(
    deep_setting, monkeypatch
):
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    taken_s = []
    for _ in range(2):  # whatever else runs here takes caches away
        begun_s = time.process_time()
        hurried = planned(deep_setting, budget=Budget(seconds=3.0))
        taken_s.append(time.process_time() - begun_s)

    patient = planned(deep_setting, budget=Budget(evaluations=400_000))

    assert min(taken_s) <= 3.0 * 1.2
    assert hurried.makespan_s <= 1.02 * patient.makespan_s
    assert hurried.makespan_s < planned(deep_setting, "nfl").makespan_s

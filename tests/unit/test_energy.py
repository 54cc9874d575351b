"""Energy: computed in two ways, bounded, planned for and limited."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusepath.cost import ComputeRate, Link, Power, parse_machine
from fusepath.errors import FileFormatError, InfeasibleError, InputError, SettingError
from fusepath.jsonfile import save
from fusepath.onnx_io import load_model
from fusepath.plan import (
    Budget,
    Constraints,
    Energy,
    PlanRequest,
    Setting,
    Timing,
    Weighted,
    check_plan,
    energy_bound_j,
    energy_of,
    limit_violations,
    load_plan,
    make_front,
    make_plan,
    make_rotation,
    save_plan,
)
from fusepath.plan.limits.energy import drawn_j
from fusepath.report.front_figure import front_figure
from fusepath.schedule import evaluate
from fusepath.tiling import Grid
from tests.extras import needs_plot
from tests.figures import too_small
from tests.networks import networks

POWER = Power(wait_w=2.0, compute_w=6.0, send_w=3.0, receive_w=2.5)
QUICK = Budget(evaluations=400)


def setting(graph=None, *, power=POWER, delay_s=2e-3, mb_s=1.8) -> Setting:
    return Setting(
        graph=graph or load_model("zoo:squeezenet?size=64").graph,
        device=ComputeRate(1e9, power),
        edge=ComputeRate(5e10),
        link=Link(up_bytes_per_s=mb_s * 1e6, down_bytes_per_s=mb_s * 5e5, delay_s=delay_s),
    )


@pytest.mark.parametrize("algorithm", ["device-only", "full-offload", "nfl", "stream", "mw"])
def test_two_ways_to_count_what_the_device_draws_agree(algorithm):
    for plan in make_plan(setting(), PlanRequest(algorithm=algorithm, budget=QUICK, top=9)).plans:
        assert plan.energy is not None
        assert drawn_j(plan) == pytest.approx(plan.energy_j, rel=1e-12)
        assert plan.energy.wait_j == pytest.approx(2.0 * plan.makespan_s)


def test_the_energy_of_a_plan_by_hand():
    plan = make_plan(setting(), PlanRequest(algorithm="full-offload")).best

    sent_s = 3 * 64 * 64 / 1.8e6
    back_s = plan.link.down_s(4 * 1000)
    assert plan.energy_j == pytest.approx(2.0 * plan.makespan_s + 1.0 * sent_s + 0.5 * back_s)


def _all_of_two_tiles(where: Setting) -> list[float]:
    timing = Timing(where)
    found = []
    for tau in range(1, where.graph.tileable_layers + 1):
        problem = timing.problem(tau, Grid(1, 1))
        for grid in (Grid(1, 1), Grid(2, 1)):
            try:
                problem = timing.problem(tau, grid)
            except InputError:
                continue  # the map has a row alone
            for order in itertools.permutations(range(problem.paths)):
                for cuts in itertools.product(range(1, problem.cuts + 1), repeat=problem.paths):
                    timeline = evaluate(problem, order, cuts).timeline()
                    found.append(energy_of(timeline, POWER, where.link).total_j)
    return found


@settings(max_examples=8, deadline=None)
@given(networks(max_blocks=3), st.sampled_from([0.02, 0.2, 2.0]), st.sampled_from([0.0, 1e-4]))
def test_bound_is_at_most_the_optimum_and_that_at_most_what_is_found(graph, mb_s, delay_s):
    where = setting(graph, mb_s=mb_s, delay_s=delay_s)
    singles = make_plan(where, PlanRequest(algorithm="nfl", objective=Energy()))
    optimum_j = min(*_all_of_two_tiles(where), singles.best.energy_j)

    bound_j = energy_bound_j([where], POWER)
    found = make_plan(where, PlanRequest(objective=Energy(), budget=QUICK)).best

    assert 0 <= bound_j <= optimum_j * (1 + 1e-6) + 1e-8
    assert found.energy_bound_j <= found.energy_j <= singles.best.energy_j
    tiled = PlanRequest(algorithm="mw", grid=Grid(2, 1), tau=1, objective=Energy(), budget=QUICK)
    if graph.tensors[graph.layers[0].operators[-1].outputs[0]].size(0) > 1:
        assert make_plan(where, tiled).best.energy_j >= optimum_j * (1 - 1e-6)


def test_objectives_choose_what_they_say_and_cuts_alone_are_proven():
    where = setting()
    plans = make_plan(where, PlanRequest(algorithm="nfl", top=99)).plans

    for objective, value in (
        (Energy(), lambda plan: plan.energy_j),
        (Weighted(seconds_per_joule=0.3), lambda plan: plan.makespan_s + 0.3 * plan.energy_j),
        (Weighted(seconds_per_joule=0.0), lambda plan: plan.makespan_s),
    ):
        chosen = make_plan(where, PlanRequest(algorithm="nfl", objective=objective)).best
        assert value(chosen) == min(map(value, plans))
        assert chosen.request.objective == objective
    quickest = make_plan(where, PlanRequest(algorithm="nfl")).best
    thrifty = make_plan(where, PlanRequest(algorithm="nfl", objective=Energy())).best
    assert thrifty.energy_j < quickest.energy_j or thrifty.cuts == quickest.cuts


def test_the_front_holds_the_least_of_everything_and_nothing_that_is_beaten():
    front = make_front(setting(), PlanRequest(budget=QUICK))

    values = [(plan.makespan_s, plan.energy_j, plan.up_bytes) for plan in front.plans]
    for one, other in itertools.permutations(values, 2):
        assert not all(a <= b for a, b in zip(one, other, strict=True))
    assert values == sorted(values)
    assert values[0][0] <= make_plan(setting(), PlanRequest(budget=QUICK)).best.makespan_s
    assert min(value[2] for value in values) == 0  # device only sends nothing
    assert all(front.energy_bound_j <= value[1] for value in values)
    assert all(front.latency_bound_s <= value[0] for value in values)


@needs_plot
def test_the_picture_of_a_front_can_be_read_on_a_page():
    figure = front_figure(make_front(setting(), PlanRequest(budget=QUICK)))

    assert too_small(figure) == []
    assert "device 1 Gop/s" in figure.get_suptitle()


def test_a_limit_is_kept_to_checked_and_told_where_it_cannot_be():
    where = setting()
    asked = PlanRequest(algorithm="nfl")
    drawn = [plan.energy_j for plan in make_plan(where, PlanRequest(algorithm="nfl", top=99)).plans]
    between = Constraints(device_energy_j=(min(drawn) + max(drawn)) / 2)

    kept = make_plan(where, PlanRequest(algorithm="nfl", constraints=between)).best
    check_plan(kept, where.graph)
    assert kept.energy_j <= between.device_energy_j
    tight = Constraints(device_energy_j=min(drawn) * 0.99)
    assert "J of the device" in limit_violations(kept, where.graph, tight)[0]
    none = make_plan(where, PlanRequest(algorithm="nfl", constraints=tight))
    (short,) = none.shortfalls
    assert (short.limit, short.allows) == ("device_energy_j", tight.device_energy_j)
    assert short.needs == pytest.approx(min(drawn))
    with pytest.raises(InfeasibleError, match=r"the closest needs .* J of the device's energy"):
        none.best  # noqa: B018
    unknown = setting(power=ComputeRate(1.0).power)
    for refused in (
        PlanRequest(algorithm="nfl", constraints=between),
        PlanRequest(objective=Energy()),
    ):
        with pytest.raises(InputError, match="what the device draws is not known; write it"):
            make_plan(unknown, refused)
    assert make_plan(unknown, asked).best.energy_j is None


def test_power_travels_in_machines_and_plans(tmp_path):
    text = "10GFLOPS:wait=2.7,compute=6.4,send=3.4,receive=3.2"
    machine = parse_machine(text)
    save(tmp_path / "pi.json", {"type": "rate", "ops_per_s": 1e10, "power": machine.power})

    assert parse_machine(str(tmp_path / "pi.json")) == machine
    other = parse_machine(f"{tmp_path / 'pi.json'}:wait=1,compute=2,send=2,receive=2")
    assert other.power == Power(wait_w=1, compute_w=2, send_w=2, receive_w=2)
    assert machine.slowed(2).power == machine.power
    plan = make_plan(setting(), PlanRequest(algorithm="nfl", objective=Energy())).best
    save_plan(tmp_path / "plan.json", plan)
    assert load_plan(tmp_path / "plan.json") == plan
    written = (tmp_path / "plan.json").read_text()
    (tmp_path / "plan.json").write_text(written.replace('"energy_j": ', '"energy_j": 1'))
    with pytest.raises(FileFormatError, match="'energy_j' is not what the rest of the plan says"):
        load_plan(tmp_path / "plan.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wait=1,compute=2,send=2", "is no power: write it like"),
        ("wait=1,wait=1,compute=2,send=2,receive=2", "is no power: write it like"),
        ("wait=1,compute=x,send=2,receive=2", "is no power: write it like"),
        ("wait=1,compute=0.5,send=2,receive=2", "compute_w 0.5 is less than wait_w 1"),
        ("wait=nan,compute=2,send=2,receive=2", "wait_w nan is no power"),
    ],
)
def test_what_is_no_power_is_refused(text, words):
    with pytest.raises(SettingError, match=words):
        parse_machine(f"1GFLOPS:{text}")


def test_streams_refuse_energy():
    with pytest.raises(InputError, match="energy is planned for and not measured"):
        make_rotation(setting(), PlanRequest(objective=Energy()))
    with pytest.raises(SettingError, match="seconds_per_joule nan is no weight"):
        Weighted(seconds_per_joule=float("nan"))


def test_a_limit_that_is_no_number_is_refused():
    with pytest.raises(SettingError, match="must not be below zero"):
        Constraints(device_energy_j=float("nan"))

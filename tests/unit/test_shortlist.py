"""What ``auto`` and the shortlist choose from: every family, searched once, under one bound."""

from __future__ import annotations

import pytest

from fusepath.cost import ComputeRate, parse_link
from fusepath.errors import InputError, NoPlanError
from fusepath.plan import Budget, Constraints, Plan, PlanRequest, Setting, fluid_bound_s, shortlist
from fusepath.tiling import Grid
from tests.networks import untileable
from tests.planning import UNLIMITED, planned
from tests.small_detector import small_detector

MACHINES = {"device": ComputeRate(1e10), "edge": ComputeRate(5e11)}
BESIDE_AUTO = ("nfl", "device-only", "full-offload", "mw")


@pytest.fixture(scope="module")
def setting() -> Setting:
    """A link on which strips win, and sending everything is not far behind."""
    return Setting(graph=small_detector().graph, link=parse_link("3MB/s"), **MACHINES)


def does(plan: Plan) -> str:
    return plan.recipe_sha256


@pytest.mark.parametrize(
    ("constraints", "budget"),
    [
        (Constraints(), UNLIMITED),
        (Constraints(), Budget(evaluations=0)),
        (Constraints(upload_bytes=8_000), UNLIMITED),
        (Constraints(keep_on_device=2), UNLIMITED),
    ],
    ids=["free", "hurried", "upload", "keep"],
)
def test_a_shortlist_is_auto_and_what_other_algorithms_plan_nearly_as_quick(
    setting, constraints, budget
):
    asked = {"constraints": constraints, "budget": budget}
    expected = [planned(setting, "auto", **asked)]
    for name in BESIDE_AUTO:
        try:
            expected.append(planned(setting, name, **asked))
        except NoPlanError:
            continue
    best_s = min(plan.makespan_s for plan in expected)

    found = shortlist(setting, PlanRequest(**asked))

    wanted = {does(plan) for plan in expected if plan.makespan_s <= 1.3 * best_s}
    assert {does(plan) for plan in found} == wanted
    assert len(found) == len(wanted)


def test_plans_of_a_shortlist_have_the_bound_of_all_plans(setting):
    """Each is one of many, so that it is the best of its own kind proves nothing."""
    plans = shortlist(setting, PlanRequest(budget=UNLIMITED))

    assert len(plans) > 1
    assert {plan.lower_bound_s for plan in plans} == {plans[0].lower_bound_s}
    assert plans[0].lower_bound_s == pytest.approx(fluid_bound_s(setting), abs=1e-9)


def test_auto_looks_at_every_plan_once(setting):
    alone = [
        planned(setting, name, budget=UNLIMITED).provenance.plans_evaluated
        for name in ("nfl", "stream", "mw")
    ]
    most_sizes = 400

    auto = planned(setting, "auto", budget=UNLIMITED)

    assert sum(alone) < auto.provenance.plans_evaluated <= sum(alone) + most_sizes
    listed = shortlist(setting, PlanRequest(budget=UNLIMITED))
    assert {plan.provenance.plans_evaluated for plan in listed} == {auto.provenance.plans_evaluated}


def test_a_network_that_cannot_be_tiled_has_single_cuts_to_choose_from():
    setting = Setting(graph=untileable(), link=parse_link("1MB/s"), **MACHINES)

    plans = shortlist(setting)

    assert plans
    assert not any(plan.arrangement.is_split for plan in plans)


def test_a_shortlist_leaves_no_choice_to_the_caller(setting):
    with pytest.raises(InputError, match="leave out grid"):
        shortlist(setting, PlanRequest(grid=Grid(2, 2)))
    with pytest.raises(InputError, match="does not choose the sizes of tiles"):
        shortlist(setting, PlanRequest(unequal=True))


def test_an_option_that_does_not_exist_is_no_option(setting):
    with pytest.raises(TypeError, match="nexpected keyword argument"):
        planned(setting, "nfl", gird=Grid(2, 2))

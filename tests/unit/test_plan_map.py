"""What plans take on other links, and where others may be worth looking for."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from benchmarks.links.cells import cell
from fusepath.cost import Power
from fusepath.offload.plan_map import PlanMap
from fusepath.offload.replanning import explore
from fusepath.plan import Budget, Constraints, PlanRequest, make_plan
from fusepath.protocol.adapting import Conditions

AS_PLANNED = Conditions()


@pytest.fixture(scope="module")
def plans() -> PlanMap:
    setting = cell("squeezenet")
    found = PlanMap(setting)
    found.add_plans(
        make_plan(setting, PlanRequest(algorithm=name, codecs="off")).best
        for name in ("device-only", "full-offload")
    )
    return found


def test_a_link_is_so_many_times_slower_as_its_conditions_say(plans):
    for conditions in (AS_PLANNED, Conditions(up=4.0, down=0.5)):
        there = plans.conditions_of(plans.link_under(conditions))
        assert (there.up, there.down) == pytest.approx((conditions.up, conditions.down))


def test_the_best_may_be_furthest_where_nothing_is_known_of_links_that_are_quicker(plans):
    quicker, slower = Conditions(up=0.5, down=0.5), Conditions(up=2.0, down=2.0)
    assert plans.furthest((AS_PLANNED, quicker, slower), [AS_PLANNED]) == quicker
    # The device alone takes no longer on a slower link: where that is the best, nothing is gained.
    slow, slowest = Conditions(up=1e3, down=1e3), Conditions(up=1e6, down=1e6)
    assert plans.furthest((slow, slowest, slower), [AS_PLANNED, slow]) == slower


def test_what_was_planned_is_not_planned_again(plans):
    quicker = Conditions(up=0.5, down=1.0)
    assert plans.furthest((AS_PLANNED, quicker), [quicker]) == AS_PLANNED


def test_a_link_that_is_quicker_one_way_alone_tells_nothing_of_another(plans):
    other = Conditions(up=0.25, down=4.0)
    near = Conditions(up=1.0, down=1.01)
    assert plans.furthest((near, other), [AS_PLANNED]) == other


def test_where_nothing_keeps_to_constraints_on_some_links_there_are_plans_for_others():
    setting, names = cell("squeezenet"), ("device-only", "full-offload")
    draws = Power(wait_w=1.0, compute_w=8.0, send_w=2.0, receive_w=1.5)
    link = msgspec.structs.replace(setting.link, up_bytes_per_s=1e6, down_bytes_per_s=1e6)
    device = msgspec.structs.replace(setting.device, power=draws)
    setting = replace(setting, device=device, link=link)
    alone, full = (make_plan(setting, PlanRequest(algorithm=name)).best for name in names)
    assert alone.energy_j is not None
    assert full.energy_j is not None
    assert full.energy_j < alone.energy_j  # so on links that are slow enough nothing keeps to it
    limits = Constraints(device_energy_j=(alone.energy_j + full.energy_j) / 2)
    found = PlanMap(setting)
    found.add_plans([full])
    explore(found, PlanRequest(constraints=limits, budget=Budget(evaluations=300)))
    assert len(found.names) > 1

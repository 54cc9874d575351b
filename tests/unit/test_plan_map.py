"""What plans take on other links, and where others may be worth looking for."""

from __future__ import annotations

import pytest

from benchmarks.links.cells import cell
from fusepath.offload.plan_map import PlanMap
from fusepath.plan import PlanRequest, make_plan
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

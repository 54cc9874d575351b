"""Edge servers that wait for rows which something can use: chosen where that is cheaper."""

from __future__ import annotations

import msgspec
import pytest

from fusepath.cost import RUNTIME, ComputeRate, LayerTime, Link, MachineProfile
from fusepath.onnx_io import load_model
from fusepath.plan import Search, Setting, Timing, check_plan
from fusepath.plan.fluid import row_bound_s
from fusepath.plan.planner import ALGORITHMS
from fusepath.schedule import NS_PER_S
from fusepath.tiling import Strips
from tests.planning import UNLIMITED, planned

GRAPH = load_model("zoo:squeezenet?size=96").graph
RATE = ComputeRate(20e9)


def setting(*, ahead: float) -> Setting:
    """A quick link to an edge server that is no quicker than the device, by its profile."""
    layers = tuple(
        LayerTime(name=layer.name, seconds=RATE.layer_s(GRAPH, layer.index, RUNTIME))
        for layer in GRAPH.layers
    )
    profile = MachineProfile(
        model_sha256=GRAPH.sha256, layers=layers, strip_factor=1.02, strip_ahead_factor=ahead
    )
    link = Link(up_bytes_per_s=2e7, down_bytes_per_s=2e7)
    device = profile.slowed(20)
    return Setting(graph=GRAPH, device=device, edge=profile, link=link, convention=RUNTIME)


def test_it_waits_where_rows_made_ahead_are_dearer_and_not_where_they_are_not():
    dear, cheap = (
        planned(setting(ahead=factor), "stream", budget=UNLIMITED) for factor in (1.5, 1.0)
    )

    assert isinstance(dear.arrangement, Strips)
    assert dear.arrangement.waits
    assert not cheap.arrangement.waits
    check_plan(dear, GRAPH)


def test_a_plan_that_waits_is_no_slower_than_one_that_may_not_and_no_quicker_than_the_bound():
    free = setting(ahead=1.5)
    bound = msgspec.structs.replace(free.edge, strip_factor=1.5)
    held = Setting(
        graph=GRAPH, device=free.device, edge=bound, link=free.link, convention=free.convention
    )

    waiting_s, ahead_s = (
        ALGORITHMS["stream"].search(Timing(item), Search()).schedule.makespan_ns / NS_PER_S
        for item in (free, held)
    )

    assert row_bound_s(free) <= waiting_s < ahead_s
    assert waiting_s == pytest.approx(planned(free, "stream", budget=UNLIMITED).makespan_s)

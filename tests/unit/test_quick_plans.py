"""What a session plans first, on machines whose times are played."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

import fusepath
from fusepath.cost import Compression, LayerTime, Link, MachineProfile
from fusepath.offload import plan_search
from fusepath.offload.order import Order
from fusepath.offload.plan_search import PlanSearch
from fusepath.offload.shown import as_shown
from fusepath.plan import Setting, simulate
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from fusepath.plan import Plan
    from fusepath.timeline import Timeline

MODEL = fusepath.load_model("zoo:squeezenet?size=96")
SAMPLE = np.zeros((1, 3, 96, 96), dtype=np.uint8)


@pytest.fixture(scope="module")
def setting() -> Setting:
    def machine(layer_s: float) -> MachineProfile:
        layers = tuple(
            LayerTime(name=layer.name, seconds=layer_s, fixed_s=layer_s / 10)
            for layer in MODEL.graph.layers
        )
        return MachineProfile(model_sha256=MODEL.graph.sha256, layers=layers, strip_layer_s=1e-5)

    return Setting(
        graph=MODEL.graph,
        device=machine(0.005),
        edge=machine(0.001),
        link=Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6),
    )


def rehearsed(plan: Plan, setting: Setting, **slower: float) -> SimpleNamespace:
    """A plan that is prepared where lanes take so many times longer than a setting says."""
    planned: Timeline = simulate(plan, replace(setting, compression=plan.compression))
    spans = tuple(
        msgspec.structs.replace(
            span, end_s=span.start_s + span.duration_s * slower.get(span.lane.value, 1.0)
        )
        for span in planned.spans
    )
    return SimpleNamespace(plan=plan, predicted=msgspec.structs.replace(planned, spans=spans))


def quick_plans(setting: Setting, monkeypatch, **slower: float) -> list[Plan]:
    """What is prepared before all that a search may spend is spent, on machines so slow."""
    prepared: list[Plan] = []

    async def do(work, *arguments):
        return work(*arguments)

    async def prepare(plan: Plan, _sample) -> SimpleNamespace:
        prepared.append(plan)
        return rehearsed(plan, setting, **slower)

    async def search() -> None:
        order = Order(
            model=MODEL,
            edges=("memory:",),
            plan=fusepath.PlanRequest(),
            machines=fusepath.Machines(),
            frames=fusepath.FrameFormat(),
            timeout=fusepath.Timeout(),
            options=fusepath.SessionOptions(remember=False),
            say=lambda _: None,
        )
        pairing = SimpleNamespace(background=SimpleNamespace(aside=do), prepare=prepare)
        plans = PlanSearch(order, pairing, connect=lambda: None, use=lambda _: None)
        await plans._use_soon(fusepath.PlanRequest(), setting, SAMPLE)

    monkeypatch.setattr(plan_search, "hasty", with_little)
    asyncio.run(search())
    return prepared


def with_little(request: fusepath.PlanRequest) -> fusepath.PlanRequest:
    return msgspec.structs.replace(request, budget=fusepath.Budget(evaluations=3000))


def test_where_machines_are_as_they_were_measured_one_plan_is_soon_made(setting, monkeypatch):
    assert len(quick_plans(setting, monkeypatch)) == 1


def test_where_a_plan_shows_another_machine_it_is_soon_planned_for_that(setting, monkeypatch):
    first, second = quick_plans(setting, monkeypatch, edge=8.0)

    assert first.edge == setting.edge
    assert second.edge.total_s == pytest.approx(8 * setting.edge.total_s)
    assert second.device == setting.device


def test_how_quick_a_device_encodes_says_nothing_of_its_layers(setting):
    packed = Compression(codec="zstd", ratio=0.5, encode_s_per_byte=2e-7, decode_s_per_byte=1e-9)
    offered = replace(setting, offered={MODEL.graph.input.name: [packed]})
    request = fusepath.PlanRequest(algorithm="full-offload", codecs="zstd")
    plan = fusepath.make_plan(offered, request).best
    assert plan.codecs
    assert plan.timeline.busy_s(Lane.DEVICE) > 0.002

    assert as_shown(offered, rehearsed(plan, offered, device=3.0)) is offered
    shown = as_shown(offered, rehearsed(plan, offered, device=3.0, edge=2.0))
    assert shown.device is offered.device
    assert shown.edge.total_s == pytest.approx(2 * offered.edge.total_s)

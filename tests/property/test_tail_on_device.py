"""Random detectors of several heads, split, with the tail behind the heads on the device."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusepath.cost import RUNTIME, ComputeRate, Link, layer_macs
from fusepath.onnx_io import Model, read_model
from fusepath.plan import (
    Candidate,
    Constraints,
    InputFormat,
    Plan,
    Setting,
    TailPlace,
    Timing,
    fluid_bound_s,
    limit_violations,
    problem_of_plan,
    totals_of,
)
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.schedule import Problem, evaluate, play, violations
from fusepath.tiling import Strips, Whole
from tests.detectors import detectors
from tests.effort import some
from tests.onnx_models import Drawn, onnx_models, run_original, striplings, tilings
from tests.plans import carry_out, plan_of

COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
REPEATABLE = settings(COMMON, max_examples=some(60), derandomize=True)
THOROUGH = settings(COMMON, max_examples=some(2000))


def split(drawn: Drawn, data: st.DataObject) -> tuple[Model, Plan]:
    """A model and a plan of tiles or strips with its tail on the device, or the unsplit network."""
    model = read_model(drawn.data, name="drawn", source="drawn.onnx")
    form = InputFormat(dtype=drawn.image.dtype.name, mean=(0.0,), std=(1.0,))
    arrangement = data.draw(data.draw(st.sampled_from([tilings, striplings]))(model))
    plan = plan_of(model, form=form, **arrangement)
    if not isinstance(plan.arrangement, Whole):
        plan = plan_of(model, form=form, tail=TailPlace.DEVICE, **arrangement)
    return model, plan


def assert_same_bits(drawn: Drawn, data: st.DataObject) -> None:
    expected = run_original(drawn.data, drawn.image)
    model, plan = split(drawn, data)

    outputs = carry_out(model, plan, drawn.image).outputs

    assert outputs.keys() == expected.keys()
    for name, want in expected.items():
        np.testing.assert_array_equal(outputs[name], want, err_msg=name)


@REPEATABLE
@given(detectors(), st.data())
def test_detectors_give_the_same_bits_with_their_tail_on_the_device(drawn, data):
    assert_same_bits(drawn, data)


@REPEATABLE
@given(onnx_models(integer=True), st.data())
def test_any_network_gives_the_same_bits_with_its_tail_on_the_device(drawn, data):
    assert_same_bits(drawn, data)


@settings(COMMON, max_examples=some(40), derandomize=True)
@given(detectors(), st.data())
def test_what_is_planned_is_what_is_carried_out(drawn, data):
    model, plan = split(drawn, data)
    graph = model.graph
    setting = Setting(
        graph=graph,
        device=ComputeRate(data.draw(st.sampled_from([1e5, 1e6, 1e7]))),
        edge=ComputeRate(data.draw(st.sampled_from([1e6, 1e8]))),
        link=Link(
            up_bytes_per_s=data.draw(st.sampled_from([1e3, 1e5])),
            down_bytes_per_s=data.draw(st.sampled_from([1e3, 1e5])),
            delay_s=data.draw(st.sampled_from([0.0, 0.01])),
            message_bytes=data.draw(st.sampled_from([0, 100])),
        ),
        convention=msgspec.structs.replace(RUNTIME, counts_result=data.draw(st.booleans())),
    )
    problem, cuts = problem_of_plan(setting, plan)
    order = [path - 1 for path in plan.order]
    schedule = evaluate(problem, order, cuts)
    device, edge = DeviceShare(model, plan.recipe), EdgeShare(model, plan.recipe)
    returns = [
        sum(np.zeros(shape, dtype).nbytes for dtype, shape in device.expected_part(path).values())
        for path in range(len(cuts))
        if path in (device.returning or ())
    ]

    assert violations(problem, schedule) == []
    assert play(problem, order, cuts).end_s == pytest.approx(schedule.makespan_ns / 1e9)
    assert fluid_bound_s(setting) <= schedule.makespan_ns / 1e9 * (1 + 1e-9) + 1e-6
    sent_bytes, back_bytes = Timing(replace(setting, link=FREE)).wire_bytes(plan)
    assert sent_bytes.sum() == carry_out(model, plan, drawn.image).up_bytes
    if back_bytes is not None:
        assert back_bytes.sum() == sum(returns)
    assert device.macs >= sum(
        layer_macs(graph, index)
        for index in range(plan.tau + 1, graph.depth + 1)
        if plan.tail is TailPlace.DEVICE
    )
    assert edge.has_tail == (plan.tail is TailPlace.EDGE and plan.tau < graph.depth)
    check_limits(plan, setting, device)


FREE = Link(up_bytes_per_s=1.0, down_bytes_per_s=1.0)


def check_limits(plan: Plan, setting: Setting, device: DeviceShare) -> None:
    """What a plan may compute here it computes, and with one operation less it may not."""
    graph = setting.graph
    found = Candidate(
        arrangement=plan.arrangement,
        schedule=evaluate(*_scheduled(setting, plan)),
        lower_bound_ns=0,
        evaluated=1,
        tail=plan.tail,
    )
    macs = totals_of(Timing(setting), found).device_macs
    if isinstance(plan.arrangement, Strips):
        assert macs == device.macs
    if plan.arrangement.is_split and macs:
        assert limit_violations(plan, graph, Constraints(device_macs=macs)) == []
        assert limit_violations(plan, graph, Constraints(device_macs=macs - 1))


def _scheduled(setting: Setting, plan: Plan) -> tuple[Problem, list[int], tuple[int, ...]]:
    problem, cuts = problem_of_plan(setting, plan)
    return problem, [path - 1 for path in plan.order], cuts


@pytest.mark.slow
@THOROUGH
@given(st.one_of(detectors(), onnx_models(integer=True)), st.data())
def test_thousands_of_networks_give_the_same_bits_with_their_tail_on_the_device(drawn, data):
    assert_same_bits(drawn, data)

"""Machines that a rehearsal shows to be other than their profiles say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fusepath.cost import ComputeRate, LayerTime, Link, MachineProfile
from fusepath.onnx_io import load_model
from fusepath.plan import Setting, recalibrated
from fusepath.timeline import Lane, Span, Timeline


@pytest.fixture(scope="module")
def setting() -> Setting:
    graph = load_model("zoo:squeezenet?size=64").graph
    layers = tuple(
        LayerTime(name=layer.name, seconds=0.001, fixed_s=0.0001) for layer in graph.layers
    )
    profile = MachineProfile(model_sha256=graph.sha256, layers=layers, strip_layer_s=1e-5)
    link = Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6)
    return Setting(graph=graph, device=profile, edge=profile, link=link)


def busy(device_s: float, edge_s: float, *, paths: int = 1) -> Timeline:
    """A timeline with so much work on both machines, in several pieces."""
    spans = [
        Span(lane=lane, start_s=0.0, end_s=work_s / paths, path=path)
        for lane, work_s in ((Lane.DEVICE, device_s), (Lane.EDGE, edge_s))
        for path in range(1, paths + 1)
    ]
    return Timeline(spans=tuple(spans))


def test_a_machine_that_took_longer_is_that_much_slower_in_every_layer(setting):
    now = recalibrated(setting, busy(0.020, 0.010), busy(0.030, 0.010, paths=4))

    assert now is not None
    assert now.edge is setting.edge
    assert now.device.total_s == pytest.approx(1.5 * setting.device.total_s)
    assert now.device.layers[3].fixed_s == pytest.approx(0.00015)
    assert now.device.strip_layer_s == pytest.approx(1.5e-5)
    assert (now.graph, now.link, now.convention) == (
        setting.graph,
        setting.link,
        setting.convention,
    )


def test_a_machine_that_was_quicker_is_quicker(setting):
    now = recalibrated(setting, busy(0.020, 0.020), busy(0.019, 0.010))

    assert now is not None
    assert now.device is setting.device
    assert now.edge.total_s == pytest.approx(0.5 * setting.edge.total_s)


@pytest.mark.parametrize("factor", [0.92, 1.0, 1.09])
def test_a_little_is_no_reason_to_plan_again(setting, factor):
    assert recalibrated(setting, busy(0.020, 0.010), busy(0.020 * factor, 0.010 / factor)) is None


@pytest.mark.parametrize(("planned_s", "shown_s"), [(0.0, 0.5), (0.001, 0.5), (0.5, 0.001)])
def test_of_hardly_any_work_nothing_can_be_told(setting, planned_s, shown_s):
    assert recalibrated(setting, busy(planned_s, 0.010), busy(shown_s, 0.010)) is None


def test_a_rate_is_taken_at_its_word(setting):
    rates = replace(setting, device=ComputeRate(1e9), edge=ComputeRate(1e10))

    assert recalibrated(rates, busy(0.020, 0.010), busy(0.040, 0.020)) is None

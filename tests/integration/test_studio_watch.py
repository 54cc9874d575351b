"""A session that the studio watches: frames are split, and the device goes on alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from fusepath.cost import parse_link, parse_machine
from fusepath.onnx_io import Model, load_model
from fusepath.plan import Origin, Plan, PlanRequest, Setting, make_plan
from fusepath.report.page import sections
from fusepath.studio.watch import Watch, Watched
from fusepath.timeline import Lane
from tests.edges import edge_server


def planned() -> tuple[Model, Plan]:
    model = load_model("zoo:squeezenet?size=64")
    setting = Setting(
        graph=model.graph,
        device=parse_machine("1GFLOPS"),
        edge=parse_machine("500GFLOPS"),
        link=parse_link("0.2MB/s"),
    )
    found = make_plan(setting, PlanRequest(algorithm="nfl"), Origin(source=model.source))
    return model, found.best


def until(watch: Watch, holds: Callable[[Watched], bool]) -> Watched:
    deadline_s = time.monotonic() + 30
    while not holds(watch.watched):
        assert not watch.watched.complaint
        assert time.monotonic() < deadline_s, watch.watched
        time.sleep(0.02)
    return watch.watched


@pytest.mark.system
def test_the_bars_move_to_the_device_when_the_server_is_killed(monkeypatch):
    monkeypatch.setattr("fusepath.studio.watch._PAUSE_S", 0.0)
    with edge_server() as edge:
        watch = Watch(*planned(), edge.address)
        try:
            split = until(
                watch, lambda now: now.last is not None and now.last.timeline.busy_s(Lane.EDGE) > 0
            )
            edge.kill()
            alone = until(watch, lambda now: now.last is not None and now.last.fallback is not None)
        finally:
            watch.close()

    assert split.last is not None
    assert alone.last is not None
    assert alone.last.timeline.busy_s(Lane.EDGE) == 0
    assert alone.last.timeline.busy_s(Lane.DEVICE) > 0
    drawn = [sections(watch.story(now.last))["When"] for now in (split, alone)]
    assert ", edge, measured" in drawn[0]
    assert ", edge, measured" not in drawn[1]
    assert ", device, measured" in drawn[1]


def test_a_session_that_cannot_be_is_one_line():
    watch = Watch(*planned(), "nowhere")
    try:
        deadline_s = time.monotonic() + 30
        while not watch.watched.complaint and time.monotonic() < deadline_s:
            time.sleep(0.01)
    finally:
        watch.close()

    assert "nowhere" in watch.watched.complaint
    assert "\n" not in watch.watched.complaint

"""A session that the studio watches: frames are split, and the device goes on alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial

import pytest

from fusepath.cli.edge_process import EdgeProcess
from fusepath.cost import parse_link, parse_machine
from fusepath.errors import InputError
from fusepath.onnx_io import load_model
from fusepath.plan import Origin, Plan, PlanRequest, Setting, make_plan
from fusepath.report.page import sections
from fusepath.studio import HeldModel
from fusepath.studio.frames import frames_drawing
from fusepath.studio.watch import Watch, Watched
from fusepath.timeline import Lane
from tests.edges import edge_server

SOURCE = "zoo:squeezenet?size=64"


@cache
def setting() -> Setting:
    return Setting(
        graph=load_model(SOURCE).graph,
        device=parse_machine("1GFLOPS"),
        edge=parse_machine("500GFLOPS"),
        link=parse_link("0.2MB/s"),
    )


def planned() -> tuple[HeldModel, Plan]:
    found = make_plan(setting(), PlanRequest(algorithm="nfl"), Origin(source=SOURCE))
    return HeldModel(graph=setting().graph, source=SOURCE), found.best


def until(watch: Watch, holds: Callable[[Watched], bool]) -> Watched:
    deadline_s = time.monotonic() + 30
    while not holds(watch.watched):
        assert not watch.watched.complaint
        assert time.monotonic() < deadline_s, watch.watched
        time.sleep(0.02)
    return watch.watched


def together(now: Watched) -> bool:
    return now.last is not None and now.last.fallback is None


def alone(now: Watched) -> bool:
    return now.last is not None and now.last.fallback is not None


@pytest.mark.system
def test_the_bars_move_to_the_device_when_the_server_is_killed_and_back_when_it_is_there_again(
    monkeypatch,
):
    monkeypatch.setattr("fusepath.studio.watch._PAUSE_S", 0.0)
    watch = Watch(*planned(), partial(EdgeProcess, SOURCE))
    try:
        split = until(watch, together)
        assert watch.server_is_alive
        watch.kill_server()
        assert watch.server_is_alive is False
        lost = until(watch, alone)
        away = until(watch, lambda now: all(item.alone for item in now.seen[-2:]))
        watch.start_server()
        until(watch, together)
    finally:
        watch.close()

    assert not watch._thread.is_alive()
    assert watch.server_is_alive is False
    assert split.last is not None
    assert lost.last is not None
    assert split.last.timeline.busy_s(Lane.EDGE) > 0
    assert lost.last.timeline.busy_s(Lane.EDGE) == 0
    assert away.last is not None
    drawn = [sections(watch.story(now.last))["When"] for now in (split, lost)]
    assert ", edge, measured" in drawn[0]
    assert ", edge, measured" not in drawn[1]
    assert ", device, measured" in drawn[1]
    before = frames_drawing(lost.frames, lost.seen)
    assert before.count(">D<") == sum(item.alone for item in lost.seen) > 0


@pytest.mark.system
def test_the_link_is_as_slow_as_the_plan_takes_it_to_be_and_a_server_of_others_is_left_alone():
    held, plan = planned()
    with edge_server() as edge:
        watch = Watch(held, plan, edge.address)
        try:
            now = until(watch, together)
            assert watch.server_is_alive is None
            with pytest.raises(InputError, match="not of this studio"):
                watch.kill_server()
        finally:
            watch.close()

    assert now.last is not None
    measured_s, predicted_s = (at.busy_s(Lane.UPLINK) for at in (now.last.timeline, plan.timeline))
    assert measured_s > 0.8 * predicted_s


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

"""What a session does beside its frames leaves no trace in them, nor in memory."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

import fusepath
from fusepath.offload import adaptation
from fusepath.offload.adaptation import Adaptation
from fusepath.offload.order import SessionOptions
from fusepath.offload.plan_map import PlanMap
from fusepath.protocol.adapting import LINKS, Answered, Conditions

if TYPE_CHECKING:
    from fusepath.cost import Link
    from fusepath.protocol.adapting import Event

pytestmark = pytest.mark.system

PATIENCE_S = 60.0
MACHINES = fusepath.Machines(
    device=fusepath.parse_machine("1GFLOPS"), edge=fusepath.parse_machine("20GFLOPS")
)  # and the link is measured: plans do not follow one that is given


def test_memory_that_a_book_took_is_given_back(monkeypatch: pytest.MonkeyPatch):
    given_back = threading.Event()
    monkeypatch.setattr(adaptation, "_STREAM", 2)
    monkeypatch.setattr(adaptation, "release_free_memory", given_back.set)
    random = np.random.default_rng(1)  # a frame that is the last one again shows nothing
    plan = fusepath.PlanRequest(algorithm="full-offload", codecs="off")
    network = "zoo:squeezenet?size=64&weights=integer"
    with fusepath.Session(network, "memory:", plan=plan, machines=MACHINES) as session:
        session.wait_ready(PATIENCE_S)
        until_s = time.monotonic() + PATIENCE_S
        while not given_back.wait(0.02):  # frames count once the plan in use is rehearsed
            session.infer(random.integers(0, 256, (64, 64, 3), dtype=np.uint8))
            assert time.monotonic() < until_s


def test_what_plans_take_on_links_that_may_come_is_worked_out_beside_frames(
    monkeypatch: pytest.MonkeyPatch,
):
    """And not on the event loop, which carries frames."""
    answered, loops, works = threading.Event(), set(), set()
    tell, link_under = Adaptation.tell, PlanMap.link_under

    def told(self: Adaptation, event: Event) -> None:
        loops.add(threading.get_ident())
        tell(self, event)
        if isinstance(event, Answered):
            answered.set()

    def worked_out(self: PlanMap, conditions: Conditions) -> Link:
        if conditions in LINKS and conditions != Conditions():
            works.add(threading.get_ident())
        return link_under(self, conditions)

    monkeypatch.setattr(Adaptation, "tell", told)
    monkeypatch.setattr(PlanMap, "link_under", worked_out)
    plan = fusepath.PlanRequest(algorithm="full-offload", codecs="off")
    network = "zoo:squeezenet?size=64&weights=integer"
    random = np.random.default_rng(1)
    with fusepath.Session(network, "memory:", plan=plan, machines=MACHINES) as session:
        session.wait_ready(PATIENCE_S)
        until_s = time.monotonic() + PATIENCE_S
        while not answered.wait(0.02):
            session.infer(random.integers(0, 256, (64, 64, 3), dtype=np.uint8))
            assert time.monotonic() < until_s
    assert works
    assert not works & loops


@pytest.mark.parametrize(("device_macs", "kept"), [(None, 1), (1000, 0)])
def test_falling_back_may_break_limits_and_plans_may_not(
    device_macs: int | None, kept: int, monkeypatch: pytest.MonkeyPatch
):
    """However slow the link: how the device answers alone is no plan where it breaks them."""
    seen: list[Adaptation] = []
    tell = Adaptation.tell

    def told(self: Adaptation, event: Event) -> None:
        tell(self, event)
        if isinstance(event, Answered):
            seen.append(self)

    monkeypatch.setattr(Adaptation, "tell", told)
    limits = fusepath.Constraints(device_macs=device_macs)
    plan = fusepath.PlanRequest(algorithm="full-offload", codecs="off", constraints=limits)
    options = SessionOptions(fallback=fusepath.FallbackPolicy.ALWAYS)
    given = {"plan": plan, "machines": MACHINES, "options": options}
    network = "zoo:squeezenet?size=64&weights=integer"
    random = np.random.default_rng(1)
    with fusepath.Session(network, "memory:", **given) as session:
        session.wait_ready(PATIENCE_S)
        until_s = time.monotonic() + PATIENCE_S
        while not seen:
            session.infer(random.integers(0, 256, (64, 64, 3), dtype=np.uint8))
            assert time.monotonic() < until_s
    machine = seen[0].machine
    assert machine is not None
    assert len(machine.kept) == kept
    assert len(machine._known) == 1 + kept

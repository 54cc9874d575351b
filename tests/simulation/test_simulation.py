"""The machines in simulated faults, in every order, and with faults of their own."""

from __future__ import annotations

import pytest

from fusepath.protocol.device_frame import DeviceFrame
from fusepath.protocol.watch import Watch
from tests.simulation.clock import Violation
from tests.simulation.explorer import explore
from tests.simulation.faults import FAULTS
from tests.simulation.world import World, simulate, told

SEEDS = 300


def simulate_all(seeds):
    return [simulate(seed) for seed in range(seeds)]


def test_whatever_happens_every_frame_ends_once_in_time_and_right():
    outcomes = simulate_all(SEEDS)

    # Or the simulation shows nothing.
    assert sum(outcome.fell_back for outcome in outcomes) > SEEDS // 4
    assert sum(outcome.alone for outcome in outcomes) > SEEDS
    assert sum(outcome.failed for outcome in outcomes) > SEEDS // 4
    together = sum(outcome.frames - outcome.alone - outcome.fell_back for outcome in outcomes)
    assert together > 10 * SEEDS


@pytest.mark.parametrize("name", FAULTS)
def test_the_server_is_used_again_after_every_kind_of_fault(name):
    for seed in range(5):
        world = World(seed)
        world._faults = [(event, name, 0.5) for event in (400, 60, 15)]
        world.run()


def test_one_frame_in_every_order_with_a_crash_or_a_standstill_anywhere():
    assert explore(4) > 60_000


def test_a_seed_always_tells_the_same_story():
    story = told(5)

    assert story == told(5)
    assert any("fault" in line for line in story)
    assert any("Computed(path=" in line and "-> Send(path=" in line for line in story)


def test_a_violation_names_the_seed_that_replays_it(monkeypatch):
    monkeypatch.setattr(DeviceFrame, "_patience", lambda self: [])  # a machine that only waits

    with pytest.raises(Violation, match=r"seed \d+: nobody looks at the time; .* --seed \d+ "):
        simulate_all(20)


def test_a_session_that_never_tries_again_is_noticed(monkeypatch):
    monkeypatch.setattr(Watch, "_try_later", lambda *_: [])

    with pytest.raises(Violation, match=r"nobody looks after the server|after 1 failures"):
        simulate_all(50)

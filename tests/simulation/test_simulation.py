"""The machines in simulated faults, in every order, and with faults of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fusepath.faults import World, play
from fusepath.faults.clock import Clock, Violation
from fusepath.faults.kinds import FAULTS
from fusepath.protocol.device_frame import DeviceFrame
from fusepath.protocol.in_flight import InFlight
from fusepath.protocol.watch import Watch
from tests.simulation import plays
from tests.simulation.explorer import Explorer, explore
from tests.simulation.sessions import play_machines, simulate
from tests.simulation.state import Setting

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
    assert sum(outcome.overlapping for outcome in outcomes) > 3 * SEEDS
    assert sum(outcome.dropped for outcome in outcomes) > SEEDS


def test_machines_by_themselves_do_nothing_that_they_must_not():
    for seed in range(SEEDS):
        play_machines(seed)


@pytest.mark.parametrize("machine", plays.ALONE)
def test_what_machines_do_by_themselves(machine):
    for alone, _ in plays.ALONE[machine]:
        for seed in range(8):
            alone(seed)


@pytest.mark.parametrize("name", FAULTS)
def test_the_server_is_used_again_after_every_kind_of_fault(name):
    for seed in range(5):
        world = World(seed)
        world._faults = [(event, name, 0.5) for event in (400, 60, 15)]
        world.run()


def test_one_frame_in_every_order_with_a_crash_or_a_standstill_anywhere():
    assert explore(2) > 30_000


@pytest.mark.parametrize("every_order", [True, False])
@pytest.mark.parametrize("strips", [True, False])
def test_a_frame_that_is_stuck_is_found_in_all_orders_and_in_those_that_differ(
    monkeypatch, strips, every_order
):
    monkeypatch.setattr(DeviceFrame, "_patience", lambda self: [])  # a machine that only waits

    with pytest.raises(Violation, match="stuck after"):
        Explorer(plan_of(2, strips=strips), every_order=every_order).explore()


@pytest.mark.parametrize("strips", [True, False])
def test_orders_that_no_machine_can_tell_apart_are_visited_once(strips):
    states = []
    for every_order in (True, False):
        explorer = Explorer(plan_of(3, strips=strips), every_order=every_order)
        explorer.explore()
        states.append(explorer.states)

    assert states[1] < 0.8 * states[0]


def test_one_frame_of_five_paths():
    for returning in (None, frozenset({0, 2, 4})):
        explorer = Explorer(plan_of(5, strips=True, returning=returning), every_order=False)
        explorer.explore()
        assert explorer.states > 500


def plan_of(paths, *, strips, returning=None):
    return Setting(paths, strips, returning, True, True, True, False)


def test_a_timer_that_has_gone_off_does_not_again_when_the_clock_jumps():
    clock, told = Clock(), []
    timer = clock.after(1.0, told.append, "once")
    while clock.step():
        clock.move(timer, -5.0)

    assert told == ["once"]


def test_a_seed_always_tells_the_same_story():
    story = [str(line) for line in play(5).story.lines]

    assert story == [str(line) for line in play(5).story.lines]
    assert any("fault" in line for line in story)
    assert any("Computed(path=" in line and "-> Send(path=" in line for line in story)


def test_a_violation_names_the_seed_that_replays_it(monkeypatch):
    monkeypatch.setattr(DeviceFrame, "_patience", lambda self: [])  # a machine that only waits

    with pytest.raises(Violation, match=r"seed \d+: nobody looks at the time; .* --seed \d+ "):
        simulate_all(20)


def test_a_few_faults_in_the_machines_are_noticed():
    gate = [sys.executable, "-m", "tests.simulation.mutants"]  # in which no machine is loaded yet
    few = ["--every", "139", "--seeds", "1000"]  # some are rarely noticed
    tried = subprocess.run([*gate, *few], check=False, capture_output=True, text=True)

    assert tried.returncode == 0, tried.stdout + tried.stderr
    *_, verdict = tried.stdout.splitlines()  # maybe without some that nothing can notice
    assert "100.0 %" in verdict, tried.stdout


def test_frames_that_overlap_too_much_are_noticed(monkeypatch):
    monkeypatch.setattr(InFlight, "_may_begin", property(lambda self: True))

    with pytest.raises(Violation, match="there is room: False"):
        simulate_all(20)


def test_a_session_that_never_tries_again_is_noticed(monkeypatch):
    monkeypatch.setattr(Watch, "_try_later", lambda *_: [])

    with pytest.raises(Violation, match=r"nobody looks after the server|after 1 failures"):
        simulate_all(50)

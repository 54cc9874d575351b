"""Frames of a stream that take several plans in turn: which, and what becomes of them."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import fusepath
from fusepath.errors import InfeasibleError
from fusepath.offload import rotating
from fusepath.offload.rotating import Rotating
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.plan import InputFormat
from fusepath.protocol.adapting import Conditions
from tests.edges import edge_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.onnx_io import Model

pytestmark = pytest.mark.system

PATIENCE_S = 120.0
TURNS = (0, 1, 1)
MACHINES = fusepath.Machines(
    device=fusepath.parse_machine("1GFLOPS"),
    edge=fusepath.parse_machine("20GFLOPS"),
    link=fusepath.parse_link("0.6MB/s"),
)
"""One frame is quickest where the edge server does it all, a stream where the device does much."""


@cache
def model() -> Model:
    return load_model("zoo:squeezenet?size=64&weights=integer")


@cache
def frames() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    return tuple(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(6))


@cache
def expected(number: int) -> np.ndarray:
    image = np.ascontiguousarray(frames()[number].transpose(2, 0, 1))[None]
    return run_unsplit(model(), image, InputFormat(std=(1.0,)))["output"]


def request(objective: fusepath.Objective, algorithm: str = "nfl") -> fusepath.PlanRequest:
    return fusepath.PlanRequest(algorithm=algorithm, codecs="off", objective=objective)


@contextmanager
def session(
    edge: str | None, objective: fusepath.Objective, algorithm: str = "nfl"
) -> Iterator[fusepath.Session]:
    held = fusepath.Session(
        model(),
        edge,
        plan=request(objective, algorithm),
        machines=MACHINES,
        frames=fusepath.FrameFormat(std=(1.0,)),
        options=fusepath.SessionOptions(
            remember=False, emulation=fusepath.Emulation(pace_bytes_per_s=6e5)
        ),
    )
    with held:
        yield held


def streamed(held: fusepath.Session) -> list[fusepath.Inference]:
    results = list(held.stream(frames()))
    for number, result in enumerate(results):
        np.testing.assert_array_equal(result.outputs["output"], expected(number))
    assert len(results) == len(frames())
    return results


@pytest.fixture
def two_in_turn(monkeypatch) -> None:
    """What turns are best depends on how quick this machine is just now."""
    monkeypatch.setattr(rotating, "best_turns", lambda _loads, _objective: (TURNS, 0.01))


@pytest.mark.usefixtures("two_in_turn")
def test_frames_of_a_stream_take_plans_in_turn_and_a_single_one_its_own():
    with session("memory:", fusepath.Throughput()) as held:
        held.wait_ready(PATIENCE_S)
        in_turn, usual = held.plans_in_turn, held.plan
        single = held.infer(frames()[0])
        results = streamed(held)

    assert single.plan is usual
    assert [plan.cuts for plan in in_turn.plans] != [usual.cuts] * 2
    assert in_turn.turns == (1, 0, 0)  # what most take comes first
    assert usual is in_turn.plans[1]
    cycle = itertools.cycle(in_turn.turns)
    assert all(result.plan is in_turn.plans[next(cycle)] for result in results)
    assert (in_turn.in_flight, in_turn.frames_per_s) == (3, pytest.approx(100))
    assert [item.end_s > 0 for item in in_turn.predicted] == [True, True]


def test_turns_are_those_that_the_times_of_the_plans_themselves_are_best_for(monkeypatch):
    given = []
    best_turns = rotating.best_turns

    def noted(loads, objective):
        given.append((loads, objective))
        return best_turns(loads, objective)

    monkeypatch.setattr(rotating, "best_turns", noted)
    objective = fusepath.Throughput(in_flight=4)
    with session("memory:", objective) as held:
        held.wait_ready(PATIENCE_S)
        in_turn, usual = held.plans_in_turn, held.predicted
    ((loads, asked),) = given
    assert asked == objective
    assert loads[0].alone_s == pytest.approx(usual.end_s, rel=0.02)
    turns, period_s = best_turns(loads, objective)
    assert in_turn.period_s == period_s
    assert len(in_turn.plans) == len(set(turns))


def test_a_rate_of_frames_that_no_plans_have_is_told_and_frames_are_answered_all_the_same():
    with session("memory:", fusepath.Latency(min_frames_per_s=1e6)) as held:
        with pytest.raises(InfeasibleError, match=r"no plans have 1e\+06 frames/s"):
            held.wait_ready(PATIENCE_S)
        assert held.plans_in_turn is None
        streamed(held)


def test_a_rate_that_plans_miss_as_they_turn_out_is_told_and_the_quickest_are_taken(monkeypatch):
    best_turns, said = rotating.best_turns, []

    def missed(loads, objective):
        if isinstance(objective, fusepath.Latency):
            raise InfeasibleError("no plans have so many")
        return best_turns(loads, objective)

    monkeypatch.setattr(rotating, "best_turns", missed)
    with fusepath.Session(
        model(),
        "memory:",
        plan=request(fusepath.Latency(min_frames_per_s=2)),
        machines=MACHINES,
        options=fusepath.SessionOptions(remember=False),
        say=said.append,
    ) as held:
        held.wait_ready(PATIENCE_S)
        assert held.plans_in_turn is not None
    assert "as measured, no plans have so many" in said


@pytest.mark.parametrize("algorithm", ["nfl", "device-only"])
def test_without_an_edge_server_every_frame_takes_the_same_plan(algorithm):
    edge = None if algorithm == "nfl" else "memory:"
    with session(edge, fusepath.Throughput(), algorithm) as held:
        held.wait_ready(PATIENCE_S)
        assert held.plans_in_turn is None
        assert {result.plan.recipe_sha256 for result in streamed(held)} == {held.plan.recipe_sha256}


@pytest.mark.usefixtures("two_in_turn")
def test_a_server_that_is_lost_and_comes_back_is_used_in_turn_again():
    def in_turn(results: list[fusepath.Inference]) -> bool:
        plans = {result.plan.recipe_sha256 for result in results}
        return len(plans) == 2 and not any(result.fallback for result in results)

    with edge_server() as first, session(first.address, fusepath.Throughput()) as held:
        held.wait_ready(PATIENCE_S)
        assert in_turn(streamed(held))
        first.kill()
        assert all(result.fallback for result in streamed(held))
        with edge_server(listen=first.address):
            until_s = time.monotonic() + PATIENCE_S
            while not in_turn(streamed(held)):
                assert time.monotonic() < until_s


# ---------------------------------------------------------------------------- other conditions


class Found(Rotating):
    """Finds plans at once, and counts."""

    def __init__(self) -> None:
        order = SimpleNamespace(say=lambda _: None)
        replanning = SimpleNamespace(order=order, pairing=None)
        super().__init__(replanning, fusepath.Throughput(), lambda: None)
        self.found: list[Conditions] = []
        self.fails = False

    async def find(self, now: Conditions = rotating.AS_PLANNED) -> None:
        self.found.append(now)
        if self.fails:
            raise InfeasibleError("there are none")
        self._ready = SimpleNamespace(
            made_for=now, turns=iter(()), prepared=(), shown=SimpleNamespace()
        )


async def seen(held: Found, *conditions: Conditions) -> None:
    for now in conditions:
        held.follow(now)
        await asyncio.sleep(0)


def test_plans_in_turn_are_given_up_and_found_anew_once_the_link_has_settled():
    slow, noisy = Conditions(up=4.0), Conditions(up=1.15)

    async def play() -> None:
        held = Found()
        await held.find()
        await seen(held, *[noisy] * 50)
        assert held.shown is not None
        assert held.found == [Conditions()]
        await seen(held, slow)
        assert held.shown is None  # frames take the plan of a single one
        await seen(held, *[Conditions(up=4.0 + number) for number in range(20)])
        assert held.found == [Conditions()]  # it falls still
        await seen(held, *[slow] * 10)
        assert held.found == [Conditions(), slow]
        assert held.shown is not None
        await seen(held, *[slow] * 50)
        assert held.found == [Conditions(), slow]

    asyncio.run(play())


def test_plans_in_turn_that_there_are_not_are_looked_for_again_once_all_is_different():
    slow, slower = Conditions(up=4.0), Conditions(up=8.0)

    async def play() -> None:
        held = Found()
        await held.find()
        held.fails = True
        await seen(held, *[slow] * 50)
        assert held.found == [Conditions(), slow]
        await seen(held, *[slower] * 50)
        assert held.found == [Conditions(), slow, slower]
        held.fails = False
        await seen(held, *[slow] * 50)
        assert held.found == [Conditions(), slow, slower, slow]

    asyncio.run(play())

"""What a message costs beside its bytes and its computing, and that plans count it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from fusepath.cost import RUNTIME, ComputeRate, Link
from fusepath.onnx_io import load_model
from fusepath.plan import Setting, Timing, problem_of_plan
from fusepath.tiling import Grid
from tests.planning import planned

FREE = Link(up_bytes_per_s=1e6, down_bytes_per_s=2e6)
DEAR = msgspec.structs.replace(
    FREE, message_bytes=500, message_device_s=0.001, message_edge_s=0.002
)
MESSAGE_NS = {"device": 1_000_000, "link": 500_000, "edge": 2_000_000}


@pytest.fixture(scope="module")
def free() -> Setting:
    return Setting(
        graph=load_model("zoo:squeezenet?size=64").graph,
        device=ComputeRate(1e9),
        edge=ComputeRate(5e10),
        link=FREE,
        convention=RUNTIME,
    )


@pytest.fixture(scope="module")
def dear(free) -> Setting:
    return replace(free, link=DEAR)


def test_messages_take_their_bytes_and_something_on_top_and_none_takes_nothing():
    times = DEAR.messages(np.array([0, 1, 4000]))

    np.testing.assert_allclose(times.device_s, [0, 0.001, 0.001])
    np.testing.assert_allclose(times.link_s, [0, 0.000501, 0.0045])
    np.testing.assert_allclose(times.edge_s, [0, 0.002, 0.002])
    free = FREE.messages(np.array([0, 4000]))
    np.testing.assert_allclose(np.stack(free), [[0, 0], [0, 0.004], [0, 0]])


def test_what_both_sends_and_returns_pays_for_two_messages():
    times = DEAR.messages(np.array([0, 0, 4000, 4000]), np.array([0, 50, 0, 50]))

    np.testing.assert_allclose(times.edge_s, [0, 0.002, 0.002, 0.004])


def test_every_path_pays_for_receiving_what_it_sends_where_others_compute_meanwhile():
    slow = msgspec.structs.replace(FREE, receive_s_per_byte=1e-6)
    sent = np.array([0, 1000, 4000])

    np.testing.assert_allclose(slow.messages(sent, paths=3).edge_s, [0, 0.001, 0.004])
    np.testing.assert_allclose(slow.messages(sent, paths=1).edge_s, [0, 0, 0])


@pytest.mark.parametrize(
    ("algorithm", "grid"), [("mw", Grid(2, 2)), ("stream", None), ("nfl", None)]
)
def test_tiles_and_strips_are_charged_for_receiving_by_one_formula(free, algorithm, grid):
    slow = replace(free, link=msgspec.structs.replace(FREE, receive_s_per_byte=1e-7))
    plan = planned(free, algorithm, grid=grid)
    (before, cuts), (after, _) = (problem_of_plan(item, plan) for item in (free, slow))
    chosen = (np.array(before.class_of), np.array(cuts) - 1)
    sent_bytes = before.link_ns[chosen] / 1e9 * FREE.up_bytes_per_s

    added_s = (after.edge_ns - before.edge_ns)[chosen] / 1e9

    several = before.paths > 1
    np.testing.assert_allclose(added_s, several * sent_bytes * 1e-7, atol=2e-9)
    assert several == (algorithm != "nfl")


def test_at_another_rate_messages_cost_the_same_besides():
    faster = DEAR.at(3e6)

    assert (faster.up_bytes_per_s, faster.down_bytes_per_s) == (3e6, 6e6)
    assert msgspec.structs.replace(faster, up_bytes_per_s=1e6, down_bytes_per_s=2e6) == DEAR


@pytest.mark.parametrize("name", ["message_bytes", "message_device_s", "message_edge_s"])
def test_messages_do_not_cost_less_than_nothing(name):
    with pytest.raises(ValueError, match="not below it"):
        msgspec.structs.replace(FREE, **{name: -1})


@pytest.mark.parametrize(("algorithm", "messages"), [("full-offload", 1), ("device-only", 0)])
def test_a_whole_network_pays_for_one_message_or_none(free, dear, algorithm, messages):
    added_s = planned(dear, algorithm).makespan_s - planned(free, algorithm).makespan_s

    assert added_s == pytest.approx(messages * sum(MESSAGE_NS.values()) * 1e-9)


@pytest.mark.parametrize("again", [False, True], ids=["fresh", "another link"])
def test_every_tile_pays_for_its_message(free, dear, again):
    plain = Timing(free)
    plain.prices.tilings(Grid(2, 2), 5)  # what is known for one link must not be the other's
    timing = plain.at(DEAR) if again else Timing(dear)
    (tiled,) = timing.prices.tilings(Grid(2, 2), 5)

    for problem in (timing.problem(5, Grid(2, 2)), timing.tiled_problem(tiled)):
        before = plain.problem(5, Grid(2, 2))
        assert (problem.device_ns - before.device_ns == MESSAGE_NS["device"]).all()
        assert (problem.link_ns - before.link_ns == MESSAGE_NS["link"]).all()
        assert (problem.edge_ns - before.edge_ns == MESSAGE_NS["edge"]).all()


def test_strips_are_fewer_where_messages_are_dear(free, dear):
    """So that no plan has a hundred strips of which each is a message of a few bytes."""
    many, few = (planned(item, "stream") for item in (free, dear))

    assert len(few.cuts) < len(many.cuts)
    assert few.makespan_s > many.makespan_s

"""Nodes that compute paths for one edge server: any of them may be lost, and others be added."""

from __future__ import annotations

import asyncio
import gc
import pickle
import sys
import threading
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fusepath import jsonfile
from fusepath.errors import InputError, ModelError
from fusepath.onnx_io import load_model
from fusepath.plan import TailPlace
from fusepath.protocol.framing import Begin, Piece, RefusalKind, Result
from fusepath.remote import tensors
from fusepath.remote.client import EdgeClient, Timeout
from fusepath.remote.cluster import pool as pools
from fusepath.remote.cluster.node import NodeWorker
from fusepath.remote.cluster.pool import LostNodeError, NodePool
from fusepath.remote.cluster.ray_cluster import connect
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.memory import MemoryChannel
from fusepath.remote.model_store import ModelStore
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.remote.workers import Workers
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.execution import ON_CPU
from tests.plans import carry_out, pixels, plan_of, stream_plan, with_recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.plan import Plan

PLENTY = 1 << 30


@cache
def model() -> Any:
    return load_model("zoo:squeezenet?size=64&weights=integer")


def tiles(**others: Any) -> Plan:
    return plan_of(model(), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2], **others)


PLANS = {
    "tiles": tiles,
    "parts": partial(tiles, tail=TailPlace.DEVICE),
    "whole": partial(plan_of, model(), grid=(1, 1), cuts=[3]),
    "strips": partial(stream_plan, model(), 4, [(0, 7, 2, 3), (7, 14, 3, 2)]),
}


class Node:
    """A node whose calls cross processes as far as values go.

    Args:
        lives: calls for paths that it answers; during the next one it is lost.
        plans_bytes: memory for stages.
    """

    slots = 1

    def __init__(self, name: str = "a", *, lives: float = np.inf, plans_bytes: int = PLENTY):
        self.name, self.lives = name, lives
        self.paths = 0
        self.worker = NodeWorker(ON_CPU, plans_bytes)
        self.fails: Callable[[], None] = lambda: None

    def hold(self, key, model, recipe):
        self.fails()
        return self.worker.hold(key, model, crossed(recipe))

    def drop(self, key):
        self.worker.drop(key)

    def forward(self, *arguments):
        if self.paths >= self.lives:
            raise LostNodeError
        self.paths += 1
        return crossed(self.worker.forward(*crossed(arguments)))

    def tail(self, *arguments):
        return crossed(self.worker.tail(*crossed(arguments)))


def crossed(value: Any) -> Any:
    """As it comes out in another process, where nobody may write to what arrives."""
    values = pickle.loads(pickle.dumps(value))  # noqa: S301 - of this very process
    for item in values if isinstance(values, tuple) else [values]:
        for array in item.values() if isinstance(item, dict) else ():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
    return values


def pool_of(*nodes: Node) -> NodePool:
    pool = NodePool()
    for node in nodes:
        pool.join(node)
    return pool


def carried(plan: Plan, pool: NodePool | None = None) -> dict[str, Any]:
    stages = {} if pool is None else {"stages": pool.stages}
    return carry_out(model(), plan, pixels(model()), **stages).outputs


def assert_same(outputs: dict[str, Any], others: dict[str, Any]) -> None:
    assert outputs.keys() == others.keys()
    for name, value in outputs.items():
        np.testing.assert_array_equal(value, others[name])


@pytest.mark.parametrize("kind", PLANS)
def test_outputs_are_those_of_one_machine(kind):
    plan = PLANS[kind]()
    one, other = Node("a"), Node("b")

    assert_same(carried(plan, pool_of(one, other)), carried(plan))

    assert one.paths + other.paths == sum(cut <= plan.tau for cut in plan.cuts)


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("lives", [0, 1])
def test_what_a_lost_node_was_at_runs_again_elsewhere(kind, lives):
    plan = PLANS[kind]()
    dying = Node("dying", lives=lives)
    pool = pool_of(dying)
    stages = pool.stages

    def joined_by_another(*given, **execution):
        made = stages(*given, **execution)
        pool.join(Node("other"))  # behind the first, which is asked as long as it is there
        return made

    pool.stages = joined_by_another
    assert_same(carried(plan, pool), carried(plan))

    paths = sum(cut <= plan.tau for cut in plan.cuts)
    assert [node.name for node in pool.nodes] == (
        ["other"] if paths > lives else ["dying", "other"]
    )


def test_the_least_busy_node_is_next():
    one, other = Node("a"), Node("b")
    pool, begun = pool_of(one, other), threading.Barrier(2, timeout=10)
    seen = []

    def run(node):
        seen.append(node.name)
        begun.wait()

    threads = [threading.Thread(target=pool.call, args=(run,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(seen) == ["a", "b"]


def test_a_path_that_ends_processes_takes_two_and_no_more():
    nodes = [Node(name, lives=0) for name in "abcd"]

    with pytest.raises(Refusal, match="ended, 2 times") as refused:
        carried(tiles(), pool_of(*nodes))

    assert refused.value.kind is RefusalKind.UNFIT


def test_what_ends_the_process_that_builds_it_is_tried_on_one_node(monkeypatch):
    """A model that crashes ONNX Runtime would end all nodes one after the other."""
    nodes = [Node(name) for name in "ab"]

    def crash():
        raise LostNodeError

    for node in nodes:
        monkeypatch.setattr(node, "fails", crash)
    pool = pool_of(*nodes)

    with pytest.raises(Refusal, match="may not run here"):
        carried(tiles(), pool)

    assert len(pool.nodes) == 1


def test_what_a_node_says_of_a_model_comes_back(monkeypatch):
    node = Node()

    def refuse():
        raise ModelError("no")

    monkeypatch.setattr(node, "fails", refuse)

    with pytest.raises(ModelError, match="no"):
        carried(tiles(), pool_of(node))


def test_without_a_node_there_is_room_later(monkeypatch):
    monkeypatch.setattr(pools, "_NODE_WITHIN_S", 0.01)

    with pytest.raises(Refusal, match="no node") as refused:
        carried(tiles(), NodePool())

    assert refused.value.retry_after_s > 0


def test_a_node_that_has_had_to_let_go_builds_again(monkeypatch):
    plan, node = tiles(), Node()
    pool, held = pool_of(node), []
    monkeypatch.setattr(node, "fails", lambda: held.append(1))
    expected = carried(plan)
    forward = node.forward

    def forgetful(*arguments):
        node.drop(arguments[0])
        monkeypatch.setattr(node, "forward", forward)
        return forward(*arguments)

    monkeypatch.setattr(node, "forward", forgetful)

    assert_same(carried(plan, pool), expected)
    assert len(held) == 2


def test_nodes_let_go_of_what_is_not_used_any_more():
    node = Node()
    pool = pool_of(node)
    stages = pool.stages(model(), tiles().recipe, execution=ON_CPU)
    assert len(node.worker._stages) == 1

    del stages
    gc.collect()
    pool.tidy()

    assert len(node.worker._stages) == 0


def test_a_node_that_is_added_holds_what_others_hold_before_it_has_work():
    pool, late = pool_of(Node("a")), Node("late")
    stages = pool.stages(model(), tiles().recipe, execution=ON_CPU)
    assert pool.workers.backlog_s == 0.0

    pool.join(late)

    assert len(late.worker._stages) == 1
    assert stages.sessions
    assert [node.name for node in pool.nodes] == ["a", "late"]


def test_as_many_work_at_a_time_as_there_are_workers():
    workers, at_work, most, lock = Workers(0, most=8), [], [], threading.Lock()
    proceed, done = threading.Semaphore(0), threading.Semaphore(0)

    def work(_: int) -> None:
        with lock:
            at_work.append(1)
            most.append(len(at_work))
        assert proceed.acquire(timeout=10)
        with lock:
            at_work.pop()
        done.release()

    try:
        for number in range(6):
            workers.submit("peer", partial(work, number))
        assert not most
        workers.resize(2)
        proceed.release(6)
        for _ in range(6):
            assert done.acquire(timeout=10)
    finally:
        workers.close()

    assert 1 <= max(most) <= 2


def test_a_device_is_answered_though_the_node_dies_under_its_inference():
    plan = with_recipe(tiles(), codecs={"image": "bitmask"})
    dying, other = Node("dying"), Node("other")
    device = DeviceShare(model(), plan.recipe)
    image = pixels(model())
    pieces = [tensors.to_send(device.pack(path, device.compute(path, image))) for path in range(4)]

    async def ask() -> list[Any]:
        pool = pool_of(dying)
        service = EdgeService(ModelStore(None), workers=pool.workers)
        channel = MemoryChannel(service)
        client = EdgeClient(channel, Timeout())
        try:
            await service.prepare(pb.PrepareRequest(recipe_json=jsonfile.encode(plan.recipe)))
            pool.join(other)
            dying.lives = dying.paths + 1
            return [await infer(client, plan, pieces) for _ in range(3)]
        finally:
            await channel.close()

    results = asyncio.run(ask())

    assert all(isinstance(result, Result) for result in results)
    assert len({bytes(result.tensors[0].data) for result in results}) == 1
    assert other.paths > 6


def test_a_cluster_needs_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(InputError, match=r"pip install 'fusepath\[ray\]'"):
        connect("127.0.0.1:6379", trusted=False)


async def infer(client: EdgeClient, plan: Plan, pieces: list[Any]) -> Any:
    request = client.infer(30.0)
    first, *others = pieces
    await request.send(Begin(request.number, 1, plan.recipe_sha256, request.left_us, first))
    for path, piece in enumerate(others, start=2):
        await request.send(Piece(request.number, path, piece))
    try:
        return await request.read()
    finally:
        request.give_up()

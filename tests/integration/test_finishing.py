"""A frame that the edge server fails is finished from what the device has, exactly."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec import structs

from fusepath.cost import Compression, range_macs
from fusepath.errors import PeerUnreachableError
from fusepath.offload import pairing as pairing_module
from fusepath.offload.finisher import pays
from fusepath.offload.pairing import Pairing, Prepared
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.plan import TailPlace
from fusepath.protocol.device_frame import Stage
from fusepath.protocol.finishing import Continue
from fusepath.remote.client import EdgeClient
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.memory import MemoryChannel
from fusepath.remote.model_store import ModelStore
from tests.plans import AS_THEY_ARE, pixels, plan_of, stream_plan
from tests.written_models import net

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fusepath.offload.inference import Inference
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan

SECTION = 14
"""Behind this layer a later section of the network begins."""


MAPS = """(float[n,c,h,w] y) {
    a = Conv<pads = [1, 1, 1, 1]>(x, k)
    b = Relu(a)
    c = Conv<pads = [1, 1, 1, 1]>(b, l)
    d = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(c)
    y = Conv<pads = [1, 1, 1, 1]>(d, l)
}"""
"""Can be tiled to its end."""


@cache
def model_of(name: str) -> Model:
    if name == "maps":
        shape = {"shape": "1,3,40,36", "k": (8, 3, 3, 3), "l": (8, 8, 3, 3)}
        return net(MAPS, integer=True, **shape)
    return load_model(f"zoo:{name}?size=64&weights=integer")


@cache
def expected(name: str) -> dict[str, np.ndarray]:
    return run_unsplit(model_of(name), pixels(model_of(name)), AS_THEY_ARE)


def squeezenet(**plan: Any) -> tuple[str, Plan]:
    return "squeezenet", plan_of(model_of("squeezenet"), **plan)


def strips(name: str, tau: int, segments: list[tuple[int, int, int, int]], **others: Any) -> Any:
    return name, stream_plan(model_of(name), tau, segments, **others)


PLANS: dict[str, Callable[[], tuple[str, Plan]]] = {
    "tiles": lambda: squeezenet(tau=5, grid=(2, 2), cuts=[3, 1, 6, 4], order=[2, 4, 1, 3]),
    "tiles, tail here": lambda: squeezenet(
        tau=5, grid=(2, 2), cuts=[3, 1, 6, 4], order=[1, 4, 2, 3], tail=TailPlace.DEVICE
    ),
    "one cut": lambda: squeezenet(cuts=[8]),
    "strips": lambda: strips("squeezenet", 5, [(0, 8, 2, 3), (8, 14, 4, 2)]),
    "strips, tail here": lambda: strips(
        "squeezenet", 5, [(0, 8, 2, 3), (8, 14, 6, 2)], tail=TailPlace.DEVICE
    ),
    "strips to the end": lambda: strips("maps", 4, [(0, 10, 2, 3), (10, 20, 4, 2)]),
    "segments apart": lambda: strips("maps", 4, [(12, 20, 4, 2), (0, 12, 3, 2)]),
    "a later section": lambda: (
        "mobilenetv3-large",
        plan_of(
            model_of("mobilenetv3-large"),
            start=SECTION,
            tau=SECTION + 3,
            grid=(2, 2),
            cuts=[SECTION + 2, SECTION + 4, SECTION + 3, SECTION + 1],
        ),
    ),
    "codecs": lambda: squeezenet(
        tau=5,
        grid=(2, 1),
        cuts=[3],
        compression={
            model_of("squeezenet").graph.frontier(2)[0]: Compression(
                codec="bitmask", ratio=0.5, encode_s_per_byte=0.0, decode_s_per_byte=0.0
            )
        },
    ),
}


class Breaking:
    """A request that breaks after so many messages of the device, or of the server.

    In the latter case not before all ``paths`` have gone out: how far the device has come then is
    no question of how quick it is.
    """

    def __init__(self, request: Any, writes: int, reads: int, paths: int) -> None:
        self._request, self._writes, self._reads = request, writes, reads
        self._to_go_out = paths
        self._broken, self._all_out = asyncio.Event(), asyncio.Event()

    async def send(self, message: Any) -> bool:
        if self._writes == 0:
            self._broken.set()
            return False
        self._writes -= 1
        went_out: bool = await self._request.send(message)
        self._to_go_out -= 1
        if self._to_go_out == 0:
            self._all_out.set()
        return went_out

    async def read(self) -> Any:
        if self._reads == 0:
            await self._all_out.wait()
            raise PeerUnreachableError("test", "it broke")
        self._reads -= 1
        both = [
            asyncio.ensure_future(self._request.read()),
            asyncio.create_task(self._broken.wait()),
        ]
        done, left = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for job in left:
            job.cancel()
        if self._broken.is_set():
            raise PeerUnreachableError("test", "it broke")
        return done.pop().result()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)


class Pair:
    """A plan on this machine and a server within this process."""

    def __init__(self, name: str, pairing: Pairing, prepared: Prepared) -> None:
        self.name, self.pairing, self.prepared = name, pairing, prepared
        client = pairing.client
        assert client is not None
        self._infer = client.infer
        self.image = pixels(pairing.model)

    def price(self, whole_s: float) -> None:
        """What the whole network anew is said to take."""
        finisher = self.pairing._finisher
        finisher.remainder = replace(finisher.remainder, whole_s=whole_s)

    async def answer(self, writes: int, reads: int) -> Inference:
        """A frame whose call breaks, and which is answered exactly all the same."""
        result = await self.broken(writes, reads)
        for output, value in expected(self.name).items():
            np.testing.assert_array_equal(result.outputs[output], value)
        return result

    async def broken(self, writes: int, reads: int) -> Inference:
        """A frame whose call breaks."""
        paths = self.prepared.plan.recipe.paths
        self.pairing.client.infer = lambda left_s: Breaking(
            self._infer(left_s), writes, reads, paths
        )
        return await self.pairing.infer(self.prepared, self.image)

    @property
    def continued(self) -> list[int]:
        """Paths (0-based) of the last frame that were taken on here."""
        story = self.pairing.stories[-1]
        return [c.path for _, commands in story for c in commands if isinstance(c, Continue)]


@asynccontextmanager
async def pair_of(name: str, plan: Plan) -> AsyncIterator[Pair]:
    model = model_of(name)
    channel = MemoryChannel(EdgeService(ModelStore.of(model)))
    pairing = Pairing(model=model, client=EdgeClient(channel))
    try:
        prepared = await pairing.prepare(plan, pixels(model))
        pairing.reserve = await pairing.prepare(
            plan_of(model, cuts=[model.graph.depth + 1]), pixels(model)
        )
        await pairing.ready_to_finish(prepared)
        yield Pair(name, pairing, prepared)
    finally:
        await channel.close()
        pairing.close()


@pytest.mark.parametrize("kind", PLANS)
def test_whatever_breaks_the_rest_is_finished_here_and_is_exact(kind):
    name, plan = PLANS[kind]()

    async def check() -> None:
        async with pair_of(name, plan) as pair:
            pair.price(1e9)
            share, finisher = pair.prepared.device.share, pair.pairing._finisher
            for writes, reads in [(0, 99), (1, 99), (99, 0), (99, 1), (99, 2)]:
                result = await pair.answer(writes, reads)
                if result.fallback is None:  # no part returns, or there are so few
                    assert reads > 0
                    assert result.device_macs == share.macs
                    continue
                assert result.late
                assert result.edge_macs == 0
                assert result.device_macs == share.head_macs + sum(
                    map(share.path_macs, range(plan.recipe.paths))
                ) + finisher.tail_macs + sum(map(finisher.macs, pair.continued))
                if result.fallback.stage is Stage.RETURNING and plan.recipe.paths > 1:
                    assert len(pair.continued) <= plan.recipe.paths

    asyncio.run(check())


def test_what_has_returned_is_not_computed_again():
    async def check() -> None:
        async with pair_of(*PLANS["tiles, tail here"]()) as pair:
            pair.price(1e9)
            await pair.answer(99, 0)
            assert pair.continued == [0, 3, 1]  # the other one was taken to the end
            result = await pair.answer(99, 2)
            assert result.fallback.stage is Stage.RETURNING
            assert len(pair.continued) == 1

    asyncio.run(check())


def test_what_lossy_parts_have_returned_goes_into_is_not_said_to_be_exact():
    model = model_of("squeezenet")
    names = {name for cut in (3, 4) for name in model.graph.frontier(cut - 1)}
    item = Compression(codec="int8", ratio=0.25, encode_s_per_byte=0.0, decode_s_per_byte=0.0)
    tiled = {"tau": 5, "grid": (2, 2), "cuts": [3, 3, 4, 4], "tail": TailPlace.DEVICE}
    plan = plan_of(model, **tiled, compression=dict.fromkeys(sorted(names), item))
    plan = structs.replace(plan, request=structs.replace(plan.request, lossy="int8"))

    async def check() -> None:
        async with pair_of("squeezenet", plan) as pair:
            pair.price(1e9)
            alone = await pair.answer(99, 0)
            assert alone.fallback.stage is Stage.WAITING
            assert alone.is_exact
            mixed = await pair.broken(99, 2)
            assert mixed.fallback.stage is Stage.RETURNING
            assert not mixed.is_exact
            (output,) = mixed.outputs
            assert not np.array_equal(mixed.outputs[output], alone.outputs[output])

    asyncio.run(check())


def test_a_segment_that_has_returned_is_left_and_one_that_has_in_part_begins_anew():
    async def check() -> None:
        async with pair_of(*PLANS["segments apart"]()) as pair:
            pair.price(1e9)
            parts = sorted(pair.prepared.device.share.returning)
            first = pair.pairing._finisher.remainder.predecessors
            begins = [path for path in range(pair.prepared.plan.recipe.paths) if path not in first]
            assert len(begins) == 2
            await pair.answer(99, sum(path < begins[1] for path in parts))
            assert pair.continued == list(range(begins[1], pair.prepared.plan.recipe.paths))
            await pair.answer(99, 1)
            assert pair.continued[0] == 0

    asyncio.run(check())


def test_the_whole_network_is_computed_anew_where_that_is_less_work():
    async def check() -> None:
        async with pair_of(*PLANS["tiles"]()) as pair:
            pair.price(0.0)
            for writes, reads in [(1, 99), (99, 0)]:
                result = await pair.answer(writes, reads)
                assert pair.continued == []
                depth = pair.pairing.model.graph.depth
                assert result.device_macs >= range_macs(pair.pairing.model.graph, 1, depth)

    asyncio.run(check())


def test_what_was_computed_before_all_anew_counts_with_the_head():
    async def check() -> None:
        async with pair_of(*PLANS["a later section"]()) as pair:
            pair.price(0.0)
            result = await pair.answer(99, 0)
            graph = pair.pairing.model.graph
            whole = range_macs(graph, 1, graph.depth)
            head = range_macs(graph, 1, SECTION)
            assert result.device_macs == whole + pair.prepared.device.share.macs >= whole + head

    asyncio.run(check())


def test_finishing_is_made_ready_for_the_plan_in_use_where_it_pays(monkeypatch):
    async def check() -> None:
        name, plan = PLANS["one cut"]()
        async with pair_of(name, plan) as pair:
            pairing, device = pair.pairing, pair.prepared.device
            assert pairing._finisher.device is device
            made = pairing._finisher
            await pairing.ready_to_finish(pair.prepared)
            assert pairing._finisher is made
            other = await pairing.prepare(plan_of(pairing.model, cuts=[4]), pair.image)
            monkeypatch.setattr(pairing_module, "pays", lambda _: False)
            await pairing.ready_to_finish(other)
            assert pairing._finisher is None

    asyncio.run(check())


@pytest.mark.parametrize(("edge_part", "worth"), [(0.95, False), (0.5, True)])
def test_finishing_pays_where_the_device_does_much_and_holds_little(monkeypatch, edge_part, worth):
    model = model_of("squeezenet")
    whole = range_macs(model.graph, 1, model.graph.depth)
    plan = plan_of(model, cuts=[8], edge_macs=round(edge_part * whole))

    async def check() -> None:
        async with pair_of("squeezenet", plan) as pair:
            device = pair.prepared.device
            assert pays(device) is worth
            sent = model.graph.sent(8)
            held = sum(4 * int(np.prod(model.graph.tensors[name].shape)) for name in sent)
            assert device.share.held_bytes == held
            monkeypatch.setattr("fusepath.offload.finisher._MOST_HELD_BYTES", held - 1)
            assert not pays(device)

    asyncio.run(check())

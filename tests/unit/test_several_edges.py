"""Of several edge servers the first that answers is used, and the next when it is lost."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest

import fusepath
from fusepath.cost import LayerTime, MachineProfile
from fusepath.errors import InputError, PeerUnreachableError
from fusepath.offload import connection
from fusepath.offload.connection import parse_edges
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.plan import InputFormat
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.memory import MemoryChannel
from fusepath.remote.model_store import ModelStore
from tests.plans import plan_of

FIRST, SECOND = "a.example:1", "b.example:2"
PATIENCE_S = 60.0
FRAMES = fusepath.FrameFormat(std=(1.0,))
SOURCE = "zoo:squeezenet?size=64&weights=integer"


@cache
def model():
    return load_model(SOURCE)


def profiler(asked, *, execution) -> MachineProfile:
    layers = tuple(LayerTime(name=layer.name, seconds=1e-4) for layer in asked.graph.layers)
    return MachineProfile(model_sha256=asked.graph.sha256, layers=layers)


class Servers:
    """Two edge servers within this process, which can be lost."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.opened: list[str] = []
        self._channels: dict[str, Lost] = {}

    async def open(self, address: str, *, timeout_s: float) -> MemoryChannel:
        assert timeout_s > 0
        self.opened.append(address)
        if address in self.down:
            raise PeerUnreachableError(address, "nobody answered")
        service = EdgeService(ModelStore.of(model()), profiler=profiler)
        self._channels[address] = Lost(service, address)
        return self._channels[address]

    async def lose(self, address: str) -> None:
        self.down.add(address)
        channel = self._channels[address]
        channel.is_lost = True
        await channel.close()


class Lost(MemoryChannel):
    """A connection that may break for good."""

    def __init__(self, service: EdgeService, address: str) -> None:
        super().__init__(service)
        self.address = address
        self.is_lost = False

    async def call(self, method, request, *, timeout_s):
        if self.is_lost:
            raise PeerUnreachableError(self.address, "the connection was lost")
        return await super().call(method, request, timeout_s=timeout_s)

    def stream(self):
        stream = super().stream()
        if self.is_lost:
            stream.cancel()
        return stream


@pytest.fixture
def servers(monkeypatch) -> Servers:
    servers = Servers()
    monkeypatch.setattr(connection, "GrpcChannel", servers)
    return servers


def frame(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def assert_exact(result: fusepath.Inference, pixels: np.ndarray) -> None:
    image = np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]
    for name, value in run_unsplit(model(), image, InputFormat(std=(1.0,))).items():
        np.testing.assert_array_equal(result.outputs[name], value)


def answered_together(session: fusepath.Session) -> None:
    """Frames until one is answered with an edge server again, all of them right."""
    until_s = time.monotonic() + PATIENCE_S
    for seed in range(10**6):
        result = session.infer(frame(seed))
        if result.fallback is None or seed == 0:
            assert_exact(result, frame(seed))
        if result.fallback is None:
            return
        assert time.monotonic() < until_s
        time.sleep(0.02)


def test_the_first_that_answers_is_used_and_the_next_when_it_is_lost(servers):
    plan = plan_of(model(), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2])
    with fusepath.Session(model(), f"{FIRST},{SECOND}", plan=plan, frames=FRAMES) as session:
        session.wait_ready(PATIENCE_S)
        assert session.infer(frame(0)).fallback is None
        assert servers.opened == [FIRST]

        session._engine.loop.submit(servers.lose(FIRST)).result(PATIENCE_S)
        answered_together(session)
        assert servers.opened == [FIRST, SECOND]

        # Back again, and the other one gone.
        servers.down.clear()
        session._engine.loop.submit(servers.lose(SECOND)).result(PATIENCE_S)
        answered_together(session)
        assert servers.opened == [FIRST, SECOND, FIRST]


def test_one_that_is_not_there_is_passed_over_and_plans_are_made_for_the_one_in_use(servers):
    servers.down.add(FIRST)
    said: list[str] = []
    machines = fusepath.Machines(
        device=fusepath.parse_machine("1GFLOPS"), link=fusepath.parse_link("10MB/s")
    )
    request = fusepath.PlanRequest(algorithm="full-offload", codecs="off")
    asked = {"plan": request, "frames": FRAMES, "machines": machines, "say": said.append}
    with fusepath.Session(model(), f"{FIRST}, {SECOND},local", **asked) as session:
        session.wait_ready(PATIENCE_S)
        assert session.infer(frame(0)).fallback is None
        assert f"measuring every layer on {SECOND}" in said

        said.clear()
        servers.down.clear()
        session._engine.loop.submit(servers.lose(SECOND)).result(PATIENCE_S)
        answered_together(session)
        until_s = time.monotonic() + PATIENCE_S
        while f"measuring every layer on {FIRST}" not in said:
            assert time.monotonic() < until_s
            time.sleep(0.02)
        assert_exact(session.infer(frame(1)), frame(1))


def test_where_none_answers_all_are_named(servers):
    servers.down |= {FIRST, SECOND}
    plan = plan_of(model(), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2])
    with fusepath.Session(model(), f"{FIRST},{SECOND}", plan=plan, frames=FRAMES) as session:
        with pytest.raises(PeerUnreachableError, match=r"a\.example:1, b\.example:2: none can be"):
            session.wait_ready(PATIENCE_S)
        assert session.infer(frame(0)).fallback is not None


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        (None, ()),
        ("local", ()),
        ("memory:", ("memory:",)),
        ("memory:,local", ("memory:",)),
        (
            "[::1]:1,[fe80::1%eth0]:2,my_host-1.example:3",
            ("[::1]:1", "[fe80::1%eth0]:2", "my_host-1.example:3"),
        ),
        (" a:1 , grpcs://b:2,local", ("a:1", "grpcs://b:2")),
    ],
)
def test_addresses_are_separated_by_commas(text, edges):
    assert parse_edges(text) == edges


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a:1,", "edge address '' is not HOST:PORT"),
        ("a", "edge address 'a' is not HOST:PORT"),
        ("grpcs:a:1", "edge address 'grpcs:a:1' is not HOST:PORT, .* or grpcs://HOST:PORT"),
        ("a:1;b:2", "edge address 'a:1;b:2' is not HOST:PORT.*; commas separate several"),
        ("::1:1", r"edge address '::1:1' is not HOST:PORT"),
        ("memory:,a:1", "memory: .*stands alone"),
        ("memory:,memory:", "memory: .*stands alone"),
        ("a:1,a:1", "a:1 comes twice"),
        ("local,a:1", "can only come last"),
    ],
)
def test_addresses_that_make_no_sense_are_refused(text, words):
    with pytest.raises(InputError, match=words):
        parse_edges(text)

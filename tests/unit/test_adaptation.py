"""What adapting plans has done beside frames: whatever becomes of it, it goes on."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from fusepath.cost import Link
from fusepath.errors import PeerBusyError, PeerRefusedError, PeerUnreachableError
from fusepath.offload.adaptation import Adaptation
from fusepath.offload.passages import Passages
from fusepath.protocol.adapting import (
    Adapting,
    Conditions,
    Crowded,
    Known,
    NotNow,
    Prepare,
    Probe,
    Probed,
    ProbeFailed,
    Search,
    Told,
    Unfit,
)

FRAME = SimpleNamespace(latency_s=0.1)
LINK = Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6)


class Machine:
    """Asks for one thing, and keeps what it is told."""

    conditions = Conditions(further_s=0.007)

    def __init__(self) -> None:
        self.told: list[object] = []

    def handle(self, event: object) -> list[object]:
        if isinstance(event, Probe | Prepare | Search):
            return [event]
        self.told.append(event)
        return []


class Failing:
    """Whatever is asked of it fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.pairing = self

    def __getattr__(self, name: str) -> None:
        raise self.error


GONE, BUSY = PeerUnreachableError("edge", "gone"), PeerBusyError("edge", "there is no room")
REFUSED, UNFORESEEN = PeerRefusedError("edge", "no"), ValueError("Value out of range: -1")


@pytest.mark.parametrize(
    ("wanted", "error", "answer"),
    [
        *((Probe(2048), error, ProbeFailed()) for error in (GONE, UNFORESEEN)),
        *((Search(Conditions()), error, Known(())) for error in (GONE, UNFORESEEN)),
        *((Prepare("plan"), error, Unfit("plan")) for error in (REFUSED, UNFORESEEN)),
        *((Prepare("plan"), error, NotNow("plan")) for error in (GONE, BUSY)),
    ],
)
def test_what_goes_wrong_is_told_or_nothing_else_would_be_asked_for(wanted, answer, error, caplog):
    machine = Machine()

    async def ask() -> None:
        adaptation = Adaptation(Failing(error), lambda _: None)
        adaptation.machine, adaptation._plans = machine, Failing(error)
        adaptation.tell(wanted)
        await asyncio.wait(tuple(adaptation._works))

    asyncio.run(ask())

    assert machine.told == [answer]
    unforeseen = [record for record in caplog.records if record.levelname == "ERROR"]
    assert bool(unforeseen) == isinstance(error, ValueError)


@pytest.mark.parametrize("wanted", [Prepare("plan"), Search(Conditions())])
def test_frames_beside_work_of_its_own_are_told_apart(wanted, monkeypatch):
    """Until it has ended, however it ends."""
    seen: list[bool] = []

    def answered(*_: object, further_s: float, beside: bool, others_bytes: tuple[int, int]) -> None:
        assert (further_s, others_bytes) == (Machine.conditions.further_s, (0, 0))
        seen.append(beside)

    monkeypatch.setattr("fusepath.offload.adaptation.answered", answered)

    class Waiting:
        """Whatever is asked of it takes until it may fail."""

        def __init__(self) -> None:
            self.may_end = asyncio.Event()
            self.pairing = self.sample = self.reserve = self.link = None

        async def prepare(self, *_: object) -> None:
            await self.may_end.wait()
            raise PeerUnreachableError("edge", "gone")

        plans_for = prepare

        def plan(self, _: str) -> None:
            """None is known."""

        @property
        def setting(self) -> Waiting:
            """Of a link that nobody asks for."""
            return self

    async def watch() -> None:
        replanning = Waiting()
        replanning.pairing = replanning
        adaptation = Adaptation(replanning, lambda _: None)
        adaptation.machine, adaptation._plans = Machine(), replanning
        adaptation.see(FRAME, None)
        adaptation.tell(wanted)
        await asyncio.sleep(0)
        adaptation.see(FRAME, None)
        replanning.may_end.set()
        await asyncio.wait(tuple(adaptation._works))
        adaptation.see(FRAME, None)

    asyncio.run(watch())

    assert seen == [False, True, False]


def probed_beside(up_bytes: int, *, begun_later: bool) -> tuple[list[object], float]:
    """What is told of a probe whose last exchange a frame is beside; and when, after its end."""
    frames, machine = Passages(), Machine()

    async def send() -> None:
        with frames.begin() as passage:
            await asyncio.sleep(0.1)
            passage.up_bytes = up_bytes

    class Client:
        """A link of 1 MB/s on which a frame comes."""

        timeout = SimpleNamespace(connect_s=1.0)
        instance, edge_slowness = None, 1.0
        sending: asyncio.Task[None]
        ended_s = 0.0

        async def exchange_s(self, *, up_bytes: int, down_bytes: int, timeout_s: float) -> float:
            if down_bytes and not begun_later:
                self.sending = asyncio.create_task(send())
            await asyncio.sleep(0.01)
            if down_bytes and begun_later:
                self.sending = asyncio.create_task(send())
            self.ended_s = time.perf_counter()
            return 0.002 + 1e-6 * (up_bytes + down_bytes)

    async def probe() -> float:
        client = Client()
        pairing = SimpleNamespace(client=client, frames=frames)
        adaptation = Adaptation(SimpleNamespace(pairing=pairing), lambda _: None)
        adaptation.machine = machine
        adaptation._plans = SimpleNamespace(setting=SimpleNamespace(link=LINK))
        adaptation.tell(Probe(2048))
        await asyncio.wait(tuple(adaptation._works))
        took_s = time.perf_counter() - client.ended_s
        await client.sending
        return took_s

    took_s = asyncio.run(probe())
    told = [event for event in machine.told if not isinstance(event, Told)]
    return told, took_s


def test_a_probe_beside_a_frame_that_sends_much_shows_nothing():
    assert probed_beside(1025, begun_later=False)[0] == [Crowded(2048)]


def test_a_server_that_is_another_each_time_is_not_waited_for():
    """It cannot have a session send probe after probe."""
    machine = Adapting(lambda *_: 0.1, "plan", 3, LINK.up_bytes_per_s, 0.0)

    class Client:
        """Of a link of 1 MB/s, and an edge server that begins anew with each message."""

        timeout = SimpleNamespace(connect_s=1.0)
        instance, edge_slowness, exchanges = 0, 1.0, 0

        async def exchange_s(self, *, up_bytes: int, down_bytes: int, timeout_s: float) -> float:
            self.instance += 1
            self.exchanges += 1
            await asyncio.sleep(0)
            return 1e-6 * (up_bytes + down_bytes)

    async def look() -> int:
        client = Client()
        pairing = SimpleNamespace(client=client, frames=Passages())
        adaptation = Adaptation(SimpleNamespace(pairing=pairing), lambda _: None)
        adaptation.machine = machine
        adaptation._plans = SimpleNamespace(setting=SimpleNamespace(link=LINK), names=())
        for _ in range(3):
            await asyncio.wait_for(adaptation.look(), 5)
        return client.exchanges

    assert asyncio.run(look()) == 9


def test_beside_a_frame_that_sends_little_it_shows_less():
    (event,), took_s = probed_beside(512, begun_later=False)

    assert isinstance(event, Probed)
    assert event.up.measured_s == pytest.approx(0.8 * 2048e-6)
    assert event.up.unclear_s > 0.2 * 2048e-6 + event.down.unclear_s - 1e-9
    assert took_s > 0.05  # as long as it was not known how much it sends


def test_a_frame_after_it_is_none_of_its_concern():
    (event,), took_s = probed_beside(10_000, begun_later=True)

    assert event.up.measured_s == pytest.approx(2048e-6)
    assert took_s < 0.1

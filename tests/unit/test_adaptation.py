"""What adapting plans has done beside frames: whatever becomes of it, it goes on."""

from __future__ import annotations

import asyncio

import pytest

from fusepath.errors import PeerUnreachableError
from fusepath.offload.adaptation import Adaptation
from fusepath.protocol.adapting import (
    Conditions,
    Known,
    Prepare,
    Probe,
    ProbeFailed,
    Search,
    Unfit,
)


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


@pytest.mark.parametrize(
    "error", [PeerUnreachableError("edge", "gone"), ValueError("Value out of range: -1")]
)
@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        (Probe(2048), ProbeFailed()),
        (Prepare("plan"), Unfit("plan")),
        (Search(Conditions()), Known(())),
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

    def answered(*_: object, further_s: float, beside: bool) -> None:
        assert further_s == Machine.conditions.further_s
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
        adaptation.see(None, None)
        adaptation.tell(wanted)
        await asyncio.sleep(0)
        adaptation.see(None, None)
        replanning.may_end.set()
        await asyncio.wait(tuple(adaptation._works))
        adaptation.see(None, None)

    asyncio.run(watch())

    assert seen == [False, True, False]

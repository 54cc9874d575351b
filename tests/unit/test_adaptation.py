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
        adaptation.machine = machine
        adaptation.tell(wanted)
        await asyncio.wait(tuple(adaptation._works))

    asyncio.run(ask())

    assert machine.told == [answer]
    unforeseen = [record for record in caplog.records if record.levelname == "ERROR"]
    assert bool(unforeseen) == isinstance(error, ValueError)

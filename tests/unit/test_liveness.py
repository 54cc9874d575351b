"""Whoever looks after an edge server ends with its session."""

from __future__ import annotations

import asyncio

from fusepath.errors import PeerUnreachableError
from fusepath.offload.liveness import Liveness
from fusepath.protocol.watch import Failed, State


class Nobody:
    """Does not answer."""

    def __init__(self) -> None:
        self.dialled = 0

    def use_alone(self, reason: str) -> None:
        """Nothing is answered here."""

    def use_together(self) -> None:
        """Likewise."""

    async def dial(self) -> None:
        """Be of no use."""
        self.dialled += 1
        raise PeerUnreachableError("edge", "nobody listens there")

    async def make_ready(self) -> None:
        """Never comes to this."""


def test_an_edge_server_is_not_tried_any_more_once_it_is_closed():
    async def watch(surroundings: Nobody) -> tuple[int, State]:
        liveness = Liveness(surroundings)
        liveness.tell(Failed("gone"))
        while liveness.watch.state is not State.PAUSING:
            await asyncio.sleep(0)
        liveness.close()
        dialled = surroundings.dialled
        await asyncio.sleep(3 * liveness.watch.first_pause_s)
        liveness.tell(Failed("gone"))
        assert surroundings.dialled == dialled == 1
        return dialled, liveness.watch.state

    assert asyncio.run(watch(Nobody())) == (1, State.PAUSING)


def test_what_it_is_at_is_given_up_when_it_is_closed():
    class Silent(Nobody):
        """Never says anything."""

        async def dial(self) -> None:
            """Be waited for."""
            self.dialled += 1
            await asyncio.Event().wait()

    async def watch(surroundings: Nobody) -> None:
        liveness = Liveness(surroundings)
        liveness.tell(Failed("gone"))
        await asyncio.sleep(0)
        work = asyncio.all_tasks() - {asyncio.current_task()}
        liveness.close()
        done, _ = await asyncio.wait(work, timeout=5)
        assert done == work
        assert surroundings.dialled == len(work) == 1

    asyncio.run(watch(Silent()))

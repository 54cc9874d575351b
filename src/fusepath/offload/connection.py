"""A session's connection to its edge server."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fusepath.errors import InputError, PeerError
from fusepath.remote.client import EdgeClient
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.grpc_channel import GrpcChannel
from fusepath.remote.memory import ADDRESS as MEMORY
from fusepath.remote.memory import MemoryChannel
from fusepath.remote.model_store import ModelStore

if TYPE_CHECKING:
    from fusepath.offload.order import Order
    from fusepath.offload.pairing import Pairing
    from fusepath.remote.transport import Channel


class Connection:
    """Opened when it is needed, and again after it was lost; on an event loop.

    Args:
        order: whom to connect to, and how long to wait.
        pairing: is given the client.
    """

    def __init__(self, order: Order, pairing: Pairing) -> None:
        self._order = order
        self._pairing = pairing
        self._channel: Channel | None = None

    async def open(self) -> None:
        """Connect, if that is not done.

        Raises:
            InputError: there is nobody to connect to.
            PeerError: nobody answers there, or another version of fusepath.
        """
        if self._channel is not None:
            return
        channel = await self._dialled()
        client = EdgeClient(channel, self._order.timeout)
        try:
            await client.greet(within_s=self._order.timeout.connect_s)
        except BaseException:
            await channel.close()
            raise
        self._channel, self._pairing.client = channel, client

    async def _dialled(self) -> Channel:
        order = self._order
        if order.edge is None:
            raise InputError("this plan needs an edge server; give its address (edge)")
        if order.edge == MEMORY:
            execution = order.options.execution
            service = EdgeService(ModelStore.of(order.model), execution=execution)
            return MemoryChannel(service)
        return await GrpcChannel.open(order.edge, timeout_s=order.timeout.connect_s)

    async def look(self, *, within_s: float) -> None:
        """See whether an edge server that has failed answers.

        Raises:
            PeerError: it does not.
        """
        await self.open()
        assert self._pairing.client is not None  # it was connected
        try:
            await self._pairing.client.greet_anew(within_s=within_s)
        except PeerError:
            # A link that was down for long may be up long before a connection over it notices.
            await self.close()
            self._channel = None
            raise

    async def close(self) -> None:
        """Let it go; again is no harm."""
        if self._channel is not None:
            with suppress(Exception):  # whatever it is, it ends
                await self._channel.close()

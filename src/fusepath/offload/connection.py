"""A session's connection to its edge server: the first of several that answers."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fusepath.errors import InputError, PeerError, PeerUnreachableError
from fusepath.remote.client import EdgeClient
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.grpc_channel import GrpcChannel, check_address
from fusepath.remote.memory import ADDRESS as MEMORY
from fusepath.remote.memory import MemoryChannel
from fusepath.remote.model_store import ModelStore

if TYPE_CHECKING:
    from fusepath.offload.order import Order
    from fusepath.offload.pairing import Pairing
    from fusepath.remote.transport import Channel


LOCAL = "local"
"""Behind the addresses: this machine answers alone where none of them does."""


def parse_edges(text: str | None) -> tuple[str, ...]:
    """Addresses of edge servers, the preferred first: ``HOST:PORT,grpcs://HOST:PORT,local``.

    ``local`` may only come last, and adds nothing: without it this machine answers alone as well,
    unless it may not. None, and ``local`` by itself, are no edge server.

    Raises:
        InputError: an address is malformed or comes twice, ``local`` comes before one, or
            ``memory:`` beside one.
    """
    edges = [] if text is None else [part.strip() for part in str(text).split(",")]
    if edges[-1:] == [LOCAL]:
        edges.pop()
    for edge in edges:
        if edge == LOCAL:
            raise InputError(
                f"edge '{text}': {LOCAL} is this machine alone, and can only come last"
            )
        if edge == MEMORY and len(edges) > 1:
            raise InputError(f"edge '{text}': {MEMORY} never fails, and stands alone")
        if edge != MEMORY:
            check_address(edge)
        if edges.count(edge) > 1:
            raise InputError(f"edge '{text}': {edge} comes twice")
    return tuple(edges)


class Connection:
    """Opened when it is needed, and again after it was lost; on an event loop.

    Of several edge servers the first that answers is used until it is lost, and then the next one.

    Args:
        order: whom to connect to, and how long to wait.
        pairing: is given the client.
    """

    def __init__(self, order: Order, pairing: Pairing) -> None:
        self._order = order
        self._pairing = pairing
        self._channel: Channel | None = None
        self._edges = order.edges
        """Those to try, in this order."""

    async def open(self) -> None:
        """Connect, if that is not done.

        Raises:
            InputError: there is nobody to connect to.
            PeerError: nobody answers there, or another version of fusepath.
        """
        if self._channel is not None:
            return
        if not self._edges:
            raise InputError("this plan needs an edge server; give its address (edge)")
        failed: list[PeerError] = []
        for edge in self._edges:
            try:
                await self._open(edge)
            except PeerError as error:
                failed.append(error)
            else:
                return
        if len(failed) == 1:
            raise failed[0]
        reasons = "; ".join(map(str, failed))
        raise PeerUnreachableError(", ".join(self._edges), f"none can be used ({reasons})")

    async def _open(self, edge: str) -> None:
        channel = await self._dialled(edge)
        client = EdgeClient(channel, self._order.timeout)
        try:
            await client.greet(within_s=self._order.timeout.connect_s)
        except BaseException:
            await channel.close()
            raise
        self._channel, self._pairing.client = channel, client

    async def _dialled(self, edge: str) -> Channel:
        order = self._order
        if edge == MEMORY:
            execution = order.options.execution
            service = EdgeService(ModelStore.of(order.model), execution=execution)
            return MemoryChannel(service)
        return await GrpcChannel.open(edge, timeout_s=order.timeout.connect_s)

    async def look(self, *, within_s: float) -> None:
        """See whether an edge server that has failed answers, or else another one.

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
            if len(self._edges) == 1:
                raise
            self._edges = (*self._edges[1:], self._edges[0])
            await self.open()

    async def move_on(self) -> None:
        """Leave an edge server that will not do for the next one, where several are named.

        Raises:
            PeerError: none answers.
        """
        if len(self._edges) > 1:
            await self.close()
            self._channel = None
            self._edges = (*self._edges[1:], self._edges[0])
            await self.open()

    async def close(self) -> None:
        """Let it go; again is no harm."""
        if self._channel is not None:
            with suppress(Exception):  # whatever it is, it ends
                await self._channel.close()

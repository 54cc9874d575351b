"""Requests on one stream: each has a number, and what comes late is known by it.

A stream is kept open, and every message on it says to which request it belongs. Numbers only grow,
so a message of a request that has ended is late, and one of a request that was never made is a
lie. What ends the stream ends all of its requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fusepath.protocol.conversation import ProtocolError


@dataclass(slots=True)
class DeviceRequests:
    """Which requests of a stream the device waits for."""

    _last: int = 0
    _open: set[int] = field(default_factory=set)

    def begin(self) -> int:
        """The number of a new request."""
        self._last += 1
        self._open.add(self._last)
        return self._last

    def waits(self, request: int) -> bool:
        """Whether a message of the edge server is waited for, or comes too late.

        Raises:
            ProtocolError: there was no such request.
        """
        if not 0 < request <= self._last:
            raise ProtocolError(f"the server answered request {request}, which nobody has made")
        return request in self._open

    def end(self, request: int) -> None:
        """Nothing more is waited for."""
        self._open.discard(request)


@dataclass(slots=True)
class EdgeRequests:
    """Which requests of a stream the edge server is at work on.

    Args:
        most: at a time.
    """

    most: int
    _last: int = 0
    _open: set[int] = field(default_factory=set)

    def is_new(self, request: int) -> bool:
        """Whether a request would be the first of its number."""
        return request > self._last

    def begin(self, request: int) -> bool:
        """A device makes a request; whether there is room for it.

        Raises:
            ProtocolError: it is not after all others.
        """
        if not self.is_new(request):
            raise ProtocolError(f"request {request} was made after request {self._last}")
        self._last = request
        if len(self._open) >= self.most:
            return False
        self._open.add(request)
        return True

    def serves(self, request: int) -> bool:
        """Whether a message of the device is for work that goes on, or comes too late.

        Raises:
            ProtocolError: there was no such request.
        """
        if not 0 < request <= self._last:
            raise ProtocolError(f"request {request} has not begun")
        return request in self._open

    def end(self, request: int) -> None:
        """Nothing more is done for it."""
        self._open.discard(request)

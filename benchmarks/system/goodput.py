"""What the wire really carries, seen by single messages after silence."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.system.network import EDGE_ADDRESS, inside

if TYPE_CHECKING:
    from benchmarks.system.network import Network

TOLERANCE = 0.05
GAP_S = 0.3
MESSAGES = 5
SECONDS_PER_MESSAGE = 0.15


@dataclass(frozen=True, kw_only=True)
class Goodput:
    """Median rate of messages in one direction, beside what was asked for."""

    asked_bytes_per_s: float
    up_bytes_per_s: float
    down_bytes_per_s: float

    @property
    def error(self) -> float:
        """Relative, of the worse direction."""
        return max(
            abs(measured / self.asked_bytes_per_s - 1)
            for measured in (self.up_bytes_per_s, self.down_bytes_per_s)
        )

    @property
    def is_as_asked(self) -> bool:
        """Within `TOLERANCE` in both directions."""
        return self.error <= TOLERANCE


def check_wire(network: Network, goodput_bytes_per_s: float) -> Goodput:
    """Shape the wire and send messages both ways, each after a pause.

    A shaper that saves up tokens in the pause would let their first part through at once;
    transfers back to back do not show that.
    """
    network.set_rate(goodput_bytes_per_s)
    size = round(goodput_bytes_per_s * SECONDS_PER_MESSAGE)
    with inside(network.edge):
        listener = socket.create_server((EDGE_ADDRESS, 0))
    with inside(network.device):
        device = socket.create_connection(listener.getsockname())
    edge, _ = listener.accept()
    with listener, device, edge:
        return Goodput(
            asked_bytes_per_s=goodput_bytes_per_s,
            up_bytes_per_s=_rate(device, edge, size),
            down_bytes_per_s=_rate(edge, device, size),
        )


def _rate(sender: socket.socket, receiver: socket.socket, size: int) -> float:
    message = bytes(size)
    _transfer_s(sender, receiver, message)
    times = []
    for _ in range(MESSAGES):
        time.sleep(GAP_S)
        times.append(_transfer_s(sender, receiver, message))
    return size / statistics.median(times)


def _transfer_s(sender: socket.socket, receiver: socket.socket, message: bytes) -> float:
    """From the first byte written to the last one read; both ends have one clock here."""
    writer = threading.Thread(target=sender.sendall, args=(message,))
    started_s = time.perf_counter()
    writer.start()
    remaining = len(message)
    while remaining:
        remaining -= len(receiver.recv(min(remaining, 1 << 16)))
    ended_s = time.perf_counter()
    writer.join()
    return ended_s - started_s

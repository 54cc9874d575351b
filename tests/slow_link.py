"""A link whose rate and length change: a relay between a device and an edge server on loopback."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_BYTES = 4096


class SlowLink:
    """Carries bytes both ways at a rate, and with a delay, that may be changed at any time."""

    def __init__(self, target: str, up_bytes_per_s: float, down_bytes_per_s: float) -> None:
        self.rates = [up_bytes_per_s, down_bytes_per_s]
        self.delay_s = 0.0
        host, port = target.split(":")
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._target)
                except OSError:  # it is being restarted, say
                    near.close()
                    continue
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [near, far]
                for way, ends in enumerate([(near, far), (far, near)]):
                    threading.Thread(target=self._carry, args=(way, *ends), daemon=True).start()

    def _carry(self, way: int, source: socket.socket, sink: socket.socket) -> None:
        free_s = time.monotonic()
        under_way: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        threading.Thread(target=self._deliver, args=(under_way, sink), daemon=True).start()
        with suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                free_s = max(free_s, time.monotonic()) + len(data) / self.rates[way]
                time.sleep(max(free_s - time.monotonic(), 0))
                under_way.put((free_s + self.delay_s, data))
        under_way.put((free_s + self.delay_s, b""))
        with suppress(OSError):
            source.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _deliver(under_way: SimpleQueue[tuple[float, bytes]], sink: socket.socket) -> None:
        with suppress(OSError):
            while True:
                due_s, data = under_way.get()
                time.sleep(max(due_s - time.monotonic(), 0))
                if not data:
                    break
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut it."""
        for end in self._sockets:
            with suppress(OSError):
                end.close()


@contextmanager
def slow_link(
    target: str, *, up_bytes_per_s: float, down_bytes_per_s: float | None = None
) -> Iterator[SlowLink]:
    """A relay to ``HOST:PORT``, for the time of a ``with`` block."""
    link = SlowLink(target, up_bytes_per_s, down_bytes_per_s or up_bytes_per_s)
    try:
        yield link
    finally:
        link.close()

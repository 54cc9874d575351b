"""A relay between a device and an edge server that knows HTTP/2 frames, and does harm on the byte.

What it counts are bytes of DATA frames, the payload of gRPC whatever the messages are: so "half of
what a frame sends" is told from window updates, pings and headers, which pass uncounted.
"""

from __future__ import annotations

import enum
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UP, DOWN = 0, 1
_PREFACE_BYTES = 24
"""What a client says before its first frame."""
_HEADER_BYTES = 9
_DATA = 0
_CHUNK_BYTES = 1 << 14
_GARBLED_BYTES = 48


class Harm(enum.Enum):
    """What the relay itself does to one way."""

    NONE = enum.auto()
    GARBLE = enum.auto()
    """The next bytes are others."""
    STALL = enum.auto()
    """Nothing is carried until it is healed."""
    CUT = enum.auto()
    """What comes is lost, and the connection with it."""


class Parser:
    """Tells which bytes of one way of a connection are payload of DATA frames."""

    def __init__(self, *, preface: bool) -> None:
        self._skip = _PREFACE_BYTES if preface else 0
        self._header = b""
        self._left = 0
        self._is_data = False

    def split(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """The same bytes in runs, and whether they are payload."""
        while data:
            if self._skip:
                taken, is_payload = min(self._skip, len(data)), False
                self._skip -= taken
            elif self._left:
                taken, is_payload = min(self._left, len(data)), self._is_data
                self._left -= taken
            else:
                taken, is_payload = min(_HEADER_BYTES - len(self._header), len(data)), False
                self._header += data[:taken]
                if len(self._header) == _HEADER_BYTES:
                    self._left = int.from_bytes(self._header[:3], "big")
                    self._is_data = self._header[3] == _DATA
                    self._header = b""
            yield data[:taken], is_payload
            data = data[taken:]


@dataclass(slots=True)
class _Trap:
    """Something to be done once so many bytes have passed one way; none of what follows has."""

    way: int
    after_bytes: int
    act: Callable[[], None]


class Relay:
    """Carries bytes both ways at a rate; the server behind it may be another one at any time."""

    def __init__(self, target: str, bytes_per_s: float) -> None:
        self.target = target
        self._bytes_per_s = bytes_per_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._payload_bytes = [0, 0]
        self._trap: _Trap | None = None
        self._harms = [Harm.NONE, Harm.NONE]
        self._to_garble = 0
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    # ------------------------------------------------------------------ what is asked of it

    def count(self) -> tuple[int, int]:
        """Payload up and down since the last time; counted from here on."""
        with self._lock:
            passed = self._payload_bytes[UP], self._payload_bytes[DOWN]
            self._payload_bytes = [0, 0]
        return passed

    def set_trap(self, way: int, after_bytes: int, act: Callable[[], None]) -> None:
        """Do something once so much payload has passed one way, counted from now."""
        self.count()
        with self._lock:
            self._trap = _Trap(way, after_bytes, act)

    def harm(self, way: int, harm: Harm) -> None:
        """Do harm to a way from here on."""
        with self._lock:
            self._harms[way] = harm
            self._to_garble = _GARBLED_BYTES
            if harm is Harm.STALL:
                self._flows.clear()

    def heal(self) -> None:
        """Do nothing any more; what was held back is carried."""
        with self._lock:
            self._harms = [Harm.NONE, Harm.NONE]
            self._trap = None
        self._flows.set()

    def close(self) -> None:
        """End it, and every connection."""
        self.heal()
        for end in (self._listener, *tuple(self._ends)):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    # ------------------------------------------------------------------ carrying

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        host, port = self.target.split(":")
        try:
            far = socket.create_connection((host, int(port)), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ends |= {near, far}
        back = threading.Thread(target=self._carry, args=(DOWN, far, near), daemon=True)
        back.start()
        self._carry(UP, near, far)
        back.join()
        for end in (near, far):
            self._ends.discard(end)
            end.close()

    def _carry(self, way: int, source: socket.socket, sink: socket.socket) -> None:
        parser = Parser(preface=way == UP)
        free_s = time.monotonic()
        with suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                free_s = max(free_s, time.monotonic()) + len(data) / self._bytes_per_s
                time.sleep(max(free_s - time.monotonic(), 0))
                for run, is_payload in parser.split(data):
                    self._pass(way, run, sink, is_payload=is_payload)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _pass(self, way: int, data: bytes, sink: socket.socket, *, is_payload: bool) -> None:
        """Pass a run of bytes on, up to the byte at which something is to be done."""
        act = None
        with self._lock:
            trap, passed = self._trap, self._payload_bytes[way]
            room = len(data)
            if is_payload and trap is not None and trap.way == way:
                room = min(max(trap.after_bytes - passed, 0), room)
                if passed + len(data) >= trap.after_bytes:
                    self._trap, act = None, trap.act
            if is_payload:
                self._payload_bytes[way] += len(data)
        self._send(way, data[:room], sink, is_payload=is_payload)
        if act is not None:
            act()
        self._send(way, data[room:], sink, is_payload=is_payload)

    def _send(self, way: int, data: bytes, sink: socket.socket, *, is_payload: bool) -> None:
        if not data:
            return
        while self._harms[way] is Harm.STALL:
            self._flows.wait(1.0)
        if self._harms[way] is Harm.CUT:
            raise ConnectionAbortedError
        if self._harms[way] is Harm.GARBLE and is_payload:
            with self._lock:
                wrong = min(self._to_garble, len(data))
                self._to_garble -= wrong
            data = bytes(byte ^ 0x5A for byte in data[:wrong]) + data[wrong:]
        sink.sendall(data)


@contextmanager
def relay_to(target: str, *, bytes_per_s: float) -> Iterator[Relay]:
    """A relay to ``HOST:PORT``, for the time of a ``with`` block."""
    relay = Relay(target, bytes_per_s)
    try:
        yield relay
    finally:
        relay.close()

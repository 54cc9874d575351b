"""The same with a real session: an edge server behind a relay that carries as a trace says."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import fusepath
from benchmarks.links.trace import DOWN, UP, Link, Phase
from fusepath.offload.frames import made_up_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHUNK_BYTES = 4096
_BUFFER_BYTES = 1 << 16
"""As much as a sender may be ahead of a link."""
SLOWDOWN = 5
READY_WITHIN_S = 120.0


class Relay:
    """Carries bytes between a device and an edge server on loopback; `link` may be exchanged."""

    def __init__(self, target: str, link: Link) -> None:
        self._link, self._began_s = link, time.monotonic()
        self._lock = threading.Lock()
        host, port = target.split(":")
        self._target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._free_s = [0.0, 0.0]
        """When each way is free, on the link's clock: all connections share it."""
        self._ends: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def carry_by(self, link: Link) -> None:
        """From now on, begin another trace."""
        with self._lock:
            self._link, self._began_s = link, time.monotonic()
            self._free_s = [0.0, 0.0]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
                self._ends += [near, far]
                for way, (source, sink) in ((UP, (near, far)), (DOWN, (far, near))):
                    threading.Thread(
                        target=self._carry, args=(way, source, sink), daemon=True
                    ).start()

    def _carry(self, way: int, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                time.sleep(max(self._done_s(way, len(data)) - time.monotonic(), 0.0))
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _done_s(self, way: int, size_bytes: int) -> float:
        with self._lock:
            start_s = max(self._free_s[way], time.monotonic() - self._began_s)
            self._free_s[way] = self._link.carried_at(way, size_bytes, start_s)
            return self._began_s + self._free_s[way]

    def close(self) -> None:
        """Cut it."""
        for end in self._ends:
            with suppress(OSError):
                end.close()


@contextmanager
def _edge_server() -> Iterator[str]:
    command = [sys.executable, "-m", "fusepath", "serve", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[2].rstrip(",")
        finally:
            process.terminate()


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One phase."""

    phase: Phase
    frames: int
    alone: int
    mean_s: float
    median_s: float
    settled_frames: int
    """Frames from the change until the plan that most of the phase was answered with."""
    plans: int


def measure(network: str, phases: Sequence[Phase], *, settle_s: float) -> list[Measured]:
    """Frames one after the other through all phases; every one has an answer, or it raises."""
    model = fusepath.load_model(f"zoo:{network}")
    frame = made_up_frame(model.graph.input.shape, "uint8")
    first = phases[0]
    steady = Phase(
        seconds=1.0,
        up_bytes_per_s=max(first.up_bytes_per_s, first.burst_bytes_per_s),
        down_bytes_per_s=first.down_bytes_per_s,
    )
    options = fusepath.SessionOptions(
        remember=False, emulation=fusepath.Emulation(slowdown=SLOWDOWN), sample=frame
    )
    pixels = np.ascontiguousarray(frame[0].transpose(1, 2, 0))
    with _edge_server() as server:
        relay = Relay(server, Link((steady,)))
        try:
            with fusepath.Session(model, relay.address, options=options) as session:
                session.wait_ready(READY_WITHIN_S)
                until_s = time.monotonic() + settle_s
                while time.monotonic() < until_s:
                    session.infer(pixels)
                link = Link(tuple(phases))
                relay.carry_by(link)
                return _stream(session, pixels, link)
        finally:
            relay.close()


def _stream(session: fusepath.Session, pixels: np.ndarray, link: Link) -> list[Measured]:
    began_s = time.monotonic()
    seen: dict[int, list[fusepath.Inference]] = {}
    while (now_s := time.monotonic() - began_s) < link.spans[-1][1]:
        seen.setdefault(link.number_at(now_s), []).append(session.infer(pixels))
    return [_phase(link.phases[number], inferences) for number, inferences in seen.items()]


def _phase(phase: Phase, inferences: list[fusepath.Inference]) -> Measured:
    plans = [inference.plan.recipe_sha256 for inference in inferences]
    usual = statistics.mode(plans)
    latencies_s = [inference.latency_s for inference in inferences]
    return Measured(
        phase=phase,
        frames=len(inferences),
        alone=sum(inference.fallback is not None for inference in inferences),
        mean_s=statistics.mean(latencies_s),
        median_s=statistics.median(latencies_s),
        settled_frames=plans.index(usual),
        plans=len(set(plans)),
    )

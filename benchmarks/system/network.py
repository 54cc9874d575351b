"""Two network namespaces joined by a wire of a given rate; removed again whatever happens."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE_ADDRESS, EDGE_ADDRESS = "10.77.0.1", "10.77.0.2"
SUBNET = "10.77.0.0/24"
WIRE = "wire"
PREFIX = "fusepath"
TOOLS = {"ip": "iproute2", "tc": "iproute2", "taskset": "util-linux"}
PAYLOAD_SHARE = 1448 / 1514
"""Of an Ethernet frame as tbf counts it; the rest is headers of TCP, IP and Ethernet."""
LEAST_BURST_BYTES, BURST_S = 1600, 0.00025
"""One frame, or what timers that fire this late need. A larger bucket fills up while nothing is
sent and hides the start of a message."""
QUEUE_BYTES = 4_000_000
CLONE_NEWNET = 0x40000000


START_BYTES_PER_S = 1e6


class NetworkUnavailableError(Exception):
    """The two hosts cannot be set up on this machine."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Names of the two namespaces; make one with `two_hosts`."""

    device: str
    edge: str

    def set_rate(self, goodput_bytes_per_s: float) -> None:
        """Shape both directions so that a TCP stream carries so many bytes per second."""
        for namespace in (self.device, self.edge):
            shape(namespace, goodput_bytes_per_s)


def shape(
    namespace: str, goodput_bytes_per_s: float, *, burst: tuple[float, float] | None = None
) -> None:
    """Shape what leaves a namespace; 0 loses all of it.

    Args:
        namespace: one of a `Network`.
        goodput_bytes_per_s: of a TCP stream.
        burst: bytes that pass first, or after a pause, and bytes per second at which they do.
    """
    queue = ("tc", "-n", namespace, "qdisc", "replace", "dev", WIRE, "root")
    if not goodput_bytes_per_s:
        _call(*queue, "pfifo", "limit", "0")
        return
    bytes_per_s = goodput_bytes_per_s / PAYLOAD_SHARE
    burst_bytes, peak = max(LEAST_BURST_BYTES, round(bytes_per_s * BURST_S)), ()
    if burst is not None:
        burst_bytes, peak_bytes_per_s = round(burst[0]), burst[1] / PAYLOAD_SHARE
        peak = ("peakrate", f"{round(8 * peak_bytes_per_s)}bit", "mtu", str(LEAST_BURST_BYTES))
    _call(
        *(*queue, "tbf", "rate", f"{round(8 * bytes_per_s)}bit", "burst", str(burst_bytes)),
        *("limit", str(QUEUE_BYTES), *peak),
    )


@contextmanager
def two_hosts() -> Iterator[Network]:
    """Two namespaces and the wire between them, at `START_BYTES_PER_S`.

    Raises:
        NetworkUnavailableError: not Linux, not root, a tool is missing, or the kernel refuses.
    """
    _require()
    _remove_leftovers()
    network = Network(device=f"{PREFIX}-device-{os.getpid()}", edge=f"{PREFIX}-edge-{os.getpid()}")
    try:
        for namespace in (network.device, network.edge):
            _call("ip", "netns", "add", namespace)
        _call(
            *("ip", "link", "add", WIRE, "netns", network.device, "type", "veth"),
            *("peer", "name", WIRE, "netns", network.edge),
        )
        for namespace, address in (
            (network.device, DEVICE_ADDRESS),
            (network.edge, EDGE_ADDRESS),
        ):
            _call("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", WIRE)
            for link in ("lo", WIRE):
                _call("ip", "-n", namespace, "link", "set", link, "up")
            # bbr, a common default, now and then pauses for 70 ms. The route sets what the
            # namespace's sysctl may refuse.
            _call(
                *("ip", "-n", namespace, "route", "change", SUBNET, "dev", WIRE),
                *("src", address, "proto", "kernel", "scope", "link", "congctl", "cubic"),
            )
        network.set_rate(START_BYTES_PER_S)
        yield network
    finally:
        for namespace in (network.device, network.edge):
            _delete(namespace)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Sockets and threads that this thread makes in here belong to the namespace."""
    with (
        Path("/proc/thread-self/ns/net").open() as home,
        Path("/run/netns", namespace).open() as there,
    ):
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def command_inside(namespace: str, core: int, *command: str) -> list[str]:
    """A command line that runs another one in a namespace, on one core."""
    return ["ip", "netns", "exec", namespace, "taskset", "-c", str(core), *command]


def _require() -> None:
    if not sys.platform.startswith("linux"):
        raise NetworkUnavailableError(f"network namespaces need Linux, this is {sys.platform}")
    if os.geteuid() != 0:
        raise NetworkUnavailableError("network namespaces need root")
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            raise NetworkUnavailableError(f"'{tool}' is missing; install {package}")


def _remove_leftovers() -> None:
    """Namespaces of runs that were killed before they could clean up."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        name = line.split()[0]
        owner = name.rpartition("-")[2]
        if name.startswith(f"{PREFIX}-") and owner.isdigit() and not Path("/proc", owner).exists():
            _delete(name)


def _delete(namespace: str) -> None:
    """With the programs in it, if a run was killed before it could end them."""
    listed = subprocess.run(
        ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False
    )
    for process in set(map(int, listed.stdout.split())) - {os.getpid()}:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise NetworkUnavailableError(f"`{' '.join(command)}` failed: {reason[-1]}")


def _enter(namespace_fd: int) -> None:
    # os.setns came with Python 3.12.
    if ctypes.CDLL(None, use_errno=True).setns(namespace_fd, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise NetworkUnavailableError(f"cannot enter a network namespace: {os.strerror(number)}")

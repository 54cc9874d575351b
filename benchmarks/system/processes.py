"""Programs on the two hosts: they say on one line where they listen, and end with the benchmark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.system.network import EDGE_ADDRESS, command_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.system.network import Network

PEERS = Path(__file__).parent / "peers"
STOP_TIMEOUT_S = 15


class ProgramFailedError(Exception):
    """A program on one of the hosts ended, or said something else than expected."""


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """The two namespaces, and which core each host computes on."""

    network: Network
    device_core: int
    edge_core: int

    @classmethod
    def apart(cls, network: Network) -> Hosts:
        """As far from each other as this machine's cores are.

        This process computes on the device's from here on, with all threads that it starts.
        """
        cores = sorted(os.sched_getaffinity(0))
        hosts = cls(network=network, device_core=cores[0], edge_core=cores[-1])
        os.sched_setaffinity(0, {hosts.device_core})
        return hosts

    @contextmanager
    def edge_server(self, *, overlaps: bool = True, models: Path | None = None) -> Iterator[str]:
        """``fusepath serve`` on the edge host, with models of its own; its address."""
        command = [sys.executable, "-m", "fusepath", "serve", "--json", "--insecure"]
        if models is not None:
            command += ["--models", str(models)]
        if not overlaps:
            command = [sys.executable, "-m", "benchmarks.system.serial_edge"]
        with self._on_edge(*command, "--listen", f"{EDGE_ADDRESS}:0") as address:
            yield address

    @contextmanager
    def peer(self, name: str, model: Path, image: Path, *options: str) -> Iterator[PeerDevice]:
        """A peer with its edge server on the one host and its device on the other.

        Both have measured what they need, each while nothing else ran.
        """
        script = [sys.executable, str(PEERS / f"{name}.py")]
        listen = ("--listen", f"{EDGE_ADDRESS}:0")
        with self._on_edge(*script, "edge", str(model), *listen, *options) as address:
            command = [*script, "device", str(model), str(image), "--edge", address, *options]
            with _program(
                command_inside(self.network.device, self.device_core, *command)
            ) as process:
                device = PeerDevice(name, process)
                device.wait_until_ready()
                yield device

    @contextmanager
    def _on_edge(self, *command: str) -> Iterator[str]:
        with _program(command_inside(self.network.edge, self.edge_core, *command)) as process:
            yield _answer(process, command[-1])["listen"]


class PeerDevice:
    """The device of a peer, which obeys commands."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._process = process

    def wait_until_ready(self) -> None:
        """Wait for its first answer, which nobody asked for.

        Raises:
            ProgramFailedError: the peer has ended.
        """
        _answer(self._process, self.name)

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send one command and wait for the answer.

        Raises:
            ProgramFailedError: the peer has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ProgramFailedError(f"peer {self.name} ended; see above") from None
        return _answer(self._process, self.name)


def _answer(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    """One JSON object, however many lines it takes."""
    assert process.stdout is not None
    text = ""
    while line := process.stdout.readline():
        text += line
        if line.rstrip().endswith("}"):
            return json.loads(text)
    raise ProgramFailedError(f"{name} ended; see above")


@contextmanager
def _program(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the benchmark, which ends its programs itself
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

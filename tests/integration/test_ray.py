"""An edge server whose paths two nodes of a Ray cluster compute: needs the extra ``ray``."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.cluster import Asked, infer
from fusepath.onnx_io import load_model
from fusepath.remote.client import EdgeClient, Timeout
from fusepath.remote.grpc_channel import GrpcChannel
from tests.edges import edge_server
from tests.plans import plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ray = pytest.importorskip("ray", reason="Ray is in an extra")
pytestmark = [pytest.mark.system, pytest.mark.slow]

SOURCE = "zoo:squeezenet?size=160&weights=integer"
STORE_BYTES = 100_000_000
"""Of each node, for what goes between them."""
AT_ONCE = 12
"""Inferences, fewer than one device may have under way."""


def node(*options: str) -> subprocess.Popen[bytes]:
    """A node of one processor, and a group of processes of its own."""
    program = str(Path(sys.executable).with_name("ray"))
    command = [program, "start", "--block", "--num-cpus=1", "--disable-usage-stats"]
    command += [f"--object-store-memory={STORE_BYTES}", *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)


def kill(process: subprocess.Popen[bytes]) -> None:
    """A node, at once and without a word: what it has started as well."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)


@contextmanager
def two_nodes() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a cluster of two nodes on this machine, and the second of them."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        address = f"{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"
    with ExitStack() as stack:
        port = address.rpartition(":")[2]
        stack.callback(kill, node("--head", f"--port={port}", "--include-dashboard=false"))
        wait_for(lambda: listens(address), "the head of the cluster listens")
        second = node(f"--address={address}")
        stack.callback(kill, second)
        yield address, second


def listens(address: str) -> bool:
    """Whether somebody does."""
    host, _, port = address.rpartition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


def wait_for(holds: Callable[[], object], what: str) -> None:
    """Until something holds."""
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    pytest.fail(f"not within a minute: {what}")


class Told:
    """What the edge server has logged so far."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self._text = ""

    def times(self, words: str) -> int:
        """How often it said so."""
        self._text += self._capfd.readouterr().err
        return self._text.count(words)


def test_two_nodes_answer_as_one_machine_does_and_one_that_is_killed_loses_nothing(
    monkeypatch, capfd
):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    told = Told(capfd)
    model = load_model(SOURCE)
    tiles = plan_of(model, tau=4, grid=(2, 2), cuts=[1, 1, 1, 1])
    whole = plan_of(model, tau=1, grid=(1, 1), cuts=[1])
    every = [Asked.of(name, model, plan) for name, plan in (("tiles", tiles), ("whole", whole))]

    async def ask(address: str, second: subprocess.Popen[bytes]) -> None:
        async with AsyncExitStack() as stack:
            channel = await GrpcChannel.open(address, timeout_s=20)
            stack.push_async_callback(channel.close)
            client = EdgeClient(channel, Timeout(connect_s=20, prepare_s=120))
            for asked in every:
                await client.prepare(asked.plan)
                await infer(client, asked)  # fails unless its outputs are those of one machine
            under_way = [asyncio.create_task(infer(client, every[0])) for _ in range(AT_ONCE)]
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            kill(second)
            await asyncio.gather(*under_way, infer(client, every[1]))
            await asyncio.to_thread(wait_for, lambda: told.times("node lost"), "a node is lost")

    with two_nodes() as (address, second), edge_server("--ray", address) as edge:
        wait_for(lambda: told.times("node joined") == 2, "both nodes compute")
        asyncio.run(ask(edge.address, second))

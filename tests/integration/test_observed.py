"""What an edge server tells of itself: health, metrics, and a line for every refusal."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import grpc
import msgspec
import pytest

from fusepath.errors import PeerRefusedError
from fusepath.onnx_io import load_model
from fusepath.remote.client import connect
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.remote.wire import fusepath_pb2_grpc as pb_grpc
from tests.edges import edge_server
from tests.plans import pixels, plan_of
from tests.runs import run

pytestmark = pytest.mark.system

SOURCE = "zoo:squeezenet?size=64&weights=integer"


def page(address: str) -> dict[str, float]:
    """Metrics by name with labels."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


async def refused(address: str, plan) -> None:
    wrong = msgspec.structs.replace(plan.model, sha256="0" * 64)
    unknown = msgspec.structs.replace(plan.recipe, model=wrong)
    async with connect(address) as client:
        with pytest.raises(PeerRefusedError):
            await client.prepare(msgspec.structs.replace(plan, recipe=unknown))


def test_a_server_tells_of_its_health_its_work_and_its_refusals_and_ends_when_told():
    model = load_model(SOURCE)
    plan = plan_of(model, tau=4, grid=(2, 2), cuts=[1, 3, 5, 2])
    options = ["--metrics", "127.0.0.1:0", "--log", "json", "--json", "--grace", "1"]
    command = [sys.executable, "-m", "fusepath", "serve", "--listen", "127.0.0.1:0", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = []
        while lines[-1:] != ["}\n"]:
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended before it was ready"
        said = json.loads("".join(lines))
        before = page(said["metrics"])
        run(model, pixels(model), edge=said["listen"], plan=plan, timeout_s=20)
        asyncio.run(refused(said["listen"], plan))
        after = page(said["metrics"])
        with pytest.raises(urllib.error.HTTPError, match="404") as missing:
            urllib.request.urlopen(f"http://{said['metrics']}/", timeout=10)
        missing.value.close()
        host, port = said["metrics"].rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as endless, suppress(OSError):
            endless.sendall(b"x" * 200_000)  # no line of which ends
            endless.recv(1)
        with grpc.insecure_channel(said["listen"]) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            served = [check(name, timeout=10) for name in (b"", b"\x0a\x10fusepath.v1.Edge")]
            with pytest.raises(grpc.RpcError, match="no such service"):
                check(b"\x0a\x01x", timeout=10)
            watched = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
            statuses = [next(watched)]
            process.send_signal(signal.SIGTERM)
            statuses.append(next(watched))
        _, err = process.communicate(timeout=30)

    assert served == [b"\x08\x01"] * 2
    assert statuses == [b"\x08\x01", b"\x08\x02"]
    assert process.returncode == 0
    assert before["fusepath_inferences_total"] == 0
    assert after["fusepath_inferences_total"] >= 1
    assert after['fusepath_stage_seconds_count{stage="path"}'] >= 4
    assert after['fusepath_refusals_total{reason="unfit"}'] == 1
    assert after["fusepath_received_bytes_total"] > 4 * 3 * 32 * 32
    assert after["fusepath_plans"] == 1
    assert after["fusepath_plans_held_bytes"] > 1_000_000
    events = [json.loads(line) for line in err.splitlines()]
    assert [event["event"] for event in events] == ["prepared", "refused"]
    assert events[1]["call"] == "Prepare"
    assert "SHA-256" in events[1]["reason"]


def test_a_server_at_work_that_cannot_be_broken_off_ends_in_time(tmp_path):
    """As ONNX Runtime cannot, while it builds a session."""
    script = tmp_path / "serve.py"
    script.write_text(
        "import sys, time\n"
        "from fusepath.remote import edge_service\n"
        "from fusepath.cli.main import entry\n"
        "def never(*_, **__):\n"
        "    print('building', flush=True)\n"
        "    time.sleep(600)\n"
        "edge_service.EdgeShare = never\n"
        "sys.argv = ['fusepath', 'serve', '--listen', '127.0.0.1:0', '--grace', '0.2']\n"
        "entry()\n"
    )
    plan = plan_of(load_model(SOURCE), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2])

    async def prepare(address: str) -> None:
        async with connect(address) as client:
            await client.prepare(plan)

    def ask(address: str) -> None:
        with pytest.raises(Exception, match="edge"):
            asyncio.run(prepare(address))

    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True
    ) as process:
        address = process.stdout.readline().split()[2].rstrip(",")
        asking = threading.Thread(target=ask, args=(address,))
        asking.start()
        assert process.stdout.readline() == "building\n"
        process.terminate()
        assert process.wait(timeout=30) == 0  # and not after ten minutes
        asking.join(30)
        assert not asking.is_alive()


def test_a_server_that_is_measuring_ends_in_time_and_with_it_the_process_that_measures():
    asked = pb.ModelRequest(
        sha256="0" * 64, source=SOURCE, input_shape=load_model(SOURCE).graph.fed_shape
    )
    with (
        edge_server("--grace", "0.2", "--no-cache") as own,
        grpc.insecure_channel(own.address) as channel,
    ):
        answer = pb_grpc.EdgeStub(channel).Profile.future(asked)
        while not (measuring := children(own.process.pid)):
            assert not answer.done()
            time.sleep(0.01)
        own.process.terminate()
        assert own.process.wait(timeout=30) == 0
        assert answer.exception(timeout=30) is not None
    assert not [pid for pid in measuring if Path(f"/proc/{pid}").exists()]


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]

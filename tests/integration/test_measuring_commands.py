"""``fusepath profile`` and ``fusepath probe`` from outside, and what the server does for them."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from fusepath.cli.main import run as run_command_line
from fusepath.cost import parse_link, parse_machine
from fusepath.errors import PeerRefusedError
from fusepath.remote.client import EdgeClient, connect
from fusepath.remote.limits import MAX_PROBE_BYTES
from fusepath.remote.wire import fusepath_pb2 as pb

MODEL = "zoo:squeezenet?size=32"


@pytest.fixture
def call(capfd):
    """Runs a command line; its exit code, output and what it complains of."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run_command_line([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return run


def test_a_profile_is_measured_written_and_planned_with(call, tmp_path):
    file = tmp_path / "device.json"

    code, out, _ = call("profile", MODEL, "--repeats", "2", "--fast", "-o", file, "--json")

    report = json.loads(out)
    assert code == 0
    assert json.loads(file.read_text()) == report["profile"]
    assert len(report["layers"]) == len(report["profile"]["layers"])
    assert report["tile_error"]["shapes"] > 0
    assert report["settings"]["repeats"] == 2
    assert not report["cached"]
    machine = parse_machine(str(file))
    code, out, _ = call(
        "plan", MODEL, "--device", file, "--edge", file, "--link", "1MB/s", "--json"
    )
    assert code == 0
    assert json.loads(out)["device"]["call_overhead_s"] == machine.call_overhead_s


def test_a_profile_for_people_shows_how_well_it_predicts(call):
    code, out, _ = call("profile", MODEL, "--repeats", "2", "--fast", "--layers", "--no-cache")

    assert code == 0
    for word in ("held out", "tiles", "strips", "machine was", "CPUExecutionProvider", "conv10"):
        assert word in out
    assert "measured before" not in out


def test_threads_are_part_of_the_profile(call):
    code, out, _ = call("profile", MODEL, "--repeats", "2", "--fast", "--threads", "2", "--json")

    assert code == 0
    assert json.loads(out)["profile"]["threads"] == 2


def test_a_provider_that_is_not_there_is_told_of_and_the_next_is_measured(call):
    names = ["--provider", "openvino,cpu"]
    code, out, _ = call("profile", MODEL, "--repeats", "2", "--fast", *names, "--json")

    assert code == 0
    assert json.loads(out)["profile"]["provider"] == "CPUExecutionProvider"
    assert json.loads(out)["settings"]["execution"]["providers"] == ["cpu"]
    assert "openvino" not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["profile", "zoo:nothing"], "unknown network"),
        (["profile", "missing.onnx"], "missing.onnx"),
        (["profile", MODEL, "--repeats", "1"], "--repeats"),
        (["profile", MODEL, "--provider", "openvino"], "openvino: this ONNX Runtime"),
        (["run", MODEL, "x.npy", "--provider", "gpu"], "known are cpu, cuda"),
        (["profile", MODEL, "--threads", "0"], "--threads"),
        (
            ["profile", MODEL, "--repeats", "2", "--fast", "-o", "/nowhere/at/all.json"],
            "cannot write",
        ),
        (["probe", "localhost"], "is not HOST:PORT"),
        (["probe", "localhost:99999"], "is not HOST:PORT"),
        (["probe", "127.0.0.1:9", "--budget", "0"], "--budget"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_cannot_be_measured_is_one_line_and_exit_code_2(call, arguments, words):
    code, out, err = call(*arguments)

    assert (code, out) == (2, "")
    complaints = [line for line in err.splitlines() if not line.endswith(" …")]
    assert len(complaints) == 1
    assert words in complaints[0]


@pytest.mark.system
def test_a_server_is_asked_whether_it_serves(call, edge):
    code, out, _ = call("ping", edge.address, "--json")
    said = json.loads(out)
    assert (code, said["edge"], said["serves"]) == (0, edge.address, True)
    assert "serves (" in call("ping", edge.address, "--timeout", "3")[1]
    code, out, err = call("ping", "127.0.0.1:9", "--timeout", "0.2")
    assert (code, out) == (3, "")
    assert "nobody listens there" in err


def test_a_server_that_is_not_there_cannot_be_probed(call, monkeypatch):

    code, out, err = call("probe", "127.0.0.1:9")

    assert (code, out) == (3, "")
    assert "nobody listens there" in err


@pytest.mark.system
def test_a_link_is_probed_written_and_planned_with(call, edge, tmp_path):
    file = tmp_path / "link.json"

    code, out, _ = call("probe", edge.address, "--budget", "1", "-o", file, "--json")

    report = json.loads(out)
    assert code == 0
    assert json.loads(file.read_text()) == report["link"]
    for way in ("up", "down"):
        assert report[way]["bytes_per_s"] == report["link"][f"{way}_bytes_per_s"] > 0
        assert [item["size_bytes"] for item in report[way]["sizes"]][:3] == [1000, 4000, 16000]
    assert parse_link(str(file)).up_bytes_per_s == report["up"]["bytes_per_s"]


@pytest.mark.system
def test_a_probe_for_people_shows_sizes_and_errors(call, edge):
    code, out, _ = call("probe", edge.address, "--budget", "1")

    assert code == 0
    for word in ("up", "down", "delay", "fitted", "error", "16 kB"):
        assert word in out


@pytest.mark.system
def test_a_server_sends_no_more_padding_than_is_sensible(edge):
    async def ask(size: int) -> float:
        async with connect(edge.address) as client:
            return await client.exchange_s(up_bytes=0, down_bytes=size, timeout_s=10)

    assert asyncio.run(ask(MAX_PROBE_BYTES)) > 0
    with pytest.raises(PeerRefusedError, match=f"at most {MAX_PROBE_BYTES}"):
        asyncio.run(ask(MAX_PROBE_BYTES + 1))


def test_a_server_that_sends_no_padding_is_told_from_a_quick_link():
    async def call(method, request, *, timeout_s):
        return pb.ClockReply(edge_ns=1)

    client = EdgeClient(SimpleNamespace(address="edge:1", call=call))

    with pytest.raises(PeerRefusedError, match="older fusepath"):
        asyncio.run(client.exchange_s(up_bytes=0, down_bytes=1000, timeout_s=1))

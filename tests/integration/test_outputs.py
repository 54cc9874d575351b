"""What commands write, and what they say where they cannot: to people and to programs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fusepath.cli import inspect as inspect_command
from fusepath.cli.main import cli, run
from fusepath.cli.options import OUTPUT_FILE

MODEL = "zoo:squeezenet?size=32"
MACHINES = ["--device", "10GFLOPS", "--edge", "500GFLOPS", "--link", "1.1MB/s"]
NFL = ["plan", MODEL, *MACHINES, "--algorithm", "nfl"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["inspect", "missing.onnx"], 2, "does not exist"),
        (["plan", MODEL], 2, "Missing option '--device'"),
        (["plan", MODEL, "--nonsense"], 2, "No such option"),
        (["nonsense"], 2, "there is no command"),
        (["run", MODEL, "x.png", "--edge", "127.0.0.1:1"], 2, "x.png"),
        (["probe", "127.0.0.1:1"], 3, "edge 127.0.0.1:1"),
        ([*NFL, "--device-macs", "1", "--upload", "1B"], 4, "upload"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else None,
)
def test_an_error_under_json_is_one_object_on_standard_output(capfd, arguments, code, words):
    assert run([*arguments, "--json"]) == code

    out, err = capfd.readouterr()
    document = json.loads(out)
    assert document["exit_code"] == code
    assert words in document["error"]
    assert f"fusepath: {document['error']}" in err.splitlines()


def test_a_defect_under_json_is_one_object_too(capfd, monkeypatch):
    def broken(*_: object) -> None:
        raise AssertionError("what?")

    monkeypatch.setattr(inspect_command, "open_model", broken)
    assert run(["inspect", MODEL, "--json"]) == 70

    assert "AssertionError: what?" in json.loads(capfd.readouterr().out)["error"]


@pytest.mark.system
@pytest.mark.parametrize("json_option", [[], ["--json"]], ids=["text", "json"])
def test_a_full_standard_output_is_one_line(json_option):
    with Path("/dev/full").open("wb") as full:
        called = subprocess.run(
            [sys.executable, "-m", "fusepath", "zoo", *json_option],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert called.returncode == 2
    assert called.stderr == b"fusepath: cannot write standard output: No space left on device\n"


def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path, capfd):
    file = tmp_path / "net.onnx"
    file.write_bytes(b"a network that was here before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        code = run(["zoo", "squeezenet", str(file), "--input-size", "32"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert code == 2
    assert capfd.readouterr().err == f"fusepath: cannot write {file}: File too large\n"
    assert file.read_bytes() == b"a network that was here before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.system
def test_what_is_asked_for_on_standard_output_comes_there():
    called = subprocess.run(
        [sys.executable, "-m", "fusepath", *NFL, "-o", "/dev/stdout"],
        capture_output=True,
        check=True,
    )

    text = called.stdout.decode()
    document, end = json.JSONDecoder().raw_decode(text)
    assert document["format"] == "fusepath-plan"
    assert "algorithm    nfl" in text[end:]
    assert called.stderr == b""


def files_of(command: click.Command) -> list[click.Parameter]:
    """What looks like a file to write."""
    return [
        item
        for item in command.params
        if {"-o", "--output", "-f", "--figure"} & set(item.opts) or item.name == "output"
    ]


def test_every_output_file_of_every_command_is_refused_before_the_work():
    context = click.Context(cli)
    found = {
        name: files_of(command)
        for name in cli.list_commands(context)
        if (command := cli.get_command(context, name)) is not None
    }

    folders = [name for name, items in found.items() if any(i.metavar == "DIR" for i in items)]
    assert folders == ["reproduce"]
    for name, items in found.items():
        if name not in folders:
            assert all(item.type is OUTPUT_FILE for item in items), name
    assert {"plan", "run", "zoo", "book", "map", "profile", "probe", "quantize"} <= {
        name for name, items in found.items() if items
    }


def test_an_output_that_cannot_be_written_is_refused_before_the_model_is_read(tmp_path, capfd):
    for target in (tmp_path, tmp_path / "missing" / "plan.json"):
        assert run(["plan", "missing.onnx", *MACHINES, "-o", os.fspath(target)]) == 2
        assert f"cannot write {target}" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "zoo:mobilenetv3-large?size=64"],
        ["compare", MODEL, *MACHINES, "--evaluations", "3000"],
        ["plan", MODEL, *MACHINES, "--grid", "6x6", "--algorithm", "mw"],
        ["plan", MODEL, *MACHINES, "--evaluations", "2000", "--top", "5"],
        ["plan", MODEL, *MACHINES, "--evaluations", "2000", "--objective", "throughput"],
    ],
    ids=lambda arguments: " ".join(arguments[::7]),
)
def test_nothing_is_wider_than_the_window(capfd, monkeypatch, arguments):
    monkeypatch.setenv("COLUMNS", "80")

    assert run(arguments) == 0

    out, _ = capfd.readouterr()
    assert [line for line in out.splitlines() if len(line) > 80] == []

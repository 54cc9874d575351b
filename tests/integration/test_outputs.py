"""What commands write, and what they say where they cannot: to people and to programs."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import onnx
import pytest
from onnx import compose
from PIL import Image

from fusepath.cli import inspect as inspect_command
from fusepath.cli.main import cli, run
from fusepath.cli.options import OUTPUT_FILE
from tests.commands import COMMANDS
from tests.small_detector import small_detector_bytes

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


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
@pytest.mark.parametrize("command", COMMANDS)
def test_standard_output_has_one_document_at_most(command, name, capfd):
    own = cli.get_command(click.Context(cli), command)
    assert own is not None
    for item in own.params:
        if item.type is not OUTPUT_FILE:
            continue
        option = [item.opts[0]] if isinstance(item, click.Option) else ["squeezenet"]
        capfd.readouterr()

        assert run([command, "--json", *option, name]) == 2

        told = json.loads(capfd.readouterr().out)
        assert told["error"].startswith("--json is for standard output already: name a file for ")


def test_standard_output_has_one_file_at_most(capfd):
    assert run([*NFL, "-o", "-", "--trace", "/dev/stdout"]) == 2

    assert "name a file for --trace" in capfd.readouterr().err


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


SLOW = "--device 1GFLOPS --edge 500GFLOPS --link 0.3MB/s --evaluations 300"
SCOPE = "a_very_long_name_as_exporters_make_them_from_the_scopes_of_modules/backbone/stage/block/"


@pytest.fixture(scope="module")
def long_names(tmp_path_factory):
    """A network whose nodes and tensors have names wider than a window, with files made of it."""
    folder = tmp_path_factory.mktemp("long")
    model = compose.add_prefix(onnx.ModelProto.FromString(small_detector_bytes(32)), SCOPE)
    (folder / "long.onnx").write_bytes(model.SerializeToString())
    remembered = folder / "fusepath" / "profiles"
    remembered.mkdir(parents=True)
    (remembered / f"{'0' * 64}.json").write_text("{}")
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / "dark.png")
    with contextlib.chdir(folder):
        assert run(f"plan long.onnx {SLOW} --sample dark.png -o plan.json".split()) == 0
        rates = "--device 1GFLOPS --edge 9GFLOPS --rates 1MB/s:2MB/s --most 2 --evaluations 50"
        assert run(f"book long.onnx {rates} --sample dark.png -o book.json".split()) == 0
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "inspect long.onnx",
        f"plan long.onnx {SLOW} --sample dark.png",
        f"plan long.onnx {SLOW} --algorithm bf --grid 2x2 --tau 3",
        f"plan long.onnx {SLOW} --sample dark.png --top 5",
        f"compare long.onnx {SLOW} --sample dark.png",
        "simulate plan.json",
        "map long.onnx --edge 9GFLOPS --points 4 --evaluations 10 --workers 1",
        "book book.json",
        "book book.json --link 1.5MB/s",
        "run long.onnx dark.png --edge memory: --plan plan.json --repeat 2",
        "cache ls",
        "doctor --listen 127.0.0.1:0",
        "zoo",
    ],
    ids=lambda line: line.partition(" -")[0],
)
def test_names_may_be_wider_than_the_window(capfd, monkeypatch, long_names, line):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("XDG_CACHE_HOME", str(long_names))
    monkeypatch.chdir(long_names)

    assert run(line.split()) == 0

    out, _ = capfd.readouterr()
    wide = [text for text in out.splitlines() if len(text) > 80]
    assert [text for text in wide if len(max(text.split(), key=len)) < 80] == []

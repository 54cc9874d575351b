"""Every command, each kind of error: one line for people, one object for programs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from fusepath.cli.main import cli, run
from fusepath.cli.numbers import Finite
from tests.commands import COMMANDS
from tests.small_detector import small_detector_bytes

MACHINES = "--device 1GFLOPS --edge 9GFLOPS --link 1MB/s --evaluations 50"
RIGHT = {
    "book": "book net.onnx --device 1GFLOPS --edge 9GFLOPS --rates 1MB/s:2MB/s",
    "cache": "cache ls",
    "compare": f"compare net.onnx {MACHINES}",
    "completion": "completion bash",
    "demo": "demo --model net.onnx",
    "doctor": "doctor --listen 127.0.0.1:0",
    "faults": "faults --fault nothing",
    "front": f"front net.onnx {MACHINES}",
    "inspect": "inspect net.onnx",
    "map": "map net.onnx --edge 9GFLOPS",
    "ping": "ping 127.0.0.1:1",
    "plan": f"plan net.onnx {MACHINES}",
    "probe": "probe 127.0.0.1:1",
    "profile": "profile net.onnx",
    "quantize": "quantize net.onnx --samples photos -o out.onnx",
    "report": "report plan.json -o out.html",
    "reproduce": "reproduce fig2 -o folder",
    "run": "run net.onnx photo.png --edge memory:",
    "schema": "schema plan",
    "serve": "serve --listen 127.0.0.1:0",
    "simulate": "simulate plan.json",
    "studio": "studio net.onnx --listen 127.0.0.1:0",
    "sweep": f"sweep net.onnx {MACHINES} --workers 1",
    "zoo": "zoo squeezenet out.onnx",
}
"""What each command would do; here something is always wrong with it."""
FILES = ("folder", "missing/file", "empty", "binary", "x" * 300)
NO_FILES = {
    *("cache", "completion", "doctor", "faults", "ping", "probe", "reproduce", "schema", "serve"),
    "zoo",
}
"""Their arguments name no files."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name in ("folder", "photos"):
        (folder / name).mkdir()
    (folder / "net.onnx").write_bytes(small_detector_bytes(32))
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / "photo.png")
    shutil.copy(folder / "photo.png", folder / "photos")
    (folder / "empty").write_bytes(b"")
    (folder / "binary").write_bytes(bytes(range(256)))
    return folder


@pytest.fixture
def refused(capfd, files, monkeypatch):
    monkeypatch.chdir(files)
    monkeypatch.setenv("XDG_CACHE_HOME", str(files / "cache"))

    def check(*arguments: str, words: str = "") -> None:
        capfd.readouterr()
        code = run([*arguments, "--json"])

        out, err = capfd.readouterr()
        assert code in {2, 3}, (arguments, out, err)
        lines = [line for line in err.splitlines() if not line.endswith(" …")]
        document = json.loads(out)
        assert document == {"error": document["error"], "exit_code": code}, arguments
        assert lines == [f"fusepath: {document['error']}"], arguments
        assert words in document["error"], document["error"]

    return check


def options(name: str) -> list[click.Option]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return [item for item in command.params if isinstance(item, click.Option)]


def with_option(name: str, option: click.Option, value: str) -> list[str]:
    """The command with another value of an option."""
    words = RIGHT[name].split()
    for spelt in option.opts:
        if spelt in words:
            place = words.index(spelt)
            del words[place : place + 2]
    return [*words, f"{max(option.opts, key=len)}={value}"]


def test_every_command_is_here():
    assert set(RIGHT) == set(COMMANDS)


def test_memory_that_ends_is_no_defect(refused, monkeypatch):
    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("fusepath.cli.inspect.open_model", fails)
    refused("inspect", "net.onnx", words="more memory than there is here")


@pytest.mark.parametrize("name", COMMANDS)
def test_words_that_a_command_does_not_know_are_refused(refused, name):
    refused(*RIGHT[name].split(), "--nonsense", words="--nonsense")
    refused(*RIGHT[name].split(), *["surplus"] * 3, words="surplus")


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - NO_FILES))
@pytest.mark.parametrize("file", FILES, ids=lambda file: file[:12])
def test_files_that_cannot_be_read_are_refused(refused, name, file):
    command, argument, *others = RIGHT[name].split()
    if command == "demo":
        refused(command, argument, file)
        return
    refused(command, file, *others)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file[:12])
def test_inputs_samples_and_plans_that_cannot_be_read_are_refused(refused, file):
    refused("run", "net.onnx", file, "--edge", "memory:")
    refused("run", "net.onnx", "photo.png", "--edge", "memory:", "--plan", file)
    refused("quantize", "net.onnx", "--samples", file, "-o", "out.onnx")
    refused(*RIGHT["plan"].split(), "--sample", file)
    refused(*RIGHT["plan"].split(), "--post", file)
    if file != "empty":  # no options are options
        refused("--config", file, "cache", "ls")


@pytest.mark.parametrize("name", COMMANDS)
def test_numbers_that_are_none_are_refused(refused, name):
    """``nan`` is between any two numbers, as far as comparing goes."""
    for option in options(name):
        if isinstance(option.type, click.types.FloatParamType):
            assert isinstance(option.type, Finite), option
            for value in ("nan", "inf", "x"):
                refused(*with_option(name, option, value), words=value)
        if isinstance(option.type, click.types.IntParamType):
            refused(*with_option(name, option, "1.5"), words="1.5")
        if isinstance(option.type, click.Choice):
            refused(*with_option(name, option, "x"), words="'x'")
        if option.required:
            kept = [word for word in with_option(name, option, "") if "=" not in word]
            refused(*kept, words=max(option.opts, key=len))


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("target", ["folder", "missing/file", "x" * 300], ids=lambda x: x[:9])
def test_outputs_that_cannot_be_written_are_refused(refused, name, target):
    for option in options(name):
        if option.type.name == "file":
            refused(*with_option(name, option, target), words=target)


def test_edge_servers_that_are_not_there_are_refused(refused):
    refused("ping", "127.0.0.1:1", "--timeout", "0.1", words="127.0.0.1:1")
    for name in ("ping", "probe"):
        refused(name, "no address", words="no address")


def test_pixels_have_a_mean_that_float32_has(refused):
    refused(*RIGHT["plan"].split(), "--mean", "1e39", words="--mean '1e39'")

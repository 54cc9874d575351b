"""What one expects of a command line: examples, completion, configuration, a doctor."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import click
import pytest

from fusepath.cli import progress
from fusepath.cli.group import EXAMPLES, variable_of
from fusepath.cli.main import cli, run
from fusepath.runtime import runner
from tests.commands import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "zoo:squeezenet?size=32"
MACHINES = ["--device", "1GFLOPS", "--edge", "9GFLOPS", "--link", "1MB/s"]


MODELS = {"model", "models"}
LONG = {
    "book": "now_and_then",
    "compare": "telling",
    "demo": "def say",
    "map": "_tell_tenths",
    "plan": "telling",
    "probe": "counting",
    "profile": "counting",
    "quantize": "telling",
    "report": "telling",
    "reproduce": "_progress",
    "run": "saying",
    "zoo": "telling",
}


def told(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capfd.readouterr()
    code = run(list(arguments))
    return code, *capfd.readouterr()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_shape_that_a_message_proposes_can_be_given(command):
    """A model whose sizes are open is refused with "give --input-shape"."""
    given = cli.get_command(click.Context(cli), command).params
    takes_models = any(isinstance(p, click.Argument) and p.name in MODELS for p in given)
    assert not takes_models or "input_shape" in {p.name for p in given}


def shown(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    code, out, err = told(capfd, *arguments)
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_it_would_take(name, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, out, _ = told(capfd, name, "--help")
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    assert EXAMPLES[name]

    for example in EXAMPLES[name]:
        assert f"  fusepath {example}\n" in out
        called, *arguments = shlex.split(example.partition(" > ")[0])
        assert called == name
        command.make_context(name, arguments, parent=context)


def test_every_option_has_a_variable_of_its_own():
    context = click.Context(cli)
    variables = [
        item.envvar
        for name in COMMANDS
        if (command := cli.get_command(context, name)) is not None
        for item in command.params
        if isinstance(item, click.Option)
    ]

    assert None not in variables
    own = [name for name in variables if name != "FUSEPATH_NO_CACHE"]
    assert len(own) == len(set(own))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plna"], "there is no command 'plna' (did you mean 'plan'?)"),
        (["qqqqqq"], "there is no command 'qqqqqq'; see fusepath --help"),
        (["inspect", "zoo:squeznet"], "'squeznet' (did you mean 'squeezenet'?)"),
        (
            ["plan", MODEL, *MACHINES, "--algorithm", "atuo", "--evaluations", "1"],
            "'atuo' (did you mean 'auto'?)",
        ),
        (
            ["plan", MODEL, *MACHINES, "--convention", "runtme"],
            "'runtme' (did you mean 'runtime'?)",
        ),
        (["inspect", MODEL, "--jsn"], "--json"),
    ],
)
def test_who_misspells_is_told_what_was_meant(capfd, arguments, words):
    code, _, err = told(capfd, *arguments)

    assert code == 2
    assert words in err


def test_the_environment_gives_options(capfd, monkeypatch):
    monkeypatch.setenv("FUSEPATH_INSPECT_JSON", "1")

    assert shown(capfd, "inspect", MODEL)["name"] == "squeezenet"

    code, out, _ = told(capfd, "inspect", "missing.onnx")
    assert (code, json.loads(out)["exit_code"]) == (2, 2)


def test_a_file_gives_options_and_the_command_line_overrules_it(capfd, tmp_path, monkeypatch):
    config = tmp_path / "fusepath.toml"
    config.write_text(
        '[plan]\ndevice = "1GFLOPS"\nedge = "9GFLOPS"\nlink = "1MB/s"\nalgorithm = "nfl"\n'
        "json = true\nkeep-on-device = 1\n[run]\nfeed = ['a=b.npy']\n"
    )

    plan = shown(capfd, "--config", str(config), "plan", MODEL)
    other = shown(capfd, "--config", str(config), "plan", MODEL, "--device", "2GFLOPS")
    monkeypatch.setenv("FUSEPATH_CONFIG", str(config))
    again = shown(capfd, "plan", MODEL)

    assert plan["algorithm"] == "nfl"
    assert plan["request"]["constraints"]["keep_on_device"] == 1
    assert (plan["device"]["ops_per_s"], other["device"]["ops_per_s"]) == (1e9, 2e9)
    assert again["recipe_sha256"] == plan["recipe_sha256"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[plan", "not a TOML file"),
        ("[plna]\n", "there is no command 'plna' (did you mean 'plan'?)"),
        ('device = "1GFLOPS"\n', "options stand in a table of their command"),
        ('[plan]\ndevise = "x"\n', "plan has no option --devise (did you mean 'device'?)"),
        ("[plan]\ndevice = ['a']\n", "--device of plan is one value"),
        ('[plan]\ntau = "x"\nlink = "1MB/s"\nedge = "9GFLOPS"\ndevice = "1GFLOPS"\n', "'x' is not"),
        (None, "cannot read"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_one_line(capfd, tmp_path, text, words):
    config = tmp_path / "fusepath.toml"
    if text is not None:
        config.write_text(text)

    code, _, err = told(capfd, "--config", str(config), "plan", MODEL)

    assert code == 2
    assert len(err.splitlines()) == 1
    assert words in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_completion(capfd, shell):
    script = shown(capfd, "completion", shell, "--json")["script"]

    assert "_FUSEPATH_COMPLETE" in script
    assert told(capfd, "completion", shell)[1] == f"{script}\n"


@pytest.mark.system
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fusepath pl", ["plan"]),
        ("fusepath plan --devi", ["--device", "--device-memory", "--device-macs"]),
        ("fusepath plan --algorithm str", ["streamed-cut", "stream"]),
        ("fusepath inspect zoo:squ", ["zoo:squeezenet", "zoo:squeezenet1_1"]),
    ],
)
def test_commands_options_algorithms_and_networks_are_completed(words, expected):
    asked = {
        "_FUSEPATH_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    called = subprocess.run(
        [sys.executable, "-m", "fusepath"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )

    assert [line.partition(",")[2] for line in called.stdout.split()] == expected


def finding(document: Any, name: str) -> Any:
    return next(item for item in document["findings"] if item["name"] == name)


def test_the_doctor_looks_at_what_matters(capfd, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    document = shown(capfd, "doctor", "--listen", "127.0.0.1:0", "--json")

    assert document["healthy"]
    names = [item["name"] for item in document["findings"]]
    assert names == [
        *(
            "versions",
            "extras",
            "algorithms",
            "cores",
            "clock",
            "providers",
            "port",
            "cache",
            "disturbed",
        )
    ]
    assert finding(document, "versions")["packages"]["numpy"]
    assert finding(document, "cache")["folder"] == str(tmp_path / "fusepath")
    assert finding(document, "cores")["usable"] >= 1
    assert "ok      versions" in told(capfd, "doctor", "--listen", "127.0.0.1:0")[1]


def test_the_doctor_finds_what_is_wrong(capfd, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        port = finding(shown(capfd, "doctor", "--listen", address, "--json"), "port")
    assert port["state"] == "warning"
    assert "Address already in use" in port["says"]
    assert told(capfd, "doctor", "--listen", "nowhere")[0] == 2

    monkeypatch.setattr(runner, "available_providers", lambda: ["Other"])
    code, out, _ = told(capfd, "doctor", "--listen", "127.0.0.1:0")
    assert code == 1
    assert "FAILED  providers" in out


def test_what_is_remembered_is_listed_and_cleared(capfd, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("profiles", "sessions"):
        (tmp_path / "fusepath" / name).mkdir(parents=True)
        (tmp_path / "fusepath" / name / "a.json").write_text("{}")
    (tmp_path / "fusepath" / "other.txt").write_text("not ours")

    listed = shown(capfd, "cache", "ls", "--json")
    assert [(item["kind"], item["bytes"]) for item in listed["files"]] == [
        ("profile", 2),
        ("session", 2),
    ]
    assert "2 files" in told(capfd, "cache", "ls")[1]
    assert "2 files, 4 B, removed from" in told(capfd, "cache", "clear")[1]
    assert shown(capfd, "cache", "ls", "--json")["files"] == []
    assert (tmp_path / "fusepath" / "other.txt").exists()


def test_who_has_no_home_has_no_cache(capfd, monkeypatch):
    monkeypatch.setattr("fusepath.profiling.cache.cache_folder", lambda: None)

    assert shown(capfd, "cache", "clear", "--json")["folder"] is None
    assert "nothing is remembered" in told(capfd, "cache", "ls")[1]


def test_what_takes_long_says_so_and_what_does_not_is_silent(capfd, monkeypatch):
    with progress.telling("thinking"):
        pass
    assert capfd.readouterr().err == ""

    monkeypatch.setattr(progress, "_FIRST_S", 0.01)
    with progress.telling("thinking"):
        until_s = time.monotonic() + 20
        while not (err := capfd.readouterr().err) and time.monotonic() < until_s:
            time.sleep(0.01)
    assert err == "thinking, 0 s …\n"


def test_what_counts_says_how_far_it_is_off_a_terminal(capfd, monkeypatch):
    monkeypatch.setattr(progress, "_FIRST_S", 0.01)
    monkeypatch.setattr(progress, "_NEXT_S", 0.01)
    with progress.counting("measuring", 7) as count:
        count(3)
        err, until_s = "", time.monotonic() + 20
        while "3 of 7" not in err and time.monotonic() < until_s:
            err += capfd.readouterr().err
            time.sleep(0.01)
    assert "measuring: 3 of 7, 0 s …\n" in err


def test_what_is_said_at_once_is_said_again_while_it_lasts(capfd, monkeypatch):
    monkeypatch.setattr(progress, "_FIRST_S", 0.01)
    monkeypatch.setattr(progress, "_NEXT_S", 0.01)
    err = ""
    with progress.saying() as say:
        say("thinking")
        until_s = time.monotonic() + 20
        while "thinking, " not in err and time.monotonic() < until_s:
            err += capfd.readouterr().err
            time.sleep(0.01)
    assert "thinking …\nthinking, 0 s …\n" in err


@pytest.mark.parametrize("name", sorted(LONG))
def test_every_long_command_says_what_it_does_off_a_terminal(name):
    """Each goes through one of these, or has a count of its own."""
    source = inspect.getsource(importlib.import_module(f"fusepath.cli.{name}"))

    assert re.search(LONG[name], source), name


def test_variables_are_named_after_commands_and_options():
    assert variable_of("run", click.Option(["--edge-machine", "-e"])) == "FUSEPATH_RUN_EDGE_MACHINE"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here touches what this user remembers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

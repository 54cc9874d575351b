"""What starts an edge server elsewhere names options that there are."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from fusepath.cli.main import cli

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "fusepath.service"


def assert_parses(arguments: list[str], monkeypatch, tmp_path) -> dict[str, object]:
    """Command and options are known; what they come to."""
    monkeypatch.chdir(tmp_path)
    name, *options = arguments
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None, name
    return command.make_context(name, options, parent=context).params


def options_of_serve() -> set[str]:
    command = cli.get_command(click.Context(cli), "serve")
    return {
        option.removeprefix("--").replace("-", "_").upper()
        for parameter in command.params
        for option in parameter.opts
    }


@pytest.fixture
def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string(UNIT.read_text(encoding="utf-8").replace("\\\n", " "))
    return parser


def test_the_unit_starts_a_server(unit, monkeypatch, tmp_path):
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])

    assert program.endswith("/fusepath")
    given = assert_parses(arguments, monkeypatch, tmp_path)
    assert not given["insecure"]
    assert given["grace_s"] < float(unit["Service"]["TimeoutStopSec"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not there")
def test_the_unit_is_one_and_leaves_little_open(tmp_path):
    text = UNIT.read_text(encoding="utf-8").replace("/opt/fusepath/bin/fusepath", sys.executable)
    (file := tmp_path / UNIT.name).write_text(text, encoding="utf-8")
    verified = subprocess.run(
        ["systemd-analyze", "verify", file], check=False, capture_output=True, text=True
    )
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", file],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (verified.returncode, verified.stderr) == (0, "")
    assert rated.returncode == 0, rated.stdout.splitlines()[-1]  # exposure 1.5 of 10 at most


@pytest.fixture
def stages() -> dict[str, list[tuple[str, str]]]:
    """Instructions of the Containerfile by the name of their stage; '' is the last one."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            name = rest.partition(" AS ")[2]
            found[name] = []
        if line and not line.startswith("#"):
            found[name].append((word, rest))
    return found


def test_the_image_serves_as_a_user_that_may_do_nothing(stages, monkeypatch, tmp_path):
    serve = dict(stages["serve"])

    assert list(stages) == ["build", "serve", "shaped", ""]
    assert stages[""] == [("FROM", "serve")]  # what is built without --target
    assert serve["ENTRYPOINT"] == '["fusepath"]'
    assert serve["USER"] == "fusepath"
    assert serve["CMD"] == '["serve"]'
    *_, ping = serve["HEALTHCHECK"].partition("CMD fusepath ")
    assert_parses(shlex.split(ping), monkeypatch, tmp_path)
    sources = [rest.split()[:-1] for word, rest in stages["build"] if word == "COPY"]
    root = DEPLOY.parent
    assert all((root / name).exists() for names in sources for name in names)


def test_variables_name_options(stages, unit):
    texts = [file.read_text(encoding="utf-8") for file in DEPLOY.iterdir()]
    texts.append((DEPLOY.parent / "docs" / "deploying.md").read_text(encoding="utf-8"))
    named = set(re.findall(r"FUSEPATH_SERVE_([A-Z_]+)", "\n".join(texts)))

    assert "LISTEN" in named
    assert named <= options_of_serve()


def test_the_composed_device_runs_with_the_composed_server(stages, monkeypatch, tmp_path):
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services = document["services"]
    edge, device = (
        assert_parses(services[name]["command"], monkeypatch, tmp_path)
        for name in ("edge", "device")
    )

    assert edge["insecure"]  # or it would not listen beyond loopback
    assert device["edge"] == "edge:7070"
    assert all(item["build"]["target"] in stages for item in services.values())
    assert all("NET_ADMIN" in item["cap_add"] for item in services.values())
    context = (DEPLOY / services["edge"]["build"]["context"]).resolve()
    assert (context / services["edge"]["build"]["dockerfile"]).exists()
    assert services["device"]["depends_on"]["edge"]["condition"] == "service_healthy"
    script = (DEPLOY / "shaped-link.sh").read_text(encoding="utf-8")
    variables = set(re.findall(r"\$\{(LINK_[A-Z]+)", script))
    assert services["edge"]["environment"].keys() <= variables

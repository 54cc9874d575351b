"""Algorithms of other packages: found, listed, run, and not trusted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from fusepath.cli.main import run
from fusepath.cost import parse_link, parse_machine
from fusepath.errors import AlgorithmError, InfeasibleError
from fusepath.onnx_io import load_model
from fusepath.plan import (
    ALGORITHMS,
    Algorithm,
    Candidate,
    Constraints,
    PlanRequest,
    Setting,
    algorithms,
    make_plan,
)
from fusepath.schedule import evaluate
from fusepath.tiling import Whole

PAGE = Path(__file__).parents[2] / "docs" / "algorithms-of-your-own.md"
MODEL = "zoo:squeezenet?size=64"
MACHINES = ["--device", "1GFLOPS", "--edge", "500GFLOPS", "--link", "0.2MB/s"]


@pytest.fixture
def setting() -> Setting:
    return Setting(
        graph=load_model(MODEL).graph,
        device=parse_machine("1GFLOPS"),
        edge=parse_machine("500GFLOPS"),
        link=parse_link("0.2MB/s"),
    )


def announce(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if a package had entry points that lead to values of this module."""
    points = [
        EntryPoint(name=name, value=f"{__name__}:{name.upper()}", group=algorithms.GROUP)
        for name in names
    ]
    monkeypatch.setitem(ALGORITHMS.__dict__, "_added", {point.name: point for point in points})


def whole(timing, search, *, cut=1, hurry_ns=0):
    problem = timing.whole_problem()
    schedule = evaluate(problem, [0], [cut])
    if hurry_ns:
        schedule = schedule.behind(0, -hurry_ns)
    return Candidate(
        arrangement=Whole(layers=timing.setting.graph.depth),
        schedule=schedule,
        lower_bound_ns=0,
        evaluated=1,
    )


PLAIN = Algorithm(whole, tiles=False)
LYING = Algorithm(lambda timing, search: whole(timing, search, hurry_ns=1_000_000), tiles=False)
NONSENSE = "no algorithm"


@pytest.mark.system
def test_the_example_of_the_documentation_is_found_listed_and_run(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (table,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "my_package.py").write_text(code)
    announced = tmp_path / "my_package-1.0.dist-info"
    announced.mkdir()
    (announced / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    name, value = re.findall(r'(\w+) = "([\w:]+)"', table)[0]
    (announced / "entry_points.txt").write_text(f"[fusepath.algorithms]\n{name} = {value}\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}

    def fusepath(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "fusepath", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    plan = json.loads(fusepath("plan", MODEL, *MACHINES, "--algorithm", "halves", "--json"))
    compared = fusepath("compare", MODEL, *MACHINES, "--evaluations", "500", "--json")
    doctor = fusepath("doctor", "--listen", "127.0.0.1:0", "--json")

    assert len([line for line in code.splitlines() if line.strip()]) <= 24
    assert (plan["algorithm"], plan["grid"], plan["cuts"][0]) == ("halves", "2x1", 1)
    assert plan["makespan_s"] >= plan["lower_bound_s"] > 0
    assert "halves" in [item["algorithm"] for item in json.loads(compared)["plans"]]
    assert '"added": [\n        "halves"\n      ]' in doctor


def test_what_another_package_finds_is_a_plan_like_any_other(setting, monkeypatch):
    announce(monkeypatch, "plain")

    plan = make_plan(setting, PlanRequest(algorithm="plain")).best

    assert plan.cuts == (1,)
    assert (
        plan.makespan_s == make_plan(setting, PlanRequest(algorithm="full-offload")).best.makespan_s
    )
    assert plan.lower_bound_s > 0


def test_a_plan_that_takes_longer_than_it_says_is_refused(setting, monkeypatch):
    announce(monkeypatch, "lying")

    with pytest.raises(InfeasibleError, match="'lying' found cannot be used: it says"):
        _ = make_plan(setting, PlanRequest(algorithm="lying")).best


def test_a_plan_that_breaks_limits_is_refused(setting, monkeypatch):
    announce(monkeypatch, "plain")
    request = PlanRequest(algorithm="plain", constraints=Constraints(keep_on_device=1))

    with pytest.raises(InfeasibleError, match=r"'plain' found cannot be used: .*constraints"):
        _ = make_plan(setting, request).best


@pytest.mark.parametrize(
    ("name", "words"),
    [("nonsense", "is no fusepath.plan.Algorithm, but a str"), ("missing", "cannot be loaded")],
)
def test_what_cannot_be_loaded_is_named(setting, monkeypatch, name, words):
    announce(monkeypatch, name)

    with pytest.raises(AlgorithmError, match=f"algorithm '{name}' .*{words}"):
        make_plan(setting, PlanRequest(algorithm=name))


def test_what_cannot_be_loaded_is_left_out_of_comparisons(monkeypatch, capfd):
    announce(monkeypatch, "missing", "plain")

    assert run(["compare", MODEL, *MACHINES, "--evaluations", "500", "--json"]) == 0

    out, err = capfd.readouterr()
    names = [item["algorithm"] for item in json.loads(out)["plans"]]
    assert "plain" in names
    assert "missing" not in names
    assert "missing is left out: algorithm 'missing'" in err


def test_names_of_fusepath_s_own_cannot_be_taken(monkeypatch):
    monkeypatch.setattr(
        algorithms,
        "entry_points",
        lambda group: [EntryPoint(name="nfl", value="os:path", group=group)],
    )

    assert list(algorithms._Registry()) == list(algorithms.BUILT_IN)

"""A sweep: its rows, its files, and where they are computed."""

from __future__ import annotations

import csv
import json
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

import fusepath
from fusepath.cli.main import run
from fusepath.cost import ComputeRate, LayerTime, MachineProfile, parse_link
from fusepath.errors import FusepathError, InputError, VerificationError
from fusepath.onnx_io import load_model
from fusepath.plan import Budget, PlanRequest, Setting, make_plan
from fusepath.report.sweep import check_sweep_file, save_sweep
from fusepath.study import Processes, RayTasks
from fusepath.study.executor import run_as_here
from fusepath.study.store import SOURCES, versions
from fusepath.study.sweep import (
    NamedLink,
    NamedMachine,
    SweepSpec,
    Swept,
    compute_sweep,
    kept_rows,
)
from tests.networks import untileable

MODEL = "zoo:squeezenet?size=64"
LINKS = ("1MB/s", "4MB/s")
ARGUMENTS = [
    *("sweep", MODEL, "--device", "10GFLOPS", "--edge", "500GFLOPS", "--workers", "1"),
    *("--link", "1MB/s", "--link", "4MB/s", "--algorithm", "nfl", "--algorithm", "full-offload"),
]


def spec_of(graph: Any, *, links: tuple[str, ...] = LINKS, **others: Any) -> SweepSpec:
    return SweepSpec(
        models=(Swept("somewhere", graph),),
        devices=(NamedMachine("slow", ComputeRate(1e9)), NamedMachine("fast", ComputeRate(1e10))),
        edges=(NamedMachine("edge", ComputeRate(5e11)),),
        links=tuple(NamedLink(text, parse_link(text)) for text in links),
        **{"algorithms": ("nfl", "stream"), "budget": Budget(evaluations=5000), **others},
    )


@pytest.fixture(scope="module")
def spec() -> SweepSpec:
    return spec_of(load_model(MODEL).graph)


@pytest.fixture(scope="module")
def rows(spec) -> list[Any]:
    return compute_sweep(spec, on=Processes(1))


def test_a_row_is_what_planning_alone_finds_there(spec, rows):
    asked = [(row.device, row.link, row.algorithm) for row in rows]
    assert asked == [
        (device, link, algorithm)
        for device in ("slow", "fast")
        for link in LINKS
        for algorithm in ("nfl", "stream")
    ]
    for row, device in ((rows[1], 1e9), (rows[7], 1e10)):
        setting = Setting(
            graph=spec.models[0].graph,
            device=ComputeRate(device),
            edge=ComputeRate(5e11),
            link=parse_link(row.link),
        )
        plan = make_plan(setting, PlanRequest(algorithm="stream", budget=spec.budget)).best
        assert (row.makespan_s, row.tau, row.paths) == (plan.makespan_s, plan.tau, len(plan.cuts))
        assert (row.status, row.reason) == (plan.status, "")


def test_what_there_is_no_plan_for_has_a_row_that_says_why():
    (row,) = compute_sweep(
        SweepSpec(
            models=(Swept("somewhere", untileable()),),
            devices=(NamedMachine("d", ComputeRate(1e9)),),
            edges=(NamedMachine("e", ComputeRate(1e9)),),
            links=(NamedLink("1MB/s", parse_link("1MB/s")),),
            algorithms=("mw",),
        )
    )

    assert row.status == "inapplicable"
    assert row.reason
    assert row.makespan_s is None


def test_an_interrupted_sweep_goes_on_where_it_stopped(spec, rows, tmp_path):
    kept, seen = kept_rows(tmp_path / "rows.jsonl"), []

    def interrupt(done: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute_sweep(spec, kept=kept, on=Processes(1), progress=interrupt)
    again = compute_sweep(spec, kept=kept, on=Processes(1), progress=seen.append)

    assert seen == [2, 4]  # the links of one device are one task
    assert again == rows
    other = msgspec.structs.replace(spec.convention, edge_workers=2)
    more = spec_of(spec.models[0].graph, convention=other)
    compute_sweep(more, kept=kept, on=Processes(1), progress=seen.append)
    assert seen[2:] == [0, 2, 4]  # nothing of another convention counts


def test_a_profile_of_another_model_is_refused_before_the_work(spec):
    layer = LayerTime(name="", seconds=1e-3, fixed_s=0.0)
    profile = MachineProfile(model_sha256="0" * 64, layers=(layer,), call_overhead_s=0.0)
    other, seen = replace(spec, edges=(NamedMachine("edge.json", profile),)), []

    with pytest.raises(InputError, match="measured on model 000000000000"):
        compute_sweep(other, on=Processes(1), progress=seen.append)

    assert seen == []


def test_processes_find_the_same(spec, rows):
    assert compute_sweep(spec, on=Processes(2)) == rows


def test_a_process_that_is_killed_is_said_in_one_line():
    with pytest.raises(FusepathError, match="one of 2 processes was ended, perhaps for want of"):
        list(Processes(2).each(signal.raise_signal, [signal.SIGKILL, signal.SIGKILL]))


def test_a_csv_has_a_column_for_every_field(rows, tmp_path):
    path = tmp_path / "sweep.csv"
    save_sweep(path, rows)

    lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [float(line["makespan_s"]) for line in lines] == [row.makespan_s for row in rows]
    assert list(lines[0]) == list(rows[0].__struct_fields__)


def test_parquet_keeps_types_even_of_columns_that_hold_nothing(rows, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "sweep.parquet"
    save_sweep(path, [msgspec.structs.replace(rows[0], gap=None)])

    table = parquet.read_table(path)
    assert str(table.schema.field("gap").type) == "double"
    assert str(table.schema.field("tau").type) == "int64"
    assert table.to_pylist()[0]["makespan_s"] == rows[0].makespan_s


def test_what_cannot_be_written_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'fusepath\[parquet\]'"):
        check_sweep_file(tmp_path / "sweep.parquet")
    with pytest.raises(InputError, match=r"as \.csv or \.parquet"):
        check_sweep_file(tmp_path / "sweep.xlsx")


def test_the_command_writes_a_table_and_leaves_nothing_else(tmp_path, capsys):
    path = tmp_path / "sweep.csv"

    assert run([*ARGUMENTS, "-o", str(path), "--json"]) == 0

    printed = json.loads(capsys.readouterr().out)["rows"]
    lines = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [line["link"] for line in lines] == ["1MB/s", "1MB/s", "4MB/s", "4MB/s"]
    assert [float(line["makespan_s"]) for line in lines] == [row["makespan_s"] for row in printed]
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_shows_a_table(capsys):
    assert run(ARGUMENTS) == 0

    out = capsys.readouterr().out
    assert "full-offload" in out
    assert "4MB/s" in out


def test_the_table_fits_whatever_machines_are_called(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    device = ["--device", "1GFLOPS:wait=2.7,compute=6.4,send=3.4,receive=3.2"]

    assert run([*ARGUMENTS, *device]) == 0

    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--algorithm", "best"], "best"),
        (["--ray", "127.0.0.1:1"], "leave out --workers"),
        (["-o", "sweep.json"], ".csv or .parquet"),
    ],
)
def test_what_cannot_be_swept_is_one_line(options, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert run([*ARGUMENTS, *options, "--json"]) == 2
    assert words in json.loads(capsys.readouterr().out)["error"]


# --- Ray ---------------------------------------------------------------------------------------


class PlayedRay:
    """As much of Ray as tasks need; each runs when it is waited for, the last one first."""

    class exceptions:  # noqa: N801 - as Ray calls it
        class RayTaskError(Exception):
            def __init__(self, cause: Exception) -> None:
                self.cause = cause

    def __init__(self) -> None:
        self.cancelled: list[Any] = []

    def remote(self, **_: Any) -> Any:
        return lambda run: SimpleNamespace(remote=lambda *given: (run, given))

    def wait(self, left: list[Any], *, num_returns: int) -> tuple[list[Any], list[Any]]:
        assert num_returns == 1
        return left[-1:], left[:-1]

    def get(self, task: Any) -> Any:
        run, given = task
        try:
            return run(*given)
        except Exception as error:
            raise self.exceptions.RayTaskError(error) from error

    def cancel(self, task: Any) -> None:
        self.cancelled.append(task)


@pytest.fixture
def ray(monkeypatch) -> PlayedRay:
    played = PlayedRay()
    monkeypatch.setitem(sys.modules, "ray", played)
    return played


def test_tasks_of_ray_come_as_they_end(ray):
    assert list(RayTasks().each(abs, [-1, -2, -3])) == [(-3, 3), (-2, 2), (-1, 1)]
    assert ray.cancelled == []


def test_what_a_task_of_ray_raises_comes_back_and_the_others_are_given_up(ray):
    with pytest.raises(ZeroDivisionError):
        list(RayTasks().each((1).__truediv__, [1, 2, 0]))

    assert len(ray.cancelled) == 3


def test_a_node_with_other_sources_computes_nothing():
    assert run_as_here(versions()["code"], abs, -1) == 1
    with pytest.raises(VerificationError, match="other sources"):
        run_as_here("another", abs, -1)


def test_results_are_not_taken_for_those_of_other_sources_whatever_a_plan_comes_from():
    root = Path(fusepath.__file__).parent
    named = {
        name
        for package in SOURCES
        for file in (root / package).rglob("*.py")
        for name in re.findall(r"^(?:from|import) fusepath\.(\w+)", file.read_text(), re.MULTILINE)
    }

    assert {name for name in named if (root / name).is_dir()} == set(SOURCES)

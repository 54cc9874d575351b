"""What is optional: without it, one line says what to install."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import fusepath
from fusepath.cli import doctor
from fusepath.cli.main import run
from fusepath.errors import InputError
from fusepath.pictures.sources import frames_of
from fusepath.plan import Preprocessing
from fusepath.remote.cluster.ray_cluster import connect
from fusepath.report.sweep import check_sweep_file
from fusepath.runtime import codecs
from fusepath.schedule import Problem
from fusepath.schedule.exact.milp import milp

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
MODEL = "zoo:squeezenet?size=64"


OF_STUDIO = {f"fusepath.studio.{name}" for name in ("app", "guard", "server", "work")}
"""Modules that import starlette."""


def run_studio() -> None:
    assert run(["studio", MODEL]) == 2


def read_video() -> None:
    target = fusepath.load_model(MODEL).graph.input
    list(frames_of("film.mp4", target=target, pictures=Preprocessing()))


ONCE = np.array([[1, 2]])
PROBLEM = Problem(class_of=(0, 0), device_ns=ONCE, link_ns=ONCE, edge_ns=ONCE)
NEEDED: dict[str, tuple[str, Callable[[], object]]] = {
    "codec": ("lz4", lambda: codecs.find_codec("lz4")),
    "exact": ("highspy", lambda: milp(PROBLEM)),
    "parquet": ("pyarrow", lambda: check_sweep_file(Path("sweep.parquet"))),
    "plot": ("matplotlib", lambda: run(["map", MODEL, "--edge", "9GFLOPS", "-o", "map.png"])),
    "ray": ("ray", lambda: connect("127.0.0.1:6379", trusted=True)),
    "studio": ("starlette", run_studio),
    "torch": ("torch", lambda: fusepath.from_torch(None, None)),
    "video": ("av", read_video),
}
"""What an extra brings, and something that needs it."""


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_an_extra_is_needed_for_says_so_in_a_line(extra, monkeypatch, tmp_path, capsys):
    package, use = NEEDED[extra]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.mp4").write_bytes(b"x")
    monkeypatch.setattr(codecs, "find_spec", lambda _: None)
    for name in [*sys.modules]:
        if name.partition(".")[0] == package or name in OF_STUDIO:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)

    try:
        use()
        message = capsys.readouterr().err
    except InputError as error:
        message = str(error)

    assert f"pip install 'fusepath[{extra}]'" in message
    assert len(message.splitlines()) == 1


def test_the_doctor_and_the_page_know_every_extra():
    page = (Path(__file__).parents[2] / "docs" / "install.md").read_text(encoding="utf-8")

    assert set(doctor._EXTRAS) == set(EXTRAS) == set(NEEDED)
    assert [extra for extra in EXTRAS if f"| `{extra}` |" not in page] == []

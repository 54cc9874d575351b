"""What the guide shows does what it says: its commands, its Python, its notebooks."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from fusepath.cli.main import run
from fusepath.onnx_io import load_model, zoo
from tests.edges import edge_server
from tests.small_detector import small_detector_bytes

DOCS = Path(__file__).parents[2] / "docs"
README = DOCS.parent / "README.md"
PAGES = [DOCS / "start.md", *sorted((DOCS / "how-to").glob("*.md"))]
REFERENCE = [README, *sorted(set(DOCS.glob("*.md")).difference(PAGES))]
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
SIZE = 64
ADDRESS = "192.168.1.20:7070"
CHEAP = {"inspect", "simulate"}
"""The others take seconds, and run with the slow tests."""
ELSEWHERE = {"serve", "doctor", "studio"}
"""Commands that wait, or judge this machine; and addresses that must be encrypted."""
IN_PART = re.compile(r"…|\||\$|grpcs:|--algorithm halves")
"""What no command has that is shown as a whole, or what has tests of its own."""

SHORTER = {
    ADDRESS: "memory:",
    "zoo:squeezenet": "zoo:squeezenet?size=32",
    "50_000": "500",
    "12e6)": "2e6), most=2, probes=0",
}
"""What is less to do of the README's Python."""


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```(.*?)\n(.*?)^```", text, re.M | re.S)  # or an end is a beginning
    return [block for told, block in found if told == language]


def commands(page: Path) -> list[list[str]]:
    lines = "\n".join(blocks(page, "")).replace("\\\n", " ").splitlines()
    shown = [re.match(r"(?:\w*\$)? *fusepath ([a-z].*)$", line) for line in lines]
    return [
        shlex.split(match[1], comments=True)
        for match in shown
        if match and not IN_PART.search(match[1])
    ]


def small(command: list[str]) -> list[str]:
    """The same on small networks, and for few machines and links of a map."""
    typed = [re.sub(r"^(zoo:.*)", rf"\1?size={SIZE}", word) for word in command]
    typed = ["net.onnx" if word == "MODEL" else word for word in typed]
    return typed + ["--points", "2"] * (typed[0] == "map" and "--edge" in typed)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("guide")
    (folder / "models").mkdir()
    data = zoo.serialize(zoo.build("squeezenet", input_size=SIZE))
    for name in ("net.onnx", "m.onnx", "model.onnx", "models/net.onnx"):
        (folder / name).write_bytes(data)
    larger = (SIZE + 32, SIZE + 16, 3)  # as photographs are: they have to be fitted
    pixels = np.random.default_rng(0).integers(0, 256, larger, dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "photo.jpg")
    return folder


@pytest.fixture
def here(files, monkeypatch) -> Path:
    monkeypatch.chdir(files)
    monkeypatch.setenv("XDG_CACHE_HOME", str(files / "cache"))
    return files


def planned(files: Path) -> None:
    """The plan that pages make before they show it."""
    if not (files / "plan.json").exists():
        made = "--device 6GFLOPS --edge 500GFLOPS --link 1.8MB/s --algorithm nfl -o plan.json"
        assert run(["plan", f"zoo:squeezenet?size={SIZE}", *made.split()]) == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_cheap_commands_of_the_guide_do_what_they_say(page, here):
    planned(here)
    for command in commands(page):
        if command[0] in CHEAP:
            assert run(small(command)) == 0, command


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_the_guide_do_what_they_say(page, here):
    planned(here)
    with edge_server("--models", str(here / "models")) as edge:
        for command in commands(page):
            if command[0] in ELSEWHERE or any(word.startswith("grpcs:") for word in command):
                continue
            typed = [edge.address if word == ADDRESS else word for word in small(command)]
            assert run(typed) == 0, command


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in REFERENCE if commands(page)], ids=lambda page: page.stem
)
def test_commands_of_the_reference_do_what_they_say(page, here, capfd):
    with edge_server("--models", str(here / "models")) as edge:
        for command in commands(page):
            if command[0] in ELSEWHERE:
                continue
            typed = [edge.address if word == ADDRESS else word for word in small(command)]
            *typed, target = [*typed, ""] if ">" not in typed else [*typed[:-2], typed[-1]]
            capfd.readouterr()
            assert run(typed) == 0, command
            if target:
                Path(target).write_text(capfd.readouterr().out, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_of_the_guide_runs(page, here):
    """With frames for the camera, and an edge server within this process."""
    shown: list[Any] = []
    frame = np.zeros((SIZE, SIZE, 3), np.uint8)
    names: dict[str, Any] = {"frame": frame, "camera": [frame] * 3, "cameras": [[frame]] * 2}
    names |= {"show": shown.append, "model": load_model("net.onnx")}
    for block in blocks(page, "python"):
        if not block.startswith("# torch"):  # which the tests of PyTorch modules have
            code = block.replace(ADDRESS, "memory:")
            exec(compile(code, page.name, "exec"), names)  # noqa: S102 - our own pages

    assert ("show(" in page.read_text(encoding="utf-8")) == bool(shown)


def test_python_of_the_readme_runs(tmp_path, monkeypatch):
    """With a network whose ports have the names that it uses, and without PyTorch's block."""
    monkeypatch.chdir(tmp_path)
    model = onnx.ModelProto.FromString(small_detector_bytes(SIZE))
    (source,), (made,) = model.graph.input, model.graph.output
    renamed = {source.name: "input", made.name: "scores"}
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    source.name, made.name = "input", "scores"
    onnx.save(model, "net.onnx")
    shown: list[Any] = []
    frame = np.zeros((SIZE, SIZE, 3), np.uint8)
    names: dict[str, Any] = {"frame": frame, "camera": [frame] * 3, "show": shown.append}
    names["values"] = np.zeros((1, 3, SIZE, SIZE), np.float32)

    run_of = [block for block in blocks(README, "python") if not block.startswith("torch.")]
    for block in run_of:
        code = block
        for long, short in SHORTER.items():
            code = code.replace(long, short)
        exec(compile(code, README.name, "exec"), names)  # noqa: S102 - our own page
    names["session"].close()

    assert len(run_of) == 3
    assert len(shown) >= 1
    assert names["plan"].makespan_s > 0


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_notebooks_run(notebook):
    names: dict[str, Any] = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "the site is built with fresh ones"
            exec(compile("".join(cell["source"]), notebook.name, "exec"), names)  # noqa: S102


@pytest.mark.slow
def test_the_pictures_of_the_idea_are_current():
    tool = DOCS.parent / "tools" / "draw_idea.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")


def test_there_is_something_to_run():
    assert sum(len(commands(page)) for page in PAGES) > 12
    assert sum(len(blocks(page, "python")) for page in PAGES) >= 6
    assert len(NOTEBOOKS) == 2

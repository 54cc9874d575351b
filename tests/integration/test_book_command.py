"""``fusepath book`` from outside: made, shown, drawn, looked up, refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from fusepath.cli.main import run
from fusepath.cost import Link
from fusepath.plan import load_book, load_plan, save_plan
from fusepath.report.book_figure import book_figure
from tests.figures import too_small

if TYPE_CHECKING:
    from pathlib import Path

MACHINES = ["--device", "10GFLOPS", "--edge", "200GFLOPS"]
MODEL = "zoo:tiny-yolov2?size=64"
MAKE = ["book", MODEL, *MACHINES, "--rates", "1MB/s:8MB/s", "--most", "5", "--probes", "1"]


@pytest.fixture(scope="module")
def book_file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("book") / "book.json"
    assert run([*MAKE, "-o", str(file)]) == 0
    return file


def test_making_showing_and_reading_a_book_say_the_same(book_file, capsys):
    assert run(["book", str(book_file), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert run(["book", str(book_file)]) == 0
    table = capsys.readouterr().out
    book = load_book(book_file)

    assert shown["model"]["source"] == MODEL
    assert len(shown["entries"]) == len(book.entries)
    assert shown["regret"] == book.regret
    for document, entry in zip(shown["entries"], book.entries, strict=True):
        slow_s, fast_s = document["makespan_s"]
        assert slow_s == entry.plan.makespan_s >= fast_s
        assert document["gain_over_nfl"][0] == book.nfl_s(entry.from_bytes_per_s) / slow_s
        assert f"{slow_s * 1e3:.1f} ms … {fast_s * 1e3:.1f} ms" in table
    assert "1 MB/s to 8 MB/s up" in table


def test_a_looked_up_plan_is_a_plan_file_that_simulates_as_predicted(book_file, tmp_path, capsys):
    plan_file = tmp_path / "plan.json"

    assert run(["book", str(book_file), "--link", "2.5MB/s", "-o", str(plan_file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert run(["simulate", str(plan_file), "--json"]) == 0
    simulated = json.loads(capsys.readouterr().out)

    plan = load_plan(plan_file)
    assert plan.link == Link(up_bytes_per_s=2.5e6, down_bytes_per_s=2.5e6)
    assert told["makespan_s"] == plan.makespan_s == simulated["makespan_s"]


def test_a_book_takes_delay_and_rate_down_from_a_link_file(tmp_path, capsys):
    like = tmp_path / "link.json"
    link = Link(up_bytes_per_s=3e6, down_bytes_per_s=9e6, delay_s=0.01)
    like.write_bytes(msgspec.json.encode(link))
    file = tmp_path / "book.json"

    assert run([*MAKE, "--algorithm", "nfl", "--like", str(like), "-o", str(file)]) == 0

    made = load_book(file).link
    assert made == Link(up_bytes_per_s=1e6, down_bytes_per_s=3e6, delay_s=0.01)


def test_the_picture_shows_book_nfl_and_bound(book_file, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    file = tmp_path / "book.png"

    assert run(["book", str(book_file), "-f", str(file)]) == 0

    assert file.read_bytes().startswith(b"\x89PNG")
    book = load_book(book_file)
    figure = book_figure(book)
    upper, lower = figure.axes
    drawn = {line.get_label(): line for line in upper.get_lines()}
    assert drawn["NFL"].get_ydata()[0] == pytest.approx(book.nfl_s(1e6) * 1e3)
    assert drawn["lower bound"].get_ydata().tolist() == [value * 1e3 for _, value in book.bounds]
    assert upper.get_lines()[0].get_ydata()[0] == pytest.approx(book.makespan_s(1e6) * 1e3)
    assert len(lower.get_lines()) == len(book.entries) + 2
    assert too_small(figure) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["book", MODEL], "needs --device, --edge and --rates"),
        (["book", MODEL, *MACHINES, "--rates", "1MB/s"], "LOW:HIGH"),
        (["book", MODEL, *MACHINES, "--rates", "2MB/s:1MB/s"], "lowest rate above zero"),
        (["book", MODEL, *MACHINES, "--rates", "1MB/s:2MB"], "unknown unit"),
        ([*MAKE, "--tolerance", "-1"], "'--tolerance': -1.0"),
        ([*MAKE, "--algorithm", "magic"], "no algorithm 'magic'"),
        (["book", MODEL, "--link", "2MB/s"], "make one first"),
        (["book", "BOOK", "--device", "1GFLOPS"], "--device is for making a book"),
        (["book", "BOOK", "--link", "9MB/s"], "not for 9 MB/s"),
        (["book", "BOOK", "-o", "plan.json"], "--link"),
        (["book", "BOOK", "-f", "book.txt"], "must end in .png"),
        (["book", "BOOK", "-f", "/nowhere/book.png"], "cannot write /nowhere/book.png"),
        (["book", "nowhere.json"], "cannot read nowhere.json"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(book_file, capsys, arguments, message):
    if "/nowhere/book.png" in arguments:
        pytest.importorskip("matplotlib")
    code = run([str(book_file) if item == "BOOK" else item for item in arguments])

    told = capsys.readouterr().err.splitlines()
    lines = [line for line in told if not line.endswith("…")]  # what takes long says so before
    assert code == 2
    assert len(lines) == 1
    assert message in lines[0]


def test_a_plan_is_no_book(book_file, tmp_path, capsys):
    file = tmp_path / "plan.json"
    save_plan(file, load_book(book_file).entries[0].plan)

    assert run(["book", str(file)]) == 2
    assert "not a fusepath book file" in capsys.readouterr().err

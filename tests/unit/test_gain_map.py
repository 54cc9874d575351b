"""The gain map: its cells, its files, its table and its picture."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from fusepath.cli.main import run
from fusepath.cost import ComputeRate, Link
from fusepath.errors import FileFormatError, InputError
from fusepath.onnx_io import load_model
from fusepath.plan import Budget, Setting
from fusepath.report import map_notes, map_table, render
from fusepath.report.map_figure import LEVELS, map_figure, save_map_figure
from fusepath.study import (
    Family,
    GainMap,
    MapSpec,
    Processes,
    compute_map,
    kept_cells,
    load_gain_map,
    parse_devices,
    parse_links,
    save_gain_map,
)
from fusepath.study.map_cells import map_cells
from tests.extras import needs_plot
from tests.figures import too_small
from tests.networks import untileable
from tests.planning import planned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL = "zoo:squeezenet?size=64"
BUDGET = Budget(evaluations=20_000)
"""Also in the processes that a map is shared out among."""
ARGUMENTS = ["map", MODEL, "--edge", "500GFLOPS", "--points", "2", "--workers", "1"]

IN_STRIPS = {Family.STREAMED_CUT, Family.STREAM}
NAMES = {
    "device only": "device-only",
    "full offload": "full-offload",
    "streamed cut": "streamed-cut",
    "stream": "stream",
}


@pytest.fixture(scope="module")
def spec() -> MapSpec:
    return MapSpec(
        graph=load_model(MODEL).graph,
        source=MODEL,
        edge=ComputeRate(500e9),
        device_ops_per_s=parse_devices("1GFLOPS:100GFLOPS", 4),
        link_bytes_per_s=parse_links("0.05MB/s:20MB/s", 5),
        budget=BUDGET,
    )


@pytest.fixture(scope="module")
def gain_map(spec) -> GainMap:
    return compute_map(spec, on=Processes(1))


def with_cells(gain_map: GainMap, **changes: Any) -> GainMap:
    cells = tuple(msgspec.structs.replace(cell, **changes) for cell in gain_map.cells)
    return msgspec.structs.replace(gain_map, cells=cells)


# --- ranges ----------------------------------------------------------------------------------


def test_a_range_is_evenly_spaced_on_a_logarithmic_scale_and_keeps_its_ends():
    rates = parse_devices("1GFLOPS:100GFLOPS", 5)

    assert rates[0] == 1e9
    assert rates[-1] == 1e11
    assert np.allclose(np.diff(np.log(rates)), np.log(100) / 4, rtol=1e-5)
    assert parse_links("8Mbit/s:2MB/s", 2) == (1e6, 2e6)


@pytest.mark.parametrize(
    ("text", "points", "complaint"),
    [
        ("1GFLOPS", 3, "not LOW:HIGH"),
        ("1GFLOPS:2GFLOPS:3GFLOPS", 3, "not LOW:HIGH"),
        ("2GFLOPS:1GFLOPS", 3, "must rise"),
        ("1GFLOPS:1GFLOPS", 3, "must rise"),
        ("0GFLOPS:1GFLOPS", 3, "above zero"),
        ("1MB/s:2MB/s", 3, "unknown unit"),
        ("one:two", 3, "not a rate"),
        ("1GFLOPS:2GFLOPS", 1, "give 2 to 64"),
        ("1GFLOPS:2GFLOPS", 65, "give 2 to 64"),
        ("1GFLOPS:1.000001GFLOPS", 9, "too narrow"),
    ],
)
def test_a_bad_range_is_one_clear_line(text, points, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        parse_devices(text, points)

    assert len(str(caught.value).splitlines()) == 1


# --- cells -----------------------------------------------------------------------------------


def test_every_cell_lies_between_its_bound_and_nfl(gain_map):
    assert len(gain_map.cells) == 20
    for cell in gain_map.cells:
        assert 0 < cell.lower_bound_s <= cell.auto_s <= cell.nfl_s
        assert cell.nfl_s <= min(cell.device_only_s, cell.full_offload_s)
        assert 1 <= cell.gain <= cell.limit
    assert gain_map.largest.gain > 1.05


def test_a_cell_is_what_planning_alone_finds_there(spec, gain_map):
    for at in (0, 7, 19):
        cell = gain_map.cells[at]
        rate = cell.link_bytes_per_s
        setting = Setting(
            graph=spec.graph,
            device=ComputeRate(cell.device_ops_per_s),
            edge=spec.edge,
            link=Link(up_bytes_per_s=rate, down_bytes_per_s=rate),
        )
        assert cell.auto_s == planned(setting, "auto", budget=BUDGET).makespan_s
        assert cell.nfl_s == planned(setting, "nfl").makespan_s
        assert cell.lower_bound_s == planned(setting, "auto", budget=BUDGET).lower_bound_s


def test_the_winner_is_the_family_that_takes_that_long(gain_map):
    for cell in gain_map.cells:
        if cell.winner in {Family.TILES, *IN_STRIPS}:
            assert cell.auto_s < cell.nfl_s
        else:
            assert cell.auto_s == cell.nfl_s
            assert cell.winner is cell.baseline
        times = {
            Family.DEVICE_ONLY: cell.device_only_s,
            Family.FULL_OFFLOAD: cell.full_offload_s,
            Family.SPLIT: cell.nfl_s,
        }
        assert cell.nfl_s == times[cell.baseline]
    assert sum(gain_map.shares().values()) == pytest.approx(1)


def test_a_gain_of_next_to_nothing_is_no_choice(gain_map):
    cell = next(cell for cell in gain_map.cells if cell.winner in IN_STRIPS)
    tiny = msgspec.structs.replace(cell, auto_s=cell.nfl_s / 1.009, lower_bound_s=0.0)
    small = msgspec.structs.replace(cell, auto_s=cell.nfl_s / 1.011, lower_bound_s=0.0)

    assert tiny.choice is cell.baseline
    assert small.choice is cell.winner


def test_only_ratios_of_the_three_rates_count(spec, gain_map):
    faster = MapSpec(
        graph=spec.graph,
        source=spec.source,
        edge=ComputeRate(1000e9),
        device_ops_per_s=(2e9, 200e9),
        link_bytes_per_s=(0.1e6, 40e6),
        budget=BUDGET,
    )
    corners = [gain_map.cells[at] for at in (0, 4, 15, 19)]

    for cell, corner in zip(compute_map(faster, on=Processes(1)).cells, corners, strict=True):
        assert cell.gain == pytest.approx(corner.gain, rel=1e-3)
        assert cell.limit == pytest.approx(corner.limit, rel=1e-3)


def test_a_network_that_cannot_be_tiled_gains_nothing():
    spec = MapSpec(
        graph=untileable(),
        source="",
        edge=ComputeRate(1e9),
        device_ops_per_s=(1e6, 1e8),
        link_bytes_per_s=(1e3, 1e8),
    )
    gain_map = compute_map(spec, on=Processes(1))

    assert [cell.gain for cell in gain_map.cells] == [1, 1, 1, 1]
    assert {cell.winner for cell in gain_map.cells} == {Family.DEVICE_ONLY, Family.FULL_OFFLOAD}


# --- going on --------------------------------------------------------------------------------


def small(spec: MapSpec) -> MapSpec:
    fields = {name: getattr(spec, name) for name in ("graph", "source", "edge", "budget")}
    return MapSpec(device_ops_per_s=(1e9, 1e10), link_bytes_per_s=(1e6, 5e6), **fields)


def test_an_interrupted_map_goes_on_where_it_stopped(spec, tmp_path):
    kept = kept_cells(tmp_path / "map.cells.jsonl")

    def interrupt(done: int, todo: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute_map(small(spec), kept=kept, on=Processes(1), progress=interrupt)
    with kept.path.open("ab") as stream:
        stream.write(b'{"spec_sha256":"0')  # killed while writing
    calls: list[tuple[int, int]] = []

    gain_map = compute_map(
        small(spec), kept=kept, on=Processes(1), progress=lambda *call: calls.append(call)
    )

    assert calls == [(2, 4), (4, 4)]
    assert gain_map == compute_map(small(spec), on=Processes(1))


def test_cells_of_another_edge_server_are_not_taken(spec, tmp_path):
    kept = kept_cells(tmp_path / "map.cells.jsonl")
    compute_map(small(spec), kept=kept, on=Processes(1))
    other = MapSpec(
        graph=spec.graph,
        source=spec.source,
        edge=ComputeRate(50e9),
        device_ops_per_s=(1e9, 1e10),
        link_bytes_per_s=(1e6, 5e6),
        budget=BUDGET,
    )
    calls: list[int] = []

    compute_map(other, kept=kept, on=Processes(1), progress=lambda done, _: calls.append(done))

    assert calls[0] == 0
    assert len(kept.load()) == 8


def test_processes_find_the_same_as_one(spec):
    assert compute_map(small(spec), on=Processes(2)) == compute_map(small(spec), on=Processes(1))


# --- files -----------------------------------------------------------------------------------


def test_json_and_back(gain_map, tmp_path):
    file = tmp_path / "map.json"
    save_gain_map(file, gain_map)

    assert load_gain_map(file) == gain_map


def test_csv_has_a_line_per_cell_and_all_digits(gain_map, tmp_path):
    file = tmp_path / "map.csv"
    save_gain_map(file, gain_map)

    lines = list(csv.DictReader(io.StringIO(file.read_text())))
    assert len(lines) == len(gain_map.cells)
    for line, cell in zip(lines, gain_map.cells, strict=True):
        for name in ("device_ops_per_s", "link_bytes_per_s", "nfl_s", "auto_s", "lower_bound_s"):
            assert float(line[name]) == getattr(cell, name)
        assert float(line["gain"]) == cell.gain
        assert line["winner"] == cell.winner


DAMAGE: dict[str, tuple[dict[str, Any], str]] = {
    "a version to come": ({"version": 2}, "version 2"),
    "an unknown key": ({"surprise": 1}, "surprise"),
    "rates that fall": ({"link_bytes_per_s": [5.0, 4.0, 3.0, 2.0, 1.0]}, "must rise"),
    "too few cells": ({"cells": []}, "every device with every link"),
    "one rate": ({"device_ops_per_s": [1e9]}, "2 to 64 rates"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_refused(gain_map, tmp_path, name):
    changes, complaint = DAMAGE[name]
    file = tmp_path / "map.json"
    file.write_text(json.dumps(msgspec.to_builtins(gain_map) | changes))

    with pytest.raises(FileFormatError, match=complaint):
        load_gain_map(file)


def test_times_that_contradict_each_other_are_refused(gain_map):
    with pytest.raises(ValueError, match="lower_bound_s <= auto_s <= nfl_s"):
        with_cells(gain_map, auto_s=0.0)


# --- table and picture -----------------------------------------------------------------------


def test_the_table_has_every_gain_fastest_device_on_top(gain_map):
    lines = render(map_table(gain_map)).splitlines()

    assert len(lines) == 1 + len(gain_map.device_ops_per_s)
    for line, row in zip(lines[1:], reversed(gain_map.rows()), strict=True):
        shown = line.split()[2:]
        assert [float(text[:-1]) for text in shown] == [round(cell.gain, 2) for cell in row]
    assert f"{gain_map.largest.gain:.2f} at" in map_notes(gain_map)


def test_a_narrow_terminal_gets_fewer_columns(gain_map):
    table = map_table(gain_map, width=32)

    assert [len(line) <= 32 for line in render(table).splitlines()] == [True] * 5
    assert len(table.columns) == 1 + 3


@pytest.fixture(scope="module")
def figure(gain_map) -> Figure:
    return map_figure(gain_map)


@needs_plot
def test_names_lie_on_their_regions(gain_map, figure):
    left, right, _ = figure.axes
    rows = {(cell.link_bytes_per_s, cell.device_ops_per_s): cell for cell in gain_map.cells}

    for ax, kind in ((left, "choice"), (right, "baseline")):
        names = [text for text in ax.texts if text.get_text().removeprefix("NFL: ") in NAMES]
        assert len(names) >= 2
        for name in names:
            place = np.array(name.get_position())
            near = min(rows, key=lambda at, place=place: np.hypot(*np.log(np.array(at) / place)))
            assert getattr(rows[near], kind) == NAMES[name.get_text().removeprefix("NFL: ")]


@needs_plot
def test_names_stay_within_their_panel():
    """As that of a region in a corner, which is narrower than its name."""
    figure = map_figure(load_gain_map(PAGE.parent / "figures" / "gain-map-squeezenet.json"))

    figure.draw_without_rendering()
    for ax in figure.axes[:2]:
        for text in ax.texts:
            if text.get_text() and text.get_visible():
                assert text.get_window_extent().x0 >= ax.get_window_extent().x0, text


@needs_plot
def test_the_picture_can_be_read_on_a_page(figure):
    assert too_small(figure) == []


@needs_plot
def test_both_panels_share_one_scale_that_starts_at_one(gain_map, figure):
    left, right, _ = figure.axes

    scales = {mesh.get_clim() for ax in (left, right) for mesh in ax.collections[:1]}
    assert scales == {(1.0, max(1.2, gain_map.largest_limit.limit))}
    for ax in (left, right):
        assert ax.get_xscale() == ax.get_yscale() == "log"
        assert ax.get_xlabel() == "link (MB/s)"
        assert ax.get_xlim() == (gain_map.link_bytes_per_s[0], gain_map.link_bytes_per_s[-1])
    assert left.get_ylabel() == "device (GFLOP/s)"


@needs_plot
def test_the_picture_names_regions_and_marks_the_largest_gain(gain_map, figure):
    left, right, _ = figure.axes

    words = {text.get_text() for text in left.texts}
    assert f"{gain_map.largest.gain:.2f}×" in words
    assert words & {"stream", "streamed cut"}
    assert words & {f"{level:g}" for level in LEVELS}
    words = {text.get_text() for text in right.texts}
    assert f"{gain_map.largest_limit.limit:.2f}×" in words
    assert any(word.startswith("NFL: ") for word in words)


@needs_plot
@pytest.mark.slow
def test_pictures_are_files_that_do_not_change(gain_map, tmp_path):
    pictures = []
    for name in ("one", "two"):
        for ending in (".png", ".svg"):
            save_map_figure(gain_map, tmp_path / f"{name}{ending}")
            pictures.append((tmp_path / f"{name}{ending}").read_bytes())

    assert pictures[:2] == pictures[2:]
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.format == "PNG"
        assert picture.size > (800, 400)
    assert pictures[1].startswith(b"<?xml")
    assert b"<svg" in pictures[1]
    assert len(pictures[0]) < 150_000


@needs_plot
def test_a_map_without_any_gain_can_be_drawn(gain_map, tmp_path):
    cells = tuple(
        msgspec.structs.replace(cell, auto_s=cell.nfl_s, lower_bound_s=cell.nfl_s, winner="split")
        for cell in gain_map.cells
    )
    flat = msgspec.structs.replace(gain_map, cells=cells)

    save_map_figure(flat, tmp_path / "flat.png")

    assert (tmp_path / "flat.png").stat().st_size > 1000
    assert "1.00 at" in map_notes(flat)


# --- the command -----------------------------------------------------------------------------


def test_a_map_has_no_colours_for_who_wants_none(gain_map, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("COLORTERM", "truecolor")
    save_gain_map(tmp_path / "map.json", gain_map)

    def shown() -> str:
        assert run(["map", str(tmp_path / "map.json")]) == 0
        return capsys.readouterr().out

    assert "\x1b[38;2;" in shown()

    monkeypatch.setenv("NO_COLOR", "1")
    assert "38;" not in shown()
    assert "48;" not in shown()


@needs_plot
def test_the_command_writes_all_it_is_asked_for_and_shows_it_again(tmp_path, capsys):
    names = ("map.svg", "map.json", "map.csv")
    outputs = [word for name in names for word in ("-o", str(tmp_path / name))]

    assert run([*ARGUMENTS, *outputs, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {file.name for file in tmp_path.iterdir()} == set(names)
    saved = load_gain_map(tmp_path / "map.json")
    assert [cell["gain"] for cell in document["cells"]] == [cell.gain for cell in saved.cells]
    assert document["largest"]["gain"] == saved.largest.gain

    again = tmp_path / "again.svg"
    assert run(["map", str(tmp_path / "map.json"), "-o", str(again)]) == 0
    assert again.read_bytes() == (tmp_path / "map.svg").read_bytes()
    out = capsys.readouterr().out
    assert "largest gain" in out
    assert "\x1b" not in out


BAD: dict[str, tuple[list[str], str]] = {
    "no edge server": (["map", MODEL], "--edge is missing"),
    "a range that falls": ([*ARGUMENTS, "--links", "2MB/s:1MB/s"], "must rise"),
    "one point": ([*ARGUMENTS, "--points", "1"], "give 2 to 64"),
    "an unknown picture": ([*ARGUMENTS, "-o", "map.jpg"], r"\.png, \.svg, \.json or \.csv"),
    "no folder": ([*ARGUMENTS, "-o", "nowhere/map.png"], "no folder nowhere"),
    "a convention of nobody": ([*ARGUMENTS, "--convention", "mine"], "mine"),
    "a map that is none": (["map", "nowhere.json"], "cannot read nowhere.json"),
    "a computed map": (["map", "map.json", "--points", "5"], "leave out --points"),
    "a map of no model": (["map", "zoo:nothing", "--edge", "1GFLOPS"], "nothing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_usage_is_one_line_and_exit_code_2(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, complaint = BAD[name]

    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert re.search(complaint, captured.err)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_a_picture_is_refused_and_the_table_is_shown(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    assert run([*ARGUMENTS, "-o", str(tmp_path / "map.png")]) == 2
    error = capsys.readouterr().err
    assert "pip install 'fusepath[plot]', or write .json or .csv" in error
    assert run([*ARGUMENTS, "-o", str(tmp_path / "map.csv")]) == 0
    assert "largest gain" in capsys.readouterr().out


def test_an_interruption_says_where_the_rest_is_kept(tmp_path, monkeypatch, capsys):
    file = tmp_path / "map.csv"
    cells = tmp_path / "map.cells.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr("fusepath.cli.map._tell_tenths", lambda: interrupt_at(2))
        assert run([*ARGUMENTS, "-o", str(file)]) == 130
    assert str(cells) in capsys.readouterr().err
    assert cells.exists()

    assert run([*ARGUMENTS, "-o", str(file)]) == 0
    assert "2 of 4 cells" in capsys.readouterr().err
    assert [item.name for item in tmp_path.iterdir()] == ["map.csv"]


def interrupt_at(cells: int) -> Any:
    def progress(done: int, todo: int) -> None:
        if done == cells:
            raise KeyboardInterrupt

    return progress


PAGE = Path(__file__).parents[2] / "docs" / "gain-map.md"
SHOWN = sorted((PAGE.parent / "figures").glob("gain-map-*.json"))


def test_the_page_tells_what_the_maps_beside_it_hold():
    text = PAGE.read_text(encoding="utf-8")

    assert len(SHOWN) == 6
    for file in SHOWN:
        found = load_gain_map(file)
        (row,) = re.findall(rf"^\| {found.model.name} \| (.*) \|$", text, re.M)
        mean, limit, _, best, *_ = (cell.strip() for cell in row.split("|"))
        numbers = found.mean_gain, found.mean_limit, found.largest.gain
        assert (mean, limit, best) == tuple(f"{number:.2f}" for number in numbers)


def test_the_maps_on_the_page_are_as_old_as_the_planner():
    """A cell that costs little and gains much, computed again: `make gain-maps` where it fails."""
    (file,) = (file for file in SHOWN if file.stem == "gain-map-squeezenet")
    shown = load_gain_map(file).largest
    spec = MapSpec(
        graph=load_model("zoo:squeezenet").graph,
        source="zoo:squeezenet",
        edge=ComputeRate(500e9),
        device_ops_per_s=(shown.device_ops_per_s,),
        link_bytes_per_s=(shown.link_bytes_per_s,),
    )
    (again,) = map_cells(spec)

    assert again.lower_bound_s == pytest.approx(shown.lower_bound_s)
    assert again.nfl_s == pytest.approx(shown.nfl_s)
    assert again.auto_s == pytest.approx(shown.auto_s, rel=0.05)

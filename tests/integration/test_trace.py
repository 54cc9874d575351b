"""Timelines as traces, read back by code that knows the wire format alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fusepath.cli.main import run
from fusepath.offload.inference import in_a_row
from fusepath.onnx_io import load_model
from fusepath.plan import Plan, load_plan
from fusepath.report.page import Story, report_page
from fusepath.report.trace import trace
from fusepath.timeline import Lane, Span, Timeline, lanes
from tests.traces import Track, read_trace

MODEL = "zoo:squeezenet?size=64"
MACHINES = ["--device", "1GFLOPS", "--edge", "500GFLOPS", "--link", "0.2MB/s"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traces")
    files = ["-o", str(folder / "plan.json"), "--trace", str(folder / "plan.pftrace")]
    tiles = ["--grid", "2x2", "--tau", "4"]
    assert run(["plan", MODEL, *MACHINES, *tiles, *files]) == 0
    return folder


@pytest.fixture
def plan(folder: Path) -> Plan:
    return load_plan(folder / "plan.json")


def by_lane(tracks: list[Track], process: str) -> dict[str, list[tuple[str, int, int]]]:
    found: dict[str, list[tuple[str, int, int]]] = {}
    for track in tracks:
        if track.process == process:
            own = [(item.name, item.start_ns, item.end_ns) for item in track.slices]
            found.setdefault(track.name, []).extend(own)
    return {name: sorted(slices, key=lambda item: item[1:]) for name, slices in found.items()}


def expected(timeline: Timeline) -> dict[str, list[tuple[str, int, int]]]:
    return {
        name: [(span.work, round(span.start_s * 1e9), round(span.end_s * 1e9)) for span in spans]
        for name, spans in lanes(timeline)
    }


def test_plan_writes_every_span_on_the_track_of_its_lane(folder, plan):
    tracks = read_trace((folder / "plan.pftrace").read_bytes())

    assert by_lane(tracks, "predicted") == expected(plan.timeline)
    assert {track.process for track in tracks} == {"predicted"}
    told = {item.told.get("path"): item.told for track in tracks for item in track.slices}
    for path, cut in enumerate(plan.cuts, 1):
        assert told[path]["cut"] == cut
    critical = [item for track in tracks for item in track.slices if item.told["critical"]]
    assert max(item.end_ns for item in critical) == round(plan.timeline.end_s * 1e9)


def test_simulate_writes_what_it_played(folder, capsys):
    file = folder / "simulated.pftrace"
    given = ["--link", "1MB/s", "--trace", str(file), "--json"]
    assert run(["simulate", str(folder / "plan.json"), *given]) == 0

    played = json.loads(capsys.readouterr().out)["makespan_s"]
    tracks = read_trace(file.read_bytes())
    last_ns = max(item.end_ns for track in tracks for item in track.slices)
    assert last_ns == round(played * 1e9)


def test_plans_in_turn_write_the_one_that_most_frames_take(folder):
    written, file = folder / "turns.json", folder / "turns.pftrace"
    given = ["--objective", "throughput", "--in-flight", "2", "--evaluations", "300"]
    files = ["-o", str(written), "--trace", str(file)]
    assert run(["plan", MODEL, *MACHINES, *given, *files]) == 0

    timeline = load_plan(written).timeline
    assert by_lane(read_trace(file.read_bytes()), "predicted") == expected(timeline)


def test_run_writes_what_was_predicted_and_what_happened(folder, capsys):
    image, file = folder / "image.npy", folder / "run.pftrace"
    np.save(image, np.zeros((1, 3, 64, 64), np.uint8))
    given = ["--algorithm", "device-only", "--device", "1GFLOPS", "--trace", str(file), "--json"]
    assert run(["run", MODEL, str(image), *given]) == 0

    document = json.loads(capsys.readouterr().out)
    tracks = read_trace(file.read_bytes())
    assert {track.process for track in tracks} == {"predicted", "measured"}
    for process, key in (("predicted", "predicted_timeline"), ("measured", "timeline")):
        slices = by_lane(tracks, process)["device"]
        spans = document[key]["spans"]
        assert [end for _, _, end in slices] == [round(span["end_s"] * 1e9) for span in spans]


def test_what_is_at_the_same_time_on_a_lane_is_kept(plan):
    up = [(0.001, 0.005), (0.002, 0.003), (0.002, 0.009), (0.009, 0.010)]
    spans = [
        Span(lane=Lane.UPLINK, start_s=start_s, end_s=end_s, path=path)
        for path, (start_s, end_s) in enumerate(up, 1)
    ]
    spans += [
        Span(lane=Lane.EDGE, start_s=0.01, end_s=0.02, path=1 + worker, worker=worker)
        for worker in (0, 1)
    ]
    timeline = Timeline(spans=tuple(spans), measured=True)

    tracks = read_trace(trace(plan, timeline))

    assert by_lane(tracks, "measured") == expected(timeline)
    assert [track.name for track in tracks] == ["uplink"] * 3 + ["edge 1", "edge 2"]


def test_a_span_before_the_start_moves_all_timelines_alike(plan):
    predicted = Timeline(spans=(Span(lane=Lane.DEVICE, start_s=0.0, end_s=0.004),))
    early = Span(lane=Lane.EDGE, start_s=-0.001, end_s=0.002)
    measured = Timeline(spans=(early,), measured=True, clock_error_s=0.01)

    tracks = read_trace(trace(plan, predicted, measured))

    assert [(item.start_ns, item.end_ns) for track in tracks for item in track.slices] == [
        (1_000_000, 5_000_000),
        (0, 3_000_000),
    ]


def test_a_trace_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    file = tmp_path / "missing" / "plan.pftrace"

    assert run(["plan", "nothing.onnx", *MACHINES, "--trace", str(file)]) == 2

    assert "there is no folder" in capsys.readouterr().err


def test_every_image_of_a_batch_has_the_cuts_of_the_plan(plan):
    twice = in_a_row([plan.timeline, plan.timeline])

    told = [item.told for track in read_trace(trace(plan, twice)) for item in track.slices]

    cuts = {item["path"]: item["cut"] for item in told if "path" in item}
    assert cuts == dict(enumerate(plan.cuts * 2, 1))
    story = Story(plan=plan, graph=load_model(MODEL).graph, predicted=twice, measured=twice)
    assert "path 8" in report_page(story)

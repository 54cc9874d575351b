"""What the system benchmark makes of its measurements."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.system import camera, figure, summary
from benchmarks.system.cells import AUTO, DEVICE_ONLY, NFL, PEER_LABELS, RAW, SERIAL, Cell, entries
from benchmarks.system.results import Results, Row
from benchmarks.system.timelines import Record, Timelines
from fusepath.cost import ComputeRate, Link
from fusepath.onnx_io import load_model
from fusepath.plan import Setting
from fusepath.timeline import Lane, Span, Timeline
from tests.extras import needs_plot
from tests.figures import too_small

CELL = Cell("squeezenet", 5.0, 1.8)


def row(plan: str, measured_s: float, **others: object) -> Row:
    fields = {
        "network": CELL.network,
        "slowdown": CELL.slowdown,
        "rate_mb_per_s": CELL.rate_mb_per_s,
        "plan": plan,
        "same_as": "",
        "choice": "cut 1 of 3, and more",
        "planned_s": measured_s,
        "predicted_s": measured_s,
        "measured_s": measured_s,
        "q1_s": measured_s,
        "q3_s": measured_s,
        "n": 7,
        "up_bytes": 10,
        "device_macs": None,
        "verified": True,
        "max_abs_error": 0.0,
        "max_rel_error": 1e-7,
        "lower_bound_s": 0.05,
        "prepare_s": 0.1,
    }
    return Row(**(fields | others))


def cell_of(*, rate: float, auto_s: float) -> list[Row]:
    rows = [row(DEVICE_ONLY, 0.3), row(RAW, 0.1), row(NFL, 0.09), row(AUTO, auto_s)]
    return [replace(item, rate_mb_per_s=rate) for item in rows]


def test_rows_come_back_from_the_file_as_they_were(tmp_path):
    path = tmp_path / "new" / "system.csv"
    rows = [row(NFL, 0.1), row(AUTO, 0.08, predicted_s=None, same_as="stream", verified=False)]
    results = Results(path, fresh=False)
    results.add(rows[:1])
    results.add(rows[1:])

    again = Results(path, fresh=False)

    assert again.rows(CELL, repeats=7) == rows == results.rows(CELL, repeats=7)


def test_a_cell_counts_as_measured_only_with_the_same_repeats_and_unless_all_is_new(tmp_path):
    path = tmp_path / "system.csv"
    Results(path, fresh=False).add([row(NFL, 0.1)])

    assert Results(path, fresh=False).rows(CELL, repeats=3) == []
    assert Results(path, fresh=False).rows(replace(CELL, slowdown=6.0), repeats=7) == []
    assert Results(path, fresh=True).rows(CELL, repeats=7) == []


def test_a_file_of_other_columns_is_not_added_to(tmp_path):
    path = tmp_path / "system.csv"
    path.write_text("network,plan\nalexnet,NFL\n")

    with pytest.raises(SystemExit, match="other columns than this benchmark; remove it"):
        Results(path, fresh=False)


def test_the_gain_is_over_the_best_baseline_of_each_cell():
    cells = summary.by_cell([*cell_of(rate=1.0, auto_s=0.045), *cell_of(rate=2.0, auto_s=0.09)])

    gain = summary.gain(summary.over_baselines(cells))

    assert gain is not None
    assert (gain.least, gain.good, gain.cells) == (1.0, 1, 2)
    assert gain.mean == pytest.approx(2**0.5)
    assert summary.gain([]) is None


def test_cells_without_room_are_left_out_by_the_measured_single_cut():
    rows = [*cell_of(rate=1.0, auto_s=0.08), *cell_of(rate=2.0, auto_s=0.08)]
    rows = [replace(item, lower_bound_s=0.08) if item.rate_mb_per_s == 1 else item for item in rows]

    left = summary.with_room(summary.by_cell(rows))

    assert [cell.rate_mb_per_s for cell in left] == [2.0]


def test_predictions_count_once_for_every_plan_that_was_run_and_never_for_peers():
    rows = [
        row(NFL, 0.1, predicted_s=0.11),
        row("MW 2x2", 0.1, predicted_s=0.2, same_as=NFL),
        row(PEER_LABELS["neurosurgeon"], 0.1, predicted_s=0.3),
    ]

    assert summary.prediction_errors(rows) == [pytest.approx(0.1)]


def test_what_the_planner_promised_is_compared_as_well():
    rows = [row(NFL, 0.1, predicted_s=0.1, planned_s=0.12), row(RAW, 0.1, planned_s=None)]

    assert summary.planning_errors(rows) == [pytest.approx(0.2)]


@pytest.mark.parametrize(
    ("plain_s", "own_s", "within"),
    [(0.1, 0.105, True), (0.1, 0.1051, False), (0.02, 0.0226, True), (0.02, 0.0227, False)],
)
def test_our_runtime_may_take_a_little_longer_than_plain_grpc(plain_s, own_s, within):
    rows = [row(RAW, own_s), row(PEER_LABELS["plain_offload"], plain_s)]

    assert summary.within_overhead(summary.by_cell(rows)) == [within]


def test_timelines_come_back_by_plan_and_cell_and_the_last_one_counts(tmp_path):
    timelines = Timelines(tmp_path / "new" / "timelines.jsonl", fresh=True)

    def record(plan: str, rate: float, end_s: float) -> Record:
        span = Span(lane=Lane.DEVICE, start_s=0.0, end_s=end_s, path=1)
        timeline = Timeline(spans=(span,), measured=True)
        return Record(
            network=CELL.network,
            slowdown=CELL.slowdown,
            rate_mb_per_s=rate,
            plan=plan,
            predicted=timeline,
            measured=timeline,
        )

    first = record(AUTO, 1.8, 0.1)
    timelines.add([first, record(NFL, 1.8, 0.2)])
    last = record(AUTO, 3.0, 0.3)
    timelines.add([last])

    other = replace(CELL, rate_mb_per_s=3.0)
    again = Timelines(timelines.path, fresh=False)
    assert again.of([CELL, other], AUTO) == [first, last]
    assert again.of([other], NFL) == []
    again.add([record(AUTO, 1.8, 0.4)])
    assert again.of([CELL], AUTO) == [record(AUTO, 1.8, 0.4)]
    assert Timelines(timelines.path, fresh=True).of([CELL], AUTO) == []


def test_overlap_is_compared_within_one_plan():
    cells = summary.by_cell(
        [row("stream", 0.05), row("JPS", 0.04), row(SERIAL, 0.1, choice="stream")]
    )

    assert summary.over_serial(cells) == [(0.1, 0.05)]


def test_runtime_overhead_is_full_offload_minus_plain_grpc():
    cells = summary.by_cell([row(RAW, 0.103), row(PEER_LABELS["plain_offload"], 0.1)])

    assert summary.runtime_overhead_s(cells) == {"squeezenet": [pytest.approx(0.003)]}


def test_a_cell_has_all_plans_and_the_most_promising_tiles_without_overlap():
    model = load_model("zoo:squeezenet?size=64")
    raw = Setting(
        graph=model.graph,
        device=ComputeRate(2e9),
        edge=ComputeRate(2e11),
        link=Link(up_bytes_per_s=2e5, down_bytes_per_s=2e5),
    )

    found = {entry.name: entry for entry in entries(raw, raw, source=model.source)}

    assert {DEVICE_ONLY, RAW, NFL, "MW 2x2", "stream", SERIAL} <= set(found)
    tiled = [item for item in found.values() if item.plan.arrangement.is_split and item.overlaps]
    best = min(tiled, key=lambda item: item.plan.makespan_s)
    assert found[SERIAL].plan is best.plan
    assert found[SERIAL].serial_of == best.name
    assert found[SERIAL].does != best.does


def test_the_scenes_of_pictures_are_64_and_16_of_them_are_stated():
    pytest.importorskip("skimage")  # photographs
    found = camera.scenes()

    assert len({scene.key for scene in found}) == 64
    assert sum(map(camera.is_stated, found)) == 16
    assert len({scene.photograph for scene in found}) == 12


@pytest.mark.parametrize(
    ("auto_ms", "spread_ms", "kept_to"),
    [(100, 0, True), (103, 0, True), (104, 0, False), (104, 1, True), (106, 1, False)],
)
def test_auto_may_take_a_little_more_than_the_best_and_its_spread(auto_ms, spread_ms, kept_to):
    def row(plan, median_ms, spread_ms):
        low, high = median_ms - spread_ms, median_ms + spread_ms
        return camera.Row(
            network="squeezenet", slowdown=8.0, rate_mb_per_s=1.8, source="file", photograph="x",
            plan=plan, choice="", measured_s=median_ms / 1e3, q1_s=low / 1e3, q3_s=high / 1e3,
            n=7, up_bytes=1, verified=True, max_rel_error=0.0,
        )  # fmt: skip

    rows = [row("auto", auto_ms, spread_ms), row("x", 100, 0), row("y", 200, 0)]

    ((_, best, judged),) = camera.judged(rows)

    assert best.plan == "x"
    assert judged is kept_to


@needs_plot
def test_the_figure_can_be_read_on_a_page(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figure, "save_figure", lambda made, _: drawn.append(made))
    cells = [(slowdown, rate) for slowdown in (5.0, 20.0) for rate in (1.1, 1.8, 3.0, 12.0)]

    figure.draw(
        [
            replace(item, slowdown=slowdown)
            for slowdown, rate in cells
            for item in cell_of(rate=rate, auto_s=0.05)
        ],
        tmp_path,
    )

    assert too_small(drawn[0]) == []
    assert len(drawn[0].axes) == len(cells)

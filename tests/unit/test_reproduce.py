"""The paper's numbers as data, the comparison with them, the store, the page and the plots."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusepath.cli.main import run
from fusepath.cost import ComputeRate, Link, named_convention
from fusepath.errors import FileFormatError
from fusepath.plan import ALGORITHMS as PLANNERS
from fusepath.plan import Search, Setting, Timing
from fusepath.report.figures import (
    curves_figure,
    example_figure,
    overview_figure,
    plot_curves,
    save_figure,
)
from fusepath.report.study_page import study_page
from fusepath.study import (
    ALGORITHMS,
    LABELS,
    QUICK,
    Fig4,
    Fig4Spec,
    Network,
    Processes,
    Store,
    best_match,
    compute,
    differences,
    example,
    line_through,
    load_fig4,
    load_spec,
    matches,
    published,
    reaches,
    save_fig4,
)
from fusepath.study.link_bound import least_maximum_s, shared_link_bound_ns
from tests.extras import needs_plot
from tests.unit.test_conventions import small_network

ROOT = Path(__file__).parents[2]
REPRODUCTION = ROOT / "reproduction"


@pytest.fixture(scope="session")
def fig4() -> Fig4:
    """The whole of Fig. 4, as it was computed for the documentation."""
    return load_fig4(REPRODUCTION / "fig4.expected.json")


# --- Figs. 2 and 3 ---------------------------------------------------------------------------


def test_the_command_gives_the_numbers_of_the_examples(capsys):
    assert run(["reproduce", "fig2", "fig3", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["fig2"]["inference_time"] == 18
    assert document["fig3"]["inference_time"] == 13
    assert document["fig3"]["layer10"] == 11
    assert document["fig3"]["cuts"] == [1, 3, 2]
    assert document["fig3"]["brute_force"] == 13


@pytest.mark.parametrize("name", ["fig2", "fig3"])
def test_every_statement_of_the_text_holds(name):
    assert [item.name for item in example(name).statements if not item.holds] == []


@pytest.mark.parametrize("name", ["fig2", "fig3"])
def test_the_specification_of_an_example_is_what_is_computed(name):
    stated = tomllib.loads((REPRODUCTION / f"{name}.toml").read_text())
    instance = json.loads(json.dumps(example(name).document()["instance"]))

    for key in ("paths", "tail", "device_per_s", "edge_per_s", "link_per_s"):
        assert stated[key] == instance[key]
    assert stated.get("cuts", [1, 3, 2]) == list(example(name).schedule.cuts)


# --- what was published ----------------------------------------------------------------------


def test_every_published_number_stands_in_its_sentence():
    paper = published()
    for point in paper.points:
        numbers = re.findall(r"\d+(?:\.\d+)?", paper.sentences[point.sentence])
        if not point.derived:
            assert f"{point.time_ms:g}" in numbers, point
            continue
        first, second = point.derived.split(" + ")
        assert float(first) + float(second) == point.time_ms
        assert second in numbers


def test_the_headline_follows_from_the_published_means():
    paper = published()
    ups = [paper.speed_up(network) for network in paper.networks]

    assert sum(up for up in ups if up is not None) / 3 == pytest.approx(paper.headline, rel=0.005)


def test_published_full_offload_sends_one_byte_per_element():
    line = line_through(published().curve("AlexNet", "nfl"))
    assert line is not None
    assert line[1] == pytest.approx(224 * 224 * 3, rel=0.01)
    line = line_through(published().curve("YOLOv2", "nfl"))
    assert line is not None
    assert line[1] == pytest.approx(320 * 320 * 3, rel=0.02)


# --- the expected figure ---------------------------------------------------------------------


def test_the_committed_specifications_are_the_built_in_ones():
    assert load_spec(REPRODUCTION / "fig4.toml") == Fig4Spec()
    assert load_spec(REPRODUCTION / "fig4-quick.toml") == QUICK


def test_the_expected_figure_is_of_the_committed_specification(fig4):
    assert fig4.spec_sha256 == Fig4Spec().sha256
    assert fig4.rates_mb_per_s == Fig4Spec().rates_mb_per_s


def test_bound_then_brute_force_then_minimizing_waiting(fig4):
    for curves in fig4.curves:
        brute = curves.algorithms["bf-2x2"].makespan_ns
        heuristic = curves.algorithms["mw-2x2"]
        for bound, best, found in zip(
            heuristic.lower_bound_ns, brute, heuristic.makespan_ns, strict=True
        ):
            assert bound <= best <= found
        for name in LABELS:
            curve = curves.algorithms[name]
            assert all(
                bound <= time
                for bound, time in zip(curve.lower_bound_ns, curve.makespan_ns, strict=True)
            )


def test_no_plan_on_a_shared_link_beats_its_bound(fig4):
    shared = {item.convention.name for item in fig4.conventions if item.convention.shared_link}
    for curves in fig4.curves:
        if curves.convention in shared:
            for name in LABELS:
                times = curves.algorithms[name].makespan_ns
                assert all(
                    bound <= time
                    for bound, time in zip(curves.shared_link_bound_ns, times, strict=True)
                )


def test_what_the_study_says_in_words_holds(fig4):
    mw = [item for item in reaches(fig4) if item.point.algorithm == "mw-kxk"]
    assert mw
    assert not any(item.reachable for item in mw)
    match = best_match(matches(fig4), "AlexNet", "mw-kxk", granted=True)
    assert match is not None
    assert match.curves.convention == "perfect-division"
    assert match.error < 0.03


def test_the_page_is_the_one_that_the_expected_figure_gives(fig4):
    page = (ROOT / "docs" / "reproduction.md").read_text()

    assert page == study_page(fig4)
    for picture in re.findall(r"\]\((figures/[^)]+)\)", page):
        assert (ROOT / "docs" / picture).is_file(), picture


def test_a_difference_is_named_with_its_amount(fig4):
    first = fig4.curves[0]
    times = list(first.algorithms["nfl"].makespan_ns)
    times[3] += 1_000_000
    curve = msgspec.structs.replace(first.algorithms["nfl"], makespan_ns=tuple(times))
    changed = msgspec.structs.replace(first, algorithms=first.algorithms | {"nfl": curve})
    ours = msgspec.structs.replace(fig4, curves=(changed, *fig4.curves[2:]))

    wrong, missing = differences(fig4, ours, everything=True)

    assert f"{first.name}, NFL, 1.4 MB/s: differs by +1 ms" in wrong
    assert missing == f"{fig4.curves[1].name}: expected, but not computed"
    assert differences(fig4, fig4, everything=True) == []


def test_a_figure_survives_its_file(fig4, tmp_path):
    save_fig4(tmp_path / "fig4.json", fig4)

    assert load_fig4(tmp_path / "fig4.json") == fig4
    assert json.loads((tmp_path / "fig4.json").read_text())["format"] == "fusepath-fig4"


# --- the bound -------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=5))
def test_the_linear_program_is_solved_exactly(pairs):
    device, link = [float(d) for d, _ in pairs], [float(c) for _, c in pairs]
    # By duality: the best weighted mean of the two rows; the weights are where lines cross.
    weights = {0.0, 1.0}
    for d_1, c_1 in pairs:
        for d_2, c_2 in pairs:
            slope = (d_1 - c_1) - (d_2 - c_2)
            if slope:
                weights.add(min(max((c_2 - c_1) / slope, 0.0), 1.0))
    dual = max(min(w * d + (1 - w) * c for d, c in zip(device, link, strict=True)) for w in weights)

    assert least_maximum_s(device, link) == pytest.approx(dual, abs=1e-9)


@pytest.mark.parametrize("convention", ["runtime", "table1", "table1-flop", "parallel-edge"])
@pytest.mark.parametrize("rate", [300.0, 1e3, 1e4])
def test_the_shared_link_bound_bounds_every_algorithm(convention, rate):
    where = Setting(
        graph=small_network(),
        device=ComputeRate(2e4),
        edge=ComputeRate(4e5),
        link=Link(up_bytes_per_s=rate, down_bytes_per_s=rate),
        convention=named_convention(convention),
    )
    bound = shared_link_bound_ns(where.graph, device_ops_per_s=2e4, bytes_per_s=rate)

    for name in ("nfl", "bf", "mw", "device-only", "full-offload"):
        assert bound <= PLANNERS[name].search(Timing(where), Search()).schedule.makespan_ns


# --- computing, keeping, going on ------------------------------------------------------------


def small_spec(*rates: float) -> Fig4Spec:
    return Fig4Spec(
        rates_mb_per_s=rates,
        networks=(Network(name="small", source="zoo:squeezenet?size=63", published="SqueezeNet"),),
        conventions=("table1", "no-halo"),
        granted_conventions=(),
    )


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    store = Store(tmp_path / "results.jsonl")
    compute(small_spec(1.1), store, on=Processes(1))
    with store.path.open("ab") as stream:
        stream.write(b'{"figure":"fig4","netw')  # killed while writing
    calls: list[int] = []

    records = compute(
        small_spec(1.1, 3.0),
        store,
        on=Processes(1),
        progress=lambda _, todo, __: calls.append(todo),
    )

    assert calls == [2, 2]  # one new rate for each of the two conventions
    assert len(records) == len(store.load()) == 4
    again = compute(small_spec(1.1, 3.0), store, on=Processes(1))
    assert again == records


def test_every_record_carries_what_it_depends_on(tmp_path):
    spec = small_spec(1.1)
    records = compute(spec, Store(tmp_path / "results.jsonl"), on=Processes(1))

    for record in records:
        assert record.spec_sha256 == spec.sha256
        assert record.convention == named_convention(record.convention.name)
        assert set(record.versions) >= {"fusepath", "numpy", "python"}
        assert len(record.model_sha256) == 64
        assert {result.algorithm for result in record.results} == set(LABELS)


def test_a_damaged_store_is_refused(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text('{"figure": 4}\n')

    with pytest.raises(FileFormatError, match=r"results\.jsonl:1"):
        Store(path).load()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rate = 3", "known keys are"),
        ('figure = "fig5"', "not fig4"),
        ("rates_mb_per_s = []", "rates"),
        ("rates_mb_per_s = [0.0]", "above zero"),
        ("networks = [{name = 'a', source = 'b', published = 'c', granted = true}]", "granted"),
    ],
)
def test_a_bad_specification_is_refused(tmp_path, text, complaint):
    file = tmp_path / "spec.toml"
    file.write_text(text)

    with pytest.raises(FileFormatError, match=complaint):
        load_spec(file)


# --- plots -----------------------------------------------------------------------------------


@needs_plot
def test_a_plot_holds_our_curves_and_the_published_points(fig4):
    curves = fig4.one("alexnet-224", "table1")
    assert curves is not None
    figure = curves_figure(fig4, curves)
    (ax,) = figure.axes

    lines = {line.get_label(): line for line in ax.get_lines()}
    for name in ALGORITHMS:
        ours = lines[f"{LABELS[name]}, ours"]
        times = [value / 1e6 for value in curves.algorithms[name].makespan_ns]
        assert list(ours.get_ydata()) == times
        assert list(ours.get_xdata()) == list(fig4.rates_mb_per_s)
    hollow = [line for line in ax.get_lines() if line.get_linestyle() == "None"]
    drawn = sorted(float(line.get_ydata()[0]) for line in hollow)
    assert drawn == sorted(p.time_ms for p in published().points if p.network == "AlexNet")
    assert ax.get_xlabel() == "link rate (MB/s)"
    assert ax.get_ylabel() == "inference time (ms)"


@needs_plot
def test_plots_are_files_that_do_not_change(fig4, tmp_path):
    several = [c for c in fig4.curves if c.network == "alexnet-224" and not c.granted]
    first, again = (
        [
            file.read_bytes()
            for file in save_figure(overview_figure(fig4, several), tmp_path / "overview")
        ]
        for _ in range(2)
    )

    assert first == again
    assert first[0].startswith(b"\x89PNG")
    assert b"<svg" in first[1]


@needs_plot
def test_figures_are_as_wide_as_a_page_so_that_their_text_does_not_shrink(fig4):
    from matplotlib.text import Text  # noqa: PLC0415 - in an extra

    several = [c for c in fig4.curves if c.network == "alexnet-224" and not c.granted]

    for figure in (overview_figure(fig4, several), example_figure(example("fig2"))):
        assert figure.get_figwidth() * 96 <= 740
        texts = figure.findobj(Text)
        assert min(text.get_fontsize() for text in texts if text.get_text()) >= 9


@needs_plot
def test_the_example_is_drawn_layer_by_layer():
    figure = example_figure(example("fig3"))
    (ax,), (legend,) = figure.axes, figure.legends
    assert [text.get_text() for text in legend.texts] == ["path 1", "path 2", "path 3", "tail"]

    labels = [text.get_text() for text in ax.texts]
    assert {f"{layer}" for layer in range(1, 12)} <= set(labels)
    assert {"to 1", "to 6", "to 8"} <= set(labels)
    assert ax.get_xlim() == (0, 13)


@needs_plot
def test_plotting_leaves_global_styles_alone(fig4):
    import matplotlib as mpl  # noqa: PLC0415 - in an extra

    before = dict(mpl.rcParams)
    curves = fig4.curves[0]
    figure = curves_figure(fig4, curves)
    plot_curves(fig4, curves, figure.axes[0], legend=False)
    assert dict(mpl.rcParams) == before


# --- the command -----------------------------------------------------------------------------


@needs_plot
def test_the_command_writes_and_checks_a_specification(tmp_path, capsys):
    spec = tmp_path / "spec.toml"
    spec.write_text(
        'rates_mb_per_s = [1.1, 3.0]\nconventions = ["table1"]\n'
        '[[networks]]\nname = "squeezenet-224"\nsource = "zoo:squeezenet?size=224"\n'
        'published = "SqueezeNet"\nprimary = true\n'
    )
    out = tmp_path / "out"
    arguments = ["reproduce", "fig4", "--spec", str(spec), "-o", str(out), "--workers", "1"]

    assert run([*arguments, "--check", str(REPRODUCTION)]) == 0
    names = {file.name for file in out.rglob("*")}
    assert {"fig4.json", "fig4.csv", "fig4-speedups.csv", "fig4-published.csv"} <= names
    assert {"reproduction.md", "results.jsonl", "fig4-squeezenet-224-table1.png"} <= names
    assert {"overview-squeezenet-224.svg", "fig2.svg", "fig3.png"} <= names

    ours = load_fig4(out / "fig4.json")
    expected = tmp_path / "expected"
    expected.mkdir()
    curves = ours.curves[0]
    slower = msgspec.structs.replace(
        curves.algorithms["nfl"],
        makespan_ns=tuple(value + 10**7 for value in curves.algorithms["nfl"].makespan_ns),
    )
    changed = msgspec.structs.replace(curves, algorithms=curves.algorithms | {"nfl": slower})
    save_fig4(expected / "fig4.expected.json", msgspec.structs.replace(ours, curves=(changed,)))
    capsys.readouterr()
    assert run([*arguments, "--no-figures", "--check", str(expected)]) == 1
    assert "differs by -10 ms" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["fig5"], "no figure 'fig5'"),
        (["nfl"], "--layers"),
        (["fig2", "--layers", "x.json"], "nfl"),
        (["fig2", "--quick", "--spec", "x.toml"], "--quick"),
        (["fig4", "--spec", "none.toml"], "cannot read none.toml"),
        (["fig2", "--check", "nowhere"], "cannot read nowhere"),
        (["readings", "--check", "nowhere"], "cannot read nowhere"),
        (["readings", "--quick"], "are for fig4"),
        (["readings", "--workers", "2"], "are for fig4"),
        (["fig2", "--spec", "x.toml"], "are for fig4"),
        (["nfl", "--layers", "x.json", "--check", "nowhere"], "nothing of nfl"),
        (["--claims", "--workers", "2"], "leave out"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments, complaint, capsys):
    assert run(["reproduce", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert complaint in error
    assert len(error.splitlines()) == 1


def test_single_cuts_from_a_layer_table(tmp_path, capsys):
    file = tmp_path / "table.json"
    file.write_text(
        json.dumps(
            {
                "name": "two layers",
                "layers": [
                    {"name": "a", "device_s": 1.0, "edge_s": 0.1, "sent_bytes": 100},
                    {"name": "b", "device_s": 5.0, "edge_s": 0.2, "sent_bytes": 10},
                ],
                "links": [
                    {"name": "slow", "bytes_per_s": 20},
                    {"name": "fast", "bytes_per_s": 1000},
                ],
            }
        )
    )

    assert run(["reproduce", "nfl", "--layers", str(file), "--json"]) == 0

    slow, fast = json.loads(capsys.readouterr().out)["nfl"]
    assert (slow["cut"], slow["makespan_s"], slow["first_edge_layer"]) == (2, 1.7, "b")
    assert (fast["cut"], fast["makespan_s"]) == (1, pytest.approx(0.4))


@pytest.mark.slow
def test_quick_agrees_with_what_is_expected(tmp_path, capsys):
    """The whole command on all cores, but for the figures, which have tests of their own."""
    arguments = ["reproduce", "--quick", "-o", str(tmp_path), "--check", str(REPRODUCTION)]
    arguments.append("--no-figures")

    assert run(arguments) == 0, capsys.readouterr().err
    assert f"everything agrees with {REPRODUCTION}" in capsys.readouterr().out
    assert "**A quick look:**" in (tmp_path / "reproduction.md").read_text()

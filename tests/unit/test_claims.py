"""The register of claims and the readings of the paper: data, arithmetic, verdicts and pages."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from fusepath.cli.claims import COMMAND
from fusepath.cli.main import run
from fusepath.cost import parse_link, parse_machine, range_macs
from fusepath.onnx_io import zoo
from fusepath.report.claims_page import claims_page
from fusepath.report.readings_page import readings_page
from fusepath.schedule import evaluate, minimizing_waiting
from fusepath.schedule.problem import problem_of_paths
from fusepath.study import claim_results
from fusepath.study.claim_results import (
    Outcome,
    Verdict,
    cases_of,
    compute_claims,
    find,
    load_outcomes,
)
from fusepath.study.claims import Claim, NotPosed, Posed, register
from fusepath.study.readings import Machines, chosen, curve_of, literal_ns, load_readings
from fusepath.study.torchvision import torchvision_alexnet
from tests.problems import problems

ROOT = Path(__file__).parents[2]
ROUNDING = 1e-9
TINY = Posed(
    networks=("zoo:squeezenet?size=32",),
    devices=("1GFLOPS", "10GFLOPS"),
    edge="100GFLOPS",
    links=("100kB/s", "1MB/s"),
    baseline="full-offload",
    ours="nfl",
)


def claim(measure: str = "times", published: tuple[float, ...] = (2.0,), **posed) -> Claim:
    return Claim(
        key="it",
        work="Somebody",
        says="it is so",
        measure=measure,
        published=published,
        posing=msgspec.structs.replace(TINY, **posed),
    )


def outcomes(one: Claim, values: list[tuple[float, float, float]]) -> list[Outcome]:
    """Baseline, ours and bound of every setting in turn."""
    found = []
    for (baseline, ours), (slow, quick, bound) in zip(one.posing.pairs(), values, strict=True):
        found += [
            Outcome(case=baseline, value=slow, bound=bound, code=""),
            Outcome(case=ours, value=quick, bound=bound, code=""),
        ]
    return found


def test_every_claim_can_be_read_and_names_what_there_is():
    claims = register().claims

    assert len({item.key for item in claims}) == len(claims)
    for case in cases_of(claims):
        assert case.network.removeprefix("zoo:").partition("?")[0] in zoo.NAMES
        parse_link(case.link)
        machine = parse_machine(case.device)
        assert case.counted != "energy" or machine.power
    for item in claims:
        assert isinstance(item.posing, NotPosed) or (item.published and item.posing.of_cases)


@pytest.mark.parametrize(
    ("measure", "taken", "wanted", "bound"),
    [
        ("times", "mean", (2 + 4 + 1 + 1) / 4, (4 + 4 + 2 + 1) / 4),
        ("times", "most", 4, 4),
        ("times", "sums", (20 / 7.5 + 20 / 20) / 2, (20 / 5 + 20 / 15) / 2),
        ("less", "mean", (0.5 + 0.75 + 0 + 0) / 4, (0.75 + 0.75 + 0.5 + 0) / 4),
        ("over", "mean", (-0.5 - 0.75 + 0 + 0) / 4, (-0.75 - 0.75 - 0.5 + 0) / 4),
    ],
)
def test_numbers_are_what_outcomes_come_to(measure, taken, wanted, bound):
    one = claim(measure, taken=taken)
    values = [(10, 5, 2.5), (10, 2.5, 2.5), (10, 10, 5), (10, 10, 10)]

    (found,) = find([one], outcomes(one, values))

    assert found.ours == pytest.approx(wanted)
    assert found.bound == pytest.approx(bound)
    assert found.settings == 4


@pytest.mark.parametrize(
    ("measure", "published", "ours", "bound", "verdict"),
    [
        ("times", (2.0,), 5.0, 5.0, Verdict.CONFIRMED),
        ("times", (2.0, 9.0), 5.0, 5.0, Verdict.CONFIRMED),
        ("times", (3.0,), 5.0, 2.0, Verdict.NOT_REACHED),
        ("times", (3.0,), 5.0, 4.0, Verdict.OUT_OF_REACH),
        ("less", (0.4, 0.9), 5.0, 5.0, Verdict.CONFIRMED),
        ("over", (0.01,), 10.05, 10.0, Verdict.CONFIRMED),
        ("over", (0.001,), 10.05, 10.0, Verdict.NOT_REACHED),
    ],
)
def test_verdicts(measure, published, ours, bound, verdict):
    one = claim(measure, published)

    (found,) = find([one], outcomes(one, [(10, ours, bound)] * 4))

    assert found.verdict is verdict


def test_what_cannot_be_posed_says_why():
    one = Claim(
        key="it",
        work="Somebody",
        says="it is so",
        measure="times",
        published=(2.0,),
        posing=NotPosed(why="There are not six of them."),
    )

    (found,) = find([one], [])

    assert found.verdict is Verdict.NOT_POSED
    assert "**it**: not. There are not six of them." in claims_page([found], command=COMMAND)


def test_cases_are_computed_once_kept_and_no_better_than_their_bounds(tmp_path, monkeypatch):
    one = claim(devices=("1GFLOPS:wait=1,compute=3,send=2,receive=2",), links=("100kB/s", "1MB/s"))
    thrifty = msgspec.structs.replace(
        one, posing=msgspec.structs.replace(one.posing, counted="energy", nominal="1MB/s")
    )
    frames = msgspec.structs.replace(
        one,
        posing=msgspec.structs.replace(
            one.posing, counted="throughput", in_flight=2, links=("1MB/s",), ours="device-only"
        ),
    )
    claims = [one, thrifty, frames]
    seen = []

    first = compute_claims(claims, tmp_path / "kept", lambda *told: seen.append(told))
    monkeypatch.setattr(claim_results, "_outcome", None)
    again = compute_claims(claims, tmp_path / "kept")

    assert first == again
    assert len(seen) == len(first) == len(set(cases_of(claims)))
    assert all(0 < item.bound <= item.value * (1 + ROUNDING) for item in first)
    assert all(item.ours >= 1 for item in find(claims, first)[:2])  # never worse than an end


def test_the_command_writes_a_page_and_the_outcomes(tmp_path, monkeypatch, capsys):
    few = claim(devices=("1GFLOPS",), links=("1MB/s",))
    register_of_few = msgspec.structs.replace(register(), claims=(few,))
    monkeypatch.setattr("fusepath.study.claims.register", lambda: register_of_few)

    assert run(["reproduce", "--claims", "-o", str(tmp_path), "--json"]) == 0

    (found,) = json.loads(capsys.readouterr().out)["claims"]
    assert 1 <= found["ours"] <= found["bound"] * (1 + ROUNDING)
    page = (tmp_path / "claims.md").read_text()
    assert "| Somebody | it is so | 2.00×" in page
    assert found["verdict"] in page
    assert len(json.loads((tmp_path / "claims.json").read_text())["outcomes"]) == 2
    assert run(["reproduce", "--claims", "fig2"]) == 2


# ---------------------------------------------------------------------------- readings


def test_torchvisions_alexnet_has_the_published_sizes():
    graph = torchvision_alexnet()

    assert range_macs(graph, 1, graph.depth) == 714_188_480
    assert graph.tensors[graph.frontier(graph.tileable_layers)[0]].shape == (1, 256, 6, 6)


def test_eq_4_to_the_letter_waits_for_nobody():
    problem = problem_of_paths(
        [[(4, 3), (6, 1)], [(2, 5), (3, 4)]], device_per_s=1, edge_per_s=4, bytes_per_s=1, tail=[2]
    )
    for order in itertools.permutations(range(2)):
        for cuts in itertools.product((1, 2), repeat=2):
            serial, loose, free = (literal_ns(problem, order, cuts, who) for who in Machines)
            alone = [
                sum(table[path][cuts[path] - 1] for table in problem.times) for path in range(2)
            ]

            assert serial == evaluate(problem, order, cuts).tail[1]
            assert free == max(alone) + problem.tail_ns
            assert free <= loose <= serial


@settings(max_examples=60)
@given(problems())
def test_with_a_serial_device_the_reading_chooses_as_algorithm_1_does(problem):
    schedule = minimizing_waiting(problem)

    order, cuts = chosen(problem, Machines.SERIAL)

    if problem.shared_link:
        assert order == [item.path for item in schedule.paths]
        assert [cuts[path] for path in order] == [item.cut for item in schedule.paths]


def test_the_pages_are_what_the_committed_results_say():
    outcomes = load_outcomes(ROOT / "reproduction" / "claims.expected.json")
    readings = load_readings(ROOT / "reproduction" / "readings.expected.json")

    claims = claims_page(find(register().claims, outcomes), command=COMMAND)
    assert (ROOT / "docs" / "claims.md").read_text(encoding="utf-8") == claims
    assert (ROOT / "docs" / "readings.md").read_text(encoding="utf-8") == readings_page(readings)


def test_readings_are_compared_with_what_is_expected(monkeypatch, capsys):
    expected = load_readings(ROOT / "reproduction" / "readings.expected.json")
    one, *others = expected.closest
    slower = msgspec.structs.replace(one, ours_ms=tuple(value + 1 for value in one.ours_ms))
    computed = [expected, msgspec.structs.replace(expected, closest=(slower, *others))]
    monkeypatch.setattr(
        "fusepath.study.readings.compute_readings", lambda progress: computed.pop(0)
    )
    check = ["reproduce", "readings", "--check", str(ROOT / "reproduction"), "--json"]

    assert run(check) == 0
    assert json.loads(capsys.readouterr().out)["differs"] == []
    assert run(check) == 1
    (line,) = json.loads(capsys.readouterr().out)["differs"]
    assert line.startswith(f"readings: {one.published} {one.algorithm} by ")


def test_a_reading_is_computed_as_the_committed_one_was():
    readings = load_readings(ROOT / "reproduction" / "readings.expected.json")

    for curve in readings.closest:
        if curve.reading.version == "alexnet-torchvision-224" and curve.algorithm != "mw-2x2":
            again = curve_of(curve.published, curve.algorithm, curve.reading)
            assert again.ours_ms == pytest.approx(curve.ours_ms)

"""The plan book: at every rate it has the best of its plans, and never worse than NFL."""

from __future__ import annotations

import threading
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from fusepath.cancellation import Cancelled, cancelled_by
from fusepath.cost import RUNTIME, Compression, ComputeRate, Link, parse_link
from fusepath.errors import FileFormatError, InputError
from fusepath.plan import (
    Budget,
    PlanBook,
    PlanRequest,
    Setting,
    Timing,
    check_plan,
    fluid_bound_s,
    load_book,
    make_book,
    problem_of_plan,
    save_book,
    simulate,
    steps_of,
)
from fusepath.schedule import evaluate
from tests.networks import untileable
from tests.planning import planned
from tests.small_detector import small_detector

LOW, HIGH = 5e5, 2e7
ROUNDING_S = 1e-7
"""In schedules every transmission is a whole number of nanoseconds, in lines it is not."""
LINK = Link(
    up_bytes_per_s=1e6,
    down_bytes_per_s=4e6,
    delay_s=0.002,
    message_bytes=90,
    message_device_s=1e-4,
    message_edge_s=2e-4,
)


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting(
        graph=small_detector().graph,
        device=ComputeRate(1e9),
        edge=ComputeRate(2e10),
        link=LINK,
    )


@pytest.fixture(scope="module")
def book(setting) -> PlanBook:
    return make_book(setting, (LOW, HIGH), most=12, probes=3)


def random_rates(count: int) -> list[float]:
    shares = np.random.default_rng(7).random(count).tolist()
    return [LOW * (HIGH / LOW) ** share for share in shares]


def link_at(rate: float) -> Link:
    return LINK.at(rate)


def makespan_s(setting: Setting, plan) -> float:
    problem, cuts = problem_of_plan(setting, plan)
    return evaluate(problem, [path - 1 for path in plan.order], cuts).makespan_ns / 1e9


def test_the_book_is_the_least_of_its_plans_at_any_rate(setting, book):
    assert len(book.entries) > 2
    for rate in random_rates(40):
        at_rate = setting.at(link_at(rate))
        least = min(makespan_s(at_rate, entry.plan) for entry in book.entries)

        assert book.makespan_s(rate) == pytest.approx(least, abs=ROUNDING_S)


def test_the_book_is_never_worse_than_the_best_single_cut(setting, book):
    for rate in [LOW, *random_rates(40), HIGH]:
        nfl = planned(setting.at(link_at(rate)), "nfl").makespan_s

        assert book.nfl_s(rate) == pytest.approx(nfl, abs=ROUNDING_S)
        assert book.makespan_s(rate) <= nfl + ROUNDING_S


def test_where_rates_were_planned_the_book_is_within_its_tolerance(book):
    searched = [item for item in book.planned if not item.probe]

    assert len(searched) <= 12
    for item in searched:
        least_s = item.makespan_s * (1 + book.tolerance)
        assert book.makespan_s(item.up_bytes_per_s) <= least_s + ROUNDING_S


def test_books_of_stream_plans_know_the_parts_of_their_results(setting):
    # A part that returns is a message of its own, and dear ones keep the result in one piece.
    link = msgspec.structs.replace(LINK, message_edge_s=1e-5)
    cheap = replace(setting, link=link)
    book = make_book(cheap, (LOW, HIGH), PlanRequest(algorithm="stream"), most=6, probes=0)

    assert any(entry.steps.back_bytes is not None for entry in book.entries)
    for rate in random_rates(20):
        here = setting.at(link.at(rate))
        plan = book.plan_for(here.link)
        assert plan.makespan_s == makespan_s(here, plan) == book.makespan_s(rate)
        assert set(plan.timeline.spans) == set(simulate(plan, here).spans)


def test_parts_keep_their_order_however_many_workers_there_are(setting):
    link = msgspec.structs.replace(LINK, message_edge_s=1e-5)
    convention = msgspec.structs.replace(RUNTIME, edge_workers=0)
    many = replace(setting, link=link, convention=convention)

    book = make_book(many, (LOW, HIGH), PlanRequest(algorithm="stream"), most=3, probes=0)

    assert any(entry.steps.back_bytes is not None for entry in book.entries)
    for rate in random_rates(20):
        here = many.at(link.at(rate))
        plan = book.plan_for(here.link)
        assert plan.makespan_s == makespan_s(here, plan) == book.makespan_s(rate)


def test_regret_is_what_the_worst_probe_says(setting, book):
    probes = [item for item in book.planned if item.probe]
    fresh = [planned(setting.at(link_at(item.up_bytes_per_s))) for item in probes]

    assert len(probes) == 3
    assert [item.makespan_s for item in probes] == [plan.makespan_s for plan in fresh]
    worst = max(book.makespan_s(plan.link.up_bytes_per_s) / plan.makespan_s for plan in fresh)
    assert book.regret == pytest.approx(worst - 1)


def test_a_plan_from_the_book_is_an_ordinary_plan_for_the_link_asked_for(setting, book):
    for rate in random_rates(8):
        plan = book.plan_for(link_at(rate))

        here = setting.at(link_at(rate))
        check_plan(plan, setting.graph)
        assert plan.link == link_at(rate)
        assert plan.makespan_s == makespan_s(here, plan) == book.makespan_s(rate)
        assert set(plan.timeline.spans) == set(simulate(plan, here).spans)
        assert plan.lower_bound_s <= fluid_bound_s(here) * (1 + 1e-9)
        assert plan.lower_bound_s >= 0.97 * fluid_bound_s(here)


@pytest.mark.parametrize(
    "link",
    [
        Link(up_bytes_per_s=2e6, down_bytes_per_s=1e5, delay_s=0.1),
        Link(up_bytes_per_s=2e6, down_bytes_per_s=1e9, delay_s=0.0),
    ],
    ids=["worse", "better"],
)
def test_the_prediction_is_for_the_link_itself_its_delay_and_its_way_down(setting, book, link):
    plan = book.plan_for(link)

    own = {name: getattr(LINK, name) for name in LINK.__struct_fields__ if "message" in name}
    assert plan.link == msgspec.structs.replace(link, **own)
    assert plan.makespan_s == makespan_s(setting.at(plan.link), plan)
    assert plan.lower_bound_s <= fluid_bound_s(setting.at(link)) * (1 + 1e-9)


def test_entries_are_half_open_and_both_ends_of_the_range_are_in_it(book):
    for below, above in zip(book.entries, book.entries[1:], strict=False):
        border = above.from_bytes_per_s
        assert book.at(border) is above
        assert book.at(border * (1 - 1e-9)) is below
        assert below.makespan_s(book.link_at(border)) == pytest.approx(
            above.makespan_s(book.link_at(border)), abs=ROUNDING_S
        )
    assert book.at(LOW) is book.entries[0]
    assert book.at(HIGH) is book.entries[-1]


@pytest.mark.parametrize("rate", [LOW * 0.999, HIGH * 1.001, float("nan")])
def test_outside_its_range_a_book_says_so(book, rate):
    with pytest.raises(InputError, match=r"the book is for 500 kB/s to 20 MB/s, not for"):
        book.at(rate)


def test_a_book_comes_back_from_its_file_as_it_was(book, tmp_path):
    save_book(tmp_path / "book.json", book)

    assert load_book(tmp_path / "book.json") == book


def broken(book: PlanBook, what: str) -> dict:
    document = msgspec.to_builtins(book)
    entries = document["entries"]
    if what == "version":
        document["version"] = 99
    elif what == "gap":
        entries[1]["from_bytes_per_s"] *= 1.01
    elif what == "empty":
        document["entries"] = []
    elif what == "steps":
        entries[0]["steps"]["edge_ns"] = entries[0]["steps"]["edge_ns"][1:]
    elif what == "paths":
        for name in ("device_ns", "sent_bytes", "edge_ns"):
            entries[0]["steps"][name] += (1,)
    elif what == "negative":
        entries[0]["steps"]["tail_ns"] = -1
    elif what == "model":
        entries[-1]["plan"]["recipe"]["model"]["sha256"] = "0" * 64
    elif what == "key":
        document["colour"] = "red"
    return document


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("version", "version 99"),
        ("gap", "gap"),
        ("empty", "needs entries"),
        ("steps", "every path"),
        ("paths", "every path"),
        ("negative", "below zero"),
        ("model", "the same model"),
        ("key", "colour"),
    ],
)
def test_a_damaged_book_is_refused(book, tmp_path, what, message):
    file = tmp_path / "book.json"
    file.write_bytes(msgspec.json.encode(broken(book, what)))

    with pytest.raises(FileFormatError, match=message):
        load_book(file)


def test_a_book_for_another_model_is_refused(book):
    with pytest.raises(FileFormatError, match="plan this model"):
        book.check(untileable())


def test_without_tolerance_every_plan_that_is_somewhere_the_best_is_kept(setting):
    exact = make_book(setting, (1e6, 4e6), tolerance=0.0, most=6, probes=0)

    for item in exact.planned:
        assert exact.makespan_s(item.up_bytes_per_s) <= item.makespan_s + ROUNDING_S


def test_a_budget_that_is_too_small_is_reported(setting):
    small = make_book(setting, (LOW, HIGH), most=3, probes=0)

    assert len(small.planned) == 3
    assert not small.settled
    assert small.regret == 0.0


def test_progress_is_told_before_every_rate(setting):
    told = []

    make_book(
        setting,
        (1e6, 2e6),
        PlanRequest(algorithm="nfl"),
        most=3,
        probes=2,
        progress=lambda *args: told.append(args),
    )

    assert [done for done, _, _ in told] == list(range(len(told)))
    assert {most for _, most, _ in told} == {5}


def test_a_network_that_cannot_be_tiled_has_a_book_of_single_cuts():
    setting = Setting(
        graph=untileable(), device=ComputeRate(1e5), edge=ComputeRate(1e9), link=parse_link("1MB/s")
    )

    book = make_book(setting, (1e3, 1e7), probes=2)

    assert [entry.plan.family for entry in book.entries] == ["device only", "full offload"]
    assert book.settled
    assert book.regret == 0.0


@pytest.mark.parametrize("rates", [(2e6, 1e6), (0.0, 1e6), (1e6, 1e6), (1e6, float("inf"))])
def test_an_empty_range_is_refused(setting, rates):
    with pytest.raises(InputError, match="lowest rate above zero"):
        make_book(setting, rates)


def test_a_convention_under_which_paths_overtake_is_refused(setting):
    two = msgspec.structs.replace(RUNTIME, name="two-workers", edge_workers=2)
    crowded = Setting(
        graph=setting.graph,
        device=setting.device,
        edge=setting.edge,
        link=setting.link,
        convention=two,
    )

    with pytest.raises(InputError, match="two-workers"):
        make_book(crowded, (1e6, 2e6))


def offering(setting: Setting) -> Setting:
    """The setting with codecs that halve what is sent, and one that is slow and sends a third."""
    sent = {name for cut in range(1, setting.graph.depth + 1) for name in setting.graph.sent(cut)}
    codecs = [
        Compression(codec="quick", ratio=0.5, encode_s_per_byte=1e-9, decode_s_per_byte=1e-9),
        Compression(codec="slow", ratio=0.3, encode_s_per_byte=1.5e-7, decode_s_per_byte=1e-8),
    ]
    return replace(setting, offered=dict.fromkeys(sorted(sent), codecs))


def test_a_book_chooses_codecs_by_the_rate_and_keeps_to_its_bounds(setting, book):
    setting = offering(setting)
    request = PlanRequest(budget=Budget(evaluations=3000))
    coded = make_book(setting, (LOW, HIGH), request, most=6, probes=0)

    used = {codec for entry in coded.entries for codec in entry.plan.codecs.values()}
    assert used == {"quick", "slow"}
    for rate in (LOW, 1e6, 3e6, HIGH):
        at_rate = replace(setting.at(link_at(rate)), offered={})
        entry = coded.at(rate)
        priced = replace(at_rate, compression=entry.plan.compression)
        assert coded.makespan_s(rate) == pytest.approx(
            makespan_s(priced, entry.plan),
            abs=1e-5,  # every path sends a whole number of bytes
        )
        assert coded.makespan_s(rate) < book.makespan_s(rate)
        assert coded.bound_s(rate) <= coded.makespan_s(rate)


def test_steps_of_slower_machines_are_those_planned_for_them(setting, book):
    entry = book.entries[1]
    slower = replace(setting, device=ComputeRate(0.5e9), edge=ComputeRate(1e10))
    link = replace_costs(setting.link)
    made = steps_of(Timing(replace(slower, link=link)), entry.plan)
    scaled = steps_of(Timing(setting.at(link)), entry.plan).slowed(device=2.0, edge=2.0)
    for name in ("device_ns", "edge_ns"):
        np.testing.assert_allclose(getattr(scaled, name), getattr(made, name), rtol=1e-5, atol=2)
    assert scaled.tail_ns == pytest.approx(made.tail_ns, rel=1e-5)
    assert scaled.sent_bytes == made.sent_bytes


def replace_costs(link: Link) -> Link:
    """The link with messages that cost machines nothing."""
    return msgspec.structs.replace(link, message_device_s=0.0, message_edge_s=0.0)


def test_a_book_that_nobody_waits_for_is_given_up(setting):
    stop = threading.Event()

    def stop_after(done: int, _most: int, _rate: str) -> None:
        if done == 1:
            stop.set()

    with cancelled_by(stop), pytest.raises(Cancelled):
        make_book(setting, (LOW, HIGH), PlanRequest(algorithm="nfl"), progress=stop_after)


def test_rates_in_the_wrong_order_are_named_with_their_unit(setting):
    with pytest.raises(InputError, match="not 2 MB/s and 1 MB/s"):
        make_book(setting, (2e6, 1e6))

"""Which of several prepared plans turns out quickest."""

from __future__ import annotations

import asyncio
from itertools import chain, repeat
from types import SimpleNamespace

import pytest

from fusepath.offload.trials import TRIALS, Trials


def plan(name: str, *, is_split: bool = False, predicted_s: float = 0.05) -> SimpleNamespace:
    return SimpleNamespace(
        name=name,
        is_plain=False,
        arrangement=SimpleNamespace(is_split=is_split),
        predicted=SimpleNamespace(end_s=predicted_s),
        forwards=False,
        is_local=False,
    )


def chosen(plans, taken_s: dict[str, list[float]]) -> tuple[str, dict[str, int]]:
    """Which is taken, if trials take these seconds and then the last of them; how many of each."""
    times = {name: chain(several, repeat(several[-1])) for name, several in taken_s.items()}
    tried = dict.fromkeys(taken_s, 0)

    class Machines:
        background = SimpleNamespace()

        async def prepare(self, prepared, _):
            prepared.plan = prepared
            return prepared

        async def infer(self, prepared, _):
            tried[prepared.name] += 1
            return SimpleNamespace(latency_s=next(times[prepared.name]))

    async def do(work, *arguments):
        return work(*arguments)

    Machines.background.aside = do
    trials = Trials(pairing=Machines(), sample=None)
    return asyncio.run(trials.choose(None, lambda _: plans)).name, tried


def test_a_plan_that_was_lucky_once_is_not_taken_for_the_quickest():
    plans = [plan("steady"), plan("lucky"), plan("slow")]
    taken_s = {"steady": [0.050], "lucky": [0.055, 0.048, 0.055], "slow": [0.080]}

    name, tried = chosen(plans, taken_s)

    assert name == "steady"
    assert tried["slow"] == TRIALS  # which is out of the question
    assert tried["lucky"] == tried["steady"] > 2 * TRIALS


def test_where_one_is_quicker_by_far_it_is_not_tried_again():
    name, tried = chosen([plan("one"), plan("other")], {"one": [0.03], "other": [0.05]})

    assert name == "one"
    assert set(tried.values()) == {TRIALS}


@pytest.mark.parametrize(("split_s", "name"), [(0.0495, "whole"), (0.0480, "split")])
def test_a_plan_of_several_paths_must_be_better_by_some(split_s, name):
    plans = [plan("whole"), plan("split", is_split=True)]

    assert chosen(plans, {"whole": [0.050], "split": [split_s]})[0] == name


def test_trials_take_no_longer_than_they_may():
    plans = [plan("one", predicted_s=0.4), plan("other", predicted_s=0.4)]
    _, tried = chosen(plans, {"one": [0.40], "other": [0.41]})

    assert sum(tried.values()) * 0.4 <= 2 * 3.0
    assert min(tried.values()) > TRIALS

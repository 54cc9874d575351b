"""Answers questions: at once by a small search, then by a larger one."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from fusepath.errors import InputError, NoPlanError, UnsupportedOperatorError
from fusepath.plan import (
    Budget,
    Origin,
    PlanRequest,
    Timing,
    compare_plans,
    plan_with,
    simulate_with,
)
from fusepath.report.page import Story, curves_of_plan
from fusepath.tiling import Grid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.graph import ModelGraph
    from fusepath.plan import Plan, Setting
    from fusepath.studio.question import Question
    from fusepath.studio.recent_models import RecentModels

QUICK = Budget(evaluations=5000, seconds=0.1)
REFINED = Budget(evaluations=20_000, seconds=1.0)
BESIDE = Budget(evaluations=4000, seconds=0.2)
"""What each of the other algorithms of the table may spend."""
_SINGLE_CUTS = (
    PlanRequest(algorithm="device-only"),
    PlanRequest(algorithm="full-offload"),
    PlanRequest(algorithm="nfl"),
)
_MOST_ANSWERS = 64
_MOST_KNOWN = 2
"""Plans of a model that are tried on other machines,"""
_MOST_MODELS_KNOWN = 16
"""and models that they are kept of."""


class Depth(StrEnum):
    """How long an answer was thought about."""

    QUICK = "quick"
    REFINED = "refined"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The best plan that was found, beside others."""

    key: str
    question: Question
    depth: Depth
    story: Story
    setting: Setting
    took_s: float


class Desk:
    """Answers from models at hand, the latest of which are kept. For several threads."""

    def __init__(self, models: RecentModels) -> None:
        self._models = models
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._known: OrderedDict[str, OrderedDict[str, Plan]] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, question: Question, depth: Depth) -> Answer:
        """The plan for a question.

        A quick one is the best of single cuts, a short search for strips, and plans that were found
        for the same model on other machines. A refined one is what its request finds.

        Raises:
            ModelError: there is no such model.
            InputError: the tiling does not fit it.
            NoPlanError: there is no such plan, or the search ended before it found one.
        """
        begun_s = time.perf_counter()
        held = self._models.of(question.model)
        setting = question.setting(held.graph)
        key = hashlib.sha256(msgspec.json.encode((question, depth))).hexdigest()[:32]
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        timing, origin = Timing(setting), Origin(source=held.source)
        if depth is Depth.QUICK:
            best, others = _quick(question, timing, origin, self._known_of(held.graph))
        else:
            best, others = _refined(question, timing, origin)
        found = Answer(
            key=key,
            question=question,
            depth=depth,
            story=Story(
                plan=best,
                graph=held.graph,
                predicted=best.timeline,
                compared=compare_plans(setting, [best, *others]),
            ),
            setting=setting,
            took_s=time.perf_counter() - begun_s,
        )
        self._keep(found)
        return found

    def given(self, key: str) -> Answer:
        """An answer that was given before.

        Raises:
            InputError: it is no longer kept.
        """
        with self._lock:
            if key not in self._answers:
                raise InputError(f"there is no answer '{key[:32]}' any more; ask again")
            return self._answers[key]

    def with_curves(self, key: str) -> Story:
        """An answer as it is on other links.

        Raises:
            InputError: it is no longer kept.
        """
        answer = self.given(key)
        return replace(answer.story, curves=curves_of_plan(answer.story.plan, answer.setting))

    def _known_of(self, graph: ModelGraph) -> list[Plan]:
        with self._lock:
            return list(self._known.get(graph.sha256, {}).values())

    def _keep(self, answer: Answer) -> None:
        with self._lock:
            self._answers[answer.key] = answer
            if len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)
            if answer.depth is Depth.QUICK or answer.question.tiles:
                return
            plan = answer.story.plan
            known = self._known.setdefault(plan.model.sha256, OrderedDict())
            self._known.move_to_end(plan.model.sha256)
            if len(self._known) > _MOST_MODELS_KNOWN:
                self._known.popitem(last=False)
            known[plan.recipe_sha256] = plan
            known.move_to_end(plan.recipe_sha256)
            if len(known) > _MOST_KNOWN:
                known.popitem(last=False)


def _quick(
    question: Question, timing: Timing, origin: Origin, known: Iterable[Plan]
) -> tuple[Plan, list[Plan]]:
    cuts = [plan_with(timing, request, origin).best for request in _SINGLE_CUTS]
    if question.tiles:
        tried = _several(timing, origin, [question.request(QUICK)])
    else:
        tried = _several(timing, origin, [PlanRequest(algorithm="stream", budget=QUICK)])
        tried += [_moved(plan, timing) for plan in known]
    candidates = [*tried, *([] if question.tiles and tried else cuts)]
    best = min(candidates, key=lambda plan: plan.makespan_s)
    others = {plan.algorithm: plan for plan in [*tried, *cuts] if plan is not best}
    return best, list(others.values())


def _refined(question: Question, timing: Timing, origin: Origin) -> tuple[Plan, list[Plan]]:
    best = plan_with(timing, question.request(REFINED), origin).best
    grid = None if question.grid is None else Grid.parse(question.grid)
    others = [
        *_SINGLE_CUTS,
        PlanRequest(algorithm="stream", budget=BESIDE),
        PlanRequest(algorithm="mw", grid=grid or Grid(2, 2), budget=BESIDE),
        PlanRequest(algorithm="jps", grid=grid or Grid(2, 2), budget=BESIDE),
    ]
    return best, _several(
        timing, origin, [item for item in others if item.algorithm != best.algorithm]
    )


def _several(timing: Timing, origin: Origin, requests: Iterable[PlanRequest]) -> list[Plan]:
    """What of several requests is found within their budgets."""
    found: list[Plan] = []
    for request in requests:
        try:
            found += plan_with(timing, request, origin).plans[:1]
        except (NoPlanError, UnsupportedOperatorError):  # a network that cannot be tiled
            continue
    return found


def _moved(plan: Plan, timing: Timing) -> Plan:
    """A plan of other machines on those of a setting; what cannot be beaten there is not known."""
    timeline, setting = simulate_with(plan, timing), timing.setting
    moved = msgspec.structs.replace(
        plan,
        device=setting.device,
        edge=setting.edge,
        link=setting.link,
        convention=setting.convention,
    )
    return moved.predicting(
        makespan_s=timeline.end_s,
        lower_bound_s=0.0,
        timeline=timeline,
    )

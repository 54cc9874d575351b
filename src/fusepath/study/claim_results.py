"""Claims computed: every case once, kept, and what they come to beside what was published."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from fusepath import jsonfile
from fusepath.cost import named_convention, parse_link, parse_machine
from fusepath.plan import (
    Energy,
    PlanRequest,
    Setting,
    Throughput,
    energy_bound_j,
    energy_of,
    fluid_bound_s,
    make_plan,
    make_rotation,
    period_bound_s,
    simulate,
)
from fusepath.study.claims import Case, Claim, NotPosed, Posed
from fusepath.study.grid import graph_of
from fusepath.study.store import Lines, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

_SLACK = 0.005
"""Relative: published numbers are rounded."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a case comes to, and what no plan beats, in the unit of what is counted."""

    case: Case
    value: float
    bound: float
    code: str
    """Of the sources that it was computed with."""


class ClaimOutcomes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them, as a file."""

    outcomes: tuple[Outcome, ...]


class Verdict(StrEnum):
    """What came of a claim."""

    CONFIRMED = "confirmed"
    NOT_REACHED = "not reached"
    OUT_OF_REACH = "not reached, and proven out of reach in these settings"
    NOT_POSED = "cannot be posed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A claim beside what was found; in the measure of the claim."""

    claim: Claim
    ours: float = 0.0
    bound: float = 0.0
    """No plan in these settings has more, or less, where less is better."""
    settings: int = 0

    @property
    def verdict(self) -> Verdict:
        """By the number, or the nearer end of the range."""
        if isinstance(self.claim.posing, NotPosed):
            return Verdict.NOT_POSED
        if self.claim.measure == "over":
            most = max(self.claim.published) * (1 + _SLACK)
            return Verdict.CONFIRMED if self.ours <= most else Verdict.NOT_REACHED
        least = min(self.claim.published) * (1 - _SLACK)
        if self.ours >= least:
            return Verdict.CONFIRMED
        return Verdict.NOT_REACHED if self.bound >= least else Verdict.OUT_OF_REACH


def cases_of(claims: Iterable[Claim]) -> list[Case]:
    """Every case that claims need, once."""
    posed = [claim.posing for claim in claims if isinstance(claim.posing, Posed)]
    return list(dict.fromkeys(case for item in posed for pair in item.pairs() for case in pair))


def compute_claims(
    claims: Sequence[Claim],
    store: Path,
    progress: Callable[[int, int, Case], None] | None = None,
) -> list[Outcome]:
    """Outcomes of all cases, computed where the file does not hold them.

    Args:
        claims: whose cases.
        store: a file to which outcomes are added one by one.
        progress: called with how many are done, of how many, and the one to come.
    """
    lines, code = Lines(store, Outcome), versions()["code"]
    kept = {item.case: item for item in lines.load() if item.code == code}
    wanted = cases_of(claims)
    left = [case for case in wanted if case not in kept]
    for done, case in enumerate(left):
        if progress is not None:
            progress(done, len(left), case)
        kept[case] = _outcome(case, code)
        lines.append([kept[case]])
    return [kept[case] for case in wanted]


def _outcome(case: Case, code: str) -> Outcome:
    value = _counted(case, _setting_of(case))
    # What is bounded is the same for all algorithms.
    bound = _bound(msgspec.structs.replace(case, algorithm="", planned_at="", in_flight=1))
    return Outcome(case=case, value=value, bound=bound, code=code)


def _setting_of(case: Case) -> Setting:
    return Setting(
        graph=graph_of(case.network),
        device=parse_machine(case.device),
        edge=parse_machine(case.edge),
        link=parse_link(case.link),
        convention=named_convention(case.convention),
    )


@lru_cache(maxsize=4096)
def _bound(case: Case) -> float:
    setting = _setting_of(case)
    match case.counted:
        case "throughput":
            return period_bound_s([setting])
        case "energy":
            power = setting.device.power
            return energy_bound_j([setting], power) if power else 0.0
    return fluid_bound_s(setting)


def _counted(case: Case, setting: Setting) -> float:
    request = PlanRequest(algorithm=case.algorithm, codecs="off")
    if case.counted == "throughput":
        objective = Throughput(in_flight=case.in_flight)
        found = make_rotation(setting, msgspec.structs.replace(request, objective=objective))
        return found.period_s
    power = setting.device.power
    if case.counted == "energy" and power and not case.planned_at:
        thrifty = msgspec.structs.replace(request, objective=Energy())
        plan = make_plan(setting, thrifty).best
    else:
        at = setting.at(parse_link(case.planned_at)) if case.planned_at else setting
        plan = make_plan(at, request).best
    timeline = simulate(plan, setting)
    if case.counted == "energy" and power:
        return energy_of(timeline, power, setting.link).total_j
    return timeline.end_s


def find(claims: Iterable[Claim], outcomes: Iterable[Outcome]) -> list[Finding]:
    """What outcomes say of claims.

    Args:
        claims: in the order of the result.
        outcomes: of all of their cases.
    """
    known = {item.case: item for item in outcomes}
    return [
        _finding(claim, claim.posing, known)
        if isinstance(claim.posing, Posed)
        else Finding(claim=claim)
        for claim in claims
    ]


def _finding(claim: Claim, posed: Posed, known: Mapping[Case, Outcome]) -> Finding:
    pairs = [(known[baseline], known[ours]) for baseline, ours in posed.pairs()]
    size = posed.groups
    groups = [pairs[at : at + size] for at in range(0, len(pairs), size)]
    ours, bounds = [], []
    for group in groups:
        baseline = sum(base.value for base, _ in group)
        ours.append(_measured(claim, baseline, sum(mine.value for _, mine in group)))
        bounds.append(_measured(claim, baseline, sum(mine.bound for _, mine in group)))
    taken = max if posed.taken == "most" else statistics.fmean
    return Finding(claim=claim, ours=taken(ours), bound=taken(bounds), settings=len(pairs))


def _measured(claim: Claim, baseline: float, value: float) -> float:
    match claim.measure:
        case "times":
            return baseline / value
        case "less":
            return 1 - value / baseline
        case "over":
            return value / baseline - 1


def load_outcomes(path: str | Path) -> tuple[Outcome, ...]:
    """Read what `save_outcomes` has written.

    Raises:
        FileFormatError: it is something else.
    """
    return jsonfile.load(path, ClaimOutcomes).outcomes


def save_outcomes(path: str | Path, outcomes: Sequence[Outcome]) -> None:
    """Write outcomes as a file.

    Raises:
        OutputError: it cannot be written.
    """
    jsonfile.save(path, ClaimOutcomes(outcomes=tuple(outcomes)))

"""What Fig. 4 computed anew says about Fig. 4 as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.study.published import published
from fusepath.study.spec import LABELS, LAST_TAU

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.study.fig4 import Curves, Fig4
    from fusepath.study.published import PublishedPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A published point, and ours under one convention."""

    point: PublishedPoint
    ours_ms: float

    @property
    def error(self) -> float:
        """(ours − published) / published."""
        return (self.ours_ms - self.point.time_ms) / self.point.time_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A published curve beside ours of one network under one convention."""

    network: str
    """The paper's name."""
    algorithm: str
    """Of the published curve."""
    ours: str
    """Of our curve: the same, or another reading of it."""
    curves: Curves
    comparisons: tuple[Comparison, ...]

    @property
    def error(self) -> float:
        """Mean of the absolute relative errors."""
        return sum(abs(item.error) for item in self.comparisons) / len(self.comparisons)

    @property
    def by_construction(self) -> bool:
        """NFL matches where the machines were scaled to it; that says nothing."""
        return self.curves.granted and self.algorithm == "nfl"


def matches(figure: Fig4) -> list[Match]:
    """Every published curve beside every one of ours that could be it."""
    found = []
    for curves in figure.curves:
        for ours in LABELS:
            algorithm = "mw-kxk" if ours == LAST_TAU else ours
            comparisons = tuple(compare(figure, curves, algorithm, ours))
            if comparisons:
                found.append(
                    Match(
                        network=curves.published,
                        algorithm=algorithm,
                        ours=ours,
                        curves=curves,
                        comparisons=comparisons,
                    )
                )
    return found


def compare(figure: Fig4, curves: Curves, algorithm: str, ours: str) -> Iterable[Comparison]:
    """The published points of a curve, each with ours. Means need all rates of the paper."""
    for point in published().curve(curves.published, algorithm):
        if point.rate_mb_per_s is None and not has_all_rates(figure):
            continue
        ours_ms = figure.at_ms(curves, ours, point.rate_mb_per_s)
        if ours_ms is not None:
            yield Comparison(point=point, ours_ms=ours_ms)


def has_all_rates(figure: Fig4) -> bool:
    """Whether a mean over the figure's rates is one over the paper's."""
    rates = figure.rates_mb_per_s
    return len(rates) >= 20 and min(rates) <= 1.1 and max(rates) >= 3.0


def best_match(
    found: Iterable[Match], network: str, algorithm: str, *, granted: bool
) -> Match | None:
    """The closest of ours to a published curve."""
    candidates = [
        match
        for match in found
        if (match.network, match.algorithm) == (network, algorithm)
        and match.curves.granted == granted
        and not match.by_construction
    ]
    return min(candidates, key=lambda match: match.error, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A published point beside the least time that a shared link allows."""

    point: PublishedPoint
    bound_ms: float
    """On the machines of Table I, over all sizes and variants of the network."""
    granted_bound_ms: float
    """The same on machines scaled to the published NFL."""

    @property
    def reachable(self) -> bool:
        """Some convention with a shared link might have this point."""
        return self.point.time_ms >= min(self.bound_ms, self.granted_bound_ms)


def reaches(figure: Fig4) -> list[Reach]:
    """Every published point that a shared link bounds."""
    found = []
    for point in published().points:
        if point.rate_mb_per_s is None and not has_all_rates(figure):
            continue
        bounds: dict[bool, list[float]] = {False: [], True: []}
        for curves in figure.curves:
            bound_ms = figure.bound_at_ms(curves, point.rate_mb_per_s)
            if curves.published == point.network and bound_ms is not None:
                bounds[curves.granted].append(bound_ms)
        if bounds[False]:
            found.append(
                Reach(
                    point=point,
                    bound_ms=min(bounds[False]),
                    granted_bound_ms=min(bounds[True], default=min(bounds[False])),
                )
            )
    return found

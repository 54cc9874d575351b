"""A time from frame to frame that no plans beat, however many frames are under way.

Many frames keep all machines at work, so the period is at least the mean load of any machine per
frame, and at least any weighted mean of these. With the weights fixed, no frame has less than the
least that any plan has (`smallest_mean` of `bound`, and plans that do not divide the tileable
layers, one by one); so neither has a mix of plans. The weights are the best that are found, by
generating columns as there.

What comes before and after the paths of a frame counts with the machine that does it: others are
at work on other frames meanwhile. Delays count nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.plan.fluid.bound import Division, message_loads_s, smallest_mean
from fusepath.plan.fluid.shares import Shares, shares_of
from fusepath.plan.fluid.weights import best_weights_for
from fusepath.plan.recipe import TailPlace
from fusepath.plan.timing import Timing
from fusepath.schedule.problem import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fusepath.arrays import FloatArray
    from fusepath.plan.setting import Setting

_TOLERANCE = 1e-9
_MOST_ROUNDS = 200
_DEVICE, _, _EDGE, _WAY_BACK = np.eye(4)


def period_bound_s(settings: Iterable[Setting]) -> float:
    """Seconds from frame to frame that no mix of plans beats.

    Args:
        settings: of one network on the same machines; plans of all of them may be mixed, as those
            with codecs and without.
    """
    sections = sections_of(settings)
    limits = sections[0].limits
    loads: list[FloatArray] = [item for section in sections for item in section.undivided]
    best_s = 0.0
    for _ in range(_MOST_ROUNDS):
        weights, known_s = best_weights_for(np.array(loads) * limits)
        value_s, load = min(
            (section.least(weights * limits) for section in sections), key=lambda found: found[0]
        )
        best_s = max(best_s, value_s)
        if value_s >= known_s * (1 - _TOLERANCE):
            break
        loads.append(load)
    return best_s


def sections_of(settings: Iterable[Setting]) -> list[Section]:
    """Where plans of some settings may begin."""
    return [section for setting in settings for section in _sections(setting)]


def _sections(setting: Setting) -> Iterator[Section]:
    graph, prices = setting.graph, Timing(setting).prices
    yield Section(setting, 0.0)
    if setting.convention.counts_untileable:
        for start in graph.starts[1:]:
            yield Section(setting.behind(start), prices.head_ns(start) / NS_PER_S)


@dataclass(frozen=True)
class Section:
    """Plans that begin in one section."""

    setting: Setting
    """Of the network behind the head."""
    head_s: float

    @property
    def limits(self) -> FloatArray:
        """What a second of work counts on device, link, edge server and way back."""
        convention = self.setting.convention
        way = 1.0 if convention.shared_link else 0.0
        return np.array(
            [1.0, way, 1 / convention.edge_workers if convention.edge_workers else 0.0, way]
        )

    @cached_property
    def _timing(self) -> Timing:
        return Timing(self.setting)

    @cached_property
    def _shares(self) -> Shares:
        return shares_of(self.setting)

    @cached_property
    def undivided(self) -> Sequence[FloatArray]:
        """Loads of the plans that do not divide the tileable layers and compute them here.

        Of a section of none, all single cuts.
        """
        last = self.setting.graph.tileable_layers
        problem = self._timing.whole_problem()
        found = []
        for cut in range(last, problem.cuts):
            device, link, edge = (
                int(table[0, cut]) / NS_PER_S
                for table in (problem.device_ns, problem.link_ns, problem.edge_ns)
            )
            sends = link + edge > 0
            found.append(
                np.array([device + self.head_s, link, edge, self._result_s if sends else 0.0])
            )
        if last:  # tiles may leave out positions that nothing reads
            tiles_s = sum(self._shares.device_s) + self.setting.device.piece_s(1, last)
            finish_s = self._timing.prices.finish_s(last)
            found.append((tiles_s + finish_s + self.head_s) * _DEVICE)
        return found

    @property
    def _result_s(self) -> float:
        """The result on the way back."""
        setting = self.setting
        if not setting.convention.counts_result:
            return 0.0
        return float(setting.link.down_s(self._timing.prices.result.sent_bytes))

    @cached_property
    def _divisions(self) -> Sequence[tuple[Division, FloatArray]]:
        """Where the tail may be, and what comes besides with either."""
        graph, prices = self.setting.graph, self._timing.prices
        last = graph.tileable_layers
        if not last:
            return []
        has_tail = last < graph.depth
        always = message_loads_s(self.setting) + self.head_s * _DEVICE
        at_edge = prices.tail_s(last) * _EDGE + self._result_s * has_tail * _WAY_BACK
        here = prices.finish_s(last) * _DEVICE
        return [
            (Division(self._shares, TailPlace.EDGE, has_tail), always + at_edge),
            (Division(self._shares, TailPlace.DEVICE, has_tail), always + here),
        ]

    def least(self, counted: FloatArray) -> tuple[float, FloatArray]:
        """The least of the loads of any plan, and loads that have it.

        Args:
            counted: what a second of device, link, edge server and way back counts.
        """
        found = [(float(load @ counted), load) for load in self.undivided]
        for division, besides in self._divisions:
            value_s, load = smallest_mean(division, counted)
            found.append((value_s + float(besides @ counted), load + besides))
        return min(found, key=lambda item: item[0])

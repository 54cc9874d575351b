"""From costs and a link to scheduling problems."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import bytes_per_element
from fusepath.plan.recipe import TailPlace
from fusepath.plan.timing.prices import Prices, Tiled
from fusepath.plan.timing.strips import StripTiming
from fusepath.schedule.problem import Problem, nanoseconds, ns
from fusepath.tiling import Strips, Tiles, Whole, strip_tiling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import FloatArray, IntArray
    from fusepath.cost import Link, MessageTimes, PathCosts
    from fusepath.plan.plan import Plan
    from fusepath.plan.setting import Setting
    from fusepath.tiling import Arrangement, Grid, Segment, StripRows, TileSizes


class Timing:
    """All times of a setting.

    Args:
        setting: network, machines and link.
        prices: of the same network and machines, to be shared by settings of several links.
        finish_s: what the device computes behind all that paths share out.
    """

    def __init__(
        self, setting: Setting, prices: Prices | None = None, *, finish_s: float = 0.0
    ) -> None:
        self.setting = setting
        self.prices = prices or Prices(setting)
        self.finish_s = finish_s

    def at(self, link: Link) -> Timing:
        """The same machines joined by another link; what is known of them is shared."""
        return Timing(self.setting.at(link), self.prices, finish_s=self.finish_s)

    def up_to(self, tau: int) -> Timing:
        """Of plans that leave what lies behind ``tau`` to the device: paths share out the rest."""
        front = self.setting.front(tau)
        return Timing(front, self.prices.front(front), finish_s=self.prices.finish_s(tau))

    def with_tail(self, tail: TailPlace, tau: int) -> Timing:
        """Of plans with this fused layer and the tail at this place."""
        divided = tail is TailPlace.EDGE or self.setting.graph.outputs_stay
        return self if divided else self.up_to(tau)

    def behind(self, start: int) -> Timing:
        """Times of the rest of the network, once layers ``1 … start`` have run."""
        if start == 0:
            return self
        return Timing(self.setting.behind(start), self.prices.behind(start, self.setting))

    def whole_problem(self) -> Problem:
        """The unsplit network as one path: cut ``o`` in ``1 … depth + 1``, no tail.

        Cut 1 offloads everything, cut ``depth + 1`` keeps everything on the device.
        """
        return self._whole_problem

    @cached_property
    def _whole_problem(self) -> Problem:
        setting, prices = self.setting, self.prices
        depth = setting.graph.depth
        device, edge = prices.device_layers_s, prices.edge_layers_s
        cuts = range(1, depth + 2)
        device_s = [
            sum(device[: cut - 1]) + (setting.device.call_overhead_s if cut > 1 else 0)
            for cut in cuts
        ]
        edge_s = [
            sum(edge[cut - 1 :]) + (setting.edge.call_overhead_s if cut <= depth else 0)
            for cut in cuts
        ]
        encode_s, sent, decode_s = np.array([prices.crossing(cut) for cut in cuts]).T
        messages = self.messages(sent[None], paths=1)
        return self.assemble(
            class_of=(0,),
            device_ns=nanoseconds(np.array([device_s]) + encode_s + messages.device_s),
            link_ns=nanoseconds(messages.link_s),
            edge_ns=nanoseconds(
                np.array([edge_s]) + decode_s + messages.edge_s + self._encode_s(cuts)
            ),
            tail_ns=0,
        )

    def _encode_s(self, cuts: Sequence[int]) -> FloatArray:
        """What encoding the result takes the edge server, which makes it but for the last cut."""
        made = np.array(cuts) <= self.setting.graph.depth
        return np.where(made, self.prices.result.encode_s, 0.0)

    @property
    def forwarded_bytes(self) -> int:
        """What is sent where the input is forwarded as a file: that, and what accompanies it."""
        graph, source = self.setting.graph, self.setting.source
        assert source is not None  # or there is no file
        beside = sum(
            graph.tensors[name].elements * bytes_per_element(graph, name, self.setting.convention)
            for name in graph.accompanying(1)
        )
        return source.file_bytes + beside

    def forwarding_problem(self) -> Problem:
        """The unsplit network as one path of one cut: its input's file is sent as it is."""
        setting, source = self.setting, self.setting.source
        assert source is not None  # or there is no file
        messages = self.messages(np.array([[self.forwarded_bytes]]), paths=1)
        edge_s = sum(self.prices.edge_layers_s) + setting.edge.call_overhead_s
        return self.assemble(
            class_of=(0,),
            device_ns=nanoseconds(messages.device_s),
            link_ns=nanoseconds(messages.link_s),
            edge_ns=nanoseconds(
                source.edge_decode_s + edge_s + messages.edge_s + self._encode_s([1])
            ),
            tail_ns=0,
        )

    def tiled_problem(self, tiling: Tiled | PathCosts) -> Problem:
        """The scheduling problem of one grid: cuts ``1 … tau + 1``."""
        tiled = tiling if isinstance(tiling, Tiled) else self.prices.tiled(tiling)
        device_ns, link_ns, edge_ns = self.times_ns(tiled)
        back = tiled.costs.back_bytes
        return self.assemble(
            class_of=tuple(tiled.costs.class_of.tolist()),
            device_ns=device_ns,
            link_ns=link_ns,
            edge_ns=edge_ns,
            back_ns=None if back is None else nanoseconds(self.setting.link.down_s(back)),
            tail_ns=tiled.tail_ns,
        )

    def times_ns(self, tiled: Tiled) -> tuple[IntArray, IntArray, IntArray]:
        """Times of a tiling on device, link and edge server, by class and cut."""
        back = tiled.costs.back_bytes
        messages = self.messages(
            tiled.costs.up_bytes, 0.0 if back is None else back, paths=tiled.grid.paths
        )
        return (
            tiled.device_ns + nanoseconds(messages.device_s),
            nanoseconds(messages.link_s),
            tiled.edge_ns + nanoseconds(messages.edge_s),
        )

    def problem_of(self, arrangement: Arrangement) -> Problem:
        """The scheduling problem of an arrangement; a strip has one cut, that of its segment.

        Raises:
            GeometryError: the arrangement does not fit the setting's network.
            UnsupportedOperatorError: a layer up to the fused one cannot be tiled.
        """
        match arrangement:
            case Whole():
                return self.whole_problem()
            case Tiles():
                return self.problem(arrangement.tau, arrangement.grid, arrangement.sizes)
            case Strips():
                return self.strip_problem(arrangement)

    def problem(self, tau: int, grid: Grid, sizes: TileSizes | None = None) -> Problem:
        """The problem of a grid of tiles, of given sizes if there are any."""
        return self.tiled_problem(self.prices.costs(tau, grid, sizes))

    def strips(self, rows: StripRows) -> StripTiming:
        """Times of strips over one fused layer."""
        tau = rows.tau
        return StripTiming(
            setting=self.setting,
            costs=self.prices.strips(rows.graph).at(rows),
            tail_s=self.prices.tail_s(tau)
            + (0.0 if rows.makes_outputs else self.prices.result.encode_s),
            down_s=self.down_s(in_parts=rows.makes_outputs),
            finish_s=self.finish_s,
        )

    def strip_problem(self, strips: Strips) -> Problem:
        """The scheduling problem of given strips: one class and one cut each.

        They must be scheduled segment by segment, each in order; its durations assume that.

        Raises:
            GeometryError: the fused layer cannot be cut into strips.
        """
        rows = strip_tiling(self.setting.graph, strips).rows
        return self.problem_of_strips(self.strips(rows), strips.segments)

    def problem_of_strips(self, strips: StripTiming, segments: Sequence[Segment]) -> Problem:
        """The same of a fused layer that is known."""
        times_ns = nanoseconds(strips.durations(segments))
        return self.assemble(
            class_of=tuple(range(times_ns.shape[1])),
            device_ns=times_ns[0, :, None],
            link_ns=times_ns[1, :, None],
            edge_ns=times_ns[2, :, None],
            back_ns=times_ns[3, :, None] if strips.returns_parts else None,
            tail_ns=ns(strips.tail_s),
            chained=True,
        )

    def problem_of_plan(self, plan: Plan) -> tuple[Problem, tuple[int, ...]]:
        """The problem, and which of its cuts (1-based, by path) the plan has chosen.

        A strip knows only the cut of its segment, so its problem has that one cut, number 1.

        Args:
            plan: a plan that has been checked against the setting's network, for any machines.
        """
        if plan.recipe.forwards:
            return self.forwarding_problem(), (1,)
        start, rest = plan.recipe.start, plan.recipe.rest
        timing = self.behind(start).with_tail(plan.tail, rest.tau)
        problem = replace(timing.problem_of(rest.arrangement), head_ns=self.head_ns(start))
        in_strips = isinstance(plan.arrangement, Strips)
        return problem, (1,) * len(plan.cuts) if in_strips else rest.cuts

    def head_ns(self, start: int) -> int:
        """What the device does before all paths: it decodes the input, and computes a head."""
        return ns(self.setting.decode_s) + self.prices.head_ns(start)

    def wire_bytes(self, plan: Plan) -> tuple[FloatArray, FloatArray | None]:
        """What every path of a plan sends up, messages included, and returns, if in parts."""
        rest, back = plan.recipe.rest, None
        if plan.recipe.forwards:
            return self.setting.link.on_wire(np.array([float(self.forwarded_bytes)])), None
        timing = self.behind(plan.recipe.start).with_tail(plan.tail, rest.tau)
        prices, link = timing.prices, timing.setting.link
        match rest.arrangement:
            case Whole():
                sent = np.array([prices.crossing(rest.cuts[0]).sent_bytes])
            case Tiles() as tiles:
                costs = prices.costs(tiles.tau, tiles.grid, tiles.sizes)
                chosen = costs.class_of, np.array(rest.cuts) - 1
                sent = costs.up_bytes[chosen]
                if costs.back_bytes is not None and timing.setting.convention.counts_result:
                    back = costs.back_bytes[chosen]
            case Strips() as strips:
                rows = strip_tiling(timing.setting.graph, strips).rows
                return timing.strips(rows).wire_bytes(strips.segments)
        return link.on_wire(sent), back

    def messages(
        self,
        sent_bytes: IntArray,
        returned_bytes: FloatArray | IntArray | float = 0.0,
        *,
        paths: int,
    ) -> MessageTimes:
        """What messages take, whatever is in them: of tiles, strips and the whole network alike."""
        return self.setting.link.messages(sent_bytes, returned_bytes, paths=paths)

    def down_s(self, *, in_parts: bool) -> float:
        """Seconds of what returns after all paths: the result, or the delay of its last part.

        With what the device takes to decode it.
        """
        setting = self.setting
        if not setting.convention.counts_result:
            return 0.0
        if in_parts:
            return setting.link.delay_s
        result = self.prices.result
        return setting.link.down_s(result.sent_bytes) + result.decode_s + setting.link.delay_s

    def assemble(
        self,
        *,
        class_of: tuple[int, ...],
        device_ns: IntArray,
        link_ns: IntArray,
        edge_ns: IntArray,
        tail_ns: int,
        back_ns: IntArray | None = None,
        chained: bool = False,
    ) -> Problem:
        """A problem of these times, with what link and convention add to it.

        The delay is paid once on the way back, by what returns last.
        """
        convention = self.setting.convention
        return Problem(
            class_of=class_of,
            device_ns=device_ns,
            link_ns=link_ns,
            edge_ns=edge_ns,
            tail_ns=tail_ns,
            back_ns=back_ns if convention.counts_result else None,
            down_ns=ns(self.down_s(in_parts=back_ns is not None)),
            finish_ns=ns(self.finish_s),
            delay_ns=ns(self.setting.link.delay_s),
            edge_workers=convention.edge_workers,
            shared_link=convention.shared_link,
            chained=chained,
        )

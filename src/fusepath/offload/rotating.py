"""Plans that the frames of a stream take in turn: found, made ready, and found anew in time."""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from fusepath.errors import FusepathError, InfeasibleError, NoPlanError, PeerRefusedError
from fusepath.offload.background import seen
from fusepath.offload.plan_map import PlanMap
from fusepath.offload.replanning import setting_under
from fusepath.offload.trials import is_of_plan
from fusepath.plan import Throughput, best_turns, by_use, make_rotation
from fusepath.protocol.adapting import Conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fusepath.offload.pairing import Prepared
    from fusepath.offload.replanning import Replanning
    from fusepath.plan import FrameLoad, Plan, StreamObjective
    from fusepath.timeline import Timeline

logger = logging.getLogger(__name__)

AS_PLANNED = Conditions()
_ELSEWHERE, _NOTICEABLE = 1.25, 1.1
"""Where anything is so many times slower or quicker than a rotation was made for, it is given up;
where it changes by less than the other, it has settled,"""
_SETTLED = 10
"""after so many frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlansInTurn:
    """Frame ``n`` of a stream takes ``plans[turns[n % len(turns)]]``."""

    plans: tuple[Plan, ...]
    """The one that most frames take comes first."""
    predicted: tuple[Timeline, ...]
    """What a frame of each does alone, from measured times of its very paths."""
    turns: tuple[int, ...]
    """By frame of a cycle: its plan, 0-based."""
    in_flight: int
    """Frames under way at a time that this is for."""
    period_s: float
    """Mean time from one result to the next, from the same times."""

    @property
    def frames_per_s(self) -> float:
        """Results per second."""
        return 1 / self.period_s


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A rotation that frames may take."""

    prepared: tuple[Prepared, ...]
    shown: PlansInTurn
    made_for: Conditions
    turns: Iterator[int]
    """Without end."""


class Rotating:
    """Has plans for the frames of a stream, which overlap; on an event loop.

    Args:
        replanning: looks for plans.
        objective: what they are to be good at together.
        alone: the plan of a single frame, which they may include.
    """

    def __init__(
        self,
        replanning: Replanning,
        objective: StreamObjective,
        alone: Callable[[], Prepared | None],
    ) -> None:
        self._replanning, self._objective, self._alone = replanning, objective, alone
        self._pairing = replanning.pairing
        self._ready: _Ready | None = None
        self._work: asyncio.Task[None] | None = None
        self._now = AS_PLANNED
        self._steady = 0
        self._in_vain: Conditions | None = None
        """For which there were no plans."""

    @property
    def shown(self) -> PlansInTurn | None:
        """The plans that are taken in turn; None while every frame takes that of a single one."""
        return None if self._ready is None else self._ready.shown

    @property
    def prepared(self) -> tuple[Prepared, ...]:
        """The same plans, as they are ready."""
        return () if self._ready is None else self._ready.prepared

    def next(self) -> Prepared | None:
        """The plan of the next frame, if there are any in turn."""
        return None if self._ready is None else self._ready.prepared[next(self._ready.turns)]

    def follow(self, now: Conditions) -> None:
        """See to it that the plans are for what link and machines are like.

        Where they are not, frames take the plan of a single one, which follows at once, until all
        has been the same for some frames and there are others.
        """
        if now.differs(self._now, _NOTICEABLE):
            self._now, self._steady = now, 0
        self._steady += 1
        if self._ready is not None and now.differs(self._ready.made_for, _ELSEWHERE):
            self._ready = None
            self._replanning.order.say("frames do not take plans in turn until there are others")
        idle = self._work is None or self._work.done()
        hopeless = self._in_vain is not None and not now.differs(self._in_vain, _ELSEWHERE)
        if self._ready is None and idle and self._steady >= _SETTLED and not hopeless:
            self._work = asyncio.ensure_future(self._find_anew(now))
            self._work.add_done_callback(seen)

    def close(self) -> None:
        """Give up what is at work."""
        if self._work is not None:
            self._work.cancel()

    async def _find_anew(self, now: Conditions) -> None:
        try:
            await self.find(now)
        except FusepathError as error:
            if isinstance(error, NoPlanError):  # and not a server that may be back soon
                self._in_vain = now
            logger.info("there are no plans to be taken in turn: %s", error)
        else:
            self._in_vain = None

    async def find(self, now: Conditions = AS_PLANNED) -> None:
        """Plan for a stream of frames, make the plans ready, and have frames take them.

        In which turns they are taken the times of their own paths decide.

        Raises:
            NoPlanError: nothing was found that keeps to the constraints, or to the rate of frames.
            PeerError: the edge server refuses a plan or does not answer.
        """
        self._replanning.order.say("planning for a stream of frames")
        plans, alone = PlanMap(await self._replanning.setting()), self._alone()
        fresh = Conditions(up=now.up, down=now.down)  # machines have just been seen at work
        prepared, loads = await self._prepared(plans, now, alone), []
        for item in prepared:
            await self._pairing.background.aside(plans.rehearsed, item)
            loads.append(plans.load(item.recipe_sha256, now if item is alone else fresh))
        turns, period_s = await self._pairing.background.aside(self._turns, loads)
        used = by_use(turns)
        chosen = tuple(prepared[at] for at in used)
        shown = PlansInTurn(
            plans=tuple(item.plan for item in chosen),
            predicted=tuple(item.predicted for item in chosen),
            turns=tuple(used.index(at) for at in turns),
            in_flight=self._objective.in_flight,
            period_s=period_s,
        )
        self._ready = _Ready(
            prepared=chosen, shown=shown, made_for=now, turns=itertools.cycle(shown.turns)
        )

    def _turns(self, loads: Sequence[FrameLoad]) -> tuple[tuple[int, ...], float]:
        """The best turns as the plans' own times are; where those miss the rate, the quickest."""
        try:
            return best_turns(loads, self._objective)
        except InfeasibleError as error:
            self._replanning.order.say(f"as measured, {error}")
            return best_turns(loads, Throughput(in_flight=self._objective.in_flight))

    async def _prepared(
        self, plans: PlanMap, now: Conditions, alone: Prepared | None
    ) -> list[Prepared]:
        """The plans of a rotation, made ready, and that of a single frame."""
        setting, order = setting_under(plans, now), self._replanning.order
        request = msgspec.structs.replace(self._replanning.request, objective=self._objective)
        while True:
            planned = await self._pairing.background.aside(
                make_rotation, setting, request, order.origin
            )
            known = {} if alone is None else {alone.recipe_sha256: alone}
            try:
                for plan in planned.plans:
                    if plan.recipe_sha256 not in known:
                        prepared = await self._pairing.prepare(plan, self._replanning.sample)
                        known[plan.recipe_sha256] = prepared
            except PeerRefusedError as error:
                if not any(is_of_plan(error, plan) for plan in planned.plans):
                    raise
                setting = replace(setting, source=None)  # it may lack the decoder, or the codecs
                request = msgspec.structs.replace(request, codecs="off", lossy="off")
            else:
                return list(known.values())

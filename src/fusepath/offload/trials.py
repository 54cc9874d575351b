"""Which plan to run: made ready, tried, and planned again where machines have changed."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusepath.errors import PeerBusyError, PeerRefusedError
from fusepath.plan import recalibrated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusepath.offload.pairing import Pairing, Prepared
    from fusepath.pictures.frame import Frame
    from fusepath.plan import Plan, Setting

TRIALS = 3
_FINALS = 6
"""More trials of those that come near to the quickest after the first,"""
_NEAR = 1.1
"""which take no more than so many times as long."""
_CAUTION, _CAUTION_MEASURED = 1.05, 1.02
"""A plan of several paths must be better by so much than the unsplit network, by prediction or as
measured: of many paths more can be late than of one."""
_TRIALS_S = 3.0
"""Where trials of all plans would take longer, there are fewer or none."""


def cautious_s(prepared: Prepared) -> float:
    """What a prepared plan is predicted to take, for choosing between such predictions."""
    return _with_caution(prepared, prepared.predicted.end_s, _CAUTION)


def _with_caution(prepared: Prepared, latency_s: float, caution: float) -> float:
    return latency_s * (caution if prepared.plan.arrangement.is_split else 1.0)


def is_of_plan(refusal: PeerRefusedError, plan: Plan) -> bool:
    """Whether what was refused may be codecs or forwarding, so that plans without may be taken.

    One for want of room says nothing of the plan.
    """
    return not (plan.is_plain or isinstance(refusal, PeerBusyError))


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Finds out which of several plans is quickest on two machines.

    Args:
        pairing: the machines.
        sample: the input that plans are tried on, (1, C, H, W), or a picture that becomes one.
        say: told what is going on.
        offer: is given every plan once it is prepared, before it is tried.
    """

    pairing: Pairing
    sample: Frame
    say: Callable[[str], None] = lambda _: None
    offer: Callable[[Prepared], None] = lambda _: None
    prepared: list[Prepared] = field(default_factory=list)
    """All that was, in turn."""

    def beside(self, best: Prepared) -> Prepared | None:
        """The most promising plan that forwards files where this one does not, or the reverse."""
        others = [item for item in self.prepared if item.forwards != best.forwards]
        return min(others, key=cautious_s, default=None)

    async def choose(
        self,
        setting: Setting,
        plans_for: Callable[[Setting], Sequence[Plan]],
        *,
        trials: int = TRIALS,
    ) -> Prepared:
        """Prepare the plans of a setting, and keep the one that turns out quickest in a few trials.

        A profile is of another time than the run. Where the most promising plan's own times show
        that a machine is not what its profile says, all is planned once more for the machine as it
        is now.

        Without trials, or on a link so slow that they would take long, predictions from the times
        of the plans' very paths decide. One of several paths must be a little better than the
        unsplit network.

        Args:
            setting: machines and link.
            plans_for: the plans to choose from for some setting, most promising first; blocks.
            trials: of every plan; 0 leaves it to predictions and takes profiles at their word.

        Raises:
            PeerError: the edge server refuses a plan or does not answer.
            InputError: a plan needs an edge server.
        """
        plans = await self.pairing.background.aside(plans_for, setting)
        prepared = await self.prepare(plans)
        plain = next((item for item in prepared if item.plan.is_plain), None)
        if trials > 0 and plain is not None:
            now = recalibrated(setting, plain.plan.timeline, plain.predicted)
            if now is not None:
                self.say("the machines are not as they were measured: planning again")
                known = {plan.recipe_sha256 for plan in plans}
                again = await self.pairing.background.aside(plans_for, now)
                others = [plan for plan in again if plan.recipe_sha256 not in known]
                if len(prepared) < len(plans):  # the edge server lacks the codecs
                    others = [plan for plan in others if plan.is_plain]
                prepared += await self.prepare(others)
        return await self._quickest(prepared, trials)

    async def prepare(self, plans: Sequence[Plan]) -> list[Prepared]:
        """Prepare plans, in their order.

        An edge server need not have every codec, nor the same decoder: a plan with codecs or one
        that forwards files is passed over where it refuses it and there are others.

        Raises:
            PeerError: the edge server refuses a plan or does not answer.
            InputError: a plan needs an edge server.
        """
        if len(plans) > 1:
            self.say(f"rehearsing the {len(plans)} most promising plans")
        prepared: list[Prepared] = []
        for plan in plans:
            self.say("preparing the sessions")
            try:
                item = await self.pairing.prepare(plan, self.sample)
            except PeerRefusedError as error:
                if not (is_of_plan(error, plan) and any(other.is_plain for other in plans)):
                    raise
                self.say(f"without {'codecs' if plan.codecs else 'forwarding'}, for {error}")
            else:
                self.offer(item)
                prepared.append(item)
                self.prepared.append(item)
        return prepared

    async def _quickest(self, prepared: Sequence[Prepared], trials: int) -> Prepared:
        """The one of least latency in so many trials, or by prediction."""
        if len(prepared) == 1:
            return prepared[0]
        trials = _affordable(prepared, trials)
        if trials == 0:
            return min(prepared, key=cautious_s)
        tried = [_Tried(item) for item in prepared]
        await self._try(tried, trials)
        least_s = min(item.least_s for item in tried)
        near = [item for item in tried if item.least_s <= _NEAR * least_s]
        if len(near) > 1:  # a few trials do not tell them apart
            await self._try(near, _affordable([item.prepared for item in near], _FINALS))
        return min(near, key=lambda item: item.usual_s).prepared

    async def _try(self, tried: Sequence[_Tried], trials: int) -> None:
        """Run each so many times more, in turn; what stays here is predicted."""
        for _ in range(trials):
            for item in tried:
                if not item.prepared.is_local:
                    inference = await self.pairing.infer(item.prepared, self.sample)
                    item.taken_s.append(inference.latency_s)


@dataclass(frozen=True)
class _Tried:
    """A plan, and what it took."""

    prepared: Prepared
    taken_s: list[float] = field(default_factory=list)

    @property
    def least_s(self) -> float:
        return self._cautious_s(min(self.taken_s, default=self.prepared.predicted.end_s))

    @property
    def usual_s(self) -> float:
        taken_s = self.taken_s or [self.prepared.predicted.end_s]
        return self._cautious_s(statistics.median(taken_s))

    def _cautious_s(self, latency_s: float) -> float:
        return _with_caution(self.prepared, latency_s, _CAUTION_MEASURED)


def _affordable(prepared: Sequence[Prepared], trials: int) -> int:
    """So many trials of each, or as many as there is time for."""
    return min(int(_TRIALS_S / sum(item.predicted.end_s for item in prepared)), trials)

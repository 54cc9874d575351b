"""How much a search may look at: evaluations, which no clock counts, and seconds as a cap.

An *evaluation* is one path scheduled once, or one choice of a batch looked at. What costs more than
that spends more: so many evaluations that they grow with the time which the work takes, whatever
the machine. A search that is given evaluations alone finds the same on a busy machine as on an idle
one, and on any machine; seconds keep it from taking too long.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from fusepath.cancellation import check_cancelled
from fusepath.errors import SettingError, check_number

if TYPE_CHECKING:
    from collections.abc import Callable

_Number = TypeVar("_Number", int, float)


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a search may spend; None limits nothing.

    Raises:
        SettingError: what is below zero, or no number.
    """

    evaluations: int | None = None
    seconds: float | None = None
    """What is found depends on how busy the machine is where this ends a search."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            given = getattr(self, name)
            if given is None:
                continue
            check_number(name, given)
            if not given >= 0:
                raise SettingError(f"a budget of {given} {name} is below zero")

    def within(self, other: Budget) -> Budget:
        """What keeps to another budget as well."""
        return Budget(
            evaluations=_least(self.evaluations, other.evaluations),
            seconds=_least(self.seconds, other.seconds),
        )

    def begin(self, *, clock: Callable[[], float] | None = None) -> Meter:
        """Start to count, from now on."""
        return Meter(self, clock=clock or time.perf_counter)


class Meter:
    """What has been spent of a budget: the only clock that searches read.

    Every loop asks `is_over` and says what it spends. Not for use by several threads at once.
    """

    def __init__(
        self, budget: Budget, *, clock: Callable[[], float], parent: Meter | None = None
    ) -> None:
        self._clock, self._parent = clock, parent
        self._begun_s, self._budget = clock(), budget
        self._most = math.inf if budget.evaluations is None else budget.evaluations
        self._until_s = None if budget.seconds is None else self._begun_s + budget.seconds
        self.spent = 0
        """Evaluations."""
        self.cut_short = False
        """Whether somebody was told that the budget is over, and so may have left something out."""

    def spend(self, evaluations: int = 1) -> None:
        """Count what was looked at, and give up here if nobody waits for it any more."""
        check_cancelled()
        self.spent += evaluations
        if self._parent is not None:
            self._parent.spend(evaluations)

    @property
    def is_over(self) -> bool:
        """Whether nothing more should be looked at."""
        over = (
            self.spent >= self._most
            or (self._until_s is not None and self._clock() >= self._until_s)
            or (self._parent is not None and self._parent.is_over)
        )
        if over:
            self.leave_out()
        return over

    def leave_out(self) -> None:
        """Note that something may have been left out, here and above."""
        self.cut_short = True
        if self._parent is not None:
            self._parent.leave_out()

    def part(self, *, evaluations: int | None = None, share: float = 1.0) -> Meter:
        """A budget of its own within what is left of this one, which it spends as well.

        Args:
            evaluations: at most so many; None for as many as are left.
            share: of the evaluations, and of the seconds, that are left.
        """
        left, seconds_left = self.evaluations_left, self.seconds_left
        mine = None if left is None else int(share * left)
        budget = Budget(
            evaluations=_least(evaluations, mine),
            seconds=None if seconds_left is None else share * seconds_left,
        )
        return Meter(budget, clock=self._clock, parent=self)

    def again(self) -> Meter:
        """As much once more, for what is wanted all the same when this is over."""
        return Meter(self._budget, clock=self._clock)

    @property
    def evaluations_left(self) -> int | None:
        """Of the evaluations; None where they are not limited."""
        own = None if self._most == math.inf else max(int(self._most) - self.spent, 0)
        above = self._parent.evaluations_left if self._parent is not None else None
        return _least(own, above)

    @property
    def seconds(self) -> float:
        """How long it has been counting."""
        return self._clock() - self._begun_s

    @property
    def seconds_left(self) -> float | None:
        """Of the cap; None without one."""
        own = None if self._until_s is None else max(self._until_s - self._clock(), 0.0)
        above = self._parent.seconds_left if self._parent is not None else None
        return _least(own, above)


def _least(*limits: _Number | None) -> _Number | None:
    """The strictest of several limits; None limits nothing."""
    return min((limit for limit in limits if limit is not None), default=None)

"""Several frames in flight, in every order in which things can happen to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.faults.line import Line
from fusepath.protocol.in_flight import Ended, InFlight, Offered, Taken
from tests.simulation.refusals import refuses
from tests.simulation.state import clone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.protocol.in_flight import Event


class ExploredLine(Line):
    """A line that can be copied before it is told anything."""

    @property
    def key(self) -> object:
        """Equal where the same may happen from now on."""
        held = (self.waiting, self.under_way, sorted(self.ended), sorted(self.delivered))
        return (self.offered, *map(tuple, held), tuple(self.outcome), self.stopped)

    def probe(self) -> None:
        """What cannot happen next is refused."""
        for event, frame in self._cannot_be():
            refuses(self.machine, lambda event=event: self.machine.handle(event), f"frame {frame}")

    def _cannot_be(self) -> Iterator[tuple[Event, int]]:
        """What cannot happen next, and the frame that is the reason."""
        for frame in (self.offered - 1, self.offered + 1):
            yield Offered(frame), frame
        if not self.has_room:
            yield Offered(self.offered), self.offered
        for frame in range(-1, self.offered + 1):
            if frame not in self.under_way:
                yield Ended(frame), frame
            if frame not in self.delivered:
                yield Taken(frame), frame

    def after(self, event: Event) -> ExploredLine:
        """What is then."""
        line = clone(self)
        line.machine = clone(self.machine)
        line.tell(event)
        return line


def explore_in_flight(machine: InFlight, frames: int) -> int:
    """Everything that can happen to so many frames; how many states there are.

    Raises:
        Violation: something that must not.
    """
    first = ExploredLine(machine, frames)
    first.probe()
    met, left = {first.key}, [first]
    while left:
        line = left.pop()
        for event in line.events():
            following = line.after(event)
            if following.key not in met:
                met.add(following.key)
                following.probe()
                left.append(following)
    return len(met)

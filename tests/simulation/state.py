"""One frame between two machines: of what kind its plan is, and how far it has come."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields
from functools import cache
from itertools import product
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from fusepath.protocol.finishing import Continue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.protocol.conversation import EdgeSession
    from fusepath.protocol.device_frame import DeviceFrame

ALONE, TAIL = "alone", "tail"
Job = int | str | Continue


@dataclass(frozen=True, slots=True)
class Setting:
    """A kind of plan; paths are sent in their order."""

    paths: int
    strips: bool
    returning: frozenset[int] | None
    overlaps: bool
    reserve: bool
    finishes: bool
    """Whether the device answers alone from what there is."""
    hedges: bool
    """Whether it does not only wait for silence."""

    @property
    def before(self) -> dict[int, int]:
        """The path that one waits for, and goes on from."""
        return {path: path - 1 for path in range(1, self.paths)} if self.strips else {}


@dataclass(slots=True)
class State:
    """What there is; machines are copied before they are told anything."""

    frame: DeviceFrame
    edge: EdgeSession | None
    """None once the server is gone."""
    frame_key: tuple[object, ...] = ()
    edge_key: tuple[object, ...] | None = None
    thread: tuple[Job, ...] = ()
    to_send: tuple[Job, ...] = ()
    writing: bool = False
    """Whether the head of what is to be sent has left, and nobody knows."""
    up: tuple[Job, ...] = ()
    arrived: frozenset[int] = frozenset()
    workers: tuple[Job, ...] = ()
    fused: frozenset[int] = frozenset()
    tailed: bool = False
    down: tuple[tuple[str, Any], ...] = ()
    parts: frozenset[int] = frozenset()
    on: frozenset[int] = frozenset()
    """Paths that the device has taken from their cuts on."""
    armed: bool = False
    hedged: bool = False
    loss: bool = False
    """Whether the device is yet to hear of a crash."""
    faulty: bool = False
    over: bool = False
    """Whether the device has ended the conversation."""
    ended: str = ""

    def forget(self) -> None:
        """Let go what makes no difference any more."""
        if self.over:
            self.edge, self.to_send, self.writing, self.down = None, (), False, ()
            self.loss = False
        if self.edge is None:
            self.edge_key = None
            self.up = self.workers = ()
            self.arrived = self.fused = frozenset()
            self.tailed = False
        if self.ended:
            self.armed = self.hedged = False
            self.parts = self.on = frozenset()

    def copy(self) -> State:
        """Another state, as yet the same."""
        return State(*_ALL(self))

    def key(self) -> object:
        """What tells two states from each other."""
        return _KNOWN(self)


_ALL = attrgetter(*[item.name for item in fields(State)])
_KNOWN = attrgetter(*[item.name for item in fields(State)][2:])  # without the machines


_CONSTANT = {"order", "returning", "predecessors", "_successors", "remainder", "hedge_s", "story"}


@cache
def _changing(kind: type[Any]) -> Callable[[Any], tuple[object, ...]]:
    return attrgetter(*[item.name for item in fields(kind) if item.name not in _CONSTANT])


def key_of(machine: Any) -> tuple[object, ...]:
    """What a machine knows, but for its story."""
    values = _changing(type(machine))(machine)
    return tuple([frozenset(value) if isinstance(value, set) else value for value in values])


@cache
def _slots(kind: type[Any]) -> list[str]:
    return [item.name for item in fields(kind)]


def clone(machine: Any) -> Any:
    """A machine that knows the same."""
    twin = object.__new__(type(machine))
    for name in _slots(type(machine)):
        value = getattr(machine, name)
        setattr(twin, name, value.copy() if isinstance(value, set | list | deque) else value)
    return twin


def told(story: Any) -> str:
    lines = []
    while story is not None:
        name, story = story
        if name is not None:
            lines.append(name)
    return " -> ".join(reversed(lines)) or "the start"


_HOW = {
    (True, False, False): 5,
    (False, False, False): 5,
    (True, True, False): 5,
    (True, False, True): 5,
    (True, True, True): 4,  # tiles: of five there are as many states as of all others together
}
"""Whether the device answers alone, finishes from what there is, and hedges; how many tiles."""


def settings(most_paths: int) -> Iterator[Setting]:
    """Every kind of plan of up to so many paths: tiles and strips, whole results and parts."""
    for paths, strips, overlaps, (how, most_tiles) in product(
        range(1, most_paths + 1), (False, True), (True, False), _HOW.items()
    ):
        if not strips and paths > most_tiles:
            continue
        for returning in (None, frozenset(range(paths)), frozenset(range(0, paths, 2))):
            yield Setting(paths, strips, returning, overlaps, *how)

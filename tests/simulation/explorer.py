"""Every order in which one frame can happen, with a crash or a standstill anywhere.

A state is what both machines know and what is on its way; an action is one thing that may happen
next. Every state is visited once. None may be stuck before the frame has ended, and nothing may
happen twice.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

from fusepath.protocol.conversation import (
    Compute,
    ComputeTail,
    EdgeSession,
    ProtocolError,
    Send,
    SendPart,
    SendResult,
)
from fusepath.protocol.device_frame import (
    Answered,
    Arm,
    ArmHedge,
    Begun,
    ComputeAlone,
    Computed,
    Deliver,
    DeliverAlone,
    DeviceFrame,
    DoneAlone,
    Fail,
    GiveUp,
    Late,
    Lost,
    Overdue,
    PartReturned,
    Sent,
    StopComputing,
)
from fusepath.protocol.finishing import Assemble, Continue, Continued, Remainder
from tests.simulation.clock import Violation, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Action = tuple[str, Callable[["State"], None]]

_OUT_OF_SIGHT = ("leaves", "arrives", "server computed")
"""What the device does not see happen."""
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
        twin = object.__new__(State)
        for name in _names(State):
            setattr(twin, name, getattr(self, name))
        return twin

    def key(self) -> tuple[object, ...]:
        """What tells two states from each other."""
        return tuple([getattr(self, name) for name in NAMES])


NAMES = [item.name for item in fields(State)][2:]  # without the machines


@cache
def _names(kind: type[Any]) -> list[str]:
    constant = {"order", "returning", "predecessors", "_successors", "remainder", "hedge_s"}
    return [item.name for item in fields(kind) if kind is State or item.name not in constant]


def _key(machine: Any) -> tuple[object, ...]:
    values = [getattr(machine, name) for name in _names(type(machine)) if name != "story"]
    return tuple([frozenset(value) if isinstance(value, set) else value for value in values])


def _clone(machine: Any) -> Any:
    twin = copy.copy(machine)
    for name in _names(type(machine)):
        value = getattr(machine, name)
        if isinstance(value, set | list):
            setattr(twin, name, value.copy())
    return twin


class Explorer:
    """Explores one setting.

    Args:
        setting: the plan.
        every_order: whether orders are told apart that neither machine can. Without, messages leave
            and arrive at once, and so does work of the edge server end of which nothing returns;
            what returns is made when all before it has come back; and of tiles, which are alike,
            the first or the last is.
    """

    def __init__(self, setting: Setting, *, every_order: bool = True) -> None:
        self.setting, self.every_order = setting, every_order
        self.states = 0

    def explore(self) -> None:
        """Visit every state.

        Raises:
            Violation: something happened that must not; says what led there.
        """
        setting = self.setting
        options = {} if setting.overlaps else {"overlaps": False}
        edge = EdgeSession(setting.paths, setting.before, setting.returning, **options)
        finishing: dict[str, Any] = {}
        if setting.finishes:
            zeros = [0.0] * setting.paths
            remainder = Remainder(
                to_cut_s=zeros,
                from_cut_s=zeros,
                tail_s=0.0,
                whole_s=1.0,
                predecessors=setting.before,
            )
            finishing = {"remainder": remainder}
        if setting.hedges:
            finishing["hedge_s"] = 1.0
        first = State(
            DeviceFrame(
                tuple(range(setting.paths)),
                patience_s=1.0 if setting.reserve else None,
                returning=setting.returning or (),
                **options,
                **finishing,
            ),
            edge,
            edge_key=_key(edge),
        )
        self._tell(first, Begun())
        require(len(first.thread) == setting.paths, "not every path is computed")
        seen = {first.key()}
        todo: list[tuple[State, Any]] = [(first, None)]
        probed: set[object] = set()
        while todo:
            state, past = todo.pop()
            stuck = True
            for name, action in self._chosen(state):
                stuck = False
                after = state.copy()
                story = (name, past)
                try:
                    action(after)
                except Exception as error:
                    raise Violation(f"{setting}: {error!r} after {_told(story)}") from error
                after.forget()
                key = after.key()
                if key not in seen:
                    seen.add(key)
                    _probe(after, story, probed)
                    todo.append((after, story))
            if stuck and not (state.ended and state.over and not state.thread):
                raise Violation(f"{setting}: stuck after {_told(past)}")
        self.states = len(seen)

    # ------------------------------------------------------------------ what may happen

    def _chosen(self, state: State) -> Sequence[Action]:
        """Those of the actions that are tried."""
        actions = list(self._actions(state))
        if self.every_order or state.over:
            return actions
        tried = []
        for name, action in actions:
            if not name.startswith(_OUT_OF_SIGHT):
                tried.append((name, action))
                continue
            after = state.copy()
            action(after)
            if after.down == state.down:
                return [(name, action)]
            if not state.down:
                tried.append((name, action))
        return tried

    def _actions(self, state: State) -> Iterator[Action]:
        if state.thread:
            yield f"device computed {state.thread[0]}", self._compute
        if state.armed:
            yield "the timer", self._fire
        if state.hedged:
            yield "the hedge", self._hedge
        if state.over:
            return
        if state.to_send and not state.writing:
            yield f"leaves: {state.to_send[0]}", _leave
        if state.writing:
            yield f"{state.to_send[0]} is known to have left", self._know
        if state.edge is not None and state.up:
            yield f"arrives: {state.up[0]}", self._arrive
        if state.edge is not None:
            for job in self._in_turn(state):
                yield f"server computed {job}", lambda after, job=job: self._serve(after, job)
        if state.down:
            yield f"{state.down[0]} comes back", self._return
        if not state.faulty:
            yield "a crash", _crash
            yield "a standstill", self._stand_still
        if state.loss:
            yield "the loss is noticed", lambda after: self._lose(after, "lost")

    def _in_turn(self, state: State) -> Sequence[Job]:
        """What the server may be through with next: strips in turn, tiles in any order."""
        if self.setting.strips:
            return state.workers[:1]
        if self.every_order:
            return state.workers
        return list(dict.fromkeys((*state.workers[:1], *state.workers[-1:])))

    def _compute(self, state: State) -> None:
        job, *rest = state.thread
        state.thread = tuple(rest)
        if state.ended:
            return
        match job:
            case Continue(path):
                state.on |= {path}
                self._tell(state, Continued(path))
            case int():
                self._tell(state, Computed(job))
            case _:
                self._tell(state, DoneAlone())

    def _fire(self, state: State) -> None:
        state.armed = False
        self._tell(state, Overdue())

    def _hedge(self, state: State) -> None:
        state.hedged = False
        self._tell(state, Late())

    def _know(self, state: State) -> None:
        path, *rest = state.to_send
        state.to_send, state.writing = tuple(rest), False
        self._tell(state, Sent(path))

    def _arrive(self, state: State) -> None:
        path, *rest = state.up
        state.up = tuple(rest)
        edge = _clone(state.edge)
        assert isinstance(path, int)
        state.arrived |= {path}
        self._obey(state, edge, edge.arrived(path))

    def _serve(self, state: State, job: Job) -> None:
        state.workers = tuple([other for other in state.workers if other != job])
        edge = _clone(state.edge)
        if job == TAIL:
            state.tailed = True
            self._obey(state, edge, edge.tail_computed())
        else:
            assert isinstance(job, int)
            state.fused |= {job}
            self._obey(state, edge, edge.computed(job))

    def _return(self, state: State) -> None:
        (kind, value), *rest = state.down
        state.down = tuple(rest)
        if kind == "part":
            state.parts |= {value}
            self._tell(state, PartReturned(value))
        else:
            self._tell(state, Answered(value))

    def _lose(self, state: State, reason: str) -> None:
        state.loss, state.over = False, True
        if not state.ended:
            self._tell(state, Lost(reason))

    def _stand_still(self, state: State) -> None:
        state.faulty, state.edge = True, None
        # Where nobody looks at the time, the deadline of the call does.
        state.loss = not self.setting.reserve

    # ------------------------------------------------------------------ what is done

    def _tell(self, state: State, event: Any) -> None:
        state.frame = _clone(state.frame)
        commands = state.frame.handle(event)
        state.frame.story.clear()
        state.frame_key = _key(state.frame)
        for command in commands:
            require(not state.ended, f"{command} after the end")
            match command:
                case Compute(path):
                    state.thread += (path,)
                case Send(path):
                    state.to_send += (path,)
                case Arm():
                    state.armed = True
                case ArmHedge():
                    require(not state.hedged, "two hedges")
                    state.hedged = True
                case StopComputing():
                    state.thread = state.thread[:1]  # which has begun
                case ComputeAlone() | Continue() | Assemble():
                    self._begin(state, command)
                case GiveUp():
                    state.over = True
                case Deliver():
                    returning = self.setting.returning
                    whole = returning is None or state.parts == returning
                    require(whole and not state.over, "a result that is not whole")
                    state.ended, state.over = "together", True
                case DeliverAlone():
                    require(self.setting.reserve and state.over, "a conversation is left open")
                    state.ended = "alone"
                case Fail():
                    require(not self.setting.reserve and state.over, "a failure for no reason")
                    state.ended = "failed"
        require(state.frame.has_ended == bool(state.ended), "the frame does not know its end")
        require(state.faulty or state.ended != "failed", "a failure without a fault")

    def _begin(self, state: State, command: Any) -> None:
        """Begin with something for an answer of the device's own."""
        match command:
            case ComputeAlone():
                require(ALONE not in state.thread, "it computes alone twice")
                require(not self.setting.finishes, "what there is is not used")
                state.thread += (ALONE,)
            case Continue(path):
                before = self.setting.before.get(path)
                require(before is None or before in state.on, f"{path} goes on before {before}")
                require(not state.thread and path not in state.on, "more than is needed")
                state.thread += (command,)
            case Assemble():
                wanted = self.setting.returning or frozenset(range(self.setting.paths))
                require(wanted <= state.parts | state.on, "something is missing")
                require(self.setting.finishes and not state.thread, "it computes alone twice")
                state.thread += (ALONE,)

    def _obey(self, state: State, edge: EdgeSession, commands: list[Any]) -> None:
        state.edge, state.edge_key = edge, _key(edge)
        for command in commands:
            match command:
                case Compute(path):
                    require(path not in (*state.workers, *state.fused), "a path twice")
                    state.workers += (path,)
                case ComputeTail():
                    require(TAIL not in state.workers and not state.tailed, "a tail twice")
                    state.workers += (TAIL,)
                case SendPart(path):
                    require(path in state.fused, "a part that is not there")
                    state.down += (("part", path),)
                case SendResult():
                    require(len(state.fused) == self.setting.paths, "a result too early")
                    require(state.tailed or self.setting.returning is not None, "no outputs")
                    state.down += (("result", tuple(sorted(state.fused))),)


def _probe(state: State, story: Any, probed: set[object]) -> None:
    """What cannot have happened is refused by name, and changes nothing."""
    frame, edge = state.frame, state.edge
    paths = range(-1, len(frame.order) + 1)
    alone = state.frame_key in probed or frame.has_ended or ALONE in state.thread or state.over
    if not alone:
        probed.add(state.frame_key)
        waiting = state.thread[:1]
        leaving = state.to_send[:1]
        wrong = [Computed(path) for path in paths if (path,) != waiting]
        wrong += [Sent(path) for path in paths if (path,) != leaving]
        wrong += [Continued(path) for path in paths if (Continue(path),) != waiting]
        for event in wrong:
            _refused(frame, lambda event=event: frame.handle(event), event.path, story)
        _refused(frame, lambda: frame.handle(DoneAlone()), None, story)
        for answer, path in _lies(state):
            _refused(frame, lambda answer=answer: frame.handle(answer), path, story)
        require(frame.story == [], f"what was refused is in the story after {_told(story)}")
    if edge is not None and state.edge_key not in probed:
        probed.add(state.edge_key)
        for path in paths:
            if path not in state.workers:
                _refused(edge, lambda path=path: edge.computed(path), path, story)
        if TAIL not in state.workers and not state.tailed and not state.fused:
            missing = {path for path in frame.order if path not in state.arrived}
            for path in {*paths} - missing:
                _refused(edge, lambda path=path: edge.arrived(path), path, story)


def _lies(state: State) -> Iterator[tuple[Any, int | None]]:
    """What a server may not say now, and the path that is the reason."""
    frame = state.frame
    order, returning = list(frame.order), frame.returning
    sent = [event for event in order if event not in (*state.thread, *state.to_send)]
    leaving = {*sent, *state.to_send[:1]}
    for path in (-1, *order, len(order)):
        if path not in returning or path in state.parts or path not in leaving:
            yield PartReturned(path), path
    yield Answered([*order, 77, len(order)]), len(order)
    yield Answered(order[1:]), None
    yield Answered([*order, 0]), None
    missing = [path for path in order if path in returning and path not in state.parts]
    if len(leaving) < len(order):
        yield Answered(order), None
    elif missing:
        yield Answered(order), missing[0]


def _refused(machine: Any, say: Callable[[], Any], path: int | None, story: Any) -> None:
    before = _key(machine)
    try:
        say()
    except ProtocolError as error:
        named = path is None or f"path {path + 1}" in str(error)
        require(named, f"another path is named: {error}, not {path}, after {_told(story)}")
    else:
        raise Violation(f"what cannot be is taken for path {path} after {_told(story)}")
    require(_key(machine) == before, f"what is refused changes something after {_told(story)}")


def _leave(state: State) -> None:
    state.writing = True
    if state.edge is not None:
        state.up += state.to_send[:1]


def _crash(state: State) -> None:
    state.faulty = state.loss = True
    state.edge = None


def _told(story: Any) -> str:
    lines = []
    while story is not None:
        name, story = story
        if name is not None:
            lines.append(name)
    return " -> ".join(reversed(lines)) or "the start"


_HOW = (
    *((reserve, False, False) for reserve in (True, False)),
    *((True, True, False), (True, False, True), (True, True, True)),
)
"""Whether the device answers alone, finishes from what there is, and hedges."""
_EVERY_ORDER = 3
"""Paths; with more only orders that a machine can tell apart are visited."""


def settings(most_paths: int) -> Iterator[Setting]:
    """Every kind of plan of up to so many paths: tiles and strips, whole results and parts."""
    for paths, strips, overlaps, how in product(
        range(1, most_paths + 1), (False, True), (True, False), _HOW
    ):
        for returning in (None, frozenset(range(paths)), frozenset(range(0, paths, 2))):
            yield Setting(paths, strips, returning, overlaps, *how)


def explore(most_paths: int) -> int:
    """Explore all settings; the number of states.

    Raises:
        Violation: something happened that must not.
    """
    states = 0
    for setting in settings(most_paths):
        explorer = Explorer(setting, every_order=setting.paths <= _EVERY_ORDER)
        explorer.explore()
        states += explorer.states
    return states

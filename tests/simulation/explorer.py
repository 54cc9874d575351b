"""Every order in which one frame can happen, with a crash or a standstill anywhere.

A state is what both machines know and what is on its way; an action is one thing that may happen
next. Every state is visited once. None may be stuck before the frame has ended, and nothing may
happen twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusepath.faults.clock import Violation, require
from fusepath.protocol.conversation import (
    Compute,
    ComputeTail,
    EdgeSession,
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
from tests.simulation.refusals import probe
from tests.simulation.state import (
    ALONE,
    TAIL,
    State,
    clone,
    key_of,
    settings,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.simulation.state import Job, Setting

    Action = tuple[str, Callable[[State], None]]

_OUT_OF_SIGHT = ("leaves", "arrives", "server computed")
"""What the device does not see happen."""
_EVERY_ORDER = 2
"""Paths; with more only orders that a machine can tell apart are visited."""


class Explorer:
    """Explores one setting.

    Args:
        setting: the plan.
        every_order: whether orders are told apart that neither machine can. Without, messages leave
            and arrive at once, and work of the edge server of which nothing returns ends at once;
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
            edge_key=key_of(edge),
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
                    raise Violation(f"{setting}: {error!r} after {told(story)}") from error
                after.forget()
                key = after.key()
                if key not in seen:
                    seen.add(key)
                    probe(after, story, probed)
                    todo.append((after, story))
            if stuck and not (state.ended and state.over and not state.thread):
                raise Violation(f"{setting}: stuck after {told(past)}")
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
        edge = clone(state.edge)
        assert isinstance(path, int)
        state.arrived |= {path}
        self._obey(state, edge, edge.arrived(path))

    def _serve(self, state: State, job: Job) -> None:
        state.workers = tuple([other for other in state.workers if other != job])
        edge = clone(state.edge)
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
        state.frame = clone(state.frame)
        commands = state.frame.handle(event)
        state.frame.story.clear()
        state.frame_key = key_of(state.frame)
        for command in commands:
            require(not state.ended, "{} after the end", command)
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
                case DeliverAlone(fallback):
                    require(not fallback.retry_after_s, "nobody has asked to be left alone")
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
                require(before is None or before in state.on, "{} goes on before {}", path, before)
                require(not state.thread and path not in state.on, "more than is needed")
                state.thread += (command,)
            case Assemble():
                wanted = self.setting.returning or frozenset(range(self.setting.paths))
                require(wanted <= state.parts | state.on, "something is missing")
                require(self.setting.finishes and not state.thread, "it computes alone twice")
                state.thread += (ALONE,)

    def _obey(self, state: State, edge: EdgeSession, commands: list[Any]) -> None:
        state.edge, state.edge_key = edge, key_of(edge)
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


def _leave(state: State) -> None:
    state.writing = True
    if state.edge is not None:
        state.up += state.to_send[:1]


def _crash(state: State) -> None:
    state.faulty = state.loss = True
    state.edge = None


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

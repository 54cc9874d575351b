"""What cannot have happened is refused by name, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusepath.faults.clock import Violation, require
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.device_frame import (
    Answered,
    Computed,
    DoneAlone,
    Late,
    Lost,
    Overdue,
    PartReturned,
    Sent,
)
from fusepath.protocol.finishing import Continue, Continued
from tests.simulation.state import ALONE, TAIL, State, clone, key_of, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.protocol.device_frame import DeviceFrame


def refuses(machine: Any, say: Callable[[], Any], named: str) -> None:
    """A machine is told what cannot have happened.

    Raises:
        Violation: it takes it, changes, or says of something else that it cannot have been.
    """
    before = clone(machine)
    require(named in refusal(say), "it is not said that {} cannot be", named)
    require(machine == before, "what is refused of {} changes something", named)


def refusal(say: Callable[[], Any]) -> str:
    """Why something is refused.

    Raises:
        Violation: it is not.
    """
    try:
        say()
    except ProtocolError as error:
        return str(error)
    raise Violation("what cannot be is taken")


def probe(state: State, story: Any, probed: set[object]) -> None:
    """What cannot have happened to one frame is refused by name, and changes nothing."""
    frame, edge = state.frame, state.edge
    paths = range(-1, len(frame.order) + 1)
    if state.frame_key not in probed and not frame.has_ended:
        probed.add(state.frame_key)
        _probe_frame(state, paths, story)
    if edge is not None and state.edge_key not in probed:
        probed.add(state.edge_key)
        for path in paths:
            if path not in state.workers:
                _refused(edge, lambda path=path: edge.computed(path), path, story)
        if TAIL not in state.workers and not state.tailed and not state.fused:
            missing = {path for path in frame.order if path not in state.arrived}
            for path in {*paths} - missing:
                _refused(edge, lambda path=path: edge.arrived(path), path, story)


def _probe_frame(state: State, paths: range, story: Any) -> None:
    frame, waiting, leaving = state.frame, state.thread[:1], state.to_send[:1]
    wrong: list[Any] = []
    if state.over:
        _tell_late_news(frame, story)
    if not state.over or frame.remainder is not None:
        wrong += [Continued(path) for path in paths if (Continue(path),) != waiting]
    if not state.over and ALONE not in state.thread:
        wrong += [Computed(path) for path in paths if (path,) != waiting]
        wrong += [Sent(path) for path in paths if (path,) != leaving]
        _refused(frame, lambda: frame.handle(DoneAlone()), None, story)
        for answer, path in _lies(state):
            _refused(frame, lambda answer=answer: frame.handle(answer), path, story)
    for event in wrong:
        _refused(frame, lambda event=event: frame.handle(event), event.path, story)
    require(frame.story == [], "what was refused is in the story after {}", told(story))


def _tell_late_news(frame: DeviceFrame, story: Any) -> None:
    """A conversation that is over has nothing to say any more, and of work nobody asked for it."""
    before = key_of(frame)
    path = frame.order[0]
    news = [Sent(path), PartReturned(path), Answered(frame.order), Lost("again"), Overdue(), Late()]
    for event in news:
        late = frame.handle(event)
        require(not late and key_of(frame) == before, "{} is no news after {}", event, told(story))
    frame.story.clear()


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
    before = key_of(machine)
    try:
        say()
    except ProtocolError as error:
        named = path is None or f"path {path + 1}" in str(error)
        require(named, "another path is named: {}, not {}, after {}", error, path, told(story))
    else:
        raise Violation(f"what cannot be is taken for path {path} after {told(story)}")
    require(key_of(machine) == before, "what is refused changes something after {}", told(story))

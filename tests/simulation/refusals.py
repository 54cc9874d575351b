"""What cannot have happened to one frame is refused by name, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.device_frame import Answered, Computed, DoneAlone, PartReturned, Sent
from fusepath.protocol.finishing import Continue, Continued
from tests.simulation.clock import Violation, require
from tests.simulation.state import ALONE, TAIL, State, key_of, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def probe(state: State, story: Any, probed: set[object]) -> None:
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
        require(frame.story == [], f"what was refused is in the story after {told(story)}")
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
    before = key_of(machine)
    try:
        say()
    except ProtocolError as error:
        named = path is None or f"path {path + 1}" in str(error)
        require(named, f"another path is named: {error}, not {path}, after {told(story)}")
    else:
        raise Violation(f"what cannot be is taken for path {path} after {told(story)}")
    require(key_of(machine) == before, f"what is refused changes something after {told(story)}")

"""The device's session: frame after frame, and a `Watch` over the edge server."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fusepath.faults.clock import Timer, Violation, cancel, require
from fusepath.faults.conversation import Conversation
from fusepath.faults.device import Frame
from fusepath.faults.line import Line
from fusepath.faults.thread import Owner
from fusepath.protocol.device_frame import Fallback, Stage
from fusepath.protocol.in_flight import (
    Begin,
    Deliver,
    Drop,
    Ended,
    InFlight,
    Offered,
    Stopped,
    Taken,
    WhenFull,
)
from fusepath.protocol.watch import (
    Dial,
    Due,
    Failed,
    MakeReady,
    Pause,
    Reached,
    Ready,
    Served,
    ServedLate,
    State,
    UseAlone,
    UseTogether,
    Watch,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.faults.story import Message
    from fusepath.faults.surroundings import Surroundings
    from fusepath.protocol.in_flight import Event as LineEvent

SIGN_OF_LIFE_EVERY_S, SIGN_OF_LIFE_WITHIN_S = 1.0, 1.5
PREPARE_WITHIN_S = 6.0
FIRST_PAUSE_S, LONGEST_PAUSE_S, FORGIVEN_AFTER = 0.1, 2.0, 20
_CAMERA_S = 0.01
"""Between frames that come whether there is room or not."""
_ALL = 1 << 30
MOST_LATE, LATE = 7, "its answers come late, one after the other"


class _Alone(Owner):
    """A frame for which the edge server is not asked."""


class Driver:
    """Answers frames with the plan, or alone, as the watch says; several overlap."""

    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self.watch = Watch(world.random.random)
        self.away: str | None = None
        """Why the edge server is not used."""
        self.frames: dict[Frame, None] = {}
        """Those for which it was asked, and that have not ended."""
        self.in_a_row = 0
        """Frames that went well together, since one did not."""
        self.alone = self.fell_back = self.failed = self.dropped = self.overlapping = 0
        self.answered = 0
        """Frames that have ended, one way or the other, but for those dropped."""
        self.pause: Timer | None = None
        self.conversation = Conversation(world)
        self.closed = False
        self._line = self._new_line()
        self._wanted = 0
        """Frames that are yet to come."""
        self._begun = 0
        self._coming: Timer | None = None
        self._at_work = 0
        self._failures = self._served = self._late = 0

    # ------------------------------------------------------------------ frames

    def _new_line(self) -> Line:
        scene = self.world.scene
        return Line(InFlight(scene.in_flight, scene.waiting, scene.when_full), frames=_ALL)

    @property
    def together(self) -> bool:
        """Whether the edge server is used."""
        return self.away is None

    def run(self, frames: int) -> None:
        """Have so many more frames come."""
        self._wanted += frames
        self._offer()

    @property
    def is_done(self) -> bool:
        """Whether all frames have ended, and their results been taken."""
        line = self._line
        held = line.waiting or line.under_way or line.ended or line.delivered
        return not (self._wanted or held or self.answered < self._begun)

    def begin_anew(self) -> None:
        """The application wants no more results of these frames, but of others."""
        self._tell_line(self._line, Stopped())
        self._line = self._new_line()
        self._offer()

    def _offer(self) -> None:
        """Another frame comes, if it may."""
        if self._wanted and self._coming is None and self._line.machine.has_room:
            self._wanted -= 1
            pause_s = self.world.scene.pause_s
            if self.world.scene.when_full is WhenFull.LATEST:
                pause_s = max(pause_s, _CAMERA_S)
            self._coming = self.world.clock.after(pause_s, self._come)
            self._tell_line(self._line, Offered(self._line.offered))

    def _come(self) -> None:
        self._coming = None
        self._offer()

    def _tell_line(self, line: Line, event: LineEvent) -> None:
        """Let a line of frames know what has happened, and do what it says."""
        commands = line.tell(event)
        if self.world.story is not None:
            self.world.tell("line", event, commands)
        for command in commands:
            match command:
                case Begin(place):
                    self._begin(line, place)
                case Drop():
                    self.dropped += 1
                case Deliver(place):
                    self.world.clock.after(self.world.scene.take_s, self._take, line, place)
        self._offer()

    def _take(self, line: Line, place: int) -> None:
        if not line.stopped:
            self._tell_line(line, Taken(place))

    def _begin(self, line: Line, place: int) -> None:
        number, self._begun = self._begun, self._begun + 1
        under_way = self._begun - self.answered
        self.overlapping += under_way > 1
        if self.world.story is not None:
            self.world.story.begin_frame(number, self.world.clock.now, self.away)
        if self.together:
            frame = Frame(self.world, number, under_way, partial(self._ended, line, place))
            self.frames[frame] = None
            frame.begin()
        elif not self.world.scene.reserve:
            self.failed += 1
            if self.world.story is not None:
                self.world.story.failed(number, f"not used until it answers again ({self.away})")
            self.world.clock.after(0.0, self._count, line, place, number)
        else:
            self.alone += 1
            assert self.away is not None
            asks_s = Fallback(self.away, Stage.AWAY).retry_after_s
            require(not asks_s, "whoever was not asked asks to be left alone")
            alone_s = self.world.scene.alone_s
            self.world.thread.submit(_Alone(number), alone_s, self._count, line, place, number)

    def _ended(self, line: Line, place: int, frame: Frame) -> None:
        del self.frames[frame]
        reason = frame.error
        if reason is not None:
            self.failed += 1
        elif frame.fallback is not None:
            self.fell_back += 1
            reason = frame.fallback.reason
        if reason is None:
            self.in_a_row += 1
            self.tell(ServedLate() if frame.was_late else Served())
        else:
            self.in_a_row = 0
            if self.together:  # of several under way the first one tells
                self.tell(Failed(reason, frame.retry_after_s))
            require(not self.together, "the server is used on")
        if self.world.story is not None and frame.fallback is not None:
            self.world.story.fell_back(frame.number, frame.fallback.reason)
        if self.world.story is not None and frame.error is not None:
            self.world.story.failed(frame.number, frame.error)
        self._count(line, place, frame.number)

    def _count(self, line: Line, place: int, number: int) -> None:
        self.answered += 1
        if self.world.story is not None:
            self.world.story.end_frame(number, self.world.clock.now)
        self._tell_line(line, Ended(place))

    # ------------------------------------------------------------------ the watch

    def tell(self, event: Any) -> None:
        """Let the watch know, and do what it says."""
        watch, used = self.watch, self.together
        commands = watch.handle(event)
        if self.world.story is not None and not isinstance(event, Served):
            self.world.tell("watch", event, commands)
        late = self._late + 1 if isinstance(event, ServedLate) and used else 0
        self._late = self._late if not used else late
        if not isinstance(event, Served):
            require(watch.story[-1] == (event, tuple(commands)), "the story is another one")
        require(len(watch.story) <= 256, "the story is long")
        if isinstance(event, Served) and used:
            self._served += 1
            if self._served >= FORGIVEN_AFTER:
                self._failures = 0
        tries = any(isinstance(command, Pause | Dial) for command in commands)
        require(tries == (late > MOST_LATE) or not isinstance(event, ServedLate), "too late?")
        if isinstance(event, Failed | ServedLate) and tries:
            self._failures += 1
        for command in commands:
            self._do(command, event)
        if not self.together:
            busy = self._at_work or (self.pause is not None and self.pause[2] is not None)
            require(busy, "nobody looks after the server")
        require(self.together == (watch.state is State.USED), "used or not?")

    def _do(self, command: Any, event: Any) -> None:
        match command:
            case UseAlone(reason):
                require(self.together, "alone for no reason")
                why = event.reason if isinstance(event, Failed) else LATE
                require(reason == why, "another reason")
                self.away = reason
            case UseTogether():
                require(not self.together and isinstance(event, Ready), "it is not ready")
                self.away, self._served = None, 0
            case Pause(seconds):
                require(self.pause is None, "two pauses at a time")
                retry_s = event.retry_after_s if isinstance(event, Failed) else 0.0
                most_s = min(FIRST_PAUSE_S * 2 ** (self._failures - 2), LONGEST_PAUSE_S)
                require(self._failures > 1 or retry_s, "the first try is not at once")
                least_s, most_s = max(most_s / 2, retry_s), max(most_s, 1.5 * retry_s)
                require(least_s <= seconds <= most_s, "a pause of {} s, not {}", seconds, most_s)
                self.pause = self.world.clock.after(seconds, self._due)
            case Dial():
                at_once = isinstance(event, Due) or self._failures == 1
                asked = isinstance(event, Failed) and event.retry_after_s
                require(at_once and not asked, "no pause before a try")
                self.conversation.renew()
                self._greet(lambda: self.tell(Reached()), self._fail)
            case MakeReady():
                require(isinstance(event, Reached), "it was not reached")
                self._make_ready()
            case _:
                raise Violation(f"the session was told to {command}")

    def _due(self) -> None:
        self.pause = None
        self.tell(Due())

    def _fail(self, reason: str) -> None:
        failed = Failed(reason)
        require(not failed.retry_after_s, "whoever says nothing asks to be left alone")
        self.tell(failed)

    def _greet(self, done: Callable[[], None], failed: Callable[[str], None]) -> None:
        self._ask(("greet",), ("greeting",), SIGN_OF_LIFE_WITHIN_S, (done, failed))

    def _make_ready(self) -> None:
        """It may take long; a server that stands still meanwhile is not waited for."""
        ended = False

        def once(tell: Callable[..., None], *arguments: Any) -> None:
            nonlocal ended
            if not ended:
                ended = True
                tell(*arguments)

        def failed(reason: str) -> None:
            once(self._fail, reason)

        def look() -> None:
            if not ended:
                self._greet(look_again, failed)

        def look_again() -> None:
            self.world.clock.after(SIGN_OF_LIFE_EVERY_S, look)

        outcome = (lambda: once(self.tell, Ready()), failed)
        self._ask(("prepare",), ("prepared",), PREPARE_WITHIN_S, outcome)
        look_again()

    def _ask(
        self,
        question: Message,
        answer: Message,
        within_s: float,
        outcome: tuple[Callable[[], None], Callable[[str], None]],
    ) -> None:
        """One message there and one back."""
        network = self.world.network
        done, failed = outcome
        self._at_work += 1

        def settle(tell: Callable[..., None], *arguments: Any) -> None:
            self._at_work -= 1
            cancel(timer)
            tell(*arguments)

        def receive(message: Message) -> None:
            network.close(call)
            if message == answer:
                settle(done)
            else:
                settle(failed, f"{message} is no answer")

        call = network.open(receive, lambda reason: settle(failed, reason))
        timer = self.world.clock.after(within_s, network.fail, call, "no answer in time")
        network.send(0, call, question)

    def look(self) -> None:
        """Ask for a sign of life between frames."""
        if self.closed:
            return
        self.world.clock.after(SIGN_OF_LIFE_EVERY_S, self.look)
        if self.together and not self.frames:
            self._greet(lambda: None, self._no_sign)

    def _no_sign(self, reason: str) -> None:
        if not self.frames:  # or they will show
            self.tell(Failed(reason))

    # ------------------------------------------------------------------ the clock

    def jump(self, by_s: float) -> None:
        """The clock jumps: timers go off early, or late."""
        clock = self.world.clock
        for frame in self.frames:
            if frame.timer is not None:
                frame.timer = clock.move(frame.timer, -by_s)
                if frame.hedge is not None:
                    frame.hedge = clock.move(frame.hedge, -by_s)
                frame.late_s += max(-by_s, 0.0)
        if self.pause is not None:
            self.pause = clock.move(self.pause, -by_s)

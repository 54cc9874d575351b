"""The device: carries out a `DeviceFrame`'s commands in simulated time, and checks each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusepath.faults.clock import Timer, Violation, cancel, require
from fusepath.faults.thread import Owner
from fusepath.protocol.conversation import Compute, ProtocolError, Send
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
    Fallback,
    GiveUp,
    Late,
    Lost,
    Overdue,
    PartReturned,
    Sent,
    Stage,
    StopComputing,
)
from fusepath.protocol.finishing import Assemble, Continue, Continued

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.faults.story import Message
    from fusepath.faults.surroundings import Surroundings

INFER_S = 4.0
"""The deadline that a call has."""
_SLACK_S = 1e-6


class Frame(Owner):
    """One inference with the edge server.

    Args:
        number: of the frame, from 0.
        under_way: frames at work, this one included.
        ended: told once it has.
    """

    def __init__(
        self, world: Surroundings, number: int, under_way: int, ended: Callable[[Frame], None]
    ) -> None:
        super().__init__(number)
        self.world, self._ended = world, ended
        self.scene = scene = world.scene
        self.clock, self.thread = world.clock, world.thread
        self.patience_s = scene.patience_s(under_way)
        self.hedge_s = scene.hedge_s(under_way)
        self.machine = DeviceFrame(
            scene.order,
            patience_s=self.patience_s if scene.reserve else None,
            returning=scene.returning or (),
            hedge_s=self.hedge_s if scene.reserve else None,
            remainder=scene.remainder if scene.reserve else None,
            **scene.options,
        )
        self.fallback: Fallback | None = None
        self.error: str | None = None
        self.timer: Timer | None = None
        self.hedge: Timer | None = None
        self.late_s = 0.0
        """By how much a clock that jumped may have delayed it."""
        self.retry_after_s = 0.0
        """How long the server has asked to be left alone."""
        self._ends = 0
        self._lost: str | None = None
        self._expected: Fallback | None = None
        """Why and when this machine began to compute alone."""
        self._anew = False
        """Whether all of it is, and not what is missing."""
        self._began = False
        self._continuing: int | None = None
        self._fused: dict[int, Any] = {}
        """Paths that were taken on here."""
        self._told: list[tuple[object, tuple[object, ...]]] = []
        self._to_compute: list[int] = []
        self._computed: list[int] = []
        self._to_send: list[int] = []
        self._sent: list[int] = []
        self._gave_up = self._stopped = False
        self._parts: dict[int, Any] = {}
        self._returned: list[int] = []
        self._outputs: dict[int, Any] | None = None
        self._due_s = 0.0
        """When this must have led to something, as things are now."""
        self._others_s: float | None = None
        """What the thread had begun for others then, if it is what must lead there."""

    def begin(self) -> None:
        """Make the request and go."""
        self.stream = self.world.driver.conversation.begin(self)
        self.deadline = self.clock.after(INFER_S, self._expire)
        self._set_due(0.0)
        self.tell(Begun())
        require(self._to_compute == list(self.scene.order), "not every path is computed")
        self._progress()

    def _expire(self) -> None:
        self.stream.give_up(self)
        self.lose("it took too long")

    @property
    def was_late(self) -> bool:
        """Whether this machine had begun to answer alone."""
        late = self._expected is not None
        require(self.machine.was_late == late, "late or not?")
        return late

    # ------------------------------------------------------------------ what happens

    def tell(self, event: Any) -> None:
        """Let the machine know, and do what it says.

        Raises:
            ProtocolError: the server sent what the plan does not call for.
        """
        commands = self.machine.handle(event)
        self._told.append((event, tuple(commands)))
        if self.world.story is not None:
            self.world.tell(f"frame {self.number}", event, commands)
        for command in commands:
            self._do(command)
        require(self.machine.has_ended == bool(self._ends), "the frame does not know its end")
        if self._ends:
            require(not self.thread.left_s(self), "work is left behind")

    def _own(self, event: Any) -> None:
        """Something that no server has a part in."""
        try:
            self.tell(event)
        except ProtocolError as error:
            raise Violation(f"{event} was refused: {error}") from error

    def _progress(self) -> None:
        """Something has happened: by when must something happen again?"""
        if self._ends or self._expected is not None:
            return
        if len(self._computed) < len(self.scene.order):
            self._set_due_of_thread(sum(self.thread.left_s(self)))
        elif self.scene.reserve:
            self._set_due(self.patience_s)
            timer = self.timer
            require(timer is not None and timer[2] is not None, "nobody looks at the time")
            assert timer is not None
            require(abs(timer[0] - self._due_s) < _SLACK_S, "the patience is another one")
            require((self.hedge is None) == (self.hedge_s is None), "no hedge")
            if self.hedge is not None:
                self._due_s = min(self._due_s, self.hedge[0])
        else:
            self._set_due(self.deadline[0] - self.clock.now)

    def _set_due(self, after_s: float) -> None:
        self._due_s, self._others_s = self.clock.now + after_s, None

    def _set_due_of_thread(self, work_s: float) -> None:
        """Once the thread has done what it does now, so much for this frame, and others' work."""
        self._due_s = self.clock.now + self.thread.running_s + work_s
        self._others_s = self.thread.spent_s - self.thread_s

    def _check_due(self, what: str) -> None:
        """It is not later than it may be."""
        others_s = 0.0
        if self._others_s is not None:
            others_s = self.thread.spent_s - self.thread_s - self._others_s
        due_s = self._due_s + others_s + self.late_s
        require(self.clock.now <= due_s + _SLACK_S, "{}: it was due at {:.4f} s", what, due_s)

    def _after_computing(self, path: int) -> None:
        if self._ends:
            return
        self._computed.append(path)
        self._own(Computed(path))
        if self._expected is None:
            all_computed = len(self._computed) == len(self.scene.order)
            ready = self._computed if self.scene.overlaps or all_computed else []
            require(self._to_send == ready, "what is ready is not sent")
        self._progress()

    def _after_sending(self, path: int) -> None:
        if self._ends or self._lost is not None:
            return
        self._sent.append(path)
        self._own(Sent(path))
        self._progress()

    def _overdue(self, event: Any) -> None:
        if self._ends:
            return
        together = self._expected is None
        if together:
            self._expect_own("no answer in time")
        self._own(event)
        require(self._began, "nothing is done about lateness")

    def _continued(self, path: int) -> None:
        if not self._ends:
            before = self.scene.predecessors.get(path)
            value = (self.number, path)
            self._fused[path] = value if before is None else (*value, self._fused[before])
            self._continuing = None
            self._own(Continued(path))
            require(self._goes_on, "finishing does not go on")

    @property
    def _goes_on(self) -> bool:
        """Whether something is under way, or nothing need be."""
        return bool(self._ends) or self._continuing is not None or not self.thread.is_idle

    def _alone(self) -> None:
        if not self._ends:
            self._own(DoneAlone())
            require(self._ends, "the own answer is not taken")

    def lose(self, reason: str, retry_after_s: float = 0.0) -> None:
        """Nothing more comes of the request."""
        self.stream.give_up(self)
        if self._lost is not None:  # with the stream, which is given up for this
            return
        together = self._expected is None
        self._lost = reason
        if self._ends:
            return
        self.retry_after_s = retry_after_s if together else 0.0
        if together and self.scene.reserve:
            self._expect_own(reason)
            self._own(Lost(reason, retry_after_s))
            whole = len(self._computed) == len(self.scene.order)
            require(self._began == (self._anew or whole), "nothing is done about the loss")
            # What is under way ends first; nothing else may stand before it.
            queue = self.thread.left_s(self)
            left = len(self.scene.order) - len(self._computed)
            require(len(queue) <= (1 if self._anew or whole else left), "computed for nobody")
        else:
            self._own(Lost(reason, retry_after_s))
            require(self.scene.reserve or self.error == reason, "the loss is not said")

    def receive(self, message: Message) -> None:
        """What the server says."""
        if self._ends or self._lost is not None:
            return
        match message:
            case ("part", path, value, intact):
                wrong = self._wrong_part(path)
                if wrong is None and not intact:
                    self.machine.check_part(path)
                    self.lose("a part is damaged")
                elif self._accepts(PartReturned(path), wrong):
                    self._returned.append(path)
                    self._parts[path] = value
                    self._progress()
            case ("result", served, values, intact):
                paths = () if values is None else values
                fits = set(paths) == set(() if self.scene.rows is not None else self.scene.order)
                if not intact or not fits or (values is None) != (self.scene.rows is not None):
                    self.lose("the result is damaged")
                    return
                self._outputs = values
                if self._accepts(Answered(served), self._wrong_result(served)):
                    require(self._ends, "the answer is not taken")

    def _accepts(self, event: Any, wrong: str | None) -> bool:
        try:
            self.tell(event)
        except ProtocolError as error:
            require(wrong is not None, "{} was refused: {}", event, error)
            assert wrong is not None
            require(wrong in str(error), "{} was refused for another reason: {}", event, error)
            self.lose(str(error))
            return False
        require(wrong is None, "{} was accepted, but {}", event, wrong)
        return True

    @property
    def _leaving(self) -> list[int]:
        """What the server may have had."""
        return self._to_send[: len(self._sent) + 1]

    def _wrong_part(self, path: int) -> str | None:
        if path not in (self.scene.returning or ()):
            return f"a part for path {path + 1}, which returns none"
        if path in self._returned:
            return f"the part of path {path + 1} twice"
        if path not in self._leaving:
            return f"the part of path {path + 1} without having had that path"
        return None

    def _wrong_result(self, served: list[int]) -> str | None:
        unknown = sorted(set(served) - set(self.scene.order))
        if unknown:
            return f"path {unknown[0] + 1}, a path that the plan does not have"
        every = sorted(self.scene.order)
        if sorted(served) != every or sorted(self._leaving) != every:
            return "a result without having had every path"
        missing = sorted(set(self.scene.returning or ()) - set(self._returned))
        if missing:
            return f"a result without the part of path {missing[0] + 1}"
        return None

    # ------------------------------------------------------------------ what is done

    def _do(self, command: Any) -> None:
        require(not self._ends, "{} after the end", command)
        scene = self.scene
        match command:
            case Compute(path):
                self._to_compute.append(path)
                require(not self._computed, "paths are computed late")
                self.thread.submit(self, scene.device_s[path], self._after_computing, path)
            case Send(path):
                require(self._expected is None, "something is sent after a fall-back")
                require(path in self._computed, "path {} is sent before it is computed", path)
                require(path not in self._to_send, "path {} is sent twice", path)
                self._to_send.append(path)
                left_s = self.deadline[0] - self.clock.now
                first = ("begin", left_s) if len(self._to_send) == 1 else ("piece", None)
                message = (first[0], path, (self.number, path), True, first[1])
                self.stream.send(self, message, lambda: self._after_sending(path))
            case Arm(after_s):
                require(after_s == self.patience_s and scene.reserve, "another patience")
                waits = self._expected is None and len(self._computed) == len(scene.order)
                require(waits, "nobody is waited for")
                cancel(self.timer)
                self.timer = self.clock.after(after_s, self._overdue, Overdue())
            case ArmHedge(after_s):
                require(after_s == self.hedge_s and scene.reserve, "another hedge")
                require(self.hedge is None and self._expected is None, "two hedges")
                require(len(self._computed) == len(scene.order), "a hedge while it computes")
                self.hedge = self.clock.after(after_s, self._overdue, Late())
            case StopComputing():
                needed = self._lost is not None or self._expected is not None
                require(needed and not self._stopped, "nothing need be stopped")
                self._stopped = True
                self.thread.drop(self)
            case ComputeAlone() | Continue() | Assemble():
                self._do_alone(command)
            case _:
                self._do_last(command)

    def _do_last(self, command: Any) -> None:
        """Something with which it ends."""
        scene = self.scene
        match command:
            case GiveUp():
                is_open = self.stream.waits(self)
                require(is_open and not self._gave_up, "nothing is there to be given up")
                self._gave_up = True
                self.stream.give_up(self)
            case Deliver():
                require(self._lost is None, "a lost answer is delivered")
                raced = self._expected is not None
                require(self._stopped == raced, "the device computes on for nobody")
                got = self._outputs
                if got is None:
                    kept = {path: scene.piece(self.number, path) for path in scene.kept}
                    got = {**self._parts, **kept}
                require(got == scene.result(self.number), "a wrong result: {}", got)
                self.stream.end(self)
                self._end()
            case DeliverAlone(fallback):
                require(fallback == self._expected, "{} should be {}", fallback, self._expected)
                is_open = self.stream.waits(self)
                require(not is_open, "the conversation is left open")
                self.fallback = fallback
                self._end()
            case Fail(reason):
                require(not scene.reserve and reason == self._lost, "a failure for no reason")
                self.error = reason
                self._end()
            case _:
                raise Violation(f"the device was told to {command}")

    def _do_alone(self, command: Any) -> None:
        """Something for an answer of this machine's own."""
        scene = self.scene
        match command:
            case ComputeAlone():
                require(self._expected is not None and not self._began, "it computes alone twice")
                require(self._anew, "what there is would be less work")
                self._began = True
                self.thread.submit(self, scene.alone_s, self._alone)
            case Continue(path):
                self._go_on()
                before = scene.predecessors.get(path)
                require(path in self._missing(), "path {} is taken on for nobody", path)
                require(
                    before is None or before in self._fused, "{} goes on before {}", path, before
                )
                self._continuing = path
                assert scene.finish_s is not None
                self.thread.submit(self, scene.finish_s[path], self._continued, path)
            case Assemble():
                self._go_on()
                require(not self._missing(), "something is missing")
                kept = {path: scene.piece(self.number, path) for path in scene.kept}
                got = {**self._parts, **kept, **self._fused}
                wanted = scene.result(self.number)
                got = {path: value for path, value in got.items() if path in wanted}
                require(got == wanted, "a wrong result: {}", got)
                self.thread.submit(self, scene.tail_s, self._alone)

    def _go_on(self) -> None:
        """Finishing may take its next step."""
        require(self._expected is not None and not self._anew, "nothing is to be finished")
        require(self._continuing is None, "two steps at a time")
        require(len(self._computed) == len(self.scene.order), "a path is not at its cut")
        self._began = True

    def _missing(self) -> list[int]:
        """What is yet to be taken on here."""
        scene = self.scene
        wanted = scene.returning or set(scene.order)
        needed = {at for path in wanted - set(self._returned) for at in scene.chain(path)}
        return [path for path in scene.order if path in needed and path not in self._fused]

    def _expect_own(self, reason: str) -> None:
        """Now this machine must begin to answer alone, in the way that is less work."""
        require(self.scene.reserve, "it cannot compute alone")
        self._check_due("noticed late")
        sent = len(self._sent) == len(self.scene.order)
        stage = Stage.RETURNING if self._returned else Stage.WAITING
        stage = stage if sent else Stage.SENDING
        self._expected = Fallback(reason, stage, self.retry_after_s)
        scene = self.scene
        self._anew = scene.finish_s is None
        own_s = scene.alone_s
        if scene.finish_s is not None:
            left = [path for path in scene.order if path not in self._computed]
            to_cuts_s = sum(scene.device_s[path] for path in left)
            begun_s = sum(scene.device_s[path] for path in left[:1])
            on_s = sum(scene.finish_s[path] for path in self._missing())
            self._anew = to_cuts_s - begun_s + on_s + scene.tail_s >= scene.alone_s
            own_s = scene.alone_s if self._anew else to_cuts_s + on_s + scene.tail_s
        self._set_due_of_thread(own_s)

    def _end(self) -> None:
        self._ends += 1
        require(self._ends == 1, "it ends twice")
        self._check_due("it ends late")
        cancel(self.timer)
        cancel(self.hedge)
        cancel(self.deadline)
        self.clock.after(0.0, self._tell_end)

    def _tell_end(self) -> None:
        require(self.machine.story == self._told, "the story is another one")
        events = len(self._told)
        require(events <= 5 * len(self.scene.order) + 6, "the story is long")
        self.machine.handle(Lost("after the end"))
        require(self.machine.has_ended, "it has ended no more")
        self._ended(self)

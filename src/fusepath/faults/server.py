"""The edge server: carries out an `EdgeSession`'s commands in simulated time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from fusepath.faults.clock import require
from fusepath.protocol.conversation import (
    Compute,
    ComputeTail,
    EdgeSession,
    ProtocolError,
    SendPart,
    SendResult,
)
from fusepath.protocol.requests import EdgeRequests

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.faults.network import Call
    from fusepath.faults.story import Message
    from fusepath.faults.surroundings import Surroundings


class Server:
    """One process after the other at one address."""

    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self.alive, self.stopped = True, 0
        self.life = 0
        self.prepared = True
        """Whether the plan is; it was made ready before the first frame."""
        self.full = self.skewed = 0
        self.refuses: list[str] = []
        self.retry_after_s: list[float] = []
        """How long whoever is refused is to leave it alone."""
        self.slowness = 1.0
        self._held: list[tuple[Any, ...]] = []
        self._free = world.scene.workers
        self.jobs: deque[Any] = deque()
        self.inferences = self.streams = 0

    # ------------------------------------------------------------------ the process

    def kill(self) -> None:
        """It is gone with all that it knew."""
        if self.alive:
            self.alive, self.prepared = False, False
            self.life += 1
            self.jobs.clear()
            self._held.clear()
            self._free = self.world.scene.workers
            self.inferences = self.streams = 0
            self.world.network.killed()

    def start(self) -> None:
        """A new process."""
        self.alive = True

    def stop(self) -> None:
        """Stand still."""
        self.stopped += 1
        self.world.network.changed()

    def go_on(self) -> None:
        """Do what has come meanwhile."""
        self.stopped -= 1
        if not self.stopped:
            held, self._held = self._held, []
            for action, *arguments in held:
                self.when_running(self.life, action, *arguments)
        self.world.network.changed()

    def when_running(self, life: int, action: Callable[..., None], *arguments: Any) -> None:
        """Do something, once the process does anything again, if it is still this one."""
        if life == self.life:
            if self.stopped:
                self._held.append((action, *arguments))
            else:
                action(*arguments)

    def _after(self, delay_s: float, action: Callable[..., None], *arguments: Any) -> None:
        clock = self.world.clock
        clock.after(delay_s * self.slowness, self.when_running, self.life, action, *arguments)

    # ------------------------------------------------------------------ calls

    def take(self, call: Call, message: Message) -> None:
        """A message has arrived."""
        self.when_running(self.life, self._take, call, message)

    def _take(self, call: Call, message: Message) -> None:
        if not call.open:
            return
        match message:
            case ("greet",):
                self.say(call, ("greeting",))
            case ("prepare",):
                if self.full:
                    self.refuse(call, "not enough memory here")
                elif self.refuses:
                    self.refuse(call, self.refuses[-1])
                else:
                    self._after(self.world.scene.prepare_s, self._keep, call)
            case ("hello",) if call.work is None:
                if self.skewed:
                    self.break_off(call, "another version of fusepath")
                elif self.refuses:
                    self.break_off(call, self.refuses[-1])
                else:
                    call.work = Stream(self, call)
                    self.streams += 1
                    self.say(call, ("hello",))
            case _ if isinstance(call.work, Stream):
                call.work.take(message)
            case _ if call.work is None:
                self.break_off(call, "the device must say Hello first")

    def _keep(self, call: Call) -> None:
        self.prepared = True
        self.say(call, ("prepared",))

    def refuse(self, call: Call, reason: str) -> None:
        """Say no, which ends the call."""
        self.say(call, ("no", reason))

    def break_off(self, call: Call, reason: str) -> None:
        """End a stream."""
        self.abandon(call)
        self.say(call, ("broken off", reason))

    def say(self, call: Call, message: Message) -> None:
        """Send a message."""
        self.world.network.send(1, call, message)

    def abandon(self, call: Call) -> None:
        """Nobody waits for this any more."""
        work, call.work = call.work, OVER
        if isinstance(work, Stream):
            work.close()
            if call.life == self.life:
                self.streams -= 1
                require(self.streams >= 0, "a stream ended twice")

    def ended(self, work: Inference) -> None:
        """An inference is over."""
        if work.stream.call.life == self.life:
            self.inferences -= 1
            require(self.inferences >= 0, "an inference ended twice")
            self.jobs = deque(job for job in self.jobs if job[0] is not work)

    # ------------------------------------------------------------------ workers

    def compute(self, job: tuple[Inference, float, Callable[..., None], tuple[Any, ...]]) -> None:
        """Do something on a worker, in the order of asking."""
        self.jobs.append(job)
        self._work()

    def _work(self) -> None:
        while self._free and self.jobs:
            self._free -= 1
            work, taken_s, done, arguments = self.jobs.popleft()
            self._after(taken_s, self._worked, work, done, arguments)

    def _worked(self, work: Inference, done: Callable[..., None], arguments: Any) -> None:
        self._free += 1
        if not work.over:
            done(*arguments)
        self._work()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left of any call."""
        return self._free == self.world.scene.workers and not (
            self.jobs or self.inferences or self.streams
        )


class _Over:
    def take(self, message: Message) -> None:
        """Say nothing."""


OVER = _Over()


MOST_REQUESTS = 4


class Stream:
    """One device's requests, each by its number."""

    def __init__(self, server: Server, call: Call) -> None:
        self.server, self.call = server, call
        self._machine = EdgeRequests(MOST_REQUESTS)
        self._begun = 0
        self._open: dict[int, Inference] = {}

    def take(self, message: Message) -> None:
        """A message after the hello."""
        match message:
            case ("begin", number, path, value, intact, left_s):
                self._begin(number, left_s, (path, value, intact))
            case ("piece", number, path, value, intact, _):
                if self._serves(number):
                    self._open[number].piece(path, value, intact)
            case ("give up", number):
                if self._serves(number):
                    self.end(number)
            case _:
                self.break_off("a device does not send this")

    def _begin(self, number: int, left_s: float, piece: tuple[int, Any, bool]) -> None:
        new = number > self._begun
        try:
            room = self._machine.begin(number)
        except ProtocolError as error:
            require(not new, "request {} was refused: {}", number, error)
            self.break_off(str(error))
            return
        require(new, "request {} was begun after {}", number, self._begun)
        self._begun = number
        require(room == (len(self._open) < MOST_REQUESTS), "there is room, or not")
        server = self.server
        if not room or server.refuses or not server.prepared:
            self._machine.end(number)
            reason = server.refuses[-1] if server.refuses else "this plan is not prepared"
            retry_after_s = max(server.retry_after_s, default=0.0)
            server.say(self.call, ("refused", number, reason, retry_after_s))
            return
        self._open[number] = inference = Inference(self, number)
        server.inferences += 1
        self.due(number, left_s)
        inference.piece(*piece)

    def due(self, number: int, left_s: float) -> None:
        """Give a request up after so long."""
        server = self.server
        server.world.clock.after(left_s, server.when_running, server.life, self._expire, number)

    def _expire(self, number: int) -> None:
        if number in self._open:
            self.refuse(number, "the deadline has passed")

    def _serves(self, number: int) -> bool:
        known = 0 < number <= self._begun
        try:
            serves = self._machine.serves(number)
        except ProtocolError as error:
            require(not known, "a message of request {} was refused: {}", number, error)
            self.break_off(str(error))
            return False
        require(known, "a message of request {} was taken", number)
        require(serves == (number in self._open), "request {} is served: {}", number, serves)
        return serves

    def refuse(self, number: int, reason: str) -> None:
        """End a request alone."""
        self.end(number)
        self.server.say(self.call, ("refused", number, reason, 0.0))

    def end(self, number: int) -> None:
        """Do no more for a request."""
        self._machine.end(number)
        work = self._open.pop(number)
        work.over = True
        self.server.ended(work)

    def break_off(self, reason: str) -> None:
        """End all of it."""
        self.server.break_off(self.call, reason)

    def close(self) -> None:
        """Nobody is there any more."""
        for number in list(self._open):
            self.end(number)


class Inference:
    """One inference on the edge server."""

    def __init__(self, stream: Stream, number: int) -> None:
        self.stream, self.number = stream, number
        self.server = server = stream.server
        self.scene = scene = server.world.scene
        self.over = False
        self._session = EdgeSession(
            len(scene.order), scene.predecessors, scene.returning, **scene.options
        )
        self._arrived: dict[int, Any] = {}
        self._fused: dict[int, Any] = {}
        self._started: list[int] = []
        self._tails = self._results = 0
        self._returned: list[int] = []
        self._outputs: dict[int, Any] | None = None
        self._in_turn: deque[int] = deque()
        self._turn = False

    def _try(self, what: Callable[..., Any], *arguments: Any) -> str | None:
        """Let the session know; why it refused."""
        try:
            commands = what(*arguments)
        except ProtocolError as error:
            self.stream.break_off(str(error))
            return str(error)
        self._do(commands or [])
        return None

    def piece(self, path: int, value: Any, intact: bool) -> None:
        """A piece has arrived."""
        expected = None
        if path not in self.scene.order:
            expected = f"there is no path {path + 1}; the plan has {len(self.scene.order)}"
        elif path in self._arrived:
            expected = f"path {path + 1} was sent twice"
        elif not intact:
            self.stream.break_off("damaged on the way")
            return
        else:
            self._arrived[path] = value
        reason = self._try(self._session.arrived, path)
        require(reason == expected, "piece {} was taken with {}, not {}", path, reason, expected)
        if not self.over:
            self._check_started()

    def _check_started(self) -> None:
        """Whatever may begin has begun."""
        scene = self.scene
        whole = len(self._arrived) == len(scene.order)
        for path in self._arrived if scene.overlaps or whole else ():
            before: int | None = path
            while before is not None and before in self._arrived:
                before = scene.predecessors.get(before)
            require((before is None) == (path in self._started), "path {} waits for nothing", path)

    def _do(self, commands: list[Any]) -> None:
        scene, server = self.scene, self.server
        for command in commands:
            match command:
                case Compute(path):
                    require(path in self._arrived, "path {} is computed without its piece", path)
                    require(path not in self._started, "path {} is computed twice", path)
                    whole = len(self._arrived) == len(scene.order)
                    require(scene.overlaps or whole, "a path is computed before all are here")
                    before = scene.predecessors.get(path)
                    require(before is None or before in self._started, "{} before {}", path, before)
                    self._started.append(path)
                    self._in_turn.append(path)
                    self._compute()
                case ComputeTail():
                    self._tails += 1
                    require(self._tails == 1 and scene.returning is None, "a tail too many")
                    require(len(self._fused) == len(scene.order), "a tail without every path")
                    server.compute((self, scene.tail_s, self._tail, ()))
                case SendPart(path):
                    require(path in (scene.returning or ()), "path {} returns no part", path)
                    require(path not in self._returned, "part {} is sent twice", path)
                    everything = len(self._fused) == len(scene.order)
                    require(scene.overlaps or everything, "a part is sent before all is computed")
                    self._returned.append(path)
                    part = ("part", self.number, path, self._fused[path], True)
                    server.say(self.stream.call, part)
                case SendResult():
                    self._results += 1
                    require(self._results == 1, "the result is sent twice")
                    parts = set(self._returned) == set(scene.returning or ())
                    require(parts, "the result is sent before its parts")
                    require((self._outputs is None) == (scene.returning is not None), "no outputs")
                    message = ("result", self.number, sorted(self._fused), self._outputs, True)
                    server.say(self.stream.call, message)
                    self.stream.end(self.number)
                case _:
                    require(False, "the edge server was told to {}", command)

    def _compute(self) -> None:
        """Strips one after the other, tiles as there are workers."""
        while self._in_turn and not (self._turn and self.scene.predecessors):
            self._turn = True
            path = self._in_turn.popleft()
            self.server.compute((self, self.scene.edge_s[path], self._computed, (path,)))

    def _computed(self, path: int) -> None:
        self._turn = False
        value, before = self._arrived[path], self.scene.predecessors.get(path)
        self._fused[path] = value if before is None else (*value, self._fused[before])
        returned, tails = len(self._returned), self._tails
        self._do(self._session.computed(path))
        last = len(self._fused) == len(self.scene.order)
        if self.scene.returning is None:
            require(self._tails - tails == last, "the tail does not follow the last path")
        else:
            require(self._results == last, "the result does not follow the last path")
            if self.scene.overlaps and not last:
                returns = path in self.scene.returning
                require(len(self._returned) - returned == returns, "part {} is kept back", path)
        if not self.over:
            self._compute()

    def _tail(self) -> None:
        self._outputs = dict(self._fused)
        self._do(self._session.tail_computed())
        require(self._results == 1, "the outputs are kept back")

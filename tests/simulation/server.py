"""The edge server: carries out an `EdgeSession`'s commands in simulated time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from fusepath.protocol.conversation import (
    Compute,
    ComputeTail,
    EdgeSession,
    ProtocolError,
    SendPart,
    SendResult,
)
from tests.simulation.clock import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.network import Call, Message
    from tests.simulation.world import World


class Server:
    """One process after the other at one address."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.alive, self.stopped = True, 0
        self.life = 0
        self.prepared = True
        """Whether the plan is; it was made ready before the first frame."""
        self.full = self.skewed = 0
        self.refuses: list[str] = []
        self.slowness = 1.0
        self._held: list[tuple[Any, ...]] = []
        self._free = world.scene.workers
        self.jobs: deque[Any] = deque()
        self.inferences = 0

    # ------------------------------------------------------------------ the process

    def kill(self) -> None:
        """It is gone with all that it knew."""
        if self.alive:
            self.alive, self.prepared = False, False
            self.life += 1
            self.jobs.clear()
            self._held.clear()
            self._free = self.world.scene.workers
            self.inferences = 0
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
                self._when_running(self.life, action, *arguments)
        self.world.network.changed()

    def _when_running(self, life: int, action: Callable[..., None], *arguments: Any) -> None:
        if life == self.life:
            if self.stopped:
                self._held.append((action, *arguments))
            else:
                action(*arguments)

    def _after(self, delay_s: float, action: Callable[..., None], *arguments: Any) -> None:
        clock = self.world.clock
        clock.after(delay_s * self.slowness, self._when_running, self.life, action, *arguments)

    # ------------------------------------------------------------------ calls

    def take(self, call: Call, message: Message) -> None:
        """A message has arrived."""
        self._when_running(self.life, self._take, call, message)

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
            case ("start", frame):
                if self.skewed:
                    self.refuse(call, "unknown message; is it another fusepath?")
                elif self.refuses:
                    self.refuse(call, self.refuses[-1])
                elif not self.prepared:
                    self.refuse(call, "this plan has not been prepared here; call Prepare first")
                elif call.work is None:
                    call.work = Inference(self, call, frame)
                    self.inferences += 1
                else:
                    self.refuse(call, "expected a Piece")
            case _ if call.work is not None:
                call.work.take(message)
            case _:
                self.refuse(call, "the first message must be Start")

    def _keep(self, call: Call) -> None:
        self.prepared = True
        self.say(call, ("prepared",))

    def refuse(self, call: Call, reason: str) -> None:
        """Say no, which ends the call."""
        self.abandon(call)
        self.say(call, ("refused", reason))

    def say(self, call: Call, message: Message) -> None:
        """Send a message."""
        self.world.network.send(1, call, message)

    def abandon(self, call: Call) -> None:
        """Nobody waits for this any more."""
        work, call.work = call.work, OVER
        if isinstance(work, Inference):
            work.over = True
            if call.life == self.life:
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
        return self._free == self.world.scene.workers and not self.jobs and self.inferences == 0


class _Over:
    def take(self, message: Message) -> None:
        """Say nothing."""


OVER = _Over()


class Inference:
    """One inference on the edge server."""

    def __init__(self, server: Server, call: Call, frame: int) -> None:
        self.server, self.call, self.frame = server, call, frame
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

    def take(self, message: Message) -> None:
        """A message after the start."""
        match message:
            case ("piece", path, value, intact):
                self._piece(path, value, intact)
            case ("end",):
                missing = [
                    str(path + 1) for path in sorted(self.scene.order) if path not in self._arrived
                ]
                reason = self._try(self._session.ended)
                expected = "the stream ended without path " + ", ".join(missing)
                require(reason == (expected if missing else None), f"the end was taken: {reason}")
            case _:
                self.server.refuse(self.call, "expected a Piece")

    def _try(self, what: Callable[..., Any], *arguments: Any) -> str | None:
        """Let the session know; why it refused."""
        try:
            commands = what(*arguments)
        except ProtocolError as error:
            self.server.refuse(self.call, str(error))
            return str(error)
        self._do(commands or [])
        return None

    def _piece(self, path: int, value: Any, intact: bool) -> None:
        expected = None
        if path not in self.scene.order:
            expected = f"there is no path {path + 1}; the plan has {len(self.scene.order)}"
        elif path in self._arrived:
            expected = f"path {path + 1} was sent twice"
        elif not intact:
            self.server.refuse(self.call, "damaged on the way")
            return
        else:
            self._arrived[path] = value
        reason = self._try(self._session.arrived, path)
        require(reason == expected, f"piece {path} was taken with {reason}, not {expected}")
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
            require((before is None) == (path in self._started), f"path {path} waits for nothing")

    def _do(self, commands: list[Any]) -> None:
        scene, server = self.scene, self.server
        for command in commands:
            match command:
                case Compute(path):
                    require(path in self._arrived, f"path {path} is computed without its piece")
                    require(path not in self._started, f"path {path} is computed twice")
                    whole = len(self._arrived) == len(scene.order)
                    require(scene.overlaps or whole, "a path is computed before all are here")
                    before = scene.predecessors.get(path)
                    require(before is None or before in self._started, f"{path} before {before}")
                    self._started.append(path)
                    self._in_turn.append(path)
                    self._compute()
                case ComputeTail():
                    self._tails += 1
                    require(self._tails == 1 and scene.returning is None, "a tail too many")
                    require(len(self._fused) == len(scene.order), "a tail without every path")
                    server.compute((self, scene.tail_s, self._tail, ()))
                case SendPart(path):
                    require(path in (scene.returning or ()), f"path {path} returns no part")
                    require(path not in self._returned, f"part {path} is sent twice")
                    everything = len(self._fused) == len(scene.order)
                    require(scene.overlaps or everything, "a part is sent before all is computed")
                    self._returned.append(path)
                    server.say(self.call, ("part", path, self._fused[path], True))
                case SendResult():
                    self._results += 1
                    require(self._results == 1, "the result is sent twice")
                    parts = set(self._returned) == set(scene.returning or ())
                    require(parts, "the result is sent before its parts")
                    require((self._outputs is None) == (scene.returning is not None), "no outputs")
                    message = ("result", sorted(self._fused), self._outputs, True)
                    server.say(self.call, message)
                    server.say(self.call, ("end",))
                    server.abandon(self.call)
                case _:
                    require(False, f"the edge server was told to {command}")

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
                require(len(self._returned) - returned == returns, f"part {path} is kept back")
        if not self.over:
            self._compute()

    def _tail(self) -> None:
        self._outputs = dict(self._fused)
        self._do(self._session.tail_computed())
        require(self._results == 1, "the outputs are kept back")

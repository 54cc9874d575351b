"""The link and the calls over it, as gRPC has them.

Messages of one call arrive in order, whole and once, or the call fails on both sides: that is
TCP's and HTTP/2's promise. Calls may overtake each other. While a direction is blocked nothing of
it arrives; what was sent comes later. Whoever is not heard of for long is given up, and with it all
calls: soon, or after a minute, as the transport is set up. A killed server resets its calls. Beside
that a peer may be broken: what such a one loses, says twice, garbles or makes up comes as if it had
meant it (`mangle`).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from fusepath.faults.clock import Clock
    from fusepath.faults.scene import Scene
    from fusepath.faults.story import Carried, Message, Story

SMALL_BYTES = 100


class Call:
    """One call; `device` and `lost` are told what comes of it, `work` is the server's."""

    __slots__ = ("arrives", "device", "life", "lost", "open", "work")

    def __init__(
        self, device: Callable[[Message], None], lost: Callable[[str], None], life: int
    ) -> None:
        self.device, self.lost, self.life = device, lost, life
        self.open = True
        """Whether the device still waits for anything of it."""
        self.work: Any = None
        self.arrives = [0.0, 0.0]
        """When the last message up, and down, arrives."""


class Process(Protocol):
    """What a network knows of the server at its end."""

    alive: bool
    stopped: int
    life: int

    def take(self, call: Call, message: Message) -> None:
        """A message has arrived."""

    def abandon(self, call: Call) -> None:
        """Nobody waits for this any more."""


class Network:
    """A link between a device and a server."""

    def __init__(self, clock: Clock, scene: Scene, random: Random) -> None:
        self.server: Process
        self.clock, self.scene, self.random = clock, scene, random
        self.bytes_per_s = scene.bytes_per_s
        self.blocked = [0, 0]
        """How many things block the way up, and down."""
        self.reorders = False
        self.mangles = [0.0, 0.0]
        """How probable it is that a message is made wrong on the way up, and down."""
        self.story: Story | None = None
        self.calls: dict[Call, None] = {}  # in the order of their beginning
        self._queues: tuple[deque[Any], deque[Any]] = (deque(), deque())
        self._busy = [False, False]
        self._silent = 0

    # ------------------------------------------------------------------ calls

    def open(self, device: Callable[[Message], None], lost: Callable[[str], None]) -> Call:
        """Begin a call."""
        call = Call(device, lost, self.server.life)
        self.calls[call] = None
        if not self.server.alive:
            self._reset(call)
        if self.is_silent:
            self.clock.after(self.scene.keepalive_s, self._expire, self._silent, call)
        return call

    def close(self, call: Call) -> None:
        """The device gives a call up, or has all that it waited for."""
        if call.open:
            call.open = False
            self.calls.pop(call, None)
            self.server.abandon(call)

    def fail(self, call: Call, reason: str) -> None:
        """A call ends without an answer."""
        if call.open:
            self.close(call)
            call.lost(reason)

    def _reset(self, call: Call) -> None:
        if not self.blocked[1]:
            self.clock.after(self.scene.delay_s, self.fail, call, "the connection was reset")

    @property
    def is_silent(self) -> bool:
        """Whether nothing is heard of the server."""
        return bool(self.blocked[0] or self.blocked[1] or self.server.stopped)

    def changed(self) -> None:
        """The server has stopped or goes on, or a way was blocked or is free."""
        self._silent += 1
        if self.is_silent:
            self.clock.after(self.scene.keepalive_s, self._expire, self._silent, None)
            return
        for way in (0, 1):
            self._next(way)
        if not self.server.alive:
            self.killed()

    def killed(self) -> None:
        """There is no server any more."""
        for call in self.calls:
            if call.life != self.server.life or not self.server.alive:
                self._reset(call)

    def _expire(self, silent: int, call: Call | None) -> None:
        if silent == self._silent:
            for lost in [call] if call is not None else list(self.calls):
                self.fail(lost, "the connection was lost")

    # ------------------------------------------------------------------ messages

    def send(
        self, way: int, call: Call, message: Message, sent: Callable[[], None] | None = None
    ) -> None:
        """Send up (0) or down (1)."""
        self._queues[way].append((call, message, sent))
        self._next(way)

    def _next(self, way: int) -> None:
        queue = self._queues[way]
        while queue and not self._busy[way] and not self.blocked[way]:
            call, message, sent = queue.popleft()
            if not call.open:
                continue
            self._busy[way] = True
            size = self.scene.message_bytes if message[0] in LARGE else SMALL_BYTES
            self.clock.after(size / self.bytes_per_s, self._gone, way, call, message, sent)

    def _gone(self, way: int, call: Call, message: Message, sent: Any) -> None:
        self._busy[way] = False
        if call.open:
            for copy in self._mangled(way, message):
                self._arrive_later(way, call, copy)
            if sent is not None:
                sent()
        self._next(way)

    def _arrive_later(self, way: int, call: Call, message: Message) -> None:
        at = self.clock.now + self.scene.delay_s
        if self.reorders:
            at += self.random.random() * 0.05
        call.arrives[way] = at = max(at, call.arrives[way])
        carried = None
        if self.story is not None:
            carried = self.story.send(way, self.clock.now, at, message)
        self.clock.after(at - self.clock.now, self._arrive, way, call, message, carried)

    def _arrive(self, way: int, call: Call, message: Message, carried: Carried | None) -> None:
        if not call.open:
            return
        if carried is not None:
            carried.arrived = way == 1 or call.life == self.server.life
        if way == 1:
            call.device(message)
        elif call.life == self.server.life:
            self.server.take(call, message)

    def _mangled(self, way: int, message: Message) -> list[Message]:
        if not self.mangles[way] or self.random.random() >= self.mangles[way]:
            return [message]
        return mangle(message, self.random)


LARGE = frozenset({"begin", "piece", "part", "result"})


def mangle(message: Message, random: Random) -> list[Message]:
    """What a broken peer says in place of something."""
    kind, *rest = message
    wrong: list[list[Message]] = [[], [message, message], [("gibberish",)], [message, ("end",)]]
    if kind in {"begin", "piece", "part"}:
        number, path, value, _, *more = rest
        wrong += [
            [(kind, number, path, value, False, *more)],
            [(kind, number, random.choice((path - 1, path + 1, 77)), None, False, *more)],
            [(kind, number, random.randrange(6), None, False, *more), message],
            [(kind, random.choice((number - 1, number + 1, 0)), path, None, False, *more)],
        ]
    if kind == "result":
        number, served, values, _ = rest
        wrong += [
            [(kind, number, served, values, False)],
            [(kind, number, served[1:], values, True)],
            [(kind, number, [*served, *served[:1]], values, True)],
            [(kind, number, [*served, 77], values, True)],
            [(kind, number, served, {} if values is None else None, True)],
            [(kind, random.choice((number - 1, number + 1, 0)), served, values, False)],
        ]
    if kind in {"give up", "refused"}:
        number, *more = rest
        wrong += [[(kind, random.choice((number - 1, number + 1, 0)), *more)]]
    wrong.append([a_lie(random)])
    return random.choice(wrong)


def a_lie(random: Random) -> Message:
    """What a server says that makes things up; nothing that could be true."""
    path, number = random.randint(-1, 5), random.randint(0, 70)
    return random.choice(
        [
            ("part", number, path, None, False),
            ("result", number, list(range(random.randint(0, 6))), None, False),
            (
                "result",
                number,
                list(range(random.randint(1, 5))),
                random.choice((None, {})),
                True,
            ),
            ("gibberish",),
            ("hello",),
            ("end",),
            ("broken off", ""),
            ("refused", number, "", 0.0),
        ]
    )

"""The stream that all requests share: the device's end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.faults.clock import require
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.requests import DeviceRequests

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.faults.device import Frame
    from fusepath.faults.story import Message
    from fusepath.faults.surroundings import Surroundings


class Conversation:
    """Keeps a stream open, and opens another when one is lost or of no use."""

    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self._open: Stream | None = None

    def begin(self, frame: Frame) -> Stream:
        """The stream of a new request."""
        if self._open is None or self._open.over:
            self._open = Stream(self.world)
        self._open.begin(frame)
        return self._open

    def renew(self) -> None:
        """Have what follows go over another stream."""
        if self._open is not None:
            self._open.retire()
            self._open = None


class Stream:
    """One stream, and which frames wait for which of its requests."""

    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self.over = False
        self._machine = DeviceRequests()
        self._waiting: dict[Frame, int] = {}
        """Frames that wait, and the numbers of their requests; 0 before anything was sent."""
        self._frames: dict[int, Frame] = {}
        self._leaving: dict[Frame, int] = {}
        """Messages of a frame that have not left."""
        self._made = 0
        self._greeted = self._retired = False
        self._call = world.network.open(self._receive, self._lost)
        world.network.send(0, self._call, ("hello",))

    def begin(self, frame: Frame) -> None:
        """A frame has a request on this stream."""
        self._waiting[frame] = self._leaving[frame] = 0

    def waits(self, frame: Frame) -> bool:
        """Whether a frame waits for anything."""
        return frame in self._waiting

    def send(self, frame: Frame, message: Message, sent: Callable[[], None]) -> None:
        """Send a message of a frame under its number, and say when it has left."""
        if not self._waiting[frame]:
            self._waiting[frame] = number = self._machine.begin()
            self._made += 1
            require(number == self._made, "requests are not counted")
            self._frames[number] = frame
        self._leaving[frame] += 1

        def left() -> None:
            self._leaving[frame] -= 1
            sent()

        kind, *rest = message
        self.world.network.send(0, self._call, (kind, self._waiting[frame], *rest), left)

    def end(self, frame: Frame) -> int:
        """Nothing more is waited for; the number, if the server knows one."""
        number = self._waiting.pop(frame, 0)
        if number:
            self._machine.end(number)
            del self._frames[number]
        if self._retired:
            self.retire()
        return number

    def give_up(self, frame: Frame) -> None:
        """The same, and the server is told, or the stream ended where something has not left."""
        number = self.end(frame)
        if self._leaving[frame]:
            self.break_off("the connection was given up")
        elif number and not self.over:
            self.world.network.send(0, self._call, ("give up", number))

    def retire(self) -> None:
        """End it once nothing is waited for."""
        self._retired = True
        if not self._waiting:
            self.break_off("nothing is waited for")

    def break_off(self, reason: str) -> None:
        """End the stream."""
        if not self.over:
            self.world.network.close(self._call)
            self._lost(reason)

    def _lost(self, reason: str) -> None:
        """With a stream all of its requests are lost."""
        self.over = True
        frames, self._waiting = self._waiting, {}
        for frame in frames:
            frame.lose(reason)

    def _receive(self, message: Message) -> None:
        if self.world.story is not None:
            self.world.tell("stream", message, ())
        if not self._greeted:
            self._greeted = message == ("hello",)
            if not self._greeted:
                self.break_off(f"the server must say Hello first, not {message}")
            return
        match message:
            case ("part" | "result" | "refused", number, *_):
                self._take(number, message)
            case ("broken off", reason):
                self.break_off(f"the server refused: {reason}")
            case ("end",):
                self.break_off("the stream ended without a result")
            case _:
                self.break_off("the server sent an empty message")

    def _take(self, number: int, message: Message) -> None:
        try:
            waits = self._machine.waits(number)
        except ProtocolError as error:
            require(not 0 < number <= self._made, "{} was refused: {}", message, error)
            self.break_off(str(error))
            return
        require(0 < number <= self._made, "{} of no request was taken", message)
        frame = self._frames.get(number)
        require(waits == (frame is not None), "{} is waited for: {}", message, waits)
        if frame is None:
            return
        if message[0] != "part":
            self.end(frame)
        if message[0] == "refused":
            frame.lose(f"the server refused: {message[2]}", message[3])
        else:
            frame.receive((message[0], *message[2:]))

"""The stream that all requests share: the device's end of it, with several frames at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.requests import DeviceRequests
from tests.simulation.clock import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.device import Frame
    from tests.simulation.network import Call, Message
    from tests.simulation.world import World


class Conversation:
    """Keeps a stream open, opens another when one is lost, and knows which frame is meant."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.call: Call | None = None
        self.closed = False
        self._machine = DeviceRequests()
        self._frames: dict[int, Frame] = {}
        self._leaving: dict[int, int] = {}
        """Messages of a request that have not left."""
        self._made = 0
        self._greeted = False

    def begin(self, frame: Frame) -> int:
        """The number of a new request."""
        if self.call is None:
            self._machine, self._made, self._greeted = DeviceRequests(), 0, False
            self.call = self.world.network.open(self._receive, self._lost)
            self.world.network.send(0, self.call, ("hello",))
        number = self._machine.begin()
        self._made += 1
        require(number == self._made, "requests are not counted")
        self._frames[number] = frame
        self._leaving[number] = 0
        return number

    def is_open(self, number: int, frame: Frame) -> bool:
        """Whether a frame still waits for its request."""
        return self._frames.get(number) is frame

    def send(self, number: int, message: Message, sent: Callable[[], None]) -> None:
        """Send a message of a request, and say when it has left."""
        assert self.call is not None
        self._leaving[number] += 1

        def left() -> None:
            self._leaving[number] -= 1
            sent()

        self.world.network.send(0, self.call, message, left)

    def end(self, number: int) -> None:
        """Nothing more is waited for."""
        self._machine.end(number)
        self._frames.pop(number, None)

    def give_up(self, number: int) -> None:
        """The same, and the server is told, or the stream ended where something has not left."""
        if self._frames.pop(number, None) is None:
            return
        self._machine.end(number)
        assert self.call is not None
        if self._leaving[number]:
            self.break_off("the connection was given up")
        else:
            self.world.network.send(0, self.call, ("give up", number))

    def break_off(self, reason: str) -> None:
        """End the stream."""
        if self.call is not None:
            self.world.network.close(self.call)
            self._lost(reason)

    def _lost(self, reason: str) -> None:
        """With a stream all of its requests are lost."""
        self.call = None
        frames, self._frames = self._frames, {}
        for frame in frames.values():
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
            require(not 0 < number <= self._made, f"{message} was refused: {error}")
            self.break_off(str(error))
            return
        require(0 < number <= self._made, f"{message} of no request was taken")
        frame = self._frames.get(number)
        require(waits == (frame is not None), f"{message} is waited for: {waits}")
        if frame is None:
            return
        if message[0] == "refused":
            self.end(number)
            frame.lose(f"the server refused: {message[2]}")
        else:
            if message[0] == "result":
                self.end(number)
            frame.receive((message[0], *message[2:]))

    def close(self) -> None:
        """Nothing more will be asked."""
        require(not self._frames, "a frame waits for ever")
        self.break_off("closed")

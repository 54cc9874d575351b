"""Frames of which only what is new is sent, through everything that can be lost on the way.

Devices and an edge server decide as they do (`DeviceKept`, `EdgeKept`, `EdgeSession`); what they
hold are numbers, one for every piece of a picture. A share is the number that it was computed from,
so a share of anything else than the frame's own piece shows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from fusepath.protocol.conversation import Compute, EdgeSession
from fusepath.protocol.keeping import DeviceKept, EdgeKept, Place

PATHS = 5
VALUES = 3
"""Different pieces that a path may have."""
SHARE_BYTES = 10


@dataclass(slots=True)
class Counted:
    """What has happened."""

    frames: int = 0
    nothing_new: int = 0
    reused: int = 0
    forgotten: int = 0
    failed: int = 0


@dataclass(slots=True)
class _UnderWay:
    number: int
    stream: object
    frame: list[int]
    plan: str
    known: DeviceKept[int]
    to_compute: list[int]
    keeps: set[int]
    shares: dict[int, int]
    session: EdgeSession


@dataclass(slots=True)
class _Device:
    """Remembers pieces as a device does: as they were when they were new."""

    known: DeviceKept[int] = field(default_factory=DeviceKept)
    pieces: dict[int, int] = field(default_factory=dict)
    outputs: dict[int, list[int]] = field(default_factory=dict)
    """By request."""
    plan: str = "a"
    stream: object = field(default_factory=object)
    open: list[_UnderWay] = field(default_factory=list)


class Play:
    """Some devices and an edge server.

    Args:
        seed: of all that happens.
        devices: how many.
        room: shares that the edge server has room for.
    """

    def __init__(self, seed: int, *, devices: int = 2, room: int = 7) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - a simulation
        self.devices = [_Device() for _ in range(devices)]
        self.kept: EdgeKept[int] = EdgeKept(room * SHARE_BYTES)
        self.counted = Counted()
        self._numbers = 0
        self._frames = [[0] * PATHS for _ in range(devices)]

    def run(self, steps: int) -> Counted:
        """Play so many steps.

        Raises:
            AssertionError: a share of another frame was taken for one's own.
        """
        for _ in range(steps):
            at = self.rng.randrange(len(self.devices))
            self._step(self.devices[at], self._frames[at])
            assert self.kept.held_bytes <= self.kept.most_bytes
            assert self.kept.held_bytes == SHARE_BYTES * len(self.kept._kept)
        return self.counted

    def _step(self, device: _Device, frame: list[int]) -> None:
        what = self.rng.random()
        if what < 0.4 and len(device.open) < 3:
            self._change(frame)
            self._begin(device, list(frame))
        elif what < 0.9 and device.open:
            self._work(device, self.rng.choice(device.open))
        elif what < 0.93 and device.open:
            self._fail(device, self.rng.choice(device.open))
        elif what < 0.94:
            self._lose_stream(device)
        elif what < 0.95:
            device.plan = self.rng.choice("ab")
            device.known, device.pieces, device.outputs = DeviceKept(), {}, {}
        elif what < 0.96:  # started anew
            self.kept = EdgeKept(self.kept.most_bytes)
            for each in self.devices:
                self._lose_stream(each)

    def _change(self, frame: list[int]) -> None:
        for _ in range(self.rng.choice((0, 0, 1, 1, 2, PATHS))):
            frame[self.rng.randrange(PATHS)] = self.rng.randrange(VALUES)

    def _begin(self, device: _Device, frame: list[int]) -> None:
        self.counted.frames += 1
        known = device.known
        same = [path for path, piece in device.pieces.items() if piece == frame[path]]
        if len(same) == PATHS and known.newest_is_answered:
            assert device.outputs[known.newest] == frame
            self.counted.nothing_new += 1
            return
        self._ask(device, frame, same)

    def _ask(self, device: _Device, frame: list[int], same: list[int]) -> None:
        self._numbers += 1
        number, known = self._numbers, device.known
        begun = known.begin(device.stream, number, range(PATHS), same)
        assert len(begun.reused) < PATHS
        assert not set(begun.reused) & set(begun.new)
        device.pieces.update({path: frame[path] for path in begun.new})
        places = {Place(device.stream, device.plan, p): by for p, by in begun.reused.items()}
        shares = self.kept.find(places)
        if shares is None:
            self.counted.forgotten += 1
            known.failed(number)
            known.forget()
            assert same  # or nothing could be lost
            self._ask(device, frame, [])
            return
        for path, share in shares.items():
            assert share == frame[path], "a share of another frame"
        self.counted.reused += len(shares)
        device.open.append(
            _UnderWay(
                number=number,
                stream=device.stream,
                frame=frame,
                plan=device.plan,
                known=known,
                to_compute=[path for path in range(PATHS) if path not in shares],
                keeps=set(begun.new),
                shares=dict(shares),
                session=EdgeSession(PATHS, reused=frozenset(shares)),
            )
        )

    def _work(self, device: _Device, asked: _UnderWay) -> None:
        """The edge server computes one of the paths, in whatever order."""
        path = asked.to_compute.pop(self.rng.randrange(len(asked.to_compute)))
        assert asked.session.arrived(path) == [Compute(path)]
        asked.shares[path] = asked.frame[path]
        if path in asked.keeps:
            place = Place(asked.stream, asked.plan, path)
            self.kept.keep(place, asked.number, asked.frame[path], SHARE_BYTES)
        commands = asked.session.computed(path)
        assert bool(commands) == (not asked.to_compute)
        if commands:
            device.open.remove(asked)
            made = [asked.shares[path] for path in range(PATHS)]
            assert made == asked.frame
            asked.known.answered(asked.number)
            if asked.known is device.known and device.known.newest == asked.number:
                device.outputs = {asked.number: made}

    def _fail(self, device: _Device, asked: _UnderWay) -> None:
        self.counted.failed += 1
        device.open.remove(asked)
        asked.known.failed(asked.number)

    def _lose_stream(self, device: _Device) -> None:
        self.kept.end(device.stream)
        assert not [place for place in self.kept._kept if place.stream == device.stream]
        for asked in list(device.open):
            self._fail(device, asked)
        device.stream = object()

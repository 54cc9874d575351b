"""Frames of which only what is new is sent, through everything that can be lost on the way.

Devices and an edge server decide as they do (`DeviceKept`, `EdgeKept`, `EdgeSession`); what they
hold are numbers, one for every piece of a picture. A share is the number that it was computed from,
so a share of anything else than the frame's own piece shows. What is lost or sent without need
shows, too: what must be known and kept is told beside (`kept`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusepath.faults.clock import require
from fusepath.protocol.conversation import (
    Compute,
    ComputeTail,
    EdgeSession,
    SendPart,
    SendResult,
)
from fusepath.protocol.keeping import Place
from tests.simulation.kept import CheckedDeviceKept, CheckedEdgeKept
from tests.simulation.refusals import refusal, refuses

if TYPE_CHECKING:
    from collections.abc import Collection

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
    not_kept: int = 0
    """Requests of which nothing was, since nothing had been the same for long."""


@dataclass(slots=True)
class _UnderWay:
    number: int
    stream: object
    frame: list[int]
    plan: str
    known: CheckedDeviceKept
    keeps: set[int]
    shares: dict[int, int]
    session: EdgeSession
    coming: list[int]
    """Paths that have not arrived."""
    to_compute: list[int] = field(default_factory=list)
    """Paths that have, and were started."""


@dataclass(slots=True)
class _Device:
    """Remembers the last frame, as a device does."""

    known: CheckedDeviceKept = field(default_factory=CheckedDeviceKept)
    before: list[int] = field(default_factory=list)
    outputs: dict[int, list[int]] = field(default_factory=dict)
    """By request."""
    plan: str = "a"
    stream: object = field(default_factory=object)
    open: list[_UnderWay] = field(default_factory=list)
    moving: int = 0
    """Frames to come in which everything is new."""


class Play:
    """Some devices and an edge server.

    Args:
        seed: of all that happens.
        devices: how many.
        room: shares that the edge server has room for.
    """

    def __init__(self, seed: int, *, devices: int = 2, room: int = 6) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - a simulation
        self.devices = [_Device() for _ in range(devices)]
        self.kept = CheckedEdgeKept(room, SHARE_BYTES)
        self.counted = Counted()
        self._numbers = 0
        self._frames = [[0] * PATHS for _ in range(devices)]

    def run(self, steps: int) -> Counted:
        """Play so many steps.

        Raises:
            Violation: a share of another frame was taken for one's own, or something was forgotten
                that should not be.
        """
        for _ in range(steps):
            at = self.rng.randrange(len(self.devices))
            self._step(self.devices[at], self._frames[at])
        return self.counted

    def _step(self, device: _Device, frame: list[int]) -> None:
        what = self.rng.random()
        if what < 0.25 and len(device.open) < 3:
            self._change(device, frame)
            self._begin(device, list(frame))
        elif what < 0.96 and device.open:
            self._work(device, self.rng.choice(device.open))
        elif what < 0.975 and device.open:
            self._fail(device, self.rng.choice(device.open))
        elif what < 0.98:
            self._lose_stream(device)
        elif what < 0.986:
            device.plan = self.rng.choice("ab")
            device.known, device.before, device.outputs = CheckedDeviceKept(), [], {}
        elif what < 0.992:  # started anew
            self.kept = CheckedEdgeKept(self.kept.room, SHARE_BYTES)
            for each in self.devices:
                self._lose_stream(each)

    def _change(self, device: _Device, frame: list[int]) -> None:
        if device.moving == 0 and self.rng.random() < 0.03:
            device.moving = self.rng.randrange(8)
        if device.moving:
            device.moving -= 1
            frame[:] = [(piece + 1) % VALUES for piece in frame]
            return
        for _ in range(self.rng.choice((0, 0, 1, 1, 2, PATHS))):
            frame[self.rng.randrange(PATHS)] = self.rng.randrange(VALUES)

    def _begin(self, device: _Device, frame: list[int]) -> None:
        self.counted.frames += 1
        known = device.known
        same = [path for path, piece in enumerate(device.before) if piece == frame[path]]
        if len(same) == PATHS and known.newest_is_answered:
            assert known.newest is not None
            require(device.outputs[known.newest] == frame, "outputs of another frame")
            self.counted.nothing_new += 1
            if self.rng.random() < 0.8:  # or other outputs are wanted
                return
        self._ask(device, frame, same)

    def _ask(self, device: _Device, frame: list[int], same: list[int]) -> None:
        self._numbers += 1
        number, known = self._numbers, device.known
        begun = known.begin(device.stream, number, range(PATHS), same)
        device.before = frame
        self.counted.not_kept += not (begun.new or begun.reused or same)
        places = {Place(device.stream, device.plan, p): by for p, by in begun.reused.items()}
        shares = self.kept.find(places)
        if shares is None:
            self.counted.forgotten += 1
            known.failed(number)
            known.forget()
            self._ask(device, frame, [])
            return
        for path, share in shares.items():
            require(share == frame[path], "a share of another frame")
        self.counted.reused += len(shares)
        device.open.append(
            _UnderWay(
                number=number,
                stream=device.stream,
                frame=frame,
                plan=device.plan,
                known=known,
                keeps=set(begun.new),
                shares=dict(shares),
                session=self._session(shares),
                coming=[path for path in range(PATHS) if path not in shares],
            )
        )

    def _session(self, reused: Collection[int]) -> EdgeSession:
        for wrong in ([-1], [PATHS], [*reused, 2, 2]):
            why = refusal(lambda wrong=wrong: EdgeSession(PATHS, reused=wrong))
            require(f"path {wrong[-1] + 1} " in why, "{} may be reused: {}", wrong, why)
        refusal(lambda: EdgeSession(PATHS, {1: 0}, reused=[3]))  # which strips may not be
        returning = self.rng.choice((None, range(PATHS), range(0, PATHS, 2)))
        overlaps = self.rng.random() < 0.5
        return EdgeSession(PATHS, returning=returning, overlaps=overlaps, reused=frozenset(reused))

    # ------------------------------------------------------------------ the edge server

    def _work(self, device: _Device, asked: _UnderWay) -> None:
        """A path arrives, or one of them is computed, in whatever order."""
        if self.rng.random() < 0.5:
            self._lie(asked)
        if asked.coming and (not asked.to_compute or self.rng.random() < 0.5):
            self._arrive(asked, asked.coming.pop(self.rng.randrange(len(asked.coming))))
            return
        path = asked.to_compute.pop(self.rng.randrange(len(asked.to_compute)))
        reused = asked.session.reused
        asked.shares[path] = asked.frame[path]
        if path in asked.keeps:
            place = Place(asked.stream, asked.plan, path)
            self.kept.keep(place, asked.number, asked.frame[path])
        commands = asked.session.computed(path)
        ends = not asked.coming and not asked.to_compute
        require(commands == self._expected(asked, path, ends=ends), "{} of {}", commands, path)
        if commands == [ComputeTail()]:
            commands = asked.session.tail_computed()
        require(not ends or commands[-1] == SendResult(), "the result does not return")
        if ends:
            device.open.remove(asked)
            made = [asked.shares[path] for path in range(PATHS)]
            require(made == asked.frame, "{} comes of {}, {} reused", made, asked.frame, reused)
            asked.known.answered(asked.number)
            if asked.known is device.known and device.known.newest == asked.number:
                device.outputs = {asked.number: made}

    def _arrive(self, asked: _UnderWay, path: int) -> None:
        started = [path]
        if not asked.session.overlaps:
            started = [] if asked.coming else [at for at in range(PATHS) if at not in asked.shares]
        commands = asked.session.arrived(path)
        require(
            commands == [Compute(at) for at in started], "{}, not {} started", commands, started
        )
        asked.to_compute += started

    @staticmethod
    def _expected(asked: _UnderWay, path: int, *, ends: bool) -> list[object]:
        """What is done once a path is computed."""
        session = asked.session
        if session.returning is None:
            return [ComputeTail()] if ends else []
        made = [path] if session.overlaps else range(PATHS) if ends else []
        wanted = set(session.returning) - set(session.reused)
        return [*(SendPart(at) for at in made if at in wanted), *([SendResult()] if ends else [])]

    def _lie(self, asked: _UnderWay) -> None:
        """A path comes that cannot, or is computed without having come."""
        session, path = asked.session, self.rng.randint(-1, PATHS)
        if path not in asked.coming:
            refuses(session, lambda: session.arrived(path), f"path {path + 1}")
        if path not in asked.to_compute:
            refuses(session, lambda: session.computed(path), f"path {path + 1}")

    # ------------------------------------------------------------------ what goes wrong

    def _fail(self, device: _Device, asked: _UnderWay) -> None:
        self.counted.failed += 1
        device.open.remove(asked)
        asked.known.failed(asked.number)

    def _lose_stream(self, device: _Device) -> None:
        self.kept.end(device.stream)
        for asked in list(device.open):
            self._fail(device, asked)
        device.stream = object()

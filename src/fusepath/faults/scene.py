"""What is played: a plan, two machines and a link, all drawn from one seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusepath.protocol.finishing import Remainder
from fusepath.protocol.in_flight import WhenFull

if TYPE_CHECKING:
    from random import Random

LEAST_PATIENCE_S, PATIENCE = 0.25, 3


@dataclass(slots=True)
class Scene:
    """A plan and how long everything takes, in seconds and bytes; paths are 0-based."""

    order: tuple[int, ...]
    predecessors: dict[int, int]
    rows: frozenset[int] | None
    """Paths that make rows of the outputs; None where there is one result for all."""
    kept: frozenset[int]
    """Paths that the device takes to the very end."""
    overlaps: bool
    device_s: list[float]
    edge_s: list[float]
    tail_s: float
    alone_s: float
    bytes_per_s: float
    delay_s: float
    message_bytes: int
    workers: int
    reserve: bool
    """Whether the device may answer alone."""
    pause_s: float
    """Between two frames."""
    prepare_s: float
    keepalive_s: float
    """After so long without a sign a connection is given up."""
    finish_s: list[float] | None
    """From the cuts to the fused layer here; None where the device computes all anew."""
    hedges: bool
    in_flight: int
    """Frames that may be under way at a time, and below how many may wait besides."""
    waiting: int
    when_full: WhenFull
    take_s: float
    """From a result to the application's taking it."""
    predicted_s: float = field(init=False)

    def __post_init__(self) -> None:
        sending = len(self.order) * (self.message_bytes / self.bytes_per_s + self.delay_s)
        self.predicted_s = sum(self.device_s) + sum(self.edge_s) + self.tail_s + 2 * sending

    def patience_s(self, under_way: int) -> float:
        """How long nothing may happen, for the last one of so many frames."""
        return max(PATIENCE * under_way * self.predicted_s, LEAST_PATIENCE_S)

    def hedge_s(self, under_way: int) -> float | None:
        """How late its answer may be."""
        if not self.hedges:
            return None
        remainder = self.remainder
        own_s = self.alone_s if remainder is None else min(self.alone_s, remainder.all_s)
        return under_way * self.predicted_s + max(own_s, LEAST_PATIENCE_S)

    @property
    def options(self) -> dict[str, Any]:
        """What both machines are told but for what is usual."""
        return {} if self.overlaps else {"overlaps": False}

    @property
    def remainder(self) -> Remainder | None:
        """What the machine is told of finishing."""
        if self.finish_s is None:
            return None
        return Remainder(
            to_cut_s=self.device_s,
            from_cut_s=self.finish_s,
            tail_s=self.tail_s,
            whole_s=self.alone_s,
            predecessors=self.predecessors,
        )

    def chain(self, path: int) -> list[int]:
        """A path and those that it goes on from, behind the cut."""
        before = self.predecessors.get(path)
        return [path] if before is None else [path, *self.chain(before)]

    @property
    def returning(self) -> frozenset[int] | None:
        """Paths of which the server returns a part each; None for one whole result."""
        return None if self.rows is None else self.rows - self.kept

    def piece(self, frame: int, path: int) -> tuple[object, ...]:
        """What a path is worth: on the edge server a strip reads the strip before it."""
        before = self.predecessors.get(path)
        return (frame, path) if before is None else (frame, path, self.piece(frame, before))

    def result(self, frame: int) -> dict[int, object]:
        """What must come out of a frame, by path."""
        paths = self.order if self.rows is None else self.rows
        return {path: self.piece(frame, path) for path in paths}


def draw(random: Random) -> Scene:
    """Any scene."""
    chance = random.random
    paths = random.randint(1, 5)
    order = list(range(paths))
    if chance() < 0.5:
        random.shuffle(order)
    predecessors = {}
    if chance() < 0.5:  # strips; some begin anew
        predecessors = {path: path - 1 for path in range(1, paths) if chance() < 0.8}
    rows = kept = None
    if chance() < 0.5:
        rows = frozenset(path for path in range(paths) if chance() < 0.7)
        kept = frozenset(path for path in rows if chance() < 0.2)
    scale = 0.002 * 10 ** (1.5 * chance())
    finishes = chance() < 0.7
    in_flight = random.choice((1, 1, 2, 3))
    when_full = WhenFull.WAIT if in_flight == 1 else random.choice(list(WhenFull))
    return Scene(
        order=tuple(order),
        predecessors=predecessors,
        rows=rows,
        kept=kept or frozenset(),
        overlaps=chance() < 0.8,
        device_s=[0.0 if chance() < 0.2 else scale * chance() for _ in order],
        edge_s=[scale * chance() for _ in order],
        tail_s=scale * chance(),
        alone_s=3 * scale,
        bytes_per_s=1e6,
        delay_s=random.choice((0.0001, 0.002, 0.02)),
        message_bytes=round(scale * chance() * 1e6),
        workers=random.randint(1, 3),
        reserve=chance() < 0.85,
        pause_s=random.choice((0.0, 0.0, 0.01, 0.3)),
        prepare_s=random.choice((0.01, 0.1, 1.5)),
        keepalive_s=random.choice((2.0, 60.0)),
        finish_s=[3 * scale / paths * chance() for _ in order] if finishes else None,
        hedges=chance() < 0.5,
        in_flight=in_flight,
        waiting=random.randint(when_full is WhenFull.LATEST, 2),
        when_full=when_full,
        take_s=random.choice((0.0, 0.0, 0.005, 0.1)),
    )

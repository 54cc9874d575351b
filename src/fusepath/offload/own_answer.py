"""This machine's own answer to a frame that the edge server fails, as a `DeviceFrame` says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from fusepath.protocol.device_frame import DeliverAlone, DoneAlone
from fusepath.protocol.finishing import Continue, Continued
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from fusepath.arrays import Array
    from fusepath.offload.device import Device, PathAtCut
    from fusepath.offload.finisher import Finisher
    from fusepath.pictures.frame import Frame
    from fusepath.protocol.device_frame import Command, Event, Fallback
    from fusepath.protocol.finishing import Remainder

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """This machine as it answers alone, and when it begins to."""

    device: Device
    """Ready to compute the whole network."""
    patience_s: float
    """So long after the last progress."""
    hedge_s: float
    """In any case so long after the last path is computed."""
    finisher: Finisher | None
    """Finishes what is missing; None where all is computed anew."""

    @property
    def remainder(self) -> Remainder | None:
        """What finishing takes."""
        return None if self.finisher is None else self.finisher.remainder


@dataclass(frozen=True, slots=True)
class Made:
    """What this machine has made alone."""

    outputs: dict[str, Array]
    macs: int
    fallback: Fallback


@dataclass(slots=True, kw_only=True)
class OwnAnswer:
    """Carries out what the frame says of an own answer.

    Args:
        reserve: how this machine answers.
        inputs: the whole image and its companions, by name in the graph.
        begun_s: when the frame began, by `time.perf_counter`; earlier frames go first.
        tell: lets the frame know what has happened; what is left to do of what it says to.
        record: takes note of a span of this machine (start, end, 1-based path or None).
    """

    reserve: Reserve
    inputs: Mapping[str, Array]
    begun_s: float
    tell: Callable[[Event], Sequence[Command]]
    record: Callable[[Lane, float, float, int | None], None]
    held: dict[int, PathAtCut] = field(default_factory=dict)
    """Paths (0-based) that have come to their cuts."""

    def hold(self, path: int, at_cut: PathAtCut) -> None:
        """Keep a path (0-based) that may have to be finished here."""
        if self.reserve.finisher is not None:
            self.held[path] = at_cut

    async def anew(self, image: Frame, companions: Mapping[str, Array]) -> Made:
        """Compute everything here.

        Args:
            image: the input of the network, or the picture that becomes it.
            companions: its other inputs.
        """
        device = self.reserve.device
        done = await self._on_thread(device.compute, 0, image, companions)
        commands = self._done(done.start_s, done.end_s)
        return Made(device.outputs(done), device.share.macs, _fallback(commands))

    async def from_pieces(
        self, command: Command, parts: Callable[[], Sequence[tuple[int, dict[str, Array]]]]
    ) -> Made:
        """Finish what is missing, path by path.

        Args:
            command: the first step.
            parts: what was kept and what has returned so far, by path (0-based).
        """
        finisher = self.reserve.finisher
        assert finisher is not None  # or the frame knows of nothing to finish from
        fused, macs = finisher.new_fused(), finisher.tail_macs
        with self.reserve.device.thread.kept_for(self.begun_s):
            while isinstance(command, Continue):
                path = command.path
                span_s = await self._on_thread(finisher.take_on, path, self.held[path], fused)
                macs += finisher.macs(path)
                self.record(Lane.DEVICE, *span_s, path + 1)
                (command,) = _wanted(self.tell(Continued(path)))
            done = await self._on_thread(finisher.assemble, fused, parts(), self.inputs)
        commands = self._done(done.start_s, done.end_s)
        return Made(done.outputs, macs, _fallback(commands))

    def _on_thread(self, work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Do something on the thread that computes, before later frames."""
        job: Future[T] = self.reserve.device.thread.submit_for(self.begun_s, work, *arguments)
        return asyncio.wrap_future(job)

    def _done(self, start_s: float, end_s: float) -> Sequence[Command]:
        commands = _wanted(self.tell(DoneAlone()))
        self.record(Lane.DEVICE, start_s, end_s, None)
        return commands


def _wanted(commands: Sequence[Command]) -> Sequence[Command]:
    if not commands:
        raise asyncio.CancelledError  # the other answer was quicker
    return commands


def _fallback(commands: Sequence[Command]) -> Fallback:
    (fallback,) = (item.fallback for item in commands if isinstance(item, DeliverAlone))
    return fallback

"""What a device remembers of the frame before, and what of a frame is nothing new."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.offload.differences import same_bits, same_boxes
from fusepath.offload.inference import NOTHING_REUSED, Inference, Reused
from fusepath.pictures.frame import PictureFrame
from fusepath.protocol.keeping import DeviceKept
from fusepath.timeline import HEAD, Lane, Span, Timeline

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.offload.device import Device
    from fusepath.offload.inference import Asked
    from fusepath.pictures.frame import Frame
    from fusepath.remote.conversation import Request
    from fusepath.runtime.stage import Pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """What is to be done for a frame."""

    paths: Sequence[int]
    """0-based, in the plan's order."""
    reused: Mapping[int, Request | None]
    """The other paths, and the requests that they were sent with; None where they are kept here."""
    parts: Mapping[int, Pieces]
    """What the others have made of the fused layer, where the device has it."""
    keeps: Sequence[int]
    """Of the first, those that later frames may refer to."""


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a request."""

    outputs: Mapping[str, Array]
    parts: Mapping[int, Pieces]
    """Shares of the fused layer by path (0-based), where they return or are kept on the device."""
    sent_bytes: Mapping[int, int]
    """By path."""
    macs: int
    """On both machines."""
    all_new: bool
    """Whether nothing was reused."""


@dataclass(slots=True)
class Unchanged:
    """Of one plan: the frame before, and what came of it and of those before it.

    A path that has in every frame the piece that it had in the one before has the one that it was
    last computed from, so that one frame is all that is compared with. Where paths do not stand
    for themselves (strips go on from each other, a head reads all of the input), the frame as a
    whole takes the place of a path.

    Args:
        device: ready to carry the plan out.
        remembers: whether anything is to be reused; otherwise all is new, always.
    """

    device: Device
    remembers: bool
    _known: DeviceKept[Any] = field(default_factory=DeviceKept)
    _before: list[Array] = field(default_factory=list)
    """What the last frame was computed from, or is the same as; nothing before the first."""
    _by_paths: bool = field(init=False)
    _parts: dict[int, Pieces] = field(default_factory=dict)
    _sent_bytes: dict[int, int] = field(default_factory=dict)
    _whole_macs: int = 0
    """Of a frame all of which is new."""
    _outputs: dict[Hashable, dict[str, Array]] = field(default_factory=dict)
    """By the request that they came of: those of the newest that was answered."""

    def __post_init__(self) -> None:
        self._by_paths = self.device.share.may_reuse

    def same(self, image: Frame, asked: Asked) -> list[int]:
        """Paths (0-based) whose pieces are those that they were last computed from."""
        before, now = self._before, self._all_of(image, asked)
        if len(before) != len(now):
            return []
        if self._by_paths:
            return same_boxes(before[0], now[0], self.device.share.input_boxes)
        return [0] if all(map(same_bits, before, now)) else []

    def answer(self, same: Sequence[int], asked: Asked) -> dict[str, Array] | None:
        """The outputs of a frame in which nothing is new, if they are known."""
        if len(same) < self._count or not self._known.newest_is_answered:
            return None
        outputs = self._outputs.get(self._known.newest, {})
        if not set(asked.outputs) <= outputs.keys():
            return None
        return {name: value.copy() for name, value in outputs.items() if name in asked.outputs}

    def nothing_new(self, outputs: dict[str, Array], begun_s: float) -> Inference:
        """A frame in which nothing is new.

        Args:
            outputs: `answer` to it.
            begun_s: when it began, by `time.perf_counter`.
        """
        taken_s = time.perf_counter() - begun_s
        looked = Span(lane=Lane.DEVICE, start_s=0.0, end_s=taken_s, path=HEAD)
        paths = range(len(self.device.plan.cuts))
        return Inference(
            plan=self.device.plan,
            outputs=outputs,
            timeline=Timeline(spans=(looked,), measured=True),
            up_bytes=0,
            down_bytes=0,
            device_macs=0,
            edge_macs=0,
            reused=Reused(len(paths), self._saved_bytes(paths), self._whole_macs, everything=True),
        )

    def saved(self, fresh: Fresh, macs: int) -> Reused:
        """What was saved of a frame for which so much was computed."""
        if not fresh.reused:
            return NOTHING_REUSED
        saved_macs = max(self._whole_macs - macs, 0)
        return Reused(len(fresh.reused), self._saved_bytes(fresh.reused), saved_macs)

    def begin(
        self, stream: Hashable, request: Any, same: Sequence[int], image: Frame, asked: Asked
    ) -> Fresh:
        """What is to be done of a frame.

        Args:
            stream: that its request is made on.
            request: the new one.
            same: what is the `same` in it.
            image: of it.
            asked: what else is fed.
        """
        order = [number - 1 for number in self.device.plan.order]
        if not self.remembers:
            return Fresh(paths=order, reused={}, parts={}, keeps=())
        here = self._is_here
        begun = self._known.begin(None if here else stream, request, range(self._count), same)
        if len(same) < self._count:  # or the last frame is this one
            self._before = [value.copy(order="K") for value in self._all_of(image, asked)]
        reused: dict[int, Request | None] = {
            path: None if here else by for path, by in begun.reused.items()
        }
        return Fresh(
            paths=[path for path in order if path not in reused],
            reused=reused,
            parts={path: self._parts[path] for path in reused if path in self._parts},
            keeps=() if here else [*begun.new],
        )

    @property
    def _is_here(self) -> bool:
        """Whether nothing of it depends on what the edge server keeps."""
        return not self._by_paths or self.device.share.returning is not None

    def answered(self, request: Hashable, made: Made) -> None:
        """It was answered as planned."""
        if not self.remembers:
            return
        self._known.answered(request)
        self._sent_bytes.update(made.sent_bytes)
        if made.all_new:
            self._whole_macs = made.macs
        if self._known.newest == request:
            copied = {name: value.copy() for name, value in made.outputs.items()}
            self._outputs = {request: copied}
        for path, part in made.parts.items():
            if self._known.is_last(path, request):
                self._parts[path] = part

    def failed(self, request: Hashable) -> None:
        """It was not."""
        self._known.failed(request)

    def forget(self) -> None:
        """The edge server has lost what it kept."""
        self._known.forget()

    def _saved_bytes(self, paths: Iterable[int]) -> int:
        """What is not sent of paths (0-based)."""
        return sum(self._sent_bytes.get(path, 0) for path in paths)

    @property
    def _count(self) -> int:
        return len(self.device.plan.cuts) if self._by_paths else 1

    def _all_of(self, image: Frame, asked: Asked) -> list[Array]:
        """What a frame is computed from; paths stand for themselves where that is one input."""
        if isinstance(image, PictureFrame):
            image = np.frombuffer(image.file.data, np.uint8)
        return [image, *asked.companions.values()]
